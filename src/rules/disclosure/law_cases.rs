//! Runs the cases in `law/cases/`: the layers of law and consent over each resource of a case. Relationship is a fact of the case; data
//! sets are another layer. The form stands in `law/README.md`; the golden cases are those of `reference/law.md` section 7.

use std::collections::HashSet;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Rules;
use super::asked::Asked;
use super::grant::{Grant, Obtainable};
use super::record::{Recipient, Record, Stored};
use crate::fhir::{Instant, Now};
use crate::label::{CodeLists, label};
use crate::law::{self, StateLaw};
use crate::profile::{Policy, Role, shipped};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/law/cases");

static STATES: LazyLock<std::collections::HashMap<String, StateLaw>> =
    LazyLock::new(|| law::states().expect("shipped states load"));

/// A resource with what every example shares filled in, so that a case says only what matters.
fn stored(resource: &Value) -> Option<Stored> {
    Stored::new(resource.clone(), 1)
}

fn rules(case: &Value) -> Rules {
    let mut policy: Value = serde_json::from_str(shipped::POLICY).expect("JSON");
    for (key, value) in case["policy"].as_object().into_iter().flatten() {
        policy[key] = value.clone();
    }
    let state = case["state"].as_str().unwrap_or("neutral");
    Rules {
        policy: Policy::load(&policy).expect("the case's policy loads"),
        data_sets: Default::default(),
        lists: CodeLists::shipped(),
        state: STATES.get(state).expect("a shipped state").clone(),
        states: Default::default(),
        zone: TimeZone::UTC,
        agency: None,
        base: String::new(),
        digest: [0; 32],
    }
}

fn recipient(case: &Value, patient: &str, until: Instant) -> Recipient {
    let given = &case["recipient"];
    let role = Role::named(given["role"].as_str().unwrap_or("provider")).expect("a role");
    let class = given["class"].as_str().unwrap_or("primary-care");
    let npi = ("http://hl7.org/fhir/sid/us-npi".to_owned(), "1".to_owned());
    let mut recipient = Recipient::new("r", "R", class, role, vec![npi]);
    recipient.medical_personnel = given["medical_personnel"] == true;
    recipient.grant = case["facts"]["consent_obtainable"].as_str().map(|stated| Grant {
        id: "g".to_owned(),
        patient: patient.to_owned(),
        until,
        consent_obtainable: Obtainable::named(stated).expect("no, refused or unknown"),
    });
    recipient
}

/// Visible ids, and the withheld with the code of the rule.
fn run(case: &Value) -> (Vec<String>, Vec<(String, String, String)>) {
    let list = |key: &str| case[key].as_array().cloned().unwrap_or_default();
    let own = json!({"resourceType": "Organization", "id": "r",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}]});
    let asked_for: Vec<Value> = list("resources");
    let patient = asked_for
        .iter()
        .chain(&list("context"))
        .find(|r| r["resourceType"] == "Patient")
        .and_then(|r| r["id"].as_str())
        .unwrap_or("p")
        .to_owned();
    let record = Record {
        patient: patient.clone(),
        resources: list("consents")
            .iter()
            .chain(&asked_for)
            .filter_map(stored)
            .collect(),
        directory: list("context").iter().chain([&own]).filter_map(stored).collect(),
        ..Record::default()
    };
    let as_of = Instant::parse(case["asOf"].as_str().expect("asOf")).expect("an instant");
    let rules = rules(case);
    let recipient = recipient(case, &patient, as_of.plus_seconds(3600));
    let (now, purpose) = (
        Now::new(as_of),
        case["request"]["purposeOfUse"].as_str().unwrap_or_default(),
    );
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let asked = Asked::new(&record, &recipient, purpose, &rules, &now);
    let ids: HashSet<&str> = asked_for.iter().filter_map(|r| r["id"].as_str()).collect();
    asked.with_layers(|mut layers, record, _| {
        let related = case["recipient"]["relationship"] != false;
        layers.asker.related = related;
        layers.asker.in_care_team = case["recipient"]["care_team"] == true;
        let (mut visible, mut withheld) = (Vec::new(), Vec::new());
        for stored in record.all().filter(|stored| ids.contains(stored.id.as_str())) {
            let labels = label(&stored.body, rules.lists, &raised);
            match layers.judge(stored, &labels) {
                Ok(permitted) => {
                    notices(case, &stored.id, &permitted);
                    visible.push(stored.id.clone());
                }
                Err(refused) => {
                    withheld.push((stored.id.clone(), refused.rule.code().to_owned(), refused.basis))
                }
            }
        }
        (visible, withheld)
    })
}

/// `expected.obligations` and `expected.basis`, by id: codes that must be there, words the basis must hold.
fn notices(case: &Value, id: &str, permitted: &super::layers::Permitted) {
    let name = case["name"].as_str().unwrap_or_default();
    let expected = &case["expected"];
    for code in expected["obligations"][id].as_array().into_iter().flatten() {
        let has = permitted.obligations.iter().any(|own| code == own.code());
        assert!(has, "{name}: {id} lacks the obligation {code}");
    }
    if let Some(words) = expected["basis"][id].as_str() {
        let has = permitted.basis.iter().any(|own| own.contains(words));
        assert!(has, "{name}: {id} rests on {:?}, not on {words}", permitted.basis);
    }
}

#[test]
fn every_case_of_law_is_decided_as_it_expects() {
    let (mut failures, mut count) = (Vec::new(), 0);
    let mut files: Vec<_> = std::fs::read_dir(FOLDER)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a case").path())
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable case");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        for case in file.as_array().expect("a list of cases") {
            count += 1;
            let name = case["name"].as_str().expect("a name");
            let (visible, withheld) = run(case);
            let wanted: Vec<&str> = case["expected"]["visible"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if visible != wanted {
                failures.push(format!("{name}: visible {visible:?}, withheld {withheld:?}"));
            }
            for expected in case["expected"]["withheld"].as_array().into_iter().flatten() {
                let (id, rule) = (expected["id"].as_str(), expected["rule"].as_str());
                let found = withheld.iter().find(|(own, _, _)| Some(own.as_str()) == id);
                let by_rule = found.is_some_and(|(_, own, _)| rule.is_none_or(|rule| rule == own));
                let words = expected["basis"].as_str().unwrap_or_default();
                if !by_rule || !found.is_some_and(|(_, _, basis)| basis.contains(words)) {
                    failures.push(format!("{name}: {expected} found as {found:?}"));
                }
            }
        }
    }
    assert!(
        failures.is_empty() && count >= 40,
        "{count} cases\n{}",
        failures.join("\n")
    );
}
