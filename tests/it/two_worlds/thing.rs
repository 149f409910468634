//! What is hidden: for each thing three worlds that differ in nothing else. In the first it is there and withheld, in the
//! second it never was, in the third it is there and may be seen.
//!
//! Where an element is withheld, the free text beside it goes too (SEMANTICS 2): the world without it has neither.

use serde_json::{Value, json};

use crate::harness::{Kept, never_was};

pub struct Thing {
    pub name: &'static str,
    /// The type whose searches it could show in.
    pub focus: &'static str,
    /// At least so many of a hundred requests are answered 2xx where it is hidden.
    pub least_good: usize,
    /// `Type/id` by which it could be read.
    pub target: String,
    /// An identifier by which it could be searched, as `system|value`.
    pub identifier: String,
    pub hidden: Vec<Kept>,
    pub absent: Vec<Kept>,
    pub visible: Vec<Kept>,
}

fn by_identifier(all: &[Kept], kind: &str, value: &str) -> String {
    let found = all.iter().find(|one| {
        one.body["resourceType"] == kind
            && one.body["identifier"]
                .as_array()
                .is_some_and(|list| list.iter().any(|i| i["value"] == value))
    });
    found.expect("the demo has it").reference()
}

fn change(all: &mut [Kept], reference: &str, change: impl FnOnce(&mut Value)) {
    let one = all
        .iter_mut()
        .find(|one| one.reference() == reference)
        .expect("it is there");
    change(&mut one.body);
}

fn patient(all: &[Kept]) -> String {
    all.iter()
        .find(|one| one.body["resourceType"] == "Patient")
        .expect("a person")
        .reference()
}

fn remove(body: &mut Value, names: &[&str]) {
    let object = body.as_object_mut().expect("a resource");
    names.iter().for_each(|name| {
        object.shift_remove(*name);
    });
}

/// Without the `display` of codings and the `text` of concepts: what goes with a withheld element.
fn without_free_text(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_free_text),
        Value::Object(object) => {
            object.retain(|name, _| name != "display" && name != "text");
            object.values_mut().for_each(without_free_text);
        }
        _ => {}
    }
}

pub fn part_2_condition(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "Condition", "DX-88102");
    let mut absent = base.to_vec();
    never_was(&mut absent, &target);
    let mut visible = base.to_vec();
    change(&mut visible, &target, |condition| {
        remove(condition, &["meta"]);
        condition["code"] = json!({"text": "High blood pressure",
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]});
    });
    Thing {
        name: "a Part 2 condition",
        focus: "Condition",
        least_good: 60,
        target,
        identifier: "https://hearthstone.example/ids/diagnosis|DX-88102".to_owned(),
        hidden: base.to_vec(),
        absent,
        visible,
    }
}

pub fn hiv_labelled_element(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "CarePlan", "CP-22041");
    let mut hidden = base.to_vec();
    change(&mut hidden, &target, |plan| {
        plan["description"] = "Her viral load is followed every three months.".into();
        plan["_description"] = json!({"extension": [{
            "url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
            "valueCoding": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}}]});
    });
    let mut absent = base.to_vec();
    change(&mut absent, &target, |plan| {
        remove(plan, &["description", "_description", "title", "note"])
    });
    Thing {
        name: "an HIV-labelled element",
        focus: "CarePlan",
        least_good: 60,
        target,
        identifier: "https://hearthstone.example/ids/plan|CP-22041".to_owned(),
        hidden,
        absent,
        visible: base.to_vec(),
    }
}

pub fn outside_the_data_set(base: &[Kept]) -> Thing {
    let (person, plan) = (patient(base), by_identifier(base, "CarePlan", "CP-22041"));
    let with = |code: Value| {
        let mut all = base.to_vec();
        let body = json!({"resourceType": "Observation", "id": "5f".repeat(16), "status": "final",
            "identifier": [{"system": "urn:test", "value": "W-1"}],
            "code": {"coding": [code]}, "subject": {"reference": person}, "valueString": "94 kg on Monday"});
        change(&mut all, &plan, |plan| {
            let list = plan["supportingInfo"].as_array_mut().expect("a list");
            list.insert(
                1,
                json!({"reference": format!("Observation/{}", "5f".repeat(16))}),
            );
        });
        all.push(Kept {
            patient: person.split('/').nth(1).map(str::to_owned),
            body,
        });
        all
    };
    Thing {
        name: "a resource outside the data set",
        focus: "Observation",
        least_good: 60,
        target: format!("Observation/{}", "5f".repeat(16)),
        identifier: "urn:test|W-1".to_owned(),
        hidden: with(json!({"system": "http://loinc.org", "code": "29463-7"})),
        absent: base.to_vec(),
        visible: with(
            json!({"system": "https://postern.example/fhir/CodeSystem/plan-content", "code": "communication-support"}),
        ),
    }
}

