//! Whole resources that are withheld: by law, by kind of note, by what their text sounds like, or because the data set has no
//! place for them. 42 CFR 2.13, 42 CFR 2.31(b), 45 CFR 164.508(a)(2), 45 CFR 164.502(b)

use serde_json::{Value, json};

use super::{
    PLAN_CONTENT, Thing, append, by_identifier, labels, owned, patient, remove, with_change, without,
};
use crate::harness::Kept;

/// A resource of the demo that a Part 2 program made; `harmless` makes it one that may be seen.
fn of_harbor(
    name: &'static str,
    base: &[Kept],
    kind: &'static str,
    number: &str,
    harmless: impl FnOnce(&mut Value),
) -> Thing {
    let target = by_identifier(base, kind, number);
    let absent = without(base, &[&target]);
    let visible = with_change(base, &target, |one| {
        remove(one, &["meta"]);
        harmless(one);
    });
    Thing::new(name, kind, target, [base.to_vec(), absent, visible])
}

/// Named by references with a `display` too: in the plan, in a goal.
pub fn part_2_condition(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "Condition", "DX-88102");
    let plan = by_identifier(base, "CarePlan", "CP-22041");
    let named = |display: &str| {
        with_change(base, &plan, |plan| {
            if let Some(list) = plan["addresses"].as_array_mut() {
                list.retain(|one| one["reference"] != target.as_str());
            }
            append(
                plan,
                "addresses",
                json!({"reference": target, "display": display}),
            );
        })
    };
    let (hidden, visible) = (named("Opioid dependence"), named("High blood pressure"));
    let visible = with_change(&visible, &target, |condition| {
        remove(condition, &["meta"]);
        condition["code"] = json!({"text": "High blood pressure",
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]});
    });
    let absent = without(&hidden, &[&target]);
    Thing::new(
        "a Part 2 condition",
        "Condition",
        target,
        [hidden, absent, visible],
    )
}

/// Only primary care is given goals.
pub fn part_2_goal(base: &[Kept]) -> Thing {
    let mut thing = of_harbor("a Part 2 goal", base, "Goal", "G-6102", |goal| {
        goal["description"] = json!({"text": "Walk in the park on Sundays"});
        remove(goal, &["addresses", "note", "target"]);
    });
    thing.askers = &[0];
    thing
}

pub fn part_2_action(base: &[Kept]) -> Thing {
    of_harbor("a Part 2 action", base, "Task", "A-71104", |task| {
        task["description"] = "Open the window.".into();
        remove(task, &["note", "reasonCode", "input"]);
    })
}

pub fn part_2_risk(base: &[Kept]) -> Thing {
    of_harbor(
        "a Part 2 risk assessment",
        base,
        "RiskAssessment",
        "RK-3302",
        |risk| {
            risk["prediction"] = json!([{"outcome": {"text": "Falls at night"}}]);
            remove(risk, &["code", "basis", "note", "mitigation", "reasonCode"]);
        },
    )
}

/// No code says what it is; its name does.
pub fn suspected_medication(base: &[Kept]) -> Thing {
    let model = by_identifier(base, "MedicationRequest", "RX-50314");
    let id = "8b".repeat(16);
    let with = |name: &str| {
        let mut all = base.to_vec();
        let mut one = all
            .iter()
            .find(|one| one.reference() == model)
            .expect("it is there")
            .clone();
        remove(&mut one.body, &["meta", "note", "reasonCode", "reasonReference"]);
        one.body["id"] = id.clone().into();
        one.body["identifier"][0]["value"] = "RX-50999".into();
        one.body["medicationCodeableConcept"] = json!({"text": name});
        all.push(one);
        all
    };
    let worlds = [
        with("Buprenorphine 8 mg film"),
        base.to_vec(),
        with("Vitamin D 1000 units"),
    ];
    let target = format!("MedicationRequest/{id}");
    Thing::new(
        "a medication that only its name betrays",
        "MedicationRequest",
        target,
        worlds,
    )
}

/// An Observation the plan refers to.
fn observed(base: &[Kept], id: &str, code: Value, meta: Option<Value>) -> Vec<Kept> {
    let plan = by_identifier(base, "CarePlan", "CP-22041");
    let reference = format!("Observation/{id}");
    let mut all = with_change(base, &plan, |plan| {
        let list = plan["supportingInfo"].as_array_mut().expect("a list");
        list.insert(1, json!({"reference": reference}));
    });
    let mut body = json!({"resourceType": "Observation", "id": id, "status": "final",
        "identifier": [{"system": "urn:test", "value": format!("W-{}", &id[..2])}],
        "code": {"coding": [code]}, "subject": {"reference": patient(base)}, "valueString": "94 kg on Monday"});
    if let Some(meta) = meta {
        body["meta"] = meta;
    }
    all.push(owned(base, body));
    all
}

fn support() -> Value {
    json!({"system": PLAN_CONTENT, "code": "communication-support"})
}

pub fn outside_the_data_set(base: &[Kept]) -> Thing {
    let id = "5f".repeat(16);
    let weight = json!({"system": "https://hearthstone.example/ids/observation", "code": "weight"});
    let worlds = [
        observed(base, &id, weight, None),
        base.to_vec(),
        observed(base, &id, support(), None),
    ];
    let target = format!("Observation/{id}");
    Thing::new("a resource outside the data set", "Observation", target, worlds)
}

fn note(name: &'static str, base: &[Kept], id: &str, kind: Value) -> Thing {
    let worlds = [
        observed(base, id, support(), Some(kind)),
        base.to_vec(),
        observed(base, id, support(), None),
    ];
    let mut thing = Thing::new(name, "Observation", format!("Observation/{id}"), worlds);
    thing.sealed = true;
    thing
}

pub fn psychotherapy_note(base: &[Kept]) -> Thing {
    note(
        "a psychotherapy note",
        base,
        &"5a".repeat(16),
        labels(&["PSYTHPN"]),
    )
}

pub fn sud_counseling_note(base: &[Kept]) -> Thing {
    let system = "https://postern.example/fhir/CodeSystem/note-kind";
    let kind = json!({"security": [{"system": system, "code": "sud-counseling-notes"}]});
    note("a SUD counseling note", base, &"5b".repeat(16), kind)
}
