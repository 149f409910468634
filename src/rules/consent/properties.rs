//! Whatever the consents: a deny more, or a permit less, never makes more visible.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::fhir::{Instant, Now};
use crate::label::{CodeLists, Labels, RAISED, label};
use crate::terminology::{ACT_CODE, ACT_REASON, CONFIDENTIALITY};

fn coding(code: &str) -> Value {
    let system = if ["N", "R", "V"].contains(&code) {
        CONFIDENTIALITY
    } else {
        ACT_CODE
    };
    json!({"system": system, "code": code})
}

/// Any dimensions of a provision, few of them stated: what matches nothing proves nothing.
fn dimensions() -> impl Strategy<Value = Value> {
    let labels = prop::option::weighted(
        0.2,
        prop::collection::vec(select(vec!["N", "R", "V", "SUD", "ETH", "PSY", "HIV"]), 1..3),
    );
    let purpose = prop::option::weighted(0.2, select(vec!["TREAT", "BTG", "HPAYMT"]));
    let actor = prop::option::weighted(0.2, select(vec!["Organization/a", "Organization/b"]));
    let class = prop::option::weighted(0.2, select(vec!["Observation", "Condition"]));
    let period = prop::option::weighted(0.2, select(vec!["2026-05-31", "2026-12-31"]));
    let data_period = prop::option::weighted(0.2, select(vec!["2025", "2026"]));
    (labels, purpose, actor, class, period, data_period).prop_map(
        |(labels, purpose, actor, class, period, data)| {
            let mut provision = json!({});
            if let Some(labels) = labels {
                provision["securityLabel"] = labels.into_iter().map(coding).collect();
            }
            if let Some(purpose) = purpose {
                provision["purpose"] = json!([{"system": ACT_REASON, "code": purpose}]);
            }
            if let Some(actor) = actor {
                provision["actor"] = json!([{"reference": {"reference": actor}}]);
            }
            if let Some(class) = class {
                provision["class"] = json!([{"system": "http://hl7.org/fhir/resource-types", "code": class}]);
            }
            if let Some(period) = period {
                provision["period"] = json!({"end": period});
            }
            if let Some(data) = data {
                provision["dataPeriod"] = json!({"start": data, "end": data});
            }
            provision
        },
    )
}

fn typed(permit_only: bool) -> impl Strategy<Value = Value> {
    let types = if permit_only {
        vec!["permit"]
    } else {
        vec!["permit", "deny"]
    };
    (dimensions(), select(types)).prop_map(|(mut provision, kind)| {
        provision["type"] = json!(kind);
        provision
    })
}

fn provision(permit_only: bool) -> impl Strategy<Value = Value> {
    typed(permit_only).prop_recursive(3, 12, 3, move |inner| {
        (typed(permit_only), prop::collection::vec(inner, 0..3)).prop_map(|(mut provision, nested)| {
            if !nested.is_empty() {
                provision["provision"] = json!(nested);
            }
            provision
        })
    })
}

fn consent(id: usize, provision: Value, status: &str) -> Value {
    json!({"resourceType": "Consent", "id": format!("c{id}"), "status": status,
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/ana"}, "provision": provision})
}

fn consents() -> impl Strategy<Value = Vec<Value>> {
    let one = (
        provision(false),
        select(vec![
            "active",
            "active",
            "active",
            "active",
            "inactive",
            "rejected",
            "entered-in-error",
        ]),
        dated(),
    );
    prop::collection::vec(one, 0..4).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(i, (p, status, dated))| with_date(consent(i, p, status), dated))
            .collect()
    })
}

/// When it was stated, and as a version of which paper.
fn dated() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>)> {
    (
        prop::option::of(select(vec!["2026-01", "2026-02", "2026-03"])),
        prop::option::weighted(0.3, select(vec!["form-1", "form-2"])),
    )
}

fn with_date(mut consent: Value, (date, form): (Option<&str>, Option<&str>)) -> Value {
    if let Some(date) = date {
        consent["dateTime"] = json!(date);
    }
    if let Some(form) = form {
        consent["identifier"] = json!([{"system": "urn:forms", "value": form}]);
    }
    consent
}

static DATA: LazyLock<Vec<(Value, Labels)>> = LazyLock::new(|| {
    let labelled = |resource: Value| (label(&resource, &CodeLists::default(), &RAISED), resource);
    data()
        .into_iter()
        .map(labelled)
        .map(|(labels, resource)| (resource, labels))
        .collect()
});

