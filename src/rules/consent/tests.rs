//! What the case files cannot say: states, bases, provision paths, how long an answer holds, cost.

use serde_json::json;

use super::*;
use crate::fhir::{Instant, Now};
use crate::label::{CodeLists, Labels, RAISED, label};
use crate::terminology::ACT_CODE;

fn consent(provision: Value) -> Value {
    json!({"resourceType": "Consent", "id": "c", "status": "active", "dateTime": "2026-01-10",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/ana"}, "provision": provision})
}

fn at(text: &str) -> Now {
    Now::new(Instant::parse(text).expect("instant"))
}

fn noon() -> Now {
    at("2026-06-01T12:00:00Z")
}

fn labelled(resource: &Value) -> Labels {
    label(resource, CodeLists::shipped(), &RAISED)
}

fn observation(codes: &[&str]) -> Value {
    let security: Vec<Value> = codes
        .iter()
        .map(|c| json!({"system": ACT_CODE, "code": c}))
        .collect();
    json!({"resourceType": "Observation", "id": "o", "meta": {"security": security}})
}

fn verdict(consents: &[Value], datum: &Value, now: &Now) -> (Verdict, Consents) {
    let context = Resources::default();
    let list: Vec<&Value> = consents.iter().collect();
    let compiled = Consents::compile(&list, &context, &TimeZone::UTC, &Signing::default());
    let actor = Actor {
        references: vec!["Organization/clinic".to_owned()],
        ..Actor::default()
    };
    let labels = labelled(datum);
    let verdict = compiled.evaluate(
        &Request::new(&actor, "TREAT", now),
        &context,
        &Datum::new(datum, &labels),
    );
    (verdict, compiled)
}

fn state(status: &str) -> State {
    let mut c = consent(json!({"type": "permit"}));
    c["status"] = json!(status);
    verdict(&[c], &observation(&[]), &noon()).0.state
}

#[test]
fn the_states_are_kept_apart() {
    assert_eq!(
        verdict(&[], &observation(&[]), &noon()).0.state,
        State::NeverAsked
    );
    assert_eq!(state("active"), State::Active);
    assert_eq!(state("rejected"), State::Refused);
    assert_eq!(state("inactive"), State::Revoked);
    assert_eq!(state("entered-in-error"), State::NotComputable);
    assert_eq!(state("draft"), State::NeverAsked);
    assert_eq!(state("no such status"), State::NotComputable);
    let expired = consent(json!({"type": "permit", "period": {"end": "2026-05-31"}}));
    assert_eq!(
        verdict(&[expired], &observation(&[]), &noon()).0.state,
        State::Expired
    );
    let (insufficient, _) = verdict(
        &[consent(json!({"type": "permit"}))],
        &observation(&["42CFRPart2"]),
        &noon(),
    );
    assert_eq!(
        (insufficient.state, insufficient.part2),
        (State::Insufficient, Part2::Insufficient(0))
    );
    assert_eq!(insufficient.decision, Decision::Deny);
}

#[test]
fn who_took_part_is_recorded_with_its_provision() {
    let c = consent(
        json!({"type": "permit", "provision": [{"type": "permit", "purpose": [], "provision": [
        {"type": "permit"}, {"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "SUD"}]}]}]}),
    );
    let (verdict, compiled) = verdict(&[c], &observation(&["ETH"]), &noon());
    assert_eq!(verdict.decision, Decision::Deny);
    let paths: Vec<String> = verdict.parts.iter().map(|p| compiled.path(p)).collect();
    assert_eq!(paths, ["Consent/c provision[0].provision[1]"]);
}

#[test]
fn a_silent_root_says_what_did_not_match() {
    let c = consent(
        json!({"type": "permit", "purpose": [{"system": crate::terminology::ACT_REASON, "code": "HPAYMT"}],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}),
    );
    let (verdict, _) = verdict(&[c], &observation(&[]), &noon());
    assert_eq!(verdict.parts[0].effect, Effect::Silent);
    assert_eq!(
        verdict.parts[0].failed.names().collect::<Vec<_>>(),
        ["purpose", "class"]
    );
}

#[test]
fn the_answer_knows_how_long_it_holds() {
    let mut c = consent(json!({"type": "permit", "period": {"end": "2026-08-31"}}));
    let now = noon();
    verdict(&[c.clone()], &observation(&[]), &now);
    assert_eq!(
        now.valid_until(),
        Instant::parse("2026-09-01T00:00:00Z").expect("instant")
    );
    c["extension"] = json!([{"url": "https://postern.example/fhir/StructureDefinition/consent-revoked", "valueDateTime": "2026-07-01"}]);
    let now = noon();
    verdict(&[c], &observation(&[]), &now);
    assert_eq!(
        now.valid_until(),
        Instant::parse("2026-07-01T00:00:00Z").expect("instant")
    );
}

#[test]
fn revoking_a_stricter_consent_does_not_open_what_it_denied() {
    let hiv = json!([{"system": crate::terminology::ACT_CODE, "code": "HIV"}]);
    let mut wider = consent(json!({"type": "permit"}));
    wider["id"] = "wider".into();
    let mut stricter =
        consent(json!({"type": "permit", "provision": [{"type": "deny", "securityLabel": hiv}]}));
    let resource = observation(&["HIV"]);
    let decide = |wider: &Value, stricter: &Value| {
        verdict(&[wider.clone(), stricter.clone()], &resource, &noon())
            .0
            .decision
    };
    assert_eq!(decide(&wider, &stricter), Decision::Deny);
    stricter["status"] = "inactive".into();
    stricter["extension"] = json!([{"url": "https://postern.example/fhir/StructureDefinition/consent-revoked", "valueDateTime": "2026-02-01"}]);
    assert_eq!(
        decide(&wider, &stricter),
        Decision::Deny,
        "the wider one is older than the revocation"
    );
    wider["dateTime"] = "2026-03-01".into();
    assert_eq!(decide(&wider, &stricter), Decision::Permit, "stated after it");
}

#[test]
fn capacity_in_question_travels_with_the_permit() {
    let mut c = consent(json!({"type": "permit"}));
    c["extension"] = json!([{"url": "https://postern.example/fhir/StructureDefinition/consent-capacity", "valueCode": "in-question"}]);
    let (verdict, _) = verdict(&[c], &observation(&[]), &noon());
    assert!(verdict.capacity_in_question && verdict.decision == Decision::Permit);
}

/// Compiles one consent by Illinois' table.
fn illinois(consent: &Value, patient: &Value) -> Consents {
    let signing = Signing {
        minor_sud_from: Some(12),
        minor_mental_health_from: Some(12),
        parent_needs_access_from: Some(12),
        witness: true,
        calendar_expiry: true,
        no_blanket: true,
        statements: true,
        form_rule: "740 ILCS 110/5(b)".to_owned(),
        ..Signing::default()
    };
    let context = Resources::new([patient]);
    Consents::compile(&[consent], &context, &TimeZone::UTC, &signing)
}

fn extension_of(name: &str, mut value: Value) -> Value {
    value["url"] = json!(format!("https://postern.example/fhir/StructureDefinition/{name}"));
    value
}

/// A datum of a service of this kind, permitted to the clinic by the only consent?
fn permitted(compiled: &Consents, program: &str, note: Option<&str>) -> bool {
    let mut datum = observation(&[]);
    let kinds = [("program-kind", Some(program)), ("note-kind", note)];
    datum["meta"]["security"] = kinds
        .into_iter()
        .filter_map(|(system, code)| {
            Some(
                json!({"system": format!("https://postern.example/fhir/CodeSystem/{system}"), "code": code?}),
            )
        })
        .collect();
    let actor = Actor {
        references: vec!["Organization/clinic".to_owned()],
        ..Actor::default()
    };
    let (labels, now, context) = (labelled(&datum), noon(), Resources::default());
    let verdict = compiled.evaluate(
        &Request::new(&actor, "TREAT", &now),
        &context,
        &Datum::new(&datum, &labels),
    );
    verdict.decision == Decision::Permit
}

#[test]
fn a_minor_alone_permits_what_the_state_lets_them_have_alone() {
    let patient = |birth: &str| json!({"resourceType": "Patient", "id": "ana", "birthDate": birth});
    let mut c = consent(json!({"type": "permit"}));
    c["performer"] = json!([{"reference": "Patient/ana"}]);
    let compiled = illinois(&c, &patient("2012-04-01"));
    assert!(permitted(&compiled, "mental-health", None) && permitted(&compiled, "substance-use", None));
    assert!(!permitted(&compiled, "", None), "nothing of general care");
    let compiled = illinois(&c, &patient("2014-04-01"));
    assert!(!permitted(&compiled, "mental-health", None), "eleven");
    assert!(compiled.not_computable(0).is_some());
}

#[test]
fn a_parent_of_a_minor_of_twelve_needs_access() {
    let patient = json!({"resourceType": "Patient", "id": "ana", "birthDate": "2012-04-01"});
    let parent = extension_of(
        "consent-signer",
        json!({"extension": [{"url": "role", "valueCode": "parent"}, {"url": "authority", "valueString": "mother"}]}),
    );
    let mut c = consent(json!({"type": "permit"}));
    c["performer"] = json!([{"reference": "RelatedPerson/mo"}]);
    c["extension"] = json!([parent]);
    let without = illinois(&c, &patient);
    assert!(permitted(&without, "", None) && !permitted(&without, "mental-health", None));
    let access = |objected: bool, reason: Option<bool>| {
        let mut parts = vec![
            json!({"url": "informed", "valueDate": "2026-01-05"}),
            json!({"url": "objected", "valueBoolean": objected}),
        ];
        parts.extend(reason.map(|found| json!({"url": "compellingReason", "valueBoolean": found})));
        let mut c = c.clone();
        c["extension"] = json!([parent, extension_of("parent-access", json!({"extension": parts}))]);
        permitted(&illinois(&c, &patient), "mental-health", None)
    };
    assert!(access(false, None) && access(true, Some(false)));
    assert!(!access(true, None) && !access(true, Some(true)));
    let younger = json!({"resourceType": "Patient", "id": "ana", "birthDate": "2015-04-01"});
    assert!(
        permitted(&illinois(&c, &younger), "mental-health", None),
        "below twelve the parent signs"
    );
}

#[test]
fn the_states_form_is_held_against_the_paper() {
    let patient = json!({"resourceType": "Patient", "id": "ana"});
    let mut c = consent(
        json!({"type": "permit", "actor": [{"reference": {"reference": "Organization/clinic"}}],
        "purpose": [{"system": crate::terminology::ACT_REASON, "code": "TREAT"}],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}], "period": {"end": "2026-12-31"}}),
    );
    c["performer"] = json!([{"reference": "Patient/ana"}]);
    let flags = ["rightToInspect", "consequencesOfRefusal", "rightToRevoke"];
    let flags: Vec<Value> = flags
        .iter()
        .map(|flag| json!({"url": flag, "valueBoolean": true}))
        .collect();
    let form = extension_of("consent-part2-elements", json!({"extension": flags}));
    let witness = extension_of("consent-witness", json!({"valueString": "a neighbour"}));
    c["extension"] = json!([form, witness]);
    assert_eq!(illinois(&c, &patient).state_lacks(0), [""; 0]);
    c["extension"] = json!([form]);
    assert_eq!(
        illinois(&c, &patient).state_lacks(0),
        ["a witness who can attest the signer's identity"]
    );
    let received = extension_of(
        "consent-received",
        json!({"valueDateTime": "2026-01-10T15:00:00Z"}),
    );
    c["extension"] = json!([form, witness, received]);
    c["provision"]
        .as_object_mut()
        .expect("an object")
        .remove("period");
    let compiled = illinois(&c, &patient);
    assert_eq!(compiled.state_lacks(0), [""; 0]);
    assert_eq!(
        compiled.state_until(0),
        Instant::parse("2026-01-11T00:00:00Z"),
        "the day of receipt"
    );
    c["provision"].as_object_mut().expect("an object").remove("class");
    assert_eq!(
        illinois(&c, &patient).state_lacks(0),
        ["the nature of the information (no blanket consent)"]
    );
}

#[test]
fn an_authorization_needs_a_date_or_an_event_to_end() {
    let mut c = consent(
        json!({"type": "permit", "actor": [{"reference": {"reference": "Organization/housing"}}],
        "purpose": [{"system": crate::terminology::ACT_REASON, "code": "COC"}]}),
    );
    c["performer"] = json!([{"reference": "Patient/ana"}]);
    c["policyRule"] = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentpolicycodes", "code": "hipaa-auth"}]});
    let lacks = |c: &Value| illinois(c, &json!({})).authorization_lacks(0).to_vec();
    assert_eq!(lacks(&c), ["164.508(c)(1)(v) an expiration date or event"]);
    let expiry = |part: Value| json!([extension_of("consent-expiry", json!({"extension": [part]}))]);
    c["extension"] = expiry(json!({"url": "none", "valueBoolean": true}));
    assert_eq!(lacks(&c), ["164.508(c)(1)(v) an expiration date or event"]);
    c["scope"]["coding"][0]["code"] = json!("research");
    assert_eq!(lacks(&c), [""; 0], "none is for research");
    c["scope"]["coding"][0]["code"] = json!("patient-privacy");
    c["extension"] = expiry(json!({"url": "date", "valueDate": "2026-12-31"}));
    assert_eq!(lacks(&c), [""; 0]);
    c.as_object_mut().expect("an object").remove("policyRule");
    assert_eq!(
        lacks(&c).len(),
        5,
        "description, discloser and the three statements"
    );
}

#[test]
fn hostile_nesting_is_not_computable() {
    let mut provision = json!({"type": "permit"});
    for _ in 0..100 {
        provision = json!({"type": "permit", "provision": [provision]});
    }
    let (verdict, compiled) = verdict(&[consent(provision)], &observation(&[]), &noon());
    assert_eq!(verdict.decision, Decision::Deny);
    assert!(compiled.not_computable(0).is_some());
}
