//! The last step of a decision: labels, profile and narrative of a released resource, computed again from what is released.
//! <https://hl7.org/fhir/R4/security-labels.html>, <https://hl7.org/fhir/R4/narrative.html>

use serde_json::{Value, json};

use super::consider::Candidate;
use super::{Rules, narrative};
use crate::label::{Labels, label_codes};
use crate::terminology;

/// Labels, profile and narrative, computed again from what is released.
pub(super) fn finish(candidate: Candidate<'_>, rules: &Rules, raised: &[&str]) -> Value {
    let Candidate {
        stored,
        profile,
        part2,
        elements,
        mut body,
        ..
    } = candidate;
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    body["meta"] = json!({ "security": stored.body["meta"]["security"] });
    let mut seen = label_codes(&body, rules.lists, raised);
    elements.raise(&mut seen);
    let meta = json!({ "profile": [profile.url()], "security": security(&seen) });
    profile.complete(&mut body);
    let text = narrative::narrative(&body, part2.then_some(narrative::PART2_NOTICE));
    if let Value::Object(object) = &mut body {
        object.shift_remove("meta");
        // In the order people read: type, id, meta, text, and the rest as it stood.
        let id = object.keys().position(|name| name == "id");
        if let Some(value) = id.filter(|at| *at != 1).and_then(|_| object.shift_remove("id")) {
            object.shift_insert(1, "id".to_owned(), value);
        }
        let next = 1 + usize::from(id.is_some());
        object.shift_insert(next, "meta".to_owned(), meta);
        object.shift_insert(next + 1, "text".to_owned(), text);
    }
    body
}

/// Labels that travel: confidentiality, sensitivities, and for Part 2 content the law and the refrain that its
/// notice states (<https://hl7.org/fhir/R4/security-labels.html>).
fn security(labels: &Labels) -> Vec<Value> {
    let act = |code: &str| json!({"system": terminology::ACT_CODE, "code": code});
    let mut codings =
        vec![json!({"system": terminology::CONFIDENTIALITY, "code": labels.confidentiality.code()})];
    codings.extend(labels.sensitivity.codes().map(act));
    if labels.part2 {
        codings.extend([act("42CFRPart2"), act("NORDSCLCD")]);
    }
    codings
}
