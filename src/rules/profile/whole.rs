//! The widest data set: profiles that name every element some resources have. Nothing is ever released by it; staff views try
//! with it whether a data set is the only thing in the way. <https://hl7.org/fhir/R4/profiling.html>,
//! 45 CFR 164.514(d)(3)(ii)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::free_text::is_free_text;
use super::{DataSet, Profile};
use crate::fhir::Issue;
use crate::fhir::element::{Element, Type, table};

/// Elements that a profile does not decide on: of every element, and of a resource.
const NOT_NAMED: [&str; 3] = ["id", "extension", "modifierExtension"];
const NOT_NAMED_OF_RESOURCE: [&str; 5] = ["meta", "text", "implicitRules", "contained", "language"];

/// Deeper than any datatype has prose.
const DEEPEST: usize = 6;

/// As a data set for trying out. Types whose profile does not load are left out: such a change is then not proven.
pub fn whole_data_set<'r>(name: &str, resources: impl Iterator<Item = &'r Value>) -> DataSet {
    let mut by_type: BTreeMap<&str, Vec<&Map<String, Value>>> = BTreeMap::new();
    for resource in resources {
        if let (Some(name), Some(map)) = (resource["resourceType"].as_str(), resource.as_object()) {
            by_type.entry(name).or_default().push(map);
        }
    }
    let profiles = by_type
        .into_iter()
        .filter_map(|(name, bodies)| whole(name, &bodies).ok());
    DataSet::for_trial(name, profiles.collect())
}

fn whole(resource_type: &str, bodies: &[&Map<String, Value>]) -> Result<Profile, Vec<Issue>> {
    let mut named = vec![json!({"id": resource_type, "path": resource_type})];
    if let Some(root) = table().resource(resource_type) {
        inside(root, bodies, (resource_type, resource_type), &mut named);
    }
    Profile::load(&json!({
        "resourceType": "StructureDefinition",
        "url": format!("https://postern.example/fhir/StructureDefinition/whole-{resource_type}"),
        "name": format!("Whole{resource_type}"),
        "status": "draft",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": false,
        "type": resource_type,
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{resource_type}"),
        "derivation": "constraint",
        "differential": {"element": named},
    }))
}

/// `at`: id and path of what holds these values.
fn inside(t: &'static Type, values: &[&Map<String, Value>], at: (&str, &str), named: &mut Vec<Value>) {
    extensions(values, at, named);
    let root = table().resource(t.name).is_some();
    for element in &t.elements {
        if NOT_NAMED.contains(&element.name) || root && NOT_NAMED_OF_RESOURCE.contains(&element.name) {
            continue;
        }
        let present = present(t, element, values);
        if present.is_empty() && !element.modifier && element.min == 0 {
            continue;
        }
        let (id, path) = (
            format!("{}.{}", at.0, element.name),
            format!("{}.{}", at.1, element.name),
        );
        let mut definition = json!({"id": id, "path": path, "mustSupport": true});
        if element.is_choice() {
            let types = element.types.iter().map(|code| json!({ "code": code }));
            definition["type"] = types.collect();
        }
        named.push(definition);
        let objects: Vec<&Map<String, Value>> = present.iter().filter_map(|v| v.as_object()).collect();
        match element.children().filter(|_| element.content_reference.is_none()) {
            Some(backbone) => inside(backbone, &objects, (&id, &path), named),
            None if element.content_reference.is_some() => {}
            None => {
                let mut prose = BTreeSet::new();
                for (type_name, map) in typed(t, element, values) {
                    if let Some(datatype) = table().datatype(type_name) {
                        prose_in(datatype, map, "", 0, &mut prose);
                    }
                }
                named.extend(prose.iter().map(
                    |below| json!({"id": format!("{id}.{below}"), "path": format!("{path}.{below}"), "mustSupport": true}),
                ));
            }
        }
    }
}

