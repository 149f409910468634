//! The person as a whole: where all that ties the partners to a person is hidden, and where the person is, nobody is there.
//! 42 CFR 2.13(c)

use serde_json::{Value, json};

use super::{Thing, by_identifier, labels, last, owned, partners, patient, remove, with_change, without};
use crate::harness::Kept;

/// The only tie between the partners and the person is a referral that none of them may know of: no person, no tie.
pub fn part_2_referral(base: &[Kept]) -> Thing {
    let gone: Vec<String> = [
        ("Consent", "C-31001"),
        ("Consent", "C-31002"),
        ("Consent", "C-31003"),
        ("ServiceRequest", "R-26-00417"),
        ("Task", "R-26-00417"),
    ]
    .into_iter()
    .map(|(kind, value)| by_identifier(base, kind, value))
    .collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    let partners = partners(base);
    let team = by_identifier(base, "CareTeam", "CP-22041");
    let bare = with_change(&without(base, &gone), &team, |team| {
        let list = team["participant"].as_array_mut().expect("a team");
        list.retain(|p| {
            !partners
                .iter()
                .any(|partner| p["member"]["reference"] == partner.as_str())
        });
    });
    let with = |meta: Value| {
        let mut all = bare.clone();
        let performer: Vec<Value> = partners
            .iter()
            .map(|partner| json!({"reference": partner}))
            .collect();
        let mut body = json!({"resourceType": "ServiceRequest", "id": "7a".repeat(16), "meta": meta,
            "identifier": [{"system": "urn:test", "value": "R-1"}], "status": "active", "intent": "order",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}], "text": "Referral"},
            "subject": {"reference": patient(base)}, "authoredOn": "2026-11-20", "performer": performer});
        if meta.is_null() {
            remove(&mut body, &["meta"]);
        }
        all.push(owned(base, body));
        all
    };
    let worlds = [
        with(labels(&["42CFRPart2", "SUD"])),
        bare.clone(),
        with(Value::Null),
    ];
    let target = format!("ServiceRequest/{}", "7a".repeat(16));
    let mut thing = Thing::new(
        "a Part 2 referral as the only tie",
        "ServiceRequest",
        target,
        worlds,
    );
    // Nobody is there: reads answer 404, searches an empty 200.
    thing.least_good = 45;
    thing
}

/// All that is known of the person comes from a Part 2 program; in the other world nobody ever heard of them.
pub fn part_2_person(base: &[Kept]) -> Thing {
    let target = patient(base);
    let mut hidden = base.to_vec();
    for one in hidden.iter_mut().filter(|one| one.patient.is_some()) {
        one.body["meta"] = labels(&["42CFRPart2", "SUD"]);
    }
    let absent = base.iter().filter(|one| one.patient.is_none()).cloned().collect();
    let mut thing = Thing::new(
        "a person known to a Part 2 program",
        "Patient",
        target,
        [hidden, absent, base.to_vec()],
    );
    thing.person = last(&patient(base)).to_owned();
    thing.least_good = 45;
    thing
}
