//! Projection: the part of a resource that a compiled profile lets pass, as an excerpt of what is stored.
//! Postern's semantics, sections 1.4 to 1.8 (README.md beside this file).
//!
//! What stays is decided bottom-up and does not depend on the order of members: an element that cannot be
//! kept takes with it what requires it, and an unlisted modifier withholds the resource only where the part
//! it stands in would otherwise have been released. Everything is put into the excerpt as it is met and cut off again
//! when it turns out that it cannot stand.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::plan::{Content, Form, Node, Opened, Plan};
use crate::fhir::excerpt::Excerpt;

/// What may not pass although the profile opens it.
#[derive(Clone, Copy, Default)]
pub struct Withheld<'h> {
    /// Asked for each opened element and list item by its path in the given resource: JSON names and indexes,
    /// `CarePlan.activity[2].detail`, `Observation.valueQuantity`.
    pub element: Option<&'h dyn Fn(&str) -> bool>,
    /// Asked for each Reference, canonical and url by what it leads to; `None`: a Reference that names no place.
    pub link: Option<&'h LeadsNowhere<'h>>,
}

/// Says of a target whether what points to it has to go.
pub type LeadsNowhere<'h> = dyn Fn(Option<&str>) -> bool + 'h;

/// The released part of a resource, without `meta` and `text`, and what it leads to.
#[derive(Clone, Debug)]
pub struct Projected<'a> {
    pub excerpt: Excerpt<'a>,
    /// Targets of its References, canonicals and urls; `None`: a Reference that names no place.
    pub links: Vec<Option<&'a str>>,
}

/// Why something is not in the output.
enum Gone {
    /// This element; its holder decides whether it can stand without it.
    Element,
    /// The whole resource: a modifier nobody listed stands in a released part.
    Resource,
}

/// What of an item was put into the excerpt: its value, then its `_` twin.
struct Kept {
    value: bool,
    /// Where the twin begins.
    twin: Option<usize>,
}

struct Walk<'a, 'h> {
    plan: &'a Plan,
    withheld: Withheld<'h>,
    /// Kept only when someone asks by path.
    path: String,
    out: Excerpt<'a>,
    links: Vec<Option<&'a str>>,
}

/// The released part of `resource`; `None` when it is withheld whole.
pub(super) fn project<'a>(
    plan: &'a Plan,
    resource: &'a Value,
    withheld: Withheld<'_>,
) -> Option<Projected<'a>> {
    let root = plan.nodes.first()?;
    let map = resource.as_object()?;
    let given = |key| member(map, key).filter(|v| !v.is_null());
    let stated = given("resourceType")?;
    let resource_type = stated.as_str()?;
    if resource_type != root.content.name()
        || given("implicitRules").is_some()
        || given("_implicitRules").is_some()
    {
        return None;
    }
    let mut walk = Walk {
        plan,
        withheld,
        path: String::new(),
        out: Excerpt::with_capacity(4 * map.len()),
        links: Vec::new(),
    };
    if withheld.element.is_some() {
        walk.path.push_str(resource_type);
        if walk.is_withheld() {
            return None;
        }
    }
    let at = walk.out.open_object("");
    walk.out.scalar("resourceType", stated);
    walk.object(root, map).ok()?;
    walk.out.close(at);
    let Walk { out, links, .. } = walk;
    let bare = out
        .root()?
        .parts()
        .all(|p| matches!(p.name(), "resourceType" | "id"));
    (!bare).then_some(Projected { excerpt: out, links })
}