/// What stands at this element, items of a list one by one.
fn present<'v>(t: &'static Type, element: &Element, values: &[&'v Map<String, Value>]) -> Vec<&'v Value> {
    let mut found = Vec::new();
    for map in values {
        for (key, value) in map.iter() {
            let name = key.strip_prefix('_').unwrap_or(key);
            if t.child(name).is_some_and(|c| c.element.name == element.name) {
                match value {
                    Value::Array(items) => found.extend(items),
                    one => found.push(one),
                }
            }
        }
    }
    found
}

/// The objects at this element, each with its datatype.
fn typed<'v>(
    t: &'static Type,
    element: &Element,
    values: &[&'v Map<String, Value>],
) -> Vec<(&'static str, &'v Map<String, Value>)> {
    let mut found = Vec::new();
    for map in values {
        for (key, value) in map.iter() {
            let Some(child) = t.child(key).filter(|c| c.element.name == element.name) else {
                continue;
            };
            let items = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            found.extend(
                items
                    .iter()
                    .filter_map(|item| Some((child.type_name, item.as_object()?))),
            );
        }
    }
    found
}

/// Free text inside a datatype: it passes only when it is named.
fn prose_in(
    t: &'static Type,
    map: &Map<String, Value>,
    above: &str,
    depth: usize,
    found: &mut BTreeSet<String>,
) {
    for (key, value) in map.iter().filter(|(key, _)| !key.starts_with('_')) {
        let Some(child) = t.child(key).filter(|c| !NOT_NAMED.contains(&c.element.name)) else {
            continue;
        };
        let path = match above {
            "" => child.element.name.to_owned(),
            above => format!("{above}.{}", child.element.name),
        };
        if is_free_text(child.element, child.type_name) {
            found.insert(path);
            continue;
        }
        let items = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        for item in items.iter().filter_map(Value::as_object) {
            if let Some(content) = child.content().filter(|_| depth < DEEPEST) {
                prose_in(content, item, &path, depth + 1, found);
            }
        }
    }
}

/// Extensions with a value, and complex ones of one level, by their url.
fn extensions(values: &[&Map<String, Value>], at: (&str, &str), named: &mut Vec<Value>) {
    let mut by_url: BTreeMap<&str, Vec<&Map<String, Value>>> = BTreeMap::new();
    for extension in values
        .iter()
        .flat_map(|map| map.get("extension").and_then(Value::as_array))
        .flatten()
    {
        if let (Some(url), Some(map)) = (extension["url"].as_str(), extension.as_object()) {
            by_url.entry(url).or_default().push(map);
        }
    }
    let path = format!("{}.extension", at.1);
    for (number, (url, found)) in by_url.into_iter().enumerate() {
        let id = format!("{}.extension:e{number}", at.0);
        named.push(
            json!({"id": id, "path": path, "sliceName": format!("e{number}"), "mustSupport": true,
            "type": [{"code": "Extension", "profile": [url]}]}),
        );
        let mut parts: BTreeMap<&str, Vec<&Map<String, Value>>> = BTreeMap::new();
        for part in found
            .iter()
            .flat_map(|map| map.get("extension").and_then(Value::as_array))
            .flatten()
        {
            if let (Some(url), Some(map)) = (part["url"].as_str(), part.as_object()) {
                parts.entry(url).or_default().push(map);
            }
        }
        for (part, (url, found)) in parts.into_iter().enumerate() {
            let (id, path) = (format!("{id}.extension:p{part}"), format!("{path}.extension"));
            named.push(json!({"id": id, "path": path, "sliceName": format!("p{part}"), "mustSupport": true}));
            named.push(
                json!({"id": format!("{id}.url"), "path": format!("{path}.url"), "min": 1,
                "fixedUri": url, "mustSupport": true}),
            );
            value_of(&found, (&id, &path), named);
        }
        value_of(&found, (&id, &path), named);
    }
}

fn value_of(found: &[&Map<String, Value>], at: (&str, &str), named: &mut Vec<Value>) {
    let Some(extension) = table().datatype("Extension") else {
        return;
    };
    let Some(element) = extension.element("value[x]") else {
        return;
    };
    let mut types: BTreeSet<&str> = BTreeSet::new();
    let mut prose = BTreeSet::new();
    for (key, value) in found.iter().flat_map(|map| map.iter()) {
        let Some(child) = extension.child(key).filter(|c| c.element.name == element.name) else {
            continue;
        };
        types.insert(child.type_name);
        if let (Some(datatype), Some(map)) = (table().datatype(child.type_name), value.as_object()) {
            prose_in(datatype, map, "", 0, &mut prose);
        }
    }
    if types.is_empty() {
        return;
    }
    let (id, path) = (format!("{}.value[x]", at.0), format!("{}.value[x]", at.1));
    let types: Vec<Value> = types.into_iter().map(|code| json!({ "code": code })).collect();
    named.push(json!({"id": id, "path": path, "type": types, "mustSupport": true}));
    named.extend(
        prose.iter().map(
            |below| json!({"id": format!("{id}.{below}"), "path": format!("{path}.{below}"), "mustSupport": true}),
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_resource_has_passes() {
        let patient = json!({"resourceType": "Patient", "id": "p", "active": true,
            "extension": [{"url": "http://x/one", "valueCoding": {"code": "c", "display": "words"}},
                {"url": "http://x/two", "extension": [{"url": "text", "valueString": "prose"}]}],
            "maritalStatus": {"coding": [{"system": "s", "code": "M", "display": "married"}], "text": "married"},
            "contact": [{"name": {"family": "A", "text": "Mx A"}, "gender": "other"}],
            "deceasedBoolean": false, "link": [{"other": {"reference": "Patient/q"}, "type": "refer"}]});
        let observation = json!({"resourceType": "Observation", "id": "o", "status": "final",
            "code": {"text": "x"}, "valueString": "prose", "note": [{"text": "more"}],
            "component": [{"code": {"text": "y"}, "valueQuantity": {"value": 1, "unit": "mg"}}]});
        let set = whole_data_set("whole", [&patient, &observation].into_iter());
        for resource in [patient, observation] {
            let name = resource["resourceType"].as_str().expect("a type");
            let profile = set.profile(name).expect("it loads");
            assert_eq!(profile.project_all(&resource), Some(resource.clone()));
        }
    }
}
