//! The rules of the profile language, each shown on a small profile made here.

use serde_json::{Value, json};

use super::*;

pub(crate) mod by_value;
pub(super) mod links_by_value;
mod loading;
mod projecting;
pub(crate) mod shipping;
mod sets;
mod validating;

/// A profile of `of` from short element rows: `("CarePlan.status", json!({"min": 1}))`.
pub(super) fn sd(of: &str, rows: &[(&str, Value)]) -> Value {
    let elements: Vec<Value> = rows
        .iter()
        .map(|(id, more)| {
            let path: Vec<&str> = id.split('.').map(|s| s.split(':').next().unwrap_or(s)).collect();
            let mut element = json!({"id": id, "path": path.join(".")});
            let last = id.rsplit('.').next().unwrap_or(id);
            if let Some((_, slice)) = last.split_once(':') {
                element["sliceName"] = json!(slice);
            }
            let map = element.as_object_mut().expect("an object");
            map.extend(more.as_object().expect("an object").clone());
            if !map.contains_key("min") && !map.contains_key("max") {
                map.insert("mustSupport".to_owned(), json!(true));
            }
            element
        })
        .collect();
    json!({"resourceType": "StructureDefinition", "id": "test", "url": "https://postern.example/fhir/StructureDefinition/test",
        "name": "Test", "status": "active", "fhirVersion": "4.0.1", "kind": "resource", "abstract": false, "type": of,
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{of}"), "derivation": "constraint",
        "differential": {"element": elements}})
}

pub(super) fn load(of: &str, rows: &[(&str, Value)]) -> Profile {
    match Profile::load(&sd(of, rows)) {
        Ok(profile) => profile,
        Err(issues) => {
            let text: Vec<String> = issues.iter().map(Issue::to_string).collect();
            unreachable!("{}", text.join("\n"))
        }
    }
}

pub(super) fn plain() -> Value {
    json!({})
}

/// What every CarePlan profile needs.
pub(super) fn care_plan(more: &[(&str, Value)]) -> Vec<(&'static str, Value)> {
    let mut rows = vec![
        ("CarePlan.status", json!({"min": 1})),
        ("CarePlan.intent", json!({"min": 1})),
        ("CarePlan.subject", json!({"min": 1})),
    ];
    rows.extend(more.iter().map(|(id, v)| (&*id.to_string().leak(), v.clone())));
    rows
}

pub(super) fn broken(of: &str, rows: &[(&str, Value)], rule: Rule, at: &str) {
    let issues = Profile::load(&sd(of, rows)).err().unwrap_or_default();
    let found = issues
        .iter()
        .any(|i| i.expression == at && i.details.starts_with(&format!("{}: ", rule.name())));
    assert!(found, "{} at {at} not in {issues:?}", rule.name());
}