impl<'a> Walk<'a, '_> {
    fn is_withheld(&self) -> bool {
        self.withheld.element.is_some_and(|withheld| withheld(&self.path))
    }

    /// Can a pointer not stand, because of where it leads? One that can is noted.
    fn leads_nowhere(&mut self, target: Option<&'a str>) -> bool {
        self.links.push(target);
        self.withheld.link.is_some_and(|withheld| withheld(target))
    }

    fn cut(&mut self, (nodes, links): (usize, usize)) {
        self.out.cut(nodes);
        self.links.truncate(links);
    }

    fn mark(&self) -> (usize, usize) {
        (self.out.len(), self.links.len())
    }

    /// The members of an object. What was put in by then is the caller's to cut off when it cannot stand.
    fn object(&mut self, node: &'a Node, map: &'a Map<String, Value>) -> Result<(), Gone> {
        let begun = self.out.len();
        let reference = node.content.name() == "Reference";
        if reference && points_inside(map) {
            return Err(Gone::Element);
        }
        let twins = map.keys().any(|key| key.starts_with('_'));
        // Whether the resource goes is said only when this object stays.
        let mut poisoned = false;
        let mut there = 0;
        let mut only_url = true;
        let mut target = None;
        for (key, value) in map {
            let (name, twin) = match key.strip_prefix('_') {
                Some(name) if map.contains_key(name) => continue,
                Some(name) => (name, true),
                None => (key.as_str(), false),
            };
            let Some((opened, form)) = node.find(name) else {
                poisoned |= key == "modifierExtension";
                continue;
            };
            let (plain, shadow) = match twin {
                true => (None, Some(value)),
                false if twins => (Some(value), map.get(&form.shadow)),
                false => (Some(value), None),
            };
            match self.member(opened, form, plain, shadow) {
                Ok(true) => {
                    there |= opened.bit;
                    only_url &= name == "url";
                    if name == "reference" {
                        target = plain.and_then(Value::as_str);
                    }
                }
                Ok(false) if opened.modifier || opened.min > 0 => return Err(Gone::Element),
                Ok(false) | Err(Gone::Element) => {}
                Err(Gone::Resource) => {
                    poisoned = true;
                    there |= opened.bit;
                }
            }
        }
        if there != node.complete {
            return Err(Gone::Element);
        }
        if poisoned {
            return Err(Gone::Resource);
        }
        // An extension of which only the url is left says nothing (ext-1).
        let nothing = self.out.len() == begun || only_url && node.content.name() == "Extension";
        if nothing || reference && self.leads_nowhere(target) {
            return Err(Gone::Element);
        }
        Ok(())
    }

    /// One member of an object; `false` when nothing of it stays.
    fn member(
        &mut self,
        opened: &'a Opened,
        form: &'a Form,
        plain: Option<&'a Value>,
        shadow: Option<&'a Value>,
    ) -> Result<bool, Gone> {
        let mark = self.mark();
        let length = self.path.len();
        if self.withheld.element.is_some() {
            self.path.push('.');
            self.path.push_str(&form.key);
        }
        let kept = if self.is_withheld() {
            Ok(false)
        } else if opened.is_list() {
            self.list(opened, form, plain, shadow)
        } else {
            let mut counts = vec![0; opened.slices.len()];
            let names = (form.key.as_str(), form.shadow.as_str());
            let kept = self.item(opened, form, names, (plain, shadow), &mut counts);
            kept.map(|kept| kept.is_some() && enough(opened, &counts))
        };
        self.path.truncate(length);
        if !matches!(kept, Ok(true)) {
            self.cut(mark);
        }
        kept
    }

    fn list(
        &mut self,
        opened: &'a Opened,
        form: &'a Form,
        plain: Option<&'a Value>,
        shadow: Option<&'a Value>,
    ) -> Result<bool, Gone> {
        let (values, shadows) = (items(plain), items(shadow));
        let given = values.len().max(shadows.len());
        let at = self.out.open_list(&form.key);
        let (mut kept, mut some_value) = (0, false);
        let (mut twins, mut some_twin) = (Excerpt::default(), false);
        let mut counts = vec![0; opened.slices.len()];
        let mut poisoned = false;
        let length = self.path.len();
        for index in 0..given {
            if self.withheld.element.is_some() {
                // Writing to a String does not fail.
                let _ = write!(self.path, "[{index}]");
            }
            let mark = self.mark();
            let full = kept >= opened.max as usize;
            let item = if full || self.is_withheld() {
                Ok(None)
            } else {
                let pair = (values.get(index), shadows.get(index));
                self.item(opened, form, ("", ""), pair, &mut counts)
            };
            self.path.truncate(length);
            match item {
                Ok(Some(Kept { value, twin })) => {
                    let twin = twin.map(|at| self.out.take_from(at));
                    if !value {
                        self.out.null("");
                    }
                    kept += 1;
                    some_value |= value;
                    some_twin |= twin.is_some();
                    match twin {
                        Some(twin) => twins.append(twin),
                        None if shadows.is_empty() => {}
                        None => twins.null(""),
                    }
                }
                Ok(None) | Err(Gone::Element) => self.cut(mark),
                Err(Gone::Resource) => {
                    self.cut(mark);
                    poisoned = true;
                }
            }
        }
        if opened.modifier && kept < given {
            return if opened.is_extension() {
                Err(Gone::Resource)
            } else {
                Ok(false)
            };
        }
        if poisoned {
            return Err(Gone::Resource);
        }
        if kept == 0 || kept < opened.min as usize || !enough(opened, &counts) {
            return Ok(false);
        }
        if some_value {
            self.out.close(at);
        } else {
            self.out.cut(at);
        }
        if some_twin {
            let at = self.out.open_list(&form.shadow);
            self.out.append(twins);
            self.out.close(at);
        }
        Ok(true)
    }

    /// One value with its twin, put in under `names`.
    fn item(
        &mut self,
        opened: &'a Opened,
        form: &'a Form,
        names: (&'a str, &'a str),
        (plain, shadow): (Option<&'a Value>, Option<&'a Value>),
        counts: &mut [u32],
    ) -> Result<Option<Kept>, Gone> {
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
        let plan = self.plan;
        let node = &plan.nodes[slice.map_or(form.node, |s| opened.slices[s].node)];
        let at = self.out.len();
        let (value, twin) = match node.content {
            Content::Primitive(kind) => {
                let value = self.primitive(kind, names.0, plain)?;
                let at = self.out.len();
                // The extensions of a primitive that the profile names.
                let twin = !node.opened.is_empty() && self.complex(node, names.1, shadow)?;
                (value, twin.then_some(at))
            }
            Content::Complex(_) => (self.complex(node, names.0, plain)?, None),
        };
        let demanding = opened.demand.is_some() || slice.is_some();
        if !value && (twin.is_none() || demanding) {
            return Ok(None);
        }
        if let Some(part) = self.out.part(at).filter(|_| value && demanding) {
            let fits = opened.demand.as_ref().is_none_or(|d| d.met_by(part))
                && slice.is_none_or(|s| opened.slices[s].wants.iter().all(|w| w.met_by(part)));
            if !fits {
                return Ok(None);
            }
        }
        if let Some(slice) = slice {
            counts[slice] += 1;
        }
        Ok(Some(Kept { value, twin }))
    }

    /// A canonical or url that leads nowhere goes with its twin.
    fn primitive(&mut self, kind: &str, name: &'a str, value: Option<&'a Value>) -> Result<bool, Gone> {
        let scalar = value.filter(|v| matches!(v, Value::String(_) | Value::Number(_) | Value::Bool(_)));
        let Some(scalar) = scalar else { return Ok(false) };
        if let (Some(target), "canonical" | "url") = (scalar.as_str(), kind)
            && self.leads_nowhere(Some(target))
        {
            return Err(Gone::Element);
        }
        self.out.scalar(name, scalar);
        Ok(true)
    }

    fn complex(&mut self, node: &'a Node, name: &'a str, value: Option<&'a Value>) -> Result<bool, Gone> {
        let Some(map) = value.and_then(Value::as_object) else {
            return Ok(false);
        };
        let mark = self.mark();
        let at = self.out.open_object(name);
        match self.object(node, map) {
            Ok(()) => {
                self.out.close(at);
                Ok(true)
            }
            Err(Gone::Element) => {
                self.cut(mark);
                Ok(false)
            }
            Err(Gone::Resource) => Err(Gone::Resource),
        }
    }
}

/// Few members: looking at each is quicker than hashing the name.
fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A reference to a contained resource: those never pass, so neither does what points to them.
fn points_inside(map: &Map<String, Value>) -> bool {
    member(map, "reference")
        .and_then(Value::as_str)
        .is_some_and(|r| r.starts_with('#'))
}

fn items(value: Option<&Value>) -> &[Value] {
    value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn enough(opened: &Opened, counts: &[u32]) -> bool {
    opened
        .slices
        .iter()
        .zip(counts)
        .all(|(slice, count)| *count >= slice.min)
}
