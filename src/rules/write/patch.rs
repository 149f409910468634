//! A JSON Patch applied to what its writer sees: the released resource, never the stored one. All or nothing, bounded in
//! operations, size and depth. RFC 6902, <https://hl7.org/fhir/R4/http.html#patch>

use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchErrorKind, PatchOperation, RemoveOperation,
    ReplaceOperation, TestOperation,
};
use serde_json::Value;

use super::refused::Refused;
use crate::disclosure::Release;
use crate::fhir::{Issue, IssueCode};

/// More operations than this are refused.
pub const MOST_OPERATIONS: usize = 200;
/// As deep as the JSON door lets bodies in.
const DEEPEST: usize = 64;

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchFailure {
    /// It is no JSON Patch: 400.
    Malformed(Vec<Issue>),
    /// It does not fit what it is applied to, or a `test` does not hold: 422.
    Inapplicable(Vec<Issue>),
}

/// `document` with these operations carried out. `most_bytes`: what the result may weigh.
pub fn apply(document: &Value, patch: &Value, most_bytes: usize) -> Result<Value, PatchFailure> {
    let operations = read(patch).map_err(PatchFailure::Malformed)?;
    let mut patched = document.clone();
    let mut weight = document.to_string().len() + patch.to_string().len();
    for (at, operation) in operations.iter().enumerate() {
        let fails = |why: &str| {
            let place = format!("[{at}]");
            PatchFailure::Inapplicable(vec![Issue::error(IssueCode::Invalid, place, why)])
        };
        if let Some((path, value)) = grown(&patched, operation) {
            weight += value.to_string().len();
            if weight > most_bytes || path.tokens().count() + depth(value) > DEEPEST {
                return Err(fails("the patched resource would be too large or too deep"));
            }
        }
        json_patch::patch(&mut patched, std::slice::from_ref(operation))
            .map_err(|error| fails(why(&error.kind)))?;
    }
    Ok(patched)
}

/// What is released of a resource, with these operations carried out.
pub fn apply_to_released(
    release: &Release,
    (resource_type, id): (&str, &str),
    patch: &Value,
    most_bytes: usize,
) -> Result<Value, Refused> {
    let released = release.tree(resource_type, id).ok_or(Refused::NotFound)?;
    Ok(apply(&released, patch, most_bytes)?)
}

/// Where an operation puts a value, and which.
fn grown<'v>(document: &'v Value, operation: &'v PatchOperation) -> Option<(&'v PointerBuf, &'v Value)> {
    match operation {
        PatchOperation::Add(add) => Some((&add.path, &add.value)),
        PatchOperation::Replace(replace) => Some((&replace.path, &replace.value)),
        PatchOperation::Copy(copy) => Some((&copy.path, document.pointer(copy.from.as_str())?)),
        PatchOperation::Move(moved) => Some((&moved.path, document.pointer(moved.from.as_str())?)),
        _ => None,
    }
}

fn why(kind: &PatchErrorKind) -> &'static str {
    match kind {
        PatchErrorKind::TestFailed => "this test does not hold for the resource as it is released to you",
        PatchErrorKind::InvalidFromPointer => {
            "`from` leads to nothing in the resource as it is released to you"
        }
        PatchErrorKind::CannotMoveInsideItself => "a value cannot be moved into itself",
        _ => "`path` leads to nothing in the resource as it is released to you",
    }
}

/// 1 for a scalar.
fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The operations, or everything that makes it no patch.
fn read(patch: &Value) -> Result<Vec<PatchOperation>, Vec<Issue>> {
    let Some(list) = patch.as_array() else {
        let why = "a JSON Patch is a list of operations (RFC 6902)";
        return Err(vec![Issue::error(IssueCode::Structure, "", why)]);
    };
    if list.len() > MOST_OPERATIONS {
        let why = format!("at most {MOST_OPERATIONS} operations");
        return Err(vec![Issue::error(IssueCode::TooCostly, "", why)]);
    }
    let (mut operations, mut issues) = (Vec::new(), Vec::new());
    for (at, one) in list.iter().enumerate() {
        match operation(one) {
            Ok(operation) => operations.push(operation),
            Err(why) => issues.push(Issue::error(IssueCode::Structure, format!("[{at}]"), why)),
        }
    }
    if issues.is_empty() {
        Ok(operations)
    } else {
        Err(issues)
    }
}

