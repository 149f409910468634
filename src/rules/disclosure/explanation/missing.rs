//! What of a stored resource is not in its released form, by path in the stored one. SEMANTICS 1;
//! <https://hl7.org/fhir/R4/json.html>

use serde_json::{Map, Value};

/// Not the record's: computed for each release.
const COMPUTED: [&str; 4] = ["resourceType", "id", "meta", "text"];
const INLINE_LABEL: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

/// The topmost paths that are gone: JSON names and indexes, `CarePlan.activity[2]`. Released items of a list are
/// matched with the stored items they are a part of, in order.
pub(super) fn missing(stored: &Value, released: &Value) -> Vec<String> {
    let mut gone = Vec::new();
    let name = stored["resourceType"].as_str().unwrap_or("Resource");
    if let (Some(stored), Some(released)) = (stored.as_object(), released.as_object()) {
        let own = |key: &&String| !COMPUTED.contains(&key.as_str());
        object(
            stored.iter().filter(|(key, _)| own(key)),
            released,
            name,
            &mut gone,
        );
    }
    gone
}

/// Is the element at this path in the release, whole or in part?
pub(super) fn is_there(gone: &[String], path: &str) -> bool {
    !gone.iter().any(|gone| holds(gone, path))
}

/// Is `path` the element at `above`, or inside it?
pub(super) fn holds(above: &str, path: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn object<'v>(
    stored: impl Iterator<Item = (&'v String, &'v Value)>,
    released: &Map<String, Value>,
    path: &str,
    gone: &mut Vec<String>,
) {
    for (key, value) in stored.filter(|(key, _)| *key != "id" && !key.starts_with('_')) {
        let path = format!("{path}.{key}");
        match (value, released.get(key)) {
            (Value::Array(items), kept) if key == "extension" => extensions(items, kept, &path, gone),
            (_, None | Some(Value::Null)) => gone.push(path),
            (Value::Object(stored), Some(Value::Object(released))) => {
                object(stored.iter(), released, &path, gone);
            }
            (Value::Array(stored), Some(Value::Array(released))) => list(stored, released, &path, gone),
            _ => {}
        }
    }
}

fn list(stored: &[Value], released: &[Value], path: &str, gone: &mut Vec<String>) {
    let mut next = 0;
    for (at, item) in stored.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let found = released[next..].iter().position(|kept| is_part(kept, item));
        match found {
            None => gone.push(path),
            Some(ahead) => {
                if let (Value::Object(stored), Value::Object(kept)) = (item, &released[next + ahead]) {
                    object(stored.iter(), kept, &path, gone);
                }
                next += ahead + 1;
            }
        }
    }
}

/// Labels are not the person's; other extensions go by their url.
fn extensions(stored: &[Value], released: Option<&Value>, path: &str, gone: &mut Vec<String>) {
    let kept = released.and_then(Value::as_array).into_iter().flatten();
    let kept: Vec<&str> = kept.filter_map(|e| e["url"].as_str()).collect();
    let urls = stored.iter().map(|e| e["url"].as_str().unwrap_or_default());
    for (at, url) in urls.enumerate() {
        if url != INLINE_LABEL && !kept.contains(&url) {
            gone.push(format!("{path}[{at}]"));
        }
    }
}

/// Can `kept` have come from `stored` by leaving out?
fn is_part(kept: &Value, stored: &Value) -> bool {
    match (kept, stored) {
        (Value::Object(kept), Value::Object(stored)) => kept
            .iter()
            .filter(|(key, _)| *key != "extension" && !key.starts_with('_'))
            .all(|(key, value)| stored.get(key).is_some_and(|stored| is_part(value, stored))),
        (Value::Array(kept), Value::Array(stored)) => {
            let mut rest = stored.iter();
            kept.iter().all(|kept| rest.any(|stored| is_part(kept, stored)))
        }
        _ => kept == stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::path::without_indexes;
    use serde_json::json;

    #[test]
    fn what_is_gone_is_named_once_where_it_begins() {
        let stored = json!({"resourceType": "CarePlan", "id": "c", "meta": {}, "status": "active", "title": "x",
            "activity": [{"detail": {"status": "a", "description": "one"}}, {"detail": {"status": "b"}},
                {"detail": {"status": "c"}}], "note": [{"text": "n"}], "extension": [{"url": "a"}, {"url": INLINE_LABEL}]});
        let released = json!({"resourceType": "CarePlan", "id": "c", "meta": {"profile": []}, "status": "active",
            "activity": [{"detail": {"status": "a"}}, {"detail": {"status": "c"}}]});
        let gone = missing(&stored, &released);
        assert_eq!(
            gone,
            [
                "CarePlan.title",
                "CarePlan.activity[0].detail.description",
                "CarePlan.activity[1]",
                "CarePlan.note",
                "CarePlan.extension[0]"
            ]
        );
        assert!(is_there(&gone, "CarePlan.activity[0]") && is_there(&gone, "CarePlan.activity[2].detail"));
        assert!(!is_there(&gone, "CarePlan.note[0].text") && !is_there(&gone, "CarePlan.activity[1].detail"));
        assert_eq!(without_indexes(&gone[1]), "CarePlan.activity.detail.description");
    }
}
