//! Projection the slow way, into a tree of its own and asked by path only: what `project.rs` is held against.
//! Postern's semantics, sections 1.4 to 1.8 (../README.md).
//!
//! What stays is decided bottom-up and does not depend on the order of members: an element that cannot be
//! kept takes with it what requires it, and an unlisted modifier withholds the resource only where the part
//! it stands in would otherwise have been released.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::super::Profile;
use super::super::plan::{Content, Form, Node, Opened, Plan};
use crate::fhir::excerpt::Excerpt;

/// Why something is not in the output.
enum Gone {
    /// This element; its holder decides whether it can stand without it.
    Element,
    /// The whole resource: a modifier nobody listed stands in a released part.
    Resource,
}

/// A value and its `_` twin.
type Pair = (Option<Value>, Option<Value>);

struct Walk<'a> {
    plan: &'a Plan,
    withheld: Option<&'a dyn Fn(&str) -> bool>,
    /// Kept only when someone asks by path.
    path: String,
}

/// The released part of `resource`, without `meta` and `text`; `None` when it is withheld whole.
pub(in super::super) fn project(
    plan: &Plan,
    resource: &Value,
    withheld: Option<&dyn Fn(&str) -> bool>,
) -> Option<Value> {
    let root = plan.nodes.first()?;
    let map = resource.as_object()?;
    let resource_type = map.get("resourceType").and_then(Value::as_str)?;
    let given = |key| map.get(key).is_some_and(|v: &Value| !v.is_null());
    if resource_type != root.content.name() || given("implicitRules") || given("_implicitRules") {
        return None;
    }
    let mut walk = Walk {
        plan,
        withheld,
        path: String::new(),
    };
    if withheld.is_some() {
        walk.path.push_str(resource_type);
        if walk.is_withheld() {
            return None;
        }
    }
    let mut out = Map::with_capacity(map.len());
    out.insert("resourceType".to_owned(), Value::String(resource_type.to_owned()));
    walk.object(root, map, &mut out).ok()?;
    let bare = out.keys().all(|k| k == "resourceType" || k == "id");
    (!bare).then_some(Value::Object(out))
}

/// With *unknown* for what US Core requires and `released` does not have.
pub(crate) fn completed(profile: &Profile, mut released: Value) -> Value {
    let mut excerpt = Excerpt::default();
    excerpt.value("", &released);
    let root = excerpt.root().expect("a resource");
    let unknown: Vec<(String, Value)> = profile
        .unknown(root)
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    released.as_object_mut().expect("a resource").extend(unknown);
    released
}

