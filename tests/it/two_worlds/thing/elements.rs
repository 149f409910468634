//! Elements with a label of their own, at the places where one can stand: a primitive, its `_x` sibling, an item of a list, a
//! participant, a contained resource. <https://hl7.org/fhir/uv/security-label-ds4p/>

use serde_json::{Value, json};

use super::{
    Thing, append, by_identifier, inline, labels, patient, remove, take_free_text, with_change, without,
};
use crate::harness::Kept;

pub fn hiv_labelled_element(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "CarePlan", "CP-22041");
    let hidden = with_change(base, &target, |plan| {
        plan["description"] = "Her viral load is followed every three months.".into();
        plan["_description"] = json!({"extension": inline(&["HIV"])});
    });
    let absent = with_change(base, &target, |plan| {
        remove(plan, &["description", "_description", "title", "note"])
    });
    let worlds = [hidden, absent, base.to_vec()];
    Thing::new("an HIV-labelled element", "CarePlan", target, worlds)
}

/// The label stands on `_valueString`; the value itself is an ordinary string.
pub fn part_2_sibling(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "Observation", "OB-5502");
    let hidden = with_change(base, &target, |one| {
        one["_valueString"] = json!({"extension": inline(&["42CFRPart2", "SUD"])});
    });
    let absent = with_change(base, &target, |one| {
        remove(one, &["valueString", "_valueString"]);
        take_free_text(one);
    });
    let worlds = [hidden, absent, base.to_vec()];
    Thing::new("a Part 2 label on a sibling", "Observation", target, worlds)
}

pub fn labelled_phone(base: &[Kept]) -> Thing {
    let target = patient(base);
    let hidden = with_change(base, &target, |person| {
        person["telecom"][0]["extension"] = inline(&["SDV"]);
    });
    let absent = with_change(base, &target, |person| {
        person["telecom"].as_array_mut().expect("numbers").remove(0);
        take_free_text(person);
    });
    let worlds = [hidden, absent, base.to_vec()];
    Thing::new("a labelled telephone number", "Patient", target, worlds)
}

pub fn contained_resource(base: &[Kept]) -> Thing {
    let plan = by_identifier(base, "CarePlan", "CP-22041");
    let person = patient(base);
    let id = "7c".repeat(16);
    let target = format!("Condition/{id}");
    let hidden = with_change(base, &plan, |plan| {
        let inner = json!({"resourceType": "Condition", "id": "c1", "meta": labels(&["42CFRPart2", "SUD"]),
            "code": {"text": "Opioid dependence"}, "subject": {"reference": person}});
        plan["contained"] = json!([inner]);
        append(
            plan,
            "addresses",
            json!({"reference": "#c1", "display": "Opioid dependence"}),
        );
    });
    let absent = with_change(base, &plan, |plan| {
        remove(plan, &["description", "_description", "title", "note"])
    });
    // As a resource of its own: shipped data sets release none that is contained.
    let mut visible = with_change(base, &plan, |plan| {
        append(plan, "addresses", json!({"reference": target}));
    });
    let model = by_identifier(base, "Condition", "DX-88104");
    let mut own = base
        .iter()
        .find(|one| one.reference() == model)
        .expect("a condition")
        .clone();
    own.body["id"] = id.into();
    own.body["identifier"] = json!([{"system": "urn:test", "value": "CC-1"}]);
    visible.push(own);
    let mut thing = Thing::new(
        "a contained resource",
        "Condition",
        target,
        [hidden, absent, visible],
    );
    thing.identifier = "urn:test|CC-1".to_owned();
    thing
}

pub fn part_2_counsellor(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "PractitionerRole", "S-131");
    let team = by_identifier(base, "CareTeam", "CP-22041");
    let mine = |participant: &Value| participant["member"]["reference"] == target.as_str();
    let absent = with_change(base, &team, |team| {
        let list = team["participant"].as_array_mut().expect("a team");
        list.retain(|p| !mine(p));
        remove(team, &["name"]);
        take_free_text(team);
    });
    let practitioner = by_identifier(base, "Practitioner", "S-131");
    let absent = without(&absent, &[&target, &practitioner]);
    let mut visible = with_change(base, &team, |team| {
        let list = team["participant"].as_array_mut().expect("a team");
        list.iter_mut()
            .filter(|p| mine(p))
            .for_each(|p| remove(p, &["extension"]));
    });
    for reference in [&target, &practitioner] {
        // what it works for labels it as well
        let telling = ["meta", "organization", "healthcareService", "location"];
        visible = with_change(&visible, reference, |one| remove(one, &telling));
    }
    let worlds = [base.to_vec(), absent, visible];
    Thing::new("a Part 2 counsellor on the team", "CareTeam", target, worlds)
}
