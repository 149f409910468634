//! What a writer writes over without seeing it: hidden values in each element of a referral's Task that its owner writes, and
//! hidden items beside those it sees. <https://hl7.org/fhir/uv/security-label-ds4p/>

use serde_json::{Value, json};

use super::{by_identifier, inline, remove, take_free_text, with_change};
use crate::harness::Kept;

/// The Task of Rosa's referral, and three worlds: the element hidden in it, never there, and seen.
pub struct Over {
    pub name: &'static str,
    pub task: String,
    pub worlds: [Vec<Kept>; 3],
}

fn over(base: &[Kept], name: &'static str, put: impl Fn(&mut Value, Value)) -> Over {
    let task = by_identifier(base, "Task", "R-26-00417");
    let labelled = || json!({"extension": inline(&["42CFRPart2", "SUD"])});
    Over {
        name,
        worlds: [
            with_change(base, &task, |one| put(one, labelled())),
            with_change(base, &task, |one| {
                take_free_text(one);
                // What becomes empty is not there.
                remove(one, &["reasonCode"]);
            }),
            with_change(base, &task, |one| put(one, json!({}))),
        ],
        task,
    }
}

/// `label` with these members too.
fn with(mut label: Value, members: Value) -> Value {
    if let (Some(label), Value::Object(members)) = (label.as_object_mut(), members) {
        label.extend(members);
    }
    label
}

pub fn hidden_reason(base: &[Kept]) -> Over {
    over(base, "a hidden reason", |task, label| {
        task["statusReason"] = with(label, json!({"text": "The other clinic has her on Mondays"}));
    })
}

pub fn hidden_note(base: &[Kept]) -> Over {
    over(base, "a hidden note", |task, label| {
        task["note"] = json!([with(label, json!({"text": "Her counsellor is at Harbor"}))]);
    })
}

pub fn hidden_output(base: &[Kept]) -> Over {
    over(base, "a hidden output", |task, label| {
        task["output"] = json!([with(
            label,
            json!({"type": {"text": "Lab"}, "valueString": "Urine screen"})
        )]);
    })
}

pub fn hidden_period(base: &[Kept]) -> Over {
    over(base, "a hidden period", |task, label| {
        task["executionPeriod"] = with(label, json!({"start": "2026-11-13"}));
    })
}

/// Hidden items before, between and behind what the writer sees come with its own writing; here one beside a seen one.
pub fn hidden_note_beside(base: &[Kept]) -> Over {
    over(base, "a hidden item of another element", |task, label| {
        task["input"] = json!([with(
            label,
            json!({"type": {"text": "Lab"}, "valueString": "Urine screen"})
        )]);
    })
}

pub fn hidden_description(base: &[Kept]) -> Over {
    over(base, "a hidden description", |task, label| {
        task["description"] = "A visit at ten in the evening".into();
        if label["extension"].is_array() {
            task["_description"] = label;
        }
    })
}
