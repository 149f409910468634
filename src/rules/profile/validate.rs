//! Validation of a released resource against the closed profile exactly as it is served: nothing outside,
//! cardinality, types, slices, fixed and pattern values.
//! <https://hl7.org/fhir/R4/validation.html>
//!
//! It reads the served StructureDefinition, not the projection plan: a plan that released more than it says
//! it closes would be found here.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pattern::{Demand, Want};
use crate::fhir::element::{Child, Type, table};
use crate::fhir::{Issue, IssueCode};

/// One element of the closed differential with everything below it.
#[derive(Debug, Default)]
pub(super) struct Closed {
    min: usize,
    max: Option<usize>,
    types: Vec<String>,
    demand: Option<Demand>,
    shares: Option<String>,
    /// Paths that tell the slices apart; empty where they are told by type.
    told_by: Vec<Vec<String>>,
    /// For a slice: what an item must have to belong to it.
    wants: Vec<Want>,
    slices: Vec<(String, Closed)>,
    children: HashMap<String, Closed>,
}

impl Closed {
    pub(super) fn read(sd: &Value) -> Closed {
        let mut root = Closed::default();
        for element in sd
            .pointer("/differential/element")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let id = element.get("id").and_then(Value::as_str).unwrap_or_default();
            let mut here = &mut root;
            for step in id.split('.').skip(1) {
                let (name, slice) = step.split_once(':').map_or((step, None), |(n, s)| (n, Some(s)));
                here = here.children.entry(name.to_owned()).or_default();
                if let Some(slice) = slice {
                    here = here.slice(slice);
                }
            }
            here.define(element);
        }
        root.tell_slices();
        root
    }

    fn tell_slices(&mut self) {
        for (_, slice) in &mut self.slices {
            let wants = self.told_by.iter().filter_map(|path| {
                let rule = path
                    .iter()
                    .try_fold(&*slice, |here, step| here.children.get(step))?;
                Some(Want {
                    path: path.clone(),
                    demand: rule.demand.clone()?,
                })
            });
            slice.wants = wants.collect();
            slice.tell_slices();
        }
        self.children.values_mut().for_each(Closed::tell_slices);
    }

    fn slice(&mut self, name: &str) -> &mut Closed {
        let at = self
            .slices
            .iter()
            .position(|(n, _)| n == name)
            .unwrap_or_else(|| {
                self.slices.push((name.to_owned(), Closed::default()));
                self.slices.len() - 1
            });
        &mut self.slices[at].1
    }

    fn define(&mut self, element: &Value) {
        let Some(map) = element.as_object() else { return };
        self.min = map.get("min").and_then(Value::as_u64).unwrap_or(0) as usize;
        self.max = map
            .get("max")
            .and_then(Value::as_str)
            .and_then(|m| m.parse().ok());
        let told = element
            .pointer("/slicing/discriminator")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let told = told
            .filter(|d| d["type"] != "type")
            .filter_map(|d| d["path"].as_str());
        let steps = |path: &str| {
            path.split('.')
                .filter(|s| *s != "$this")
                .map(str::to_owned)
                .collect()
        };
        self.told_by = told.map(steps).collect();
        let types = map.get("type").and_then(Value::as_array).into_iter().flatten();
        self.types = types
            .filter_map(|t| t.get("code")?.as_str().map(str::to_owned))
            .collect();
        let shares = map.get("contentReference").and_then(Value::as_str);
        self.shares = shares.map(|s| s.trim_start_matches('#').to_owned());
        self.demand = map.iter().find_map(|(key, value)| match key {
            k if k.starts_with("fixed") => Some(Demand::Fixed(value.clone())),
            k if k.starts_with("pattern") => Some(Demand::Pattern(value.clone())),
            _ => None,
        });
    }

    /// The definition at a path of plain names.
    fn at(&self, path: &str) -> Option<&Closed> {
        path.split('.')
            .skip(1)
            .try_fold(self, |here, step| here.children.get(step))
    }

    fn fits(&self, item: &Value) -> bool {
        self.demand.as_ref().is_none_or(|d| d.met_by(item)) && self.wants.iter().all(|w| w.met_by(item))
    }

    pub(super) fn check(&self, released: &Value, resource_type: &str) -> Vec<Issue> {
        let mut check = Check {
            root: self,
            issues: Vec::new(),
        };
        match (released.as_object(), table().resource(resource_type)) {
            (Some(map), Some(t))
                if map.get("resourceType").and_then(Value::as_str) == Some(resource_type) =>
            {
                check.object(self, Some(t), map, resource_type);
            }
            _ => check.add(
                IssueCode::Structure,
                resource_type,
                "is not a resource of the profile's type",
            ),
        }
        check.issues
    }
}

struct Check<'c> {
    root: &'c Closed,
    issues: Vec<Issue>,
}

impl<'c> Check<'c> {
    fn add(&mut self, code: IssueCode, path: &str, details: &str) {
        self.issues.push(Issue::error(code, path, details));
    }

