//! What counts as one element.
//! <https://hl7.org/fhir/R4/json.html>

use crate::fhir::Value;

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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_are_counted_without_meta_and_narrative() {
        let resource = json!({"resourceType": "X", "id": "1", "meta": {"a": 1}, "text": {"div": "x"}, "b": [{"c": 1}, 2]});
        assert_eq!(leaves(&resource), 3);
    }
}
