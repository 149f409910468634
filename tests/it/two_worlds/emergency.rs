//! `$match`, `$break-glass`, `$request-more` and `$validate`: each tells no more of who is here than a read does. 42 CFR 2.51,
//! <https://hl7.org/fhir/R4/patient-operation-match.html>

use serde_json::{Value, json};

use super::thing::Thing;
use crate::harness::Ask;

/// The partner of the corpus that is registered for emergencies: the crisis team.
pub const WHO: usize = 1;

fn operation(path: &str, parameters: &[Value]) -> Ask {
    let body = json!({"resourceType": "Parameters", "parameter": parameters});
    Ask::post(path, body.to_string()).with("content-type", "application/fhir+json")
}

fn person(thing: &Thing) -> &Value {
    let found = thing
        .hidden
        .iter()
        .find(|one| one.body["resourceType"] == "Patient");
    &found.expect("a person").body
}

/// The ways to say who is meant: by number, by demographics, and someone who is not here.
fn stated(thing: &Thing) -> Vec<Value> {
    let person = person(thing);
    let resource = |patient: Value| json!({"name": "resource", "resource": patient});
    vec![
        resource(json!({"resourceType": "Patient", "identifier": [person["identifier"][0]]})),
        resource(
            json!({"resourceType": "Patient", "name": person["name"], "birthDate": person["birthDate"],
            "gender": person["gender"]}),
        ),
        resource(json!({"resourceType": "Patient", "identifier": [{"system": "urn:nowhere", "value": "1"}]})),
    ]
}

pub fn matches(thing: &Thing) -> Vec<Ask> {
    let ask = |one: Value| operation("/fhir/Patient/$match", &[one]);
    let mut all: Vec<Ask> = stated(thing).into_iter().map(ask).collect();
    all.push(operation("/fhir/Patient/$match", &[]));
    all
}

/// Calls in order, and one that lacks what the law wants recorded.
pub fn calls(thing: &Thing) -> Vec<Ask> {
    let path = "/fhir/Patient/$break-glass";
    let text = |name: &str, value: &str| json!({"name": name, "valueString": value});
    let whole = |one: Value| {
        let reason = json!({"name": "reason", "valueCode": "overdose"});
        let consent = json!({"name": "consent-obtainable", "valueCode": "no"});
        let who = [
            text("requester-name", "Dr. Lee Okafor"),
            text("affiliation", "Riverside"),
            text("role", "crisis clinician"),
        ];
        operation(path, &[&[one][..], &who, &[reason, consent]].concat())
    };
    let mut all: Vec<Ask> = stated(thing).into_iter().map(whole).collect();
    all.push(operation(path, &stated(thing)[..1]));
    all
}

/// What is hidden sent to be checked, and something at the address of what is hidden: nobody looks whether it is there.
pub fn validations(thing: &Thing) -> Vec<Ask> {
    let person = person(thing);
    let ask =
        |path: String| Ask::post(&path, person.to_string()).with("content-type", "application/fhir+json");
    vec![
        ask("/fhir/Patient/$validate?mode=create".to_owned()),
        ask(format!("/fhir/Patient/{}/$validate?mode=update", thing.person)),
        ask(format!("/fhir/{}/$validate", thing.target)),
    ]
}

pub fn more(path: &str) -> Ask {
    let what = json!({"name": "what", "valueString": "Observation"});
    let why = json!({"name": "why", "valueString": "to plan the visit"});
    operation(path, &[what, why])
}
