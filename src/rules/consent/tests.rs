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

/// Prints what a decision costs; run with `--ignored --nocapture`, in release for figures that count.
#[test]
#[ignore = "prints figures"]
fn cost_of_a_decision() {
    for provisions in [4, 20, 200] {
        let nested: Vec<Value> = (0..provisions)
            .map(|i| {
                json!({"type": if i % 2 == 0 { "deny" } else { "permit" },
                "actor": [{"reference": {"reference": format!("Organization/{i}")}}],
                "securityLabel": [{"system": ACT_CODE, "code": if i % 3 == 0 { "SUD" } else { "HIV" }}]})
            })
            .collect();
        let c = consent(json!({"type": "permit", "provision": nested}));
        let context = Resources::default();
        let compiled = Consents::compile(&[&c], &context, &TimeZone::UTC, &Signing::default());
        let actor = Actor {
            references: vec!["Organization/clinic".to_owned()],
            ..Actor::default()
        };
        let now = noon();
        let inquiry = compiled.ask(&Request::new(&actor, "TREAT", &now), &context);
        let resource = observation(&["PSY"]);
        let labels = labelled(&resource);
        #[expect(clippy::disallowed_methods, reason = "an ignored test that prints a figure")]
        let started = std::time::Instant::now();
        for _ in 0..10_000 {
            std::hint::black_box(inquiry.evaluate(&Datum::new(&resource, &labels)));
        }
        println!(
            "{provisions} provisions: {:?} a decision",
            started.elapsed() / 10_000
        );
    }
}
