//! What is withheld for the company it keeps: a visit at a Part 2 program, an appointment with its counsellor, a place that only
//! hidden things lead to; a screening with the score made of it; a document nobody has read. 42 CFR 2.12(a)(1), 2.13(c)

use serde_json::{Value, json};

use super::{Thing, labels, owned, patient, remove, shared};
use crate::harness::Kept;

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

fn id(byte: &str) -> String {
    byte.repeat(16)
}

/// The same with another `meta`, or none.
fn with_meta(mut body: Value, meta: &Value) -> Value {
    body["meta"] = meta.clone();
    if meta.is_null() {
        remove(&mut body, &["meta"]);
    }
    body
}

fn and(base: &[Kept], more: impl IntoIterator<Item = Kept>) -> Vec<Kept> {
    base.iter().cloned().chain(more).collect()
}

/// An organisation of this name, its house and one of its counsellors.
fn program(name: &str, meta: &Value) -> [Kept; 3] {
    let organization = format!("Organization/{}", id("a1"));
    [
        shared(with_meta(
            json!({"resourceType": "Organization", "id": id("a1"), "active": true, "name": name,
                "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999003068"}]}),
            meta,
        )),
        shared(
            json!({"resourceType": "Location", "id": id("a2"), "status": "active", "name": name,
            "managingOrganization": {"reference": organization}}),
        ),
        shared(
            json!({"resourceType": "PractitionerRole", "id": id("a3"), "active": true,
            "organization": {"reference": organization}, "code": [{"text": "counsellor"}],
            "telecom": [{"system": "phone", "value": "217-555-0160"}]}),
        ),
    ]
}

const PROGRAM: (&str, &str) = ("Clear Water Methadone Clinic", "Clear Water Clinic");

fn part2() -> Value {
    labels(&["42CFRPart2", "SUD"])
}

/// Nothing in it says what it is but where it was.
pub fn visit_at_a_part_2_program(base: &[Kept]) -> Thing {
    let visit = |kept: &[Kept]| {
        owned(
            kept,
            json!({"resourceType": "Encounter", "id": id("a4"), "identifier": [{"system": "urn:test", "value": "V-1"}],
            "status": "finished", "class": {"system": ACT, "code": "EMER"}, "type": [{"text": "Visit"}],
            "subject": {"reference": patient(kept)}, "period": {"start": "2026-11-18", "end": "2026-11-18"},
            "location": [{"location": {"reference": format!("Location/{}", id("a2"))}}]}),
        )
    };
    let with = |name: &str, meta: &Value| and(base, program(name, meta).into_iter().chain([visit(base)]));
    let worlds = [
        with(PROGRAM.0, &part2()),
        base.to_vec(),
        with(PROGRAM.1, &Value::Null),
    ];
    let target = format!("Encounter/{}", id("a4"));
    Thing::new("a visit at a Part 2 program", "Encounter", target, worlds)
}

pub fn appointment_with_a_part_2_counsellor(base: &[Kept]) -> Thing {
    let appointment = |kept: &[Kept]| {
        owned(
            kept,
            json!({"resourceType": "Appointment", "id": id("a5"), "identifier": [{"system": "urn:test", "value": "A-1"}],
            "status": "booked", "start": "2026-12-01T15:00:00Z", "end": "2026-12-01T15:30:00Z", "participant": [
                {"actor": {"reference": patient(kept)}, "status": "accepted"},
                {"actor": {"reference": format!("PractitionerRole/{}", id("a3"))}, "status": "accepted"}]}),
        )
    };
    let with =
        |name: &str, meta: &Value| and(base, program(name, meta).into_iter().chain([appointment(base)]));
    let worlds = [
        with(PROGRAM.0, &part2()),
        base.to_vec(),
        with(PROGRAM.1, &Value::Null),
    ];
    let target = format!("Appointment/{}", id("a5"));
    Thing::new(
        "an appointment with a Part 2 counsellor",
        "Appointment",
        target,
        worlds,
    )
}

