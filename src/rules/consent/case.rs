//! Portable decision cases: consents, resources and a request in, what is visible out.
//! <https://profiles.ihe.net/ITI/PCF/>; the form is that of the shared conformance cases (README).
//!
//! The consent layer alone: relationship, law beyond consent, and data sets are other layers.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Consents, Datum, Decision, Dimensions, Effect, Inquiry, Reach, Request, Signing, State, Verdict,
};
use crate::fhir::Now;
use crate::label::{CodeLists, Labels, RAISED, label};

pub mod expected;
pub mod read;

use read::Case;

/// Decides a case. A malformed case withholds everything and says so in each `why`; nothing panics.
///
/// In: `{name, asOf, consents, context, resources, request: {purposeOfUse, actor, action?, scope?, class?}, zone?}`.
/// Out: `{"name", "decision": "permit"|"permit-with-filter"|"deny"|"not-applicable", "visible": [id], "withheld": [{"id", "why"}]}`.
pub fn decide(case: &Value) -> Value {
    let read = Case::read(case);
    let Some(as_of) = read::as_of(case) else {
        return refused(case, "the case has no valid asOf");
    };
    if !case["request"].is_object() {
        return refused(case, "the case has no request");
    }
    let now = Now::new(as_of);
    let request = Request {
        actor: &read.actor,
        purpose: read.purposes[0],
        others: &read.purposes[1..],
        actions: &read.actions,
        scope: read.scope,
        now: &now,
    };
    // A consent is about one person: of others' it says nothing.
    let about: Vec<Option<String>> = read.resources.iter().map(|r| read.subject(r)).collect();
    let mut people: Vec<Option<String>> = Vec::new();
    for person in &about {
        if !people.contains(person) {
            people.push(person.clone());
        }
    }
    if people.is_empty() {
        people.push(read.asked_about(&case["request"]));
    }
    let compiled: Vec<Consents> = people
        .iter()
        .map(|person| {
            let own =
                |consent: &&&Value| person.is_none() || of(&read, consent).is_none_or(|p| Some(p) == *person);
            let own: Vec<&Value> = read.consents.iter().filter(own).copied().collect();
            Consents::compile(&own, &read.around, &read.zone, &Signing::default())
        })
        .collect();
    let inquiries: Vec<Inquiry<'_>> = compiled.iter().map(|c| c.ask(&request, &read.around)).collect();
    let by_person: HashMap<&Option<String>, &Inquiry<'_>> = people.iter().zip(&inquiries).collect();
    let judged: Vec<(&Value, &Inquiry<'_>)> = read
        .resources
        .iter()
        .zip(&about)
        .filter_map(|(resource, person)| Some((*resource, *by_person.get(person)?)))
        .collect();
    answer(&read, &judged, &inquiries)
}

/// The person a consent is about.
fn of(case: &Case<'_>, consent: &Value) -> Option<String> {
    case.subject(&json!({"patient": consent["patient"]}))
}

/// Everything withheld, for one reason.
pub fn refused(case: &Value, why: &str) -> Value {
    let withheld: Vec<Value> = read::resources(&case["resources"])
        .iter()
        .map(|r| withheld(r, why))
        .collect();
    let name = case["name"].as_str().unwrap_or_default();
    json!({"name": name, "decision": "deny", "visible": [], "withheld": withheld})
}

fn answer(case: &Case<'_>, judged: &[(&Value, &Inquiry<'_>)], inquiries: &[Inquiry<'_>]) -> Value {
    let no_lists = CodeLists::default();
    let (mut visible, mut hidden, mut silent) = (Vec::new(), Vec::new(), true);
    for (resource, inquiry) in judged {
        // Labelling by code is another layer: the labels are those that the resources state.
        let labels: Labels = label(resource, &no_lists, &RAISED);
        let verdict = inquiry.evaluate(&Datum::as_stated(resource, &labels));
        if verdict.decision == Decision::Permit {
            visible.push(id(resource));
        } else {
            silent &= verdict.decision == Decision::NotApplicable;
            hidden.push(withheld(resource, &why(inquiry, &verdict)));
        }
    }
    // The least of what any person's consents reach.
    let reach = inquiries
        .iter()
        .map(|inquiry| inquiry.reach_of(&case.types))
        .max_by_key(|r| *r as u8)
        .unwrap_or(Reach::NotApplicable);
    let unstated = inquiries.iter().any(|inquiry| inquiry.consents.has_unstated());
    let decision = match (visible.is_empty(), hidden.is_empty(), reach) {
        (false, true, _) => "permit",
        (false, false, _) | (true, false, Reach::Permit | Reach::Filter) | (true, true, Reach::Filter) => {
            "permit-with-filter"
        }
        (true, true, Reach::Permit) => "permit",
        // Its status refuses, where a draft is all there is.
        (true, _, Reach::NotApplicable) if unstated => "deny",
        (true, _, Reach::NotApplicable) => "not-applicable",
        (true, false, Reach::Deny) if silent => "not-applicable",
        (true, _, Reach::Deny) => "deny",
    };
    json!({"name": case.name, "decision": decision, "visible": visible, "withheld": hidden})
}

/// Why a datum is withheld, as provisions and reasons; never a value of the record.
pub fn why(inquiry: &Inquiry<'_>, verdict: &Verdict) -> String {
    let consents = inquiry.consents;
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
            match (part.effect, inquiry.not_computable(part.consent)) {
                (_, Some(reason)) => format!("{path} is not computable: {reason}"),
                (Effect::Deny, None) => format!("{path} denies"),
                (_, None) if part.failed == Dimensions::SIGNER => {
                    format!("{path} does not count: its signer may not consent for such records")
                }
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
        (true, State::NotComputable) => not_computable(inquiry),
    }
}

fn not_computable(inquiry: &Inquiry<'_>) -> String {
    let consents = inquiry.consents;
    let reasons = (0..consents.len()).filter_map(|i| {
        let (id, reason) = (consents.id(i)?, inquiry.not_computable(i)?);
        Some(format!("Consent/{id} is not computable: {reason}"))
    });
    reasons.collect::<Vec<_>>().join("; ")
}

fn withheld(resource: &Value, why: &str) -> Value {
    json!({"id": id(resource), "why": why})
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
