//! Questions that are refused, whoever asks: parameters, modifiers, methods and routes that partners do not have. The
//! refusal must not depend on what is hidden either. <https://hl7.org/fhir/R4/search.html#errors>

use axum::http::Method;

use super::thing::{Thing, last};
use crate::harness::Ask;

pub fn refusals(thing: &Thing) -> Vec<Ask> {
    let mut all = parameters(thing);
    all.extend(routes(thing));
    all.extend(writes(thing));
    all
}

/// Totals, includes, chains, sorting, filters by date and label: each would be an oracle if it saw more than the release.
fn parameters(thing: &Thing) -> Vec<Ask> {
    let (focus, id, target) = (thing.focus, &thing.person, last(&thing.target));
    let narrowed = match focus {
        "Patient" => format!("_id={id}"),
        _ => format!("patient={id}"),
    };
    let search = |rest: &str| Ask::get(&format!("/fhir/{focus}?{narrowed}&{rest}"));
    let mut all: Vec<Ask> = [
        "_total=exact",
        "_summary=some",
        "_elements=colour",
        "_sort=colour",
        "_sort=patient",
        "_lastUpdated=soon",
        "_security=42CFRPart2",
        "_security:not=N",
        "_tag=x",
        "_profile=x",
        "_text=opioid",
        "_content=opioid",
        "_filter=status%20eq%20active",
        "_contained=both",
        "_offset=1",
        "_getpages=1",
        "identifier:text=F11",
        "code:below=F11",
        "identifier:missing=perhaps",
        "category:in=http%3A%2F%2Fexample.org%2Fvs",
        "_include=*",
        "_revinclude=AuditEvent:entity",
        "_count=-1",
        "_count=x",
        "_after=1790000000000000.x",
        "_after=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "_id=",
        "_format=ttl",
        "colour=red",
    ]
    .into_iter()
    .map(search)
    .collect();
    all.push(search(&format!("_include={focus}:*")));
    all.push(search(&format!(
        "_revinclude=Provenance:target&_include:recurse={focus}:patient"
    )));
    all.push(Ask::get(&format!(
        "/fhir/Patient?_id={id}&_has:{focus}:patient:_id={target}"
    )));
    all.push(Ask::get(&format!("/fhir/{focus}?subject:Patient.name=Delgado")));
    all.push(Ask::get(&format!("/fhir/{focus}?patient.identifier=x")));
    all.push(Ask::get(&format!("/fhir/{focus}")));
    all.push(Ask::form(&format!("/fhir/{focus}/_search"), &[("_sort", "code")]));
    all
}

/// Interactions and operations that are not offered to partners.
fn routes(thing: &Thing) -> Vec<Ask> {
    let (focus, id, target) = (thing.focus, &thing.person, &thing.target);
    [
        format!("/fhir/{target}/_history"),
        format!("/fhir/{target}/_history/1"),
        format!("/fhir/{focus}/_history"),
        format!("/fhir/Patient/{id}/$everything?colour=red"),
        format!("/fhir/Patient/{id}/{focus}"),
        "/fhir/$export".to_owned(),
        "/fhir/$graphql".to_owned(),
        format!("/fhir/{focus}/$lastn"),
        "/fhir/_history".to_owned(),
        "/staff/work".to_owned(),
        format!("/staff/work/{}", last(target)),
        format!("/fhir/{target}?_elements=colour"),
        format!("/fhir/{target}/"),
        "/nowhere".to_owned(),
    ]
    .iter()
    .map(|path| Ask::get(path))
    .collect()
}

/// Writes of what partners may not write, and of what is there or not without saying which version.
fn writes(thing: &Thing) -> Vec<Ask> {
    let (focus, target) = (thing.focus, &thing.target);
    let (instance, kind) = (format!("/fhir/{target}"), format!("/fhir/{focus}"));
    let body = |ask: Ask, text: &str| Ask {
        body: text.as_bytes().to_vec(),
        ..ask.with("content-type", "application/fhir+json")
    };
    let resource = format!("{{\"resourceType\":\"{focus}\",\"id\":\"{}\"}}", last(target));
    vec![
        Ask::get(&instance).method(Method::DELETE),
        Ask::get(&format!("{kind}?identifier=x")).method(Method::DELETE),
        body(Ask::get(&instance).method(Method::PUT), &resource).with("if-match", "W/\"1\""),
        body(Ask::get(&instance).method(Method::PUT), &resource),
        body(Ask::get(&instance).method(Method::PATCH), "[]"),
        body(Ask::post(&kind, ""), &resource).with("if-none-exist", &format!("_id={}", last(target))),
        body(
            Ask::post("/fhir", ""),
            "{\"resourceType\":\"Bundle\",\"type\":\"batch\"}",
        ),
        body(
            Ask::post("/fhir/Subscription", ""),
            "{\"resourceType\":\"Subscription\"}",
        ),
        body(Ask::post("/intake/hearthstone/care-plan", ""), "{}"),
        Ask::get(&instance).method(Method::OPTIONS),
        Ask::get(&instance).method(Method::TRACE),
    ]
}