/// The place and the service say nothing of themselves; what leads to them does.
pub fn place_only_hidden_things_lead_to(base: &[Kept]) -> Thing {
    let with = |meta: &Value| {
        let (place, service) = (
            format!("Location/{}", id("b1")),
            format!("HealthcareService/{}", id("b2")),
        );
        let appointment = json!({"resourceType": "Appointment", "id": id("b3"), "status": "booked",
            "identifier": [{"system": "urn:test", "value": "A-2"}],
            "start": "2026-12-02T15:00:00Z", "end": "2026-12-02T15:30:00Z", "participant": [
                {"actor": {"reference": patient(base)}, "status": "accepted"},
                {"actor": {"reference": service}, "status": "accepted"},
                {"actor": {"reference": place}, "status": "accepted"}]});
        and(
            base,
            [
                shared(
                    json!({"resourceType": "Location", "id": id("b1"), "status": "active", "name": "9 Elm Street"}),
                ),
                shared(
                    json!({"resourceType": "HealthcareService", "id": id("b2"), "active": true, "name": "Elm Street evenings",
                "location": [{"reference": place}]}),
                ),
                owned(base, with_meta(appointment, meta)),
            ],
        )
    };
    let worlds = [with(&part2()), base.to_vec(), with(&Value::Null)];
    let target = format!("Location/{}", id("b1"));
    let mut thing = Thing::new(
        "a place that only hidden things lead to",
        "Appointment",
        target,
        worlds,
    );
    thing.identifier = "urn:test|A-2".to_owned();
    thing
}

/// The score beside it carries no label of its own.
pub fn part_2_screening(base: &[Kept]) -> Thing {
    let with = |meta: &Value| {
        let response = json!({"resourceType": "QuestionnaireResponse", "id": id("c1"), "status": "completed",
            "identifier": {"system": "urn:test", "value": "S-1"}, "questionnaire": "http://loinc.org/q/93373-9",
            "subject": {"reference": patient(base)}, "authored": "2026-11-17",
            "item": [{"linkId": "1", "text": "In the last month?", "answer": [{"valueString": "once, on a Sunday"}]}]});
        let score = json!({"resourceType": "Observation", "id": id("c2"), "status": "final",
            "identifier": [{"system": "urn:test", "value": "S-2"}], "subject": {"reference": patient(base)},
            "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}, "valueInteger": 11,
            "derivedFrom": [{"reference": format!("QuestionnaireResponse/{}", id("c1"))}]});
        and(base, [owned(base, with_meta(response, meta)), owned(base, score)])
    };
    let worlds = [with(&part2()), base.to_vec(), with(&Value::Null)];
    let target = format!("QuestionnaireResponse/{}", id("c1"));
    let mut thing = Thing::new("a Part 2 screening", "QuestionnaireResponse", target, worlds);
    thing.identifier = "urn:test|S-1".to_owned();
    thing.askers = &[0, 2];
    thing
}

/// Nobody has labelled or read it, or the bytes it leads to.
pub fn unread_document(base: &[Kept]) -> Thing {
    let normal = json!({"security": [{"system": CONFIDENTIALITY, "code": "N"}]});
    let with = |meta: &Value| {
        let bytes = json!({"resourceType": "Binary", "id": id("d2"), "contentType": "text/plain", "data": "TW9uZGF5cw=="});
        let document = json!({"resourceType": "DocumentReference", "id": id("d1"), "status": "current",
            "identifier": [{"system": "urn:test", "value": "D-1"}], "type": {"coding": [{"system": "http://loinc.org", "code": "68609-7"}], "text": "letter"},
            "subject": {"reference": patient(base)}, "date": "2026-11-17T10:00:00Z", "content": [
                {"attachment": {"contentType": "text/plain", "data": "VHVlc2RheXM=", "title": "Tuesdays"}},
                {"attachment": {"contentType": "text/plain", "url": format!("Binary/{}", id("d2"))}}]});
        and(
            base,
            [
                owned(base, with_meta(document, meta)),
                owned(base, with_meta(bytes, meta)),
            ],
        )
    };
    let worlds = [with(&Value::Null), base.to_vec(), with(&normal)];
    let target = format!("DocumentReference/{}", id("d1"));
    let mut thing = Thing::new("a document nobody has read", "DocumentReference", target, worlds);
    thing.askers = &[0, 2];
    thing
}
