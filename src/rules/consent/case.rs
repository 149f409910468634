//! Portable decision cases: consents, resources and a request in, what is visible out.
//! <https://profiles.ihe.net/ITI/PCF/>; the form is that of the shared conformance cases (README).
//!
//! The consent layer alone: relationship, law beyond consent, and data sets are other layers.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    Actor, Consents, Datum, Decision, Effect, Inquiry, Reach, Request, Resources, Signing, State, Verdict,
};
use crate::fhir::date::PartialDate;
use crate::fhir::{Instant, Now};
use crate::label::{CodeLists, Labels, RAISED, label};
use crate::terminology::{ACT_REASON, purpose_from_text};

/// Decides a case. A malformed case withholds everything and says so in each `why`; nothing panics.
///
/// In: `{name, asOf, consents, context, resources, request: {purposeOfUse, actor, action?, scope?}, zone?}`.
/// Out: `{"name", "decision": "permit"|"permit-with-filter"|"deny"|"not-applicable", "visible": [id], "withheld": [{"id", "why"}]}`.
pub fn decide(case: &Value) -> Value {
    let name = case["name"].as_str().unwrap_or_default();
    let resources = resources(&case["resources"]);
    let zone = case["zone"]
        .as_str()
        .and_then(|z| TimeZone::get(z).ok())
        .unwrap_or(TimeZone::UTC);
    let as_of = ["asOf", "now"]
        .iter()
        .find_map(|key| instant(&case[key], &zone))
        .or_else(|| instant(&case["request"]["asOf"], &zone));
    let Some(as_of) = as_of else {
        let withheld: Vec<Value> = resources
            .iter()
            .map(|r| withheld(r, "the case has no valid asOf"))
            .collect();
        return json!({"name": name, "decision": "deny", "visible": [], "withheld": withheld});
    };
    let around = self::resources(&case["context"]);
    let context = Resources::new(around.into_iter().chain(resources.iter().copied()));
    let consents = Consents::compile(
        &self::resources(&case["consents"]),
        &context,
        &zone,
        &Signing::default(),
    );
    let now = Now::new(as_of);
    let mut actor = actor(&case["request"]["actor"]);
    actor
        .classes
        .extend(case["recipient"]["class"].as_str().map(str::to_owned));
    let actions = codes(&case["request"]["action"]);
    let actions: Vec<&str> = if actions.is_empty() {
        vec!["access"]
    } else {
        actions
    };
    let inquiries: Vec<Inquiry<'_>> = purposes(&case["request"])
        .iter()
        .map(|purpose| {
            let scope = case["request"]["scope"].as_str();
            consents.ask(
                &Request {
                    actor: &actor,
                    purpose: *purpose,
                    actions: &actions,
                    scope,
                    now: &now,
                },
                &context,
            )
        })
        .collect();
    answer(name, &resources, &consents, &inquiries)
}

