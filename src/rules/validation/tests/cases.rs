//! Cases as files: what is valid, and what is wrong once it is changed. `../cases/README.md` says how they are written.
//! <https://hl7.org/fhir/R4/validation.html>

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::packages::json_files;
use crate::fhir::{Severity, json};
use crate::validation::{Definitions, Package};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/cases")
}

pub(super) fn visitors() -> Definitions {
    let mut reader = Package::reader("visitors");
    for (file, bytes) in json_files(&folder().join("package")) {
        reader.add(&file, &bytes);
    }
    Definitions::new(vec![reader.finish().expect("a package")])
}

/// RFC 7386.
fn merge(value: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        *value = change.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    for (name, change) in changes {
        match change {
            Value::Null => drop(map.shift_remove(name)),
            _ => merge(map.entry(name).or_insert(Value::Null), change),
        }
    }
}

fn errors(definitions: &Definitions, resource: &Value) -> Vec<String> {
    let issues = definitions.validate(resource, &[]).into_iter();
    let errors = issues.filter(|issue| issue.severity <= Severity::Error);
    let mut found: Vec<String> = errors.map(|issue| issue.to_string()).collect();
    found.sort();
    found
}

#[test]
fn every_case_is_judged_as_it_says() {
    let definitions = visitors();
    assert!(definitions.coverage().unusable.is_empty());
    let (mut judged, mut wrong) = (0, Vec::new());
    for (file, bytes) in json_files(&folder()) {
        let case = json::parse(&bytes).unwrap_or_else(|issues| panic!("{file}: {issues:?}"));
        let found = errors(&definitions, &case["valid"]);
        if !found.is_empty() {
            wrong.push(format!("{file}: the valid one: {found:#?}"));
        }
        for one in case["wrong"].as_array().expect("a list") {
            let mut resource = case["valid"].clone();
            merge(&mut resource, &one["change"]);
            let found = errors(&definitions, &resource);
            let wanted: Vec<&str> = one["errors"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            judged += 1;
            if found != wanted || wanted.is_empty() {
                wrong.push(format!("{file}: {}: {found:#?}", one["what"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 25, "{judged}");
}
