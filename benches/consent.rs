//! One decision: a request asked of a consent and one datum evaluated, and the evaluation alone.
//! <https://hl7.org/fhir/R4/consent.html>; aim: under 10 µs a decision for a consent of 4, 20 and 200 provisions.

use divan::{Bencher, black_box};
use jiff::tz::TimeZone;
use postern_rules::consent::{Actor, Consents, Datum, Request, Resources, Signing};
use postern_rules::fhir::{Instant, Now, Value};
use postern_rules::label::{CodeLists, Labels, RAISED, label};
use serde_json::json;

const PROVISIONS: [usize; 3] = [4, 20, 200];
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

fn main() {
    divan::main();
}

/// A permit with exceptions by recipient, purpose, label and class, as a long consent has them; some reach the requester.
fn consent(provisions: usize) -> Value {
    let nested: Vec<Value> = (0..provisions)
        .map(|i| {
            let mut provision = json!({"type": if i % 2 == 0 { "deny" } else { "permit" }});
            if i % 4 != 3 {
                provision["actor"] = json!([{"reference": {"reference": format!("Organization/{}", i / 2)}}]);
            }
            match i % 3 {
                0 => provision["securityLabel"] = json!([{"system": ACT_CODE, "code": "HIV"}]),
                1 => provision["purpose"] = json!([{"system": ACT_REASON, "code": "HPAYMT"}]),
                _ => {
                    provision["class"] =
                        json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}])
                }
            }
            provision
        })
        .collect();
    json!({"resourceType": "Consent", "id": "c", "status": "active", "dateTime": "2026-01-10",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/ana"}, "performer": [{"reference": "Patient/ana"}],
        "provision": {"type": "permit", "provision": nested}})
}

fn datum() -> (Value, Labels) {
    let resource = json!({"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/ana"},
        "meta": {"security": [{"system": ACT_CODE, "code": "PSY"}]}, "effectiveDateTime": "2026-02-01",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}});
    let labels = label(&resource, CodeLists::shipped(), &RAISED);
    (resource, labels)
}

fn requester() -> Actor {
    Actor {
        references: vec!["Organization/1".to_owned()],
        identifiers: vec![(
            "http://hl7.org/fhir/sid/us-npi".to_owned(),
            "1234567893".to_owned(),
        )],
        classes: vec!["primary-care".to_owned()],
        ..Actor::default()
    }
}

fn now() -> Now {
    Now::new(Instant::parse("2026-06-01T12:00:00Z").expect("an instant"))
}

fn compiled(consent: &Value) -> Consents {
    Consents::compile(
        &[consent],
        &Resources::default(),
        &TimeZone::UTC,
        &Signing::default(),
    )
}

#[divan::bench(args = PROVISIONS)]
fn a_ask_and_evaluate(bencher: Bencher, provisions: usize) {
    let consent = consent(provisions);
    let (compiled, context) = (compiled(&consent), Resources::default());
    let ((resource, labels), actor) = (datum(), requester());
    bencher.bench_local(|| {
        let now = now();
        let inquiry = compiled.ask(&Request::new(black_box(&actor), "TREAT", &now), &context);
        inquiry.evaluate(&Datum::new(&resource, &labels)).decision
    });
}

#[divan::bench(args = PROVISIONS)]
fn b_evaluate(bencher: Bencher, provisions: usize) {
    let consent = consent(provisions);
    let (compiled, context) = (compiled(&consent), Resources::default());
    let ((resource, labels), actor, now) = (datum(), requester(), now());
    let inquiry = compiled.ask(&Request::new(&actor, "TREAT", &now), &context);
    bencher.bench_local(|| {
        inquiry
            .evaluate(black_box(&Datum::new(&resource, &labels)))
            .decision
    });
}

/// Once per version of a record, for comparison.
#[divan::bench(args = PROVISIONS)]
fn c_compile(bencher: Bencher, provisions: usize) {
    let consent = consent(provisions);
    bencher.bench_local(|| compiled(black_box(&consent)).len());
}