/// Several purposes: each must be permitted.
fn answer(name: &str, resources: &[&Value], consents: &Consents, inquiries: &[Inquiry<'_>]) -> Value {
    let no_lists = CodeLists::default();
    let (mut visible, mut hidden, mut silent) = (Vec::new(), Vec::new(), true);
    for resource in resources {
        // Labelling by code is another layer: the labels are those that the resources state.
        let labels: Labels = label(resource, &no_lists, &RAISED);
        let datum = Datum::as_stated(resource, &labels);
        let verdicts: Vec<Verdict> = inquiries.iter().map(|i| i.evaluate(&datum)).collect();
        match verdicts.iter().find(|v| v.decision != Decision::Permit) {
            None => visible.push(id(resource)),
            Some(verdict) => {
                silent &= verdict.decision == Decision::NotApplicable;
                hidden.push(withheld(resource, &why(consents, verdict)));
            }
        }
    }
    let reach = inquiries
        .iter()
        .map(Inquiry::reach)
        .max_by_key(|r| *r as u8)
        .unwrap_or(Reach::NotApplicable);
    let decision = match (visible.is_empty(), hidden.is_empty(), reach) {
        (false, true, _) => "permit",
        (false, false, _) | (true, false, Reach::Permit | Reach::Filter) | (true, true, Reach::Filter) => {
            "permit-with-filter"
        }
        (true, true, Reach::Permit) => "permit",
        // Its status refuses, where a draft is all there is.
        (true, _, Reach::NotApplicable) if consents.has_unstated() => "deny",
        (true, _, Reach::NotApplicable) => "not-applicable",
        (true, false, Reach::Deny) if silent => "not-applicable",
        (true, _, Reach::Deny) => "deny",
    };
    json!({"name": name, "decision": decision, "visible": visible, "withheld": hidden})
}

fn why(consents: &Consents, verdict: &Verdict) -> String {
    if let super::Part2::Insufficient(consent) = verdict.part2 {
        let id = consents.id(consent).unwrap_or_default();
        let lacks = consents.lacks(consent);
        return match lacks {
            [] => {
                format!("Consent/{id} is insufficient for 42 CFR Part 2: recipient, purpose or date signed")
            }
            _ => format!(
                "Consent/{id} is insufficient for 42 CFR Part 2: lacks {}",
                lacks.join("; ")
            ),
        };
    }
    let wanted = if verdict.parts.iter().any(|p| p.effect == Effect::Deny) {
        Effect::Deny
    } else {
        Effect::Silent
    };
    let reasons: Vec<String> = verdict
        .parts
        .iter()
        .filter(|part| part.effect == wanted)
        .map(|part| {
            let path = consents.path(part);
            let failed: Vec<&str> = part.failed.names().collect();
            match (part.effect, consents.not_computable(part.consent)) {
                (_, Some(reason)) => format!("{path} is not computable: {reason}"),
                (Effect::Deny, None) => format!("{path} denies"),
                (_, None) if failed.is_empty() => format!("{path} does not count for such content"),
                (_, None) => format!(
                    "{path} permits nothing here: {} does not match",
                    failed.join(", ")
                ),
            }
        })
        .collect();
    match (reasons.is_empty(), verdict.state) {
        (false, _) => reasons.join("; "),
        (true, State::NeverAsked) => "no consent was ever asked for".to_owned(),
        (true, State::Active) => "no consent speaks about it".to_owned(),
        (true, State::Refused) => "consent was refused".to_owned(),
        (true, State::Revoked) => "consent was revoked".to_owned(),
        (true, State::Expired) => "consent has expired".to_owned(),
        (true, State::Insufficient) => "consent is insufficient".to_owned(),
        (true, State::NotComputable) => not_computable(consents),
    }
}

fn not_computable(consents: &Consents) -> String {
    let reasons = (0..consents.len()).filter_map(|i| {
        Some(format!(
            "Consent/{} is not computable: {}",
            consents.id(i)?,
            consents.not_computable(i)?
        ))
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() {
        "the authority of the signer has ended".to_owned()
    } else {
        reasons.join("; ")
    }
}

fn withheld(resource: &Value, why: &str) -> Value {
    json!({"id": id(resource), "why": why})
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap_or_default()
}

fn instant(value: &Value, zone: &TimeZone) -> Option<Instant> {
    PartialDate::parse(value.as_str()?).map(|d| d.bounds(zone).0)
}

/// A list, a Bundle, an object of resources by reference, or one resource.
fn resources(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|r| {
                if r.get("resource").is_some() {
                    &r["resource"]
                } else {
                    r
                }
            })
            .collect(),
        Value::Object(_) if value["resourceType"] == "Bundle" => resources(&value["entry"]),
        Value::Object(_) if value["resourceType"].is_string() => vec![value],
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

/// References (texts or objects), identifiers (bare or in a reference), and recipient classes.
fn actor(value: &Value) -> Actor {
    let mut actor = Actor::default();
    for item in one_or_many(value) {
        let reference = if item["reference"].is_object() {
            &item["reference"]
        } else {
            item
        };
        let identifier = if reference["identifier"].is_object() {
            &reference["identifier"]
        } else {
            reference
        };
        actor.references.extend(
            reference
                .as_str()
                .or(reference["reference"].as_str())
                .map(str::to_owned),
        );
        if let Some(value) = identifier["value"].as_str() {
            let system = identifier["system"].as_str().unwrap_or_default();
            actor.identifiers.push((system.to_owned(), value.to_owned()));
        }
        actor.classes.extend(item["class"].as_str().map(str::to_owned));
    }
    actor
}

fn purposes(request: &Value) -> Vec<(&str, &str)> {
    let stated = ["purposeOfUse", "purpose"]
        .iter()
        .map(|key| &request[*key])
        .find(|v| !v.is_null());
    let mut purposes: Vec<(&str, &str)> = stated
        .map(one_or_many)
        .unwrap_or_default()
        .iter()
        .flat_map(purpose)
        .collect();
    if purposes.is_empty() {
        purposes.push((ACT_REASON, ""));
    }
    purposes
}

/// A code, a token text, a Coding or a CodeableConcept.
fn purpose(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::String(text) => vec![(ACT_REASON, purpose_from_text(text).unwrap_or(text))],
        _ if value["coding"].is_array() => one_or_many(&value["coding"]).iter().flat_map(purpose).collect(),
        _ => {
            let code = value["code"].as_str().unwrap_or_default();
            vec![(value["system"].as_str().unwrap_or(ACT_REASON), code)]
        }
    }
}

fn codes(value: &Value) -> Vec<&str> {
    let items = one_or_many(value).iter();
    items
        .filter_map(|a| {
            a.as_str()
                .or(a["code"].as_str())
                .or(a["coding"][0]["code"].as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests;