impl Walk<'_> {
    fn is_withheld(&self) -> bool {
        self.withheld.is_some_and(|withheld| withheld(&self.path))
    }

    fn object(
        &mut self,
        node: &Node,
        map: &Map<String, Value>,
        out: &mut Map<String, Value>,
    ) -> Result<(), Gone> {
        if points_inside(node, map) {
            return Err(Gone::Element);
        }
        let held = out.len();
        // Whether the resource goes is said only when this object stays.
        let mut poisoned = map.contains_key("modifierExtension") && node.find("modifierExtension").is_none();
        let mut poisoned_keys: Vec<&str> = Vec::new();
        for (key, value) in map {
            let (name, twin) = match key.strip_prefix('_') {
                Some(name) if map.contains_key(name) => continue,
                Some(name) => (name, true),
                None => (key.as_str(), false),
            };
            let Some((opened, form)) = node.find(name) else {
                continue;
            };
            let (plain, shadow) = if twin {
                (None, Some(value))
            } else {
                (Some(value), map.get(&form.shadow))
            };
            match self.member(opened, form, plain, shadow) {
                Ok(Some((value, shadow))) => {
                    if let Some(value) = value {
                        out.insert(form.key.clone(), value);
                    }
                    if let Some(shadow) = shadow {
                        out.insert(form.shadow.clone(), shadow);
                    }
                }
                Ok(None) if opened.modifier || opened.min > 0 => return Err(Gone::Element),
                Ok(None) | Err(Gone::Element) => {}
                Err(Gone::Resource) => {
                    poisoned = true;
                    poisoned_keys.push(name);
                }
            }
        }
        let there = |form: &Form| {
            out.contains_key(&form.key)
                || out.contains_key(&form.shadow)
                || poisoned_keys.contains(&form.key.as_str())
        };
        let complete = node
            .required
            .iter()
            .all(|o| node.opened[*o].forms.iter().any(there));
        match (complete, poisoned) {
            (false, _) => Err(Gone::Element),
            (true, true) => Err(Gone::Resource),
            (true, false) if out.len() == held || says_nothing(node, out) => Err(Gone::Element),
            (true, false) => Ok(()),
        }
    }

    /// One member of an object; `Ok(None)` when nothing of it stays.
    fn member(
        &mut self,
        opened: &Opened,
        form: &Form,
        plain: Option<&Value>,
        shadow: Option<&Value>,
    ) -> Result<Option<Pair>, Gone> {
        let mark = self.path.len();
        if self.withheld.is_some() {
            self.path.push('.');
            self.path.push_str(&form.key);
        }
        let kept = if self.is_withheld() {
            Ok(None)
        } else if opened.is_list() {
            self.list(opened, form, plain, shadow)
        } else {
            let mut counts = vec![0; opened.slices.len()];
            let kept = self.item(opened, form, plain, shadow, &mut counts);
            kept.map(|kept| kept.filter(|_| enough(opened, &counts)))
        };
        self.path.truncate(mark);
        kept
    }

    fn list(
        &mut self,
        opened: &Opened,
        form: &Form,
        plain: Option<&Value>,
        shadow: Option<&Value>,
    ) -> Result<Option<Pair>, Gone> {
        let values = plain
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let shadows = shadow
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let given = values.len().max(shadows.len());
        let (mut kept, mut twins) = (Vec::with_capacity(given), Vec::new());
        let mut counts = vec![0; opened.slices.len()];
        let mut poisoned = false;
        let mark = self.path.len();
        for at in 0..given {
            if self.withheld.is_some() {
                // Writing to a String does not fail.
                let _ = write!(self.path, "[{at}]");
            }
            let full = kept.len() >= opened.max as usize;
            let item = if full || self.is_withheld() {
                Ok(None)
            } else {
                self.item(opened, form, values.get(at), shadows.get(at), &mut counts)
            };
            self.path.truncate(mark);
            match item {
                Ok(Some((value, twin))) => {
                    kept.push(value.unwrap_or(Value::Null));
                    twins.push(twin.unwrap_or(Value::Null));
                }
                Ok(None) | Err(Gone::Element) => {}
                Err(Gone::Resource) => poisoned = true,
            }
        }
        if opened.modifier && kept.len() < given {
            return if opened.is_extension() {
                Err(Gone::Resource)
            } else {
                Ok(None)
            };
        }
        if poisoned {
            return Err(Gone::Resource);
        }
        if kept.is_empty() || kept.len() < opened.min as usize || !enough(opened, &counts) {
            return Ok(None);
        }
        Ok(Some((array(kept), array(twins))))
    }

    fn item(
        &mut self,
        opened: &Opened,
        form: &Form,
        plain: Option<&Value>,
        shadow: Option<&Value>,
        counts: &mut [u32],
    ) -> Result<Option<Pair>, Gone> {
        let mut slice = None;
        if !opened.slices.is_empty() {
            let Some(value) = plain else { return Ok(None) };
            let found = opened
                .slices
                .iter()
                .position(|s| s.wants.iter().all(|w| w.met_by(value)));
            let Some(found) = found else { return Ok(None) };
            if counts[found] >= opened.slices[found].max {
                return Ok(None);
            }
            slice = Some(found);
        }
        let node = &self.plan.nodes[slice.map_or(form.node, |s| opened.slices[s].node)];
        let pair = match node.content {
            Content::Primitive(_) => (plain.filter(|v| is_scalar(v)).cloned(), self.twin(node, shadow)?),
            Content::Complex(_) => (self.complex(node, plain)?, None),
        };
        let fits = |value: &Value| {
            opened.demand.as_ref().is_none_or(|d| d.met_by(value))
                && slice.is_none_or(|s| opened.slices[s].wants.iter().all(|w| w.met_by(value)))
        };
        let demanding = opened.demand.is_some() || slice.is_some();
        match &pair {
            (None, None) => return Ok(None),
            (None, Some(_)) if demanding => return Ok(None),
            (Some(value), _) if !fits(value) => return Ok(None),
            _ => {}
        }
        if let Some(slice) = slice {
            counts[slice] += 1;
        }
        Ok(Some(pair))
    }

    fn complex(&mut self, node: &Node, value: Option<&Value>) -> Result<Option<Value>, Gone> {
        let Some(map) = value.and_then(Value::as_object) else {
            return Ok(None);
        };
        let mut out = Map::with_capacity(map.len());
        match self.object(node, map, &mut out) {
            Ok(()) => Ok(Some(Value::Object(out))),
            Err(Gone::Element) => Ok(None),
            Err(Gone::Resource) => Err(Gone::Resource),
        }
    }

    /// The extensions of a primitive that the profile names.
    fn twin(&mut self, node: &Node, shadow: Option<&Value>) -> Result<Option<Value>, Gone> {
        if node.opened.is_empty() {
            Ok(None)
        } else {
            self.complex(node, shadow)
        }
    }
}

/// A reference to a contained resource: those never pass, so neither does what points to them.
fn points_inside(node: &Node, map: &Map<String, Value>) -> bool {
    node.content.name() == "Reference"
        && map
            .get("reference")
            .and_then(Value::as_str)
            .is_some_and(|r| r.starts_with('#'))
}

/// An extension of which only the url is left (ext-1).
fn says_nothing(node: &Node, out: &Map<String, Value>) -> bool {
    node.content.name() == "Extension" && out.keys().all(|k| k == "url")
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn enough(opened: &Opened, counts: &[u32]) -> bool {
    opened
        .slices
        .iter()
        .zip(counts)
        .all(|(slice, count)| *count >= slice.min)
}

/// `None` when every place is empty.
fn array(items: Vec<Value>) -> Option<Value> {
    items.iter().any(|v| !v.is_null()).then_some(Value::Array(items))
}
