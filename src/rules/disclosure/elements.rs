//! What counts as one element, and which elements are free text.

use crate::fhir::Value;
use crate::fhir::element::table;

/// Leaf values of a resource; `meta` and `text` are not the record's.
pub(super) fn leaves(resource: &Value) -> usize {
    let Value::Object(object) = resource else { return 0 };
    object
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "meta" | "text" | "resourceType"))
        .map(|(_, v)| count(v))
        .sum()
}

fn count(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 1,
    }
}

/// Text a person typed, in which anything may be said: strings and markdown of resources, annotations, the
/// `text` of concepts and the `display` of codings and references. Codes, names of people and places are not.
pub(super) fn is_free_text(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    let name = last.split('[').next().unwrap_or_default();
    if matches!(
        name,
        "text" | "display" | "note" | "comment" | "patientInstruction"
    ) {
        return true;
    }
    let plain: String = without_indexes(path);
    table().element(&plain).is_some_and(|e| {
        e.types
            .iter()
            .all(|t| matches!(*t, "string" | "markdown" | "Annotation"))
    })
}

fn without_indexes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn free_text_is_what_people_typed() {
        for path in [
            "Condition.code.text",
            "CarePlan.description",
            "Task.note[0]",
            "Goal.description.coding[0].display",
        ] {
            assert!(is_free_text(path), "{path}");
        }
        for path in [
            "Condition.code.coding[0].code",
            "CarePlan.status",
            "Condition.onsetDateTime",
        ] {
            assert!(!is_free_text(path), "{path}");
        }
    }

    #[test]
    fn leaves_are_counted_without_meta_and_narrative() {
        let resource = json!({"resourceType": "X", "id": "1", "meta": {"a": 1}, "text": {"div": "x"}, "b": [{"c": 1}, 2]});
        assert_eq!(leaves(&resource), 3);
    }
}