fn operation(one: &Value) -> Result<PatchOperation, &'static str> {
    let pointer = |name: &str| one[name].as_str().and_then(|text| PointerBuf::parse(text).ok());
    let path = pointer("path").ok_or("`path` is a JSON Pointer (RFC 6901)")?;
    let from = || pointer("from").ok_or("`from` is a JSON Pointer (RFC 6901)");
    let value = || one.get("value").cloned().ok_or("`value` is missing");
    Ok(match one["op"].as_str() {
        Some("add") => PatchOperation::Add(AddOperation {
            path,
            value: value()?,
        }),
        Some("remove") => PatchOperation::Remove(RemoveOperation { path }),
        Some("replace") => PatchOperation::Replace(ReplaceOperation {
            path,
            value: value()?,
        }),
        Some("move") => PatchOperation::Move(MoveOperation { from: from()?, path }),
        Some("copy") => PatchOperation::Copy(CopyOperation { from: from()?, path }),
        Some("test") => PatchOperation::Test(TestOperation {
            path,
            value: value()?,
        }),
        _ => return Err("`op` is one of add, remove, replace, move, copy, test"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MOST: usize = 10_000;

    #[test]
    fn operations_are_carried_out_in_order_or_not_at_all() {
        let task = json!({"status": "requested", "note": [{"text": "a"}]});
        let patch = json!([{"op": "test", "path": "/status", "value": "requested"},
            {"op": "replace", "path": "/status", "value": "accepted"},
            {"op": "add", "path": "/note/-", "value": {"text": "b"}},
            {"op": "remove", "path": "/note/0"}]);
        let patched = apply(&task, &patch, MOST).expect("it fits");
        assert_eq!(patched, json!({"status": "accepted", "note": [{"text": "b"}]}));
        for patch in [
            json!([{"op": "test", "path": "/status", "value": "accepted"}]),
            json!([{"op": "remove", "path": "/statusReason"}]),
            json!([{"op": "replace", "path": "/note/4", "value": {}}]),
            json!([{"op": "copy", "from": "/nothing", "path": "/x"}]),
            json!([{"op": "move", "from": "/note", "path": "/note/0"}]),
        ] {
            let found = apply(&task, &patch, MOST);
            assert!(
                matches!(found, Err(PatchFailure::Inapplicable(_))),
                "{patch}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_no_patch_is_said_with_every_problem() {
        let task = json!({});
        assert!(matches!(
            apply(&task, &json!({}), MOST),
            Err(PatchFailure::Malformed(_))
        ));
        let patch =
            json!([{"op": "add", "path": "/a"}, {"op": "swap", "path": "/a"}, {"op": "remove", "path": "a"}]);
        let Err(PatchFailure::Malformed(issues)) = apply(&task, &patch, MOST) else {
            panic!("it is no patch");
        };
        assert_eq!(issues.len(), 3);
        let many = Value::Array(vec![json!({"op": "remove", "path": "/a"}); MOST_OPERATIONS + 1]);
        assert!(matches!(
            apply(&task, &many, MOST),
            Err(PatchFailure::Malformed(_))
        ));
    }

    #[test]
    fn copies_of_copies_end_at_the_limit() {
        let task = json!({"a": {"b": vec!["x"; 20]}});
        let patch: Vec<Value> = (0..60)
            .map(|n| json!({"op": "copy", "from": "", "path": format!("/a/c{n}")}))
            .collect();
        assert!(matches!(
            apply(&task, &Value::Array(patch), 100_000),
            Err(PatchFailure::Inapplicable(_))
        ));
        let deep = "/a".repeat(70);
        let patch = json!([{"op": "add", "path": deep, "value": 1}]);
        assert!(apply(&task, &patch, MOST).is_err());
    }

    #[test]
    fn decimals_keep_their_digits() {
        let one = crate::fhir::json::parse(br#"{"value": 1.50}"#).expect("JSON");
        let patch =
            crate::fhir::json::parse(br#"[{"op": "add", "path": "/low", "value": 0.10}]"#).expect("JSON");
        let patched = apply(&one, &patch, MOST).expect("it fits");
        assert_eq!(patched.to_string(), r#"{"value":1.50,"low":0.10}"#);
    }
}