fn data() -> Vec<Value> {
    let mut data = Vec::new();
    for kind in ["Observation", "Condition"] {
        for labels in [
            &["N"][..],
            &["R"],
            &["V"],
            &["N", "SUD"],
            &["R", "ETH"],
            &["R", "PSY", "HIV"],
            &[],
        ] {
            for date in ["2025", "2025-12-31", "2026-01"] {
                let security: Vec<Value> = labels.iter().map(|c| coding(c)).collect();
                let mut resource = json!({"resourceType": kind, "id": format!("{}", data.len()), "meta": {"security": security}});
                resource[if kind == "Condition" {
                    "recordedDate"
                } else {
                    "effectiveDateTime"
                }] = json!(date);
                data.push(resource);
            }
        }
    }
    data
}

/// Which data each of some requests may see under a default, which only a person who was never asked may come to.
fn visible_by(consents: &[Value], default: bool) -> Vec<bool> {
    let seen = visible(consents);
    let never_asked = consents
        .iter()
        .all(|c| matches!(c["status"].as_str(), Some("draft" | "proposed")));
    seen.into_iter()
        .map(|seen| seen || default && never_asked)
        .collect()
}

/// Which data each of some requests may see.
fn visible(consents: &[Value]) -> Vec<bool> {
    let context = Resources::default();
    let list: Vec<&Value> = consents.iter().collect();
    let compiled = Consents::compile(&list, &context, &TimeZone::UTC, &Signing::default());
    let now = Now::new(Instant::parse("2026-06-01T12:00:00Z").expect("instant"));
    let mut seen = Vec::new();
    for (actor, purpose) in [("a", "TREAT"), ("a", "BTG"), ("b", "HPAYMT")] {
        let actor = Actor {
            references: vec![format!("Organization/{actor}")],
            ..Actor::default()
        };
        let inquiry = compiled.ask(&Request::new(&actor, purpose, &now), &context);
        let mut any = false;
        for (resource, labels) in &*DATA {
            let verdict = inquiry.evaluate(&Datum::new(resource, labels));
            any |= verdict.decision == Decision::Permit;
            // A default may be asked only where nobody was: with any consent in force or past, that is never.
            let answers =
                |c: &Value| c["status"] != "draft" && c["extension"][0]["valueCode"] != "restriction";
            let asked = consents.iter().any(answers);
            assert!(verdict.state != State::NeverAsked || !asked);
            seen.push(verdict.decision == Decision::Permit);
        }
        assert!(
            !any || matches!(inquiry.reach(), Reach::Permit | Reach::Filter),
            "what is visible can be reached"
        );
    }
    seen
}

fn no_more(after: &[bool], before: &[bool]) -> bool {
    after.iter().zip(before).all(|(after, before)| !after || *before)
}

/// Adds a deny below the n-th provision (in preorder, modulo their number).
fn add_deny(provision: &mut Value, n: &mut usize, deny: &Value) -> bool {
    if *n == 0 {
        match provision["provision"].as_array_mut() {
            Some(list) => list.push(deny.clone()),
            None => provision["provision"] = json!([deny]),
        }
        return true;
    }
    *n -= 1;
    let nested = provision.get_mut("provision").and_then(Value::as_array_mut);
    nested.is_some_and(|list| list.iter_mut().any(|p| add_deny(p, n, deny)))
}

