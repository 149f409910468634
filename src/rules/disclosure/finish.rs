//! The last step of a decision: labels, profile and narrative of a released resource, computed again from what is released.
//! <https://hl7.org/fhir/R4/security-labels.html>, <https://hl7.org/fhir/R4/narrative.html>

use serde_json::{Value, json};

use super::consider::Candidate;
use super::{Rules, narrative};
use crate::label::{Labels, label_codes};
use crate::terminology::{self, Confidentiality};

/// Labels, profile and narrative, computed again from what is released.
pub(super) fn finish(candidate: Candidate<'_>, rules: &Rules, raised: &[&str]) -> Value {
    let (notice, no_redisclosure) = (candidate.notice(), candidate.no_redisclosure());
    let Candidate {
        stored,
        profile,
        part2,
        mut body,
        ..
    } = candidate;
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    body["meta"] = json!({ "security": stored.body["meta"]["security"] });
    let mut seen = label_codes(&body, rules.lists, raised);
    if part2 && !seen.part2 {
        // An element stands for the whole it is read in: `42 CFR 2.32` binds what accompanies it.
        seen.part2 = true;
        seen.confidentiality = seen.confidentiality.max(Confidentiality::Restricted);
    }
    let meta = json!({ "profile": [profile.url()], "security": security(&seen, no_redisclosure, &stored.body) });
    profile.complete(&mut body);
    let text = narrative::narrative(&body, notice.as_deref());
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

/// Labels that travel: confidentiality, sensitivities, the law of Part 2 content, the refrain that its notice states
/// (<https://hl7.org/fhir/R4/security-labels.html>); of a record received from elsewhere all that its sender set, as it set it.
fn security(labels: &Labels, no_redisclosure: bool, stored: &Value) -> Vec<Value> {
    let act = |code: &str| json!({"system": terminology::ACT_CODE, "code": code});
    let mut codings =
        vec![json!({"system": terminology::CONFIDENTIALITY, "code": labels.confidentiality.code()})];
    codings.extend(labels.sensitivity.codes().map(act));
    if labels.part2 {
        codings.push(act("42CFRPart2"));
    }
    if no_redisclosure {
        codings.push(act("NORDSCLCD"));
    }
    if labels.provenance.received.is_some() {
        let sent = stored["meta"]["security"].as_array().into_iter().flatten();
        for (system, code) in sent.filter_map(|c| Some((c["system"].as_str()?, c["code"].as_str()?))) {
            let said = |coding: &Value| coding["system"] == system && coding["code"] == code;
            if system != terminology::CONFIDENTIALITY && !system.starts_with(OURS) && !codings.iter().any(said) {
                codings.push(json!({"system": system, "code": code}));
            }
        }
    }
    codings
}

/// Codings of our own say how the record came here: that is the agency's to know.
const OURS: &str = "https://postern.example/";