    fn object(&mut self, rule: &'c Closed, t: Option<&'static Type>, map: &Map<String, Value>, path: &str) {
        for key in map.keys() {
            let name = key.strip_prefix('_').unwrap_or(key);
            let resource = !path.contains('.');
            if resource && matches!(name, "resourceType" | "id" | "meta" | "text")
                || key.starts_with('_') && map.contains_key(name)
            {
                continue;
            }
            let child = match t {
                Some(t) => t.child(name),
                None => table().datatype("Element").and_then(|t| t.child(name)),
            };
            let here = format!("{path}.{name}");
            match child.and_then(|child| Some((child, rule.children.get(child.element.name)?))) {
                Some((child, rule)) if rule.max != Some(0) => {
                    let twin = map.get(&format!("_{name}"));
                    self.member(rule, child, map.get(name), twin, &here);
                }
                _ => self.add(IssueCode::Structure, &here, "is outside the profile"),
            }
        }
        self.absent(rule, t, map, path);
    }

    /// What the profile requires and the object does not have.
    fn absent(&mut self, rule: &Closed, t: Option<&'static Type>, map: &Map<String, Value>, path: &str) {
        for element in t.into_iter().flat_map(|t| &t.elements) {
            let required = rule.children.get(element.name).is_some_and(|r| r.min > 0);
            let has = |key: &str| map.contains_key(key) || map.contains_key(&format!("_{key}"));
            let there = || match element.types {
                [] => has(element.name),
                types => types.iter().any(|t| has(&element.json_key(t))),
            };
            if required && !there() {
                self.add(
                    IssueCode::Required,
                    &format!("{path}.{}", element.name),
                    "is required by the profile",
                );
            }
        }
    }

    fn member(
        &mut self,
        rule: &'c Closed,
        child: Child,
        plain: Option<&Value>,
        twin: Option<&Value>,
        path: &str,
    ) {
        if child.element.is_choice() && !rule.types.iter().any(|t| t == child.type_name) {
            return self.add(IssueCode::Structure, path, "has a type outside the profile");
        }
        let list = child.element.is_list();
        let items = |v: Option<&'_ Value>| match v {
            Some(Value::Array(items)) if list => items.len(),
            Some(_) => 1,
            None => 0,
        };
        let count = items(plain).max(items(twin));
        if count < rule.min || rule.max.is_some_and(|max| count > max) {
            self.add(
                IssueCode::Structure,
                path,
                "has more or fewer items than the profile allows",
            );
        }
        let mut counts = vec![0; rule.slices.len()];
        for at in 0..count {
            let here = if list {
                format!("{path}[{at}]")
            } else {
                path.to_owned()
            };
            let item = |v: Option<&'_ Value>| match v {
                Some(Value::Array(items)) if list => items.get(at).cloned(),
                other => other.cloned(),
            };
            let (value, twin) = (item(plain), item(twin));
            let Some(inner) = self.slice(rule, child, value.as_ref(), &mut counts) else {
                self.add(IssueCode::Structure, &here, "matches no slice of the profile");
                continue;
            };
            self.item(rule, inner, child, value.as_ref(), twin.as_ref(), &here);
        }
        for ((name, slice), count) in rule.slices.iter().zip(counts) {
            if !child.element.is_choice() && (count < slice.min || slice.max.is_some_and(|max| count > max)) {
                self.add(
                    IssueCode::Structure,
                    path,
                    &format!("has more or fewer items of slice {name} than allowed"),
                );
            }
        }
    }

    /// The rules for one item: those of its slice, type slice or shared element where there are such.
    fn slice(
        &self,
        rule: &'c Closed,
        child: Child,
        value: Option<&Value>,
        counts: &mut [usize],
    ) -> Option<&'c Closed> {
        if let Some(path) = &rule.shares {
            return self.root.at(path);
        }
        if rule.slices.is_empty() {
            return Some(rule);
        }
        let key = child.element.json_key(child.type_name);
        let at = rule
            .slices
            .iter()
            .position(|(name, slice)| match child.element.is_choice() {
                true => *name == key,
                false => value.is_some_and(|v| slice.fits(v)),
            })?;
        counts[at] += 1;
        Some(&rule.slices[at].1)
    }

    fn item(
        &mut self,
        rule: &'c Closed,
        inner: &'c Closed,
        child: Child,
        value: Option<&Value>,
        twin: Option<&Value>,
        path: &str,
    ) {
        for demand in [&rule.demand, &inner.demand].into_iter().flatten() {
            if !value.is_some_and(|v| demand.met_by(v)) {
                self.add(IssueCode::Value, path, "is not the value the profile fixes");
            }
        }
        if let Some(Value::Object(map)) = value {
            self.object(inner, child.content(), map, path);
        }
        if let Some(Value::Object(map)) = twin {
            self.object(inner, None, map, path);
        }
    }
}