/// Removes the first permit without anything below it; false when there is none.
fn remove_permit(provision: &mut Value) -> bool {
    let Some(list) = provision.get_mut("provision").and_then(Value::as_array_mut) else {
        return false;
    };
    if let Some(at) = list
        .iter()
        .position(|p| p["type"] == "permit" && p["provision"].is_null())
    {
        list.remove(at);
        return true;
    }
    list.iter_mut().any(remove_permit)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_deny_more_never_shows_more(consents in consents(), deny in dimensions(), at in 0usize..6) {
        let before = visible(&consents);
        let mut deny = deny;
        deny["type"] = json!("deny");
        let mut with_consent = consents.clone();
        with_consent.push(consent(9, deny.clone(), "active"));
        prop_assert!(no_more(&visible(&with_consent), &before), "a consent that denies");
        let mut with_provision = consents;
        if let Some(first) = with_provision.first_mut() {
            let mut at = at;
            add_deny(&mut first["provision"], &mut at, &deny);
            prop_assert!(no_more(&visible(&with_provision), &before), "a provision that denies");
        }
    }

    #[test]
    fn a_permit_less_never_shows_more(consents in consents(), permit in provision(true), dated in dated(), default: bool) {
        let mut with = consents.clone();
        with.push(with_date(consent(9, permit, "active"), dated));
        let before = visible_by(&with, default);
        let last = with.len() - 1;
        // A version that took the place of an older one cannot be removed without the older one coming back.
        if dated.1.is_none() && !consents.is_empty() {
            prop_assert!(no_more(&visible_by(&consents, default), &before), "removed");
        }
        for status in ["inactive", "rejected", "entered-in-error"] {
            let mut other = with.clone();
            other[last]["status"] = json!(status);
            prop_assert!(no_more(&visible_by(&other, default), &before), "{}", status);
        }
        let extension = |name: &str, value: Value| {
            let mut other = with.clone();
            other[last]["extension"] = json!([value]);
            other[last]["extension"][0]["url"] = json!(format!("https://postern.example/fhir/StructureDefinition/{name}"));
            other
        };
        let expired = extension("consent-expiry", json!({"extension": [{"url": "date", "valueDate": "2026-05-31"}]}));
        prop_assert!(no_more(&visible_by(&expired, default), &before), "expired");
        let revoked = extension("consent-revoked", json!({"valueDateTime": "2026-05-31"}));
        prop_assert!(no_more(&visible_by(&revoked, default), &before), "revoked at a time");
        let ended = json!({"extension": [{"url": "role", "valueCode": "guardian"},
            {"url": "authority", "valueString": "a court"}, {"url": "authorityEnds", "valueDate": "2026-05-31"}]});
        let ended = extension("consent-signer", ended);
        prop_assert!(no_more(&visible_by(&ended, default), &before), "authority ended");
        let mut lapsed = with;
        lapsed[last]["provision"]["period"] = json!({"end": "2026-05-31"});
        prop_assert!(no_more(&visible_by(&lapsed, default), &before), "period over");
    }

    #[test]
    fn an_agreed_restriction_never_shows_more(consents in consents(), deny in dimensions(), default: bool) {
        let before = visible_by(&consents, default);
        let mut restricted = consents;
        let mut restriction = consent(9, json!({"type": "permit", "provision": [deny]}), "active");
        restriction["provision"]["provision"][0]["type"] = json!("deny");
        restriction["extension"] = json!([{"url": "https://postern.example/fhir/StructureDefinition/consent-kind", "valueCode": "restriction"}]);
        restricted.push(restriction);
        let seen = visible(&restricted);
        prop_assert!(no_more(&seen, &before));
    }

    #[test]
    fn a_nested_permit_less_never_shows_more(consents in consents()) {
        let before = visible(&consents);
        let mut less = consents;
        if less.iter_mut().any(|c| remove_permit(&mut c["provision"])) {
            prop_assert!(no_more(&visible(&less), &before));
        }
    }

    #[test]
    fn decide_takes_anything(text in "\\PC{0,40}", shape in provision(false)) {
        let case = json!({"asOf": text, "consents": [shape, {"resourceType": "Consent", "provision": text}],
            "resources": [{"id": text, "resourceType": text}], "request": {"actor": text, "purposeOfUse": {"code": text}}});
        let shown = case::decide(&case);
        prop_assert_eq!(shown["visible"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn any_json_is_decided(consent in any_json(), context in any_json(), resource in any_json()) {
        let case = json!({"asOf": "2026-06-01", "consents": [consent], "context": context, "resources": [resource],
            "request": {"purposeOfUse": "TREAT", "actor": [{"reference": "Organization/a"}]}});
        let answer = case::decide(&case);
        prop_assert!(answer["visible"].is_array() && answer["withheld"].is_array());
    }
}

/// Anything, with the names that a Consent has: what is nearly one is harder than what is none.
fn any_json() -> impl Strategy<Value = Value> {
    let names = [
        "resourceType",
        "status",
        "scope",
        "coding",
        "system",
        "code",
        "provision",
        "type",
        "actor",
        "reference",
        "identifier",
        "value",
        "period",
        "start",
        "end",
        "securityLabel",
        "data",
        "meaning",
        "dataPeriod",
        "extension",
        "url",
        "valueDate",
        "performer",
        "patient",
        "contained",
        "id",
        "member",
        "entity",
        "participant",
        "birthDate",
        "dateTime",
        "verification",
    ];
    let words = [
        "Consent",
        "active",
        "patient-privacy",
        "permit",
        "deny",
        "TREAT",
        "R",
        "Group/g",
        "#g",
        "Patient/ana",
        "2026",
        "2026-13",
        "0000-01-01",
        "9999-12-31",
        "instance",
        "authoredby",
        "",
        "http://terminology.hl7.org/CodeSystem/consentscope",
        "https://postern.example/fhir/StructureDefinition/consent-signer",
        "Organization/a",
    ];
    let leaf = prop_oneof![
        select(words.to_vec()).prop_map(|word| json!(word)),
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((select(names.to_vec()), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}