pub fn consent_about_another(base: &[Kept]) -> Thing {
    let model = base
        .iter()
        .find(|one| one.reference() == by_identifier(base, "Consent", "C-31003"))
        .expect("a consent");
    let named = |names: &[String]| {
        let mut all = base.to_vec();
        let mut consent = model.clone();
        consent.body["id"] = "6e".repeat(16).into();
        consent.body["identifier"][0]["value"] = "C-39999".into();
        let actors = names.iter().map(|name| {
            json!({"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                "reference": {"reference": name}})
        });
        consent.body["provision"]["actor"] = actors.collect();
        all.push(consent);
        let clinic = json!({"resourceType": "Organization", "id": "6f".repeat(16), "active": true, "name": "Far Away Clinic",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999002045"}]});
        all.push(Kept {
            patient: None,
            body: clinic,
        });
        all
    };
    let partners =
        ["1999002011", "1999002029", "1999002037"].map(|npi| by_identifier(base, "Organization", npi));
    Thing {
        name: "a consent about another recipient",
        focus: "Consent",
        least_good: 60,
        target: format!("Consent/{}", "6e".repeat(16)),
        identifier: "https://hearthstone.example/ids/consent|C-39999".to_owned(),
        hidden: named(&[format!("Organization/{}", "6f".repeat(16))]),
        absent: base.to_vec(),
        visible: named(&partners),
    }
}

pub fn part_2_counsellor(base: &[Kept]) -> Thing {
    let target = by_identifier(base, "PractitionerRole", "S-131");
    let team = by_identifier(base, "CareTeam", "CP-22041");
    let mine = |participant: &Value| participant["member"]["reference"] == target.as_str();
    let mut absent = base.to_vec();
    change(&mut absent, &team, |team| {
        team["participant"]
            .as_array_mut()
            .expect("a team")
            .retain(|p| !mine(p));
        remove(team, &["name"]);
        without_free_text(team);
    });
    never_was(&mut absent, &target);
    never_was(&mut absent, &by_identifier(base, "Practitioner", "S-131"));
    let mut visible = base.to_vec();
    change(&mut visible, &team, |team| {
        let list = team["participant"].as_array_mut().expect("a team");
        list.iter_mut()
            .filter(|p| mine(p))
            .for_each(|p| remove(p, &["extension"]));
    });
    Thing {
        name: "a Part 2 counsellor on the team",
        focus: "CareTeam",
        least_good: 60,
        target,
        identifier: "https://hearthstone.example/ids/staff|S-131".to_owned(),
        hidden: base.to_vec(),
        absent,
        visible,
    }
}

/// The only tie between the partners and the person is a referral that none of them may know of: no person, no tie.
pub fn part_2_referral(base: &[Kept]) -> Thing {
    let person = patient(base);
    let partners =
        ["1999002011", "1999002029", "1999002037"].map(|npi| by_identifier(base, "Organization", npi));
    let mut bare = base.to_vec();
    for (kind, value) in [
        ("Consent", "C-31001"),
        ("Consent", "C-31002"),
        ("Consent", "C-31003"),
        ("ServiceRequest", "R-26-00417"),
        ("Task", "R-26-00417"),
    ] {
        let gone = by_identifier(base, kind, value);
        never_was(&mut bare, &gone);
    }
    let team = by_identifier(base, "CareTeam", "CP-22041");
    change(&mut bare, &team, |team| {
        let list = team["participant"].as_array_mut().expect("a team");
        list.retain(|p| {
            !partners
                .iter()
                .any(|partner| p["member"]["reference"] == partner.as_str())
        });
    });
    let with = |security: &[&str]| {
        let mut all = bare.clone();
        let coding =
            |code: &&str| json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code});
        let labels: Vec<Value> = security.iter().map(coding).collect();
        let performer: Vec<Value> = partners
            .iter()
            .map(|partner| json!({"reference": partner}))
            .collect();
        let mut body = json!({"resourceType": "ServiceRequest", "id": "7a".repeat(16), "meta": {"security": labels},
            "identifier": [{"system": "urn:test", "value": "R-1"}], "status": "active", "intent": "order",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}], "text": "Referral"},
            "subject": {"reference": person}, "authoredOn": "2026-11-20", "performer": performer});
        if security.is_empty() {
            remove(&mut body, &["meta"]);
        }
        all.push(Kept {
            patient: person.split('/').nth(1).map(str::to_owned),
            body,
        });
        all
    };
    Thing {
        name: "a Part 2 referral as the only tie",
        focus: "ServiceRequest",
        // Nobody is there: reads answer 404, searches an empty 200.
        least_good: 45,
        target: format!("ServiceRequest/{}", "7a".repeat(16)),
        identifier: "urn:test|R-1".to_owned(),
        hidden: with(&["42CFRPart2", "SUD"]),
        absent: bare.clone(),
        visible: with(&[]),
    }
}
