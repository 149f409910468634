//! Every printed change releases what it is printed for, or says that there is none. SEMANTICS 3

use serde_json::{Value, json};

use super::{Explanation, Step, explain};
use crate::disclosure::{Recipient, Record, Rules, Stored};
use crate::fhir::{Instant, Now};
use crate::label::CodeLists;
use crate::law::{StateLaw, states};
use crate::profile::{Role, shipped};

fn rules() -> Rules {
    let sets = shipped::data_sets().expect("shipped data sets");
    Rules {
        policy: shipped::policy().expect("the shipped policy"),
        data_sets: sets.into_iter().map(|set| (set.name().to_owned(), set)).collect(),
        lists: CodeLists::shipped(),
        state: StateLaw::neutral(),
        states: states().expect("shipped states"),
        zone: jiff::tz::TimeZone::UTC,
        agency: None,
        base: String::new(),
        digest: [0; 32],
    }
}

fn recipient() -> Recipient {
    let npi = vec![(
        "http://hl7.org/fhir/sid/us-npi".to_owned(),
        "1999002011".to_owned(),
    )];
    Recipient::new("maple", "Maple Street", "primary-care", Role::Provider, npi)
}

fn explained(resources: Vec<Value>, recipient: &Recipient) -> Explanation {
    let organization = json!({"resourceType": "Organization", "id": "maple", "name": "Maple",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999002011"}]});
    let record = Record {
        patient: "p".to_owned(),
        resources: resources
            .into_iter()
            .filter_map(|body| Stored::new(body, 1))
            .collect(),
        directory: Stored::new(organization, 1).into_iter().collect(),
        ..Record::default()
    };
    let now = Now::new(Instant::parse("2026-11-21T12:00:00Z").expect("an instant"));
    explain(&record, recipient, "TREAT", &rules(), &now, "r").explanation
}

fn person() -> Value {
    json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Synthetic"}], "gender": "other",
        "identifier": [{"system": "s", "value": "1"}], "maritalStatus": {"coding": [{"code": "M"}]}})
}

fn referral() -> Value {
    json!({"resourceType": "ServiceRequest", "id": "r", "status": "active", "intent": "order",
        "code": {"text": "visit"}, "subject": {"reference": "Patient/p"},
        "performer": [{"reference": "Organization/maple"}]})
}

fn condition(id: &str, code: &str, label: Option<&str>) -> Value {
    let mut condition = json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": "a condition"}});
    if let Some(label) = label {
        condition["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": label}]});
    }
    condition
}

/// The steps that would release this resource, by name.
fn steps(told: &Explanation, reference: &str) -> Vec<&'static str> {
    let seen = told.outcome.as_ref().expect("there is a release");
    let reason = seen
        .withheld
        .iter()
        .find(|reason| reason.reference == reference && reason.element.is_none());
    let reason = reason.expect("it is withheld");
    reason.change.steps.iter().map(Step::code).collect()
}

#[test]
fn who_was_never_asked_is_to_be_asked_and_part_2_takes_its_own_form() {
    let told = explained(
        vec![
            person(),
            referral(),
            condition("hiv", "B20", None),
            condition("sud", "F11.20", Some("42CFRPart2")),
        ],
        &recipient(),
    );
    assert_eq!(steps(&told, "Condition/hiv"), ["new-consent"]);
    assert_eq!(steps(&told, "Condition/sud"), ["new-consent"]);
    let seen = told.outcome.as_ref().expect("a release");
    let hiv = seen
        .withheld
        .iter()
        .find(|reason| reason.reference == "Condition/hiv")
        .expect("withheld");
    assert!(
        hiv.label_basis
            .iter()
            .any(|line| line.contains("B20") && line.contains("Condition.code")),
        "{:?}",
        hiv.label_basis
    );
    let sud = seen
        .withheld
        .iter()
        .find(|reason| reason.reference == "Condition/sud")
        .expect("withheld");
    assert!(sud.change.sentence.contains("2.31(a)") && sud.exception.is_some());
    let outside = seen
        .withheld
        .iter()
        .find(|r| r.element.as_deref() == Some("Patient.maritalStatus"));
    let outside = outside.expect("not in the data set");
    assert!(
        matches!(outside.change.steps[..], [Step::WidenDataSet { .. }]),
        "{:?}",
        outside.change
    );
    assert!(outside.stands_at.contains("primary-care-Patient|"));
}

#[test]
fn a_refusal_is_taken_back_where_it_stands() {
    let consent = json!({"resourceType": "Consent", "id": "c", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"}, "performer": [{"reference": "Patient/p"}], "dateTime": "2026-10-01",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "permit", "actor": [{"role": {"coding": [{"code": "IRCP"}]},
                "reference": {"reference": "Organization/maple"}}],
            "provision": [{"type": "deny",
                "securityLabel": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}]}});
    let told = explained(
        vec![person(), referral(), condition("hiv", "B20", None), consent],
        &recipient(),
    );
    assert_eq!(steps(&told, "Condition/hiv"), ["withdraw-provision"]);
}

#[test]
fn a_stranger_is_told_of_by_what_would_relate_it() {
    let told = explained(vec![person()], &recipient());
    let denied = told.outcome.as_ref().expect_err("nothing relates it");
    assert_eq!(denied.code, "no-relationship");
    assert_eq!(denied.change.steps, [Step::Refer]);
    assert!(told.to_json()["denied"]["smallestChange"]["sentence"].is_string());
}
