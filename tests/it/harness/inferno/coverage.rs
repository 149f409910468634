//! Must-support coverage as Inferno counts it: an element, slice or extension is supported when one of the resources of the
//! group's profile has it; of a choice, one of its members suffices.
//! <https://hl7.org/fhir/us/core/STU6.1/must-support.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::Group;
use super::navigation::{Node, at, is_in, list};

/// What of a profile's must-support elements a set of resources holds.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// How many of the resources are of the profile.
    pub resources: usize,
    /// How many elements, slices and extensions the profile asks for.
    pub asked: usize,
    /// Those that no resource holds, by path or id.
    pub missing: BTreeSet<String>,
}

impl Coverage {
    pub fn found(&self) -> usize {
        self.asked - self.missing.len()
    }
}

impl Group {
    /// Counts over those of the resources that the group's first search would find.
    pub fn coverage<'v>(&self, resources: impl Iterator<Item = &'v Value>) -> Coverage {
        let of_profile: Vec<&Value> = resources.filter(|one| self.covers(one)).collect();
        let asked = self.asked();
        let missing = asked
            .iter()
            .filter(|one| !of_profile.iter().any(|resource| one.is_met_by(resource)))
            .map(Asked::name);
        let mut missing: BTreeSet<String> = missing.collect();
        let count = asked.len();
        for choice in list(&self.0["must_supports"]["choices"]) {
            let members: Vec<&str> = ["paths", "extension_ids", "slice_names"]
                .iter()
                .flat_map(|kind| list(&choice[*kind]))
                .filter_map(Value::as_str)
                .collect();
            if members.iter().any(|member| !missing.contains(*member)) {
                members.iter().for_each(|member| {
                    missing.remove(*member);
                });
            }
        }
        Coverage {
            resources: of_profile.len(),
            asked: count,
            missing,
        }
    }

    fn asked(&self) -> Vec<Asked<'_>> {
        let supports = &self.0["must_supports"];
        let slices = supports["slices"].as_array().map_or(&[][..], Vec::as_slice);
        let extensions = list(&supports["extensions"]).map(Asked::Extension);
        let sliced = slices.iter().map(Asked::Slice);
        let elements = list(&supports["elements"]).map(|element| Asked::Element {
            element,
            slices,
            extensions: list(&supports["extensions"]).collect(),
        });
        extensions.chain(sliced).chain(elements).collect()
    }
}

enum Asked<'m> {
    Extension(&'m Value),
    Slice(&'m Value),
    Element {
        element: &'m Value,
        slices: &'m [Value],
        extensions: Vec<&'m Value>,
    },
}

impl Asked<'_> {
    fn name(&self) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Asked::Extension(one) => text(&one["id"]),
            Asked::Slice(one) => text(&one["slice_id"]),
            Asked::Element { element, .. } => text(&element["path"]),
        }
    }

    fn is_met_by(&self, resource: &Value) -> bool {
        let resource = Node::of(resource);
        match self {
            Asked::Extension(one) => {
                let found = at(resource, path(one), &[]);
                let mut found = found.iter().filter_map(|node| node.value);
                found.any(|extension| extension["url"] == one["url"])
            }
            Asked::Slice(one) => {
                let found = at(resource, path(one), &[]);
                found.iter().any(|node| is_in(*node, &one["discriminator"]))
            }
            Asked::Element {
                element,
                slices,
                extensions,
            } => {
                let on_it = format!("{}.extension", path(element));
                let own = extensions.iter().filter(|one| path(one) == on_it);
                let own: Vec<&str> = own.filter_map(|one| one["url"].as_str()).collect();
                let fixed = &element["fixed_value"];
                let found = at(resource, path(element), slices);
                found.iter().any(|node| {
                    let extended = node.extensions().iter().any(|url| own.contains(url));
                    (extended || node.has_content()) && (fixed.is_null() || node.value == Some(fixed))
                })
            }
        }
    }
}

fn path(of: &Value) -> &str {
    of["path"].as_str().unwrap_or_default()
}
