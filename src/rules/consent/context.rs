//! Where consent looks up what is referred to: groups, care teams, roles, organisations.
//! <https://hl7.org/fhir/R4/references.html>

use std::collections::HashMap;

use serde_json::Value;

/// The resources around a record (directory and record). References are `Type/id` without version.
pub trait Context {
    fn resource(&self, reference: &str) -> Option<&Value>;

    /// References of the resources that carry this business identifier.
    fn identified(&self, system: &str, value: &str) -> Vec<&str>;

    /// PractitionerRoles of a practitioner (`Practitioner/id`).
    fn roles(&self, practitioner: &str) -> Vec<&Value>;
}

/// A context over resources in memory.
#[derive(Debug, Default)]
pub struct Resources<'a> {
    by_reference: HashMap<String, &'a Value>,
    by_identifier: HashMap<&'a str, HashMap<&'a str, Vec<String>>>,
    by_practitioner: HashMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Resources<'a> {
    pub fn new(resources: impl IntoIterator<Item = &'a Value>) -> Resources<'a> {
        let resources = resources.into_iter();
        let mut context = Resources::default();
        context.by_reference.reserve(resources.size_hint().0);
        for resource in resources {
            context.add(resource);
        }
        context
    }

    /// A resource under another address of it (`urn:uuid:…`, a Bundle's `fullUrl`).
    pub fn add_at(&mut self, address: &str, resource: &'a Value) {
        self.by_reference
            .entry(without_version(address).to_owned())
            .or_insert(resource);
    }

    /// Resources without type or id are passed over.
    pub fn add(&mut self, resource: &'a Value) {
        let (Some(kind), Some(id)) = (resource["resourceType"].as_str(), resource["id"].as_str()) else {
            return;
        };
        let reference = format!("{kind}/{id}");
        for identifier in resource["identifier"].as_array().into_iter().flatten() {
            if let (Some(system), Some(value)) = (identifier["system"].as_str(), identifier["value"].as_str())
            {
                let of_system = self.by_identifier.entry(system).or_default();
                of_system.entry(value).or_default().push(reference.clone());
            }
        }
        if kind == "PractitionerRole"
            && let Some(practitioner) = resource["practitioner"]["reference"].as_str()
        {
            self.by_practitioner
                .entry(without_version(practitioner))
                .or_default()
                .push(resource);
        }
        self.by_reference.insert(reference, resource);
    }
}

impl Context for Resources<'_> {
    fn resource(&self, reference: &str) -> Option<&Value> {
        self.by_reference.get(without_version(reference)).copied()
    }

    fn identified(&self, system: &str, value: &str) -> Vec<&str> {
        let found = self
            .by_identifier
            .get(system)
            .and_then(|of_system| of_system.get(value));
        found.into_iter().flatten().map(String::as_str).collect()
    }

    fn roles(&self, practitioner: &str) -> Vec<&Value> {
        self.by_practitioner
            .get(without_version(practitioner))
            .cloned()
            .unwrap_or_default()
    }
}

/// A context in which `#id` is what a consent contains.
pub(super) struct WithContained<'a> {
    contained: &'a Value,
    around: &'a dyn Context,
}

impl<'a> WithContained<'a> {
    pub(super) fn new(consent: &'a Value, around: &'a dyn Context) -> WithContained<'a> {
        WithContained {
            contained: &consent["contained"],
            around,
        }
    }
}

impl Context for WithContained<'_> {
    fn resource(&self, reference: &str) -> Option<&Value> {
        let Some(id) = reference.strip_prefix('#') else {
            return self.around.resource(reference);
        };
        self.contained.as_array()?.iter().find(|r| r["id"] == id)
    }

    fn identified(&self, system: &str, value: &str) -> Vec<&str> {
        self.around.identified(system, value)
    }

    fn roles(&self, practitioner: &str) -> Vec<&Value> {
        self.around.roles(practitioner)
    }
}

/// A reference names a resource, whatever the version.
pub(super) fn without_version(reference: &str) -> &str {
    reference.split("/_history/").next().unwrap_or(reference)
}

/// `Type/id` at the end of an absolute address; `None` for a relative one.
pub(super) fn local_part(reference: &str) -> Option<&str> {
    if !reference.contains("://") {
        return None;
    }
    let id = reference.rfind('/')?;
    let kind = reference.get(..id)?.rfind('/')?;
    reference.get(kind + 1..)
}
