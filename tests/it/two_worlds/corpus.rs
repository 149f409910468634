//! The corpus: every route, with each parameter and header that could make a hidden thing show, asked by three partners.
//! The channels are those of `S1` to `S22` (`reference/operations.md` 3.2): totals, pages, reverse chains, includes, sorting,
//! unknown parameters, 404 against 403, dates and versions, references, caches, ids, sizes, errors.

use axum::http::Method;
use serde_json::Value;

use super::thing::Thing;
use crate::harness::Ask;

pub enum What {
    /// With the partner's token.
    Ask(Ask),
    /// Without any.
    Bare(Ask),
    Token {
        scope: &'static str,
        good: bool,
    },
}

/// One request of one partner.
pub struct Turn {
    pub partner: usize,
    pub what: What,
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            What::Ask(ask) | What::Bare(ask) => {
                write!(
                    f,
                    "partner {}: {} {} {:?}",
                    self.partner, ask.method, ask.path, ask.headers
                )
            }
            What::Token { scope, good } => write!(f, "partner {}: token {scope} {good}", self.partner),
        }
    }
}

const TYPES: &[&str] = &[
    "CarePlan",
    "Condition",
    "Observation",
    "Task",
    "CareTeam",
    "RiskAssessment",
    "Consent",
    "Goal",
    "MedicationRequest",
    "AllergyIntolerance",
    "RelatedPerson",
    "ServiceRequest",
];

pub fn corpus(thing: &Thing) -> Vec<Turn> {
    let patient = of_type(thing, "Patient");
    let id = patient.split('/').nth(1).expect("an id");
    let mut turns = Vec::new();
    // The first question of each partner builds its release; what is shared can be read from then on.
    for partner in 0..3 {
        let mut asks = vec![Ask::get(&format!("/fhir/{patient}"))];
        asks.extend(searches(thing.focus, id));
        asks.extend(reads(&thing.target));
        asks.extend(
            TYPES
                .iter()
                .map(|kind| Ask::get(&format!("/fhir/{kind}?patient={id}"))),
        );
        asks.extend(around(thing));
        asks.push(Ask::get(&format!("/fhir/Patient?_id={id}")));
        asks.push(Ask::get(&format!(
            "/fhir/{}?identifier={}",
            thing.focus,
            thing.identifier.replace('|', "%7C")
        )));
        asks.push(Ask::get(&format!(
            "/fhir/{}?_id={}",
            thing.focus,
            last(&thing.target)
        )));
        asks.extend(probes(thing, id));
        turns.extend(asks.into_iter().map(|ask| Turn {
            partner,
            what: What::Ask(ask),
        }));
        turns.push(Turn {
            partner,
            what: What::Token {
                scope: "system/*.rs",
                good: true,
            },
        });
        turns.push(Turn {
            partner,
            what: What::Token {
                scope: "system/CarePlan.rs",
                good: false,
            },
        });
    }
    for path in [
        "/livez",
        "/readyz",
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/fhir/StructureDefinition/crisis-team-CarePlan",
    ] {
        turns.push(Turn {
            partner: 0,
            what: What::Bare(Ask::get(path)),
        });
    }
    turns.push(Turn {
        partner: 0,
        what: What::Bare(Ask::get(&format!("/fhir/{}", thing.target))),
    });
    turns
}

/// Every way to search the type it could show in.
fn searches(kind: &str, id: &str) -> Vec<Ask> {
    let plain = format!("/fhir/{kind}?patient={id}");
    let form = |pairs: &[(&str, &str)]| Ask::form(&format!("/fhir/{kind}/_search"), pairs);
    let reference = format!("Patient/{id}");
    vec![
        Ask::get(&plain),
        Ask::get(&format!("/fhir/{kind}?patient=Patient/{id}")),
        Ask::get(&format!("/fhir/{kind}?subject={id}")),
        Ask::get(&format!("{plain},nobody")),
        Ask::get(&format!("{plain}&patient={id}")),
        Ask::get(&format!("{plain}&_format=json")),
        Ask::get(&format!("{plain}&_format=xml")),
        Ask::get(&format!("{plain}&_pretty=true")),
        Ask::get(&plain)
            .method(Method::HEAD)
            .with("accept-encoding", "identity"),
        Ask::get(&plain).with("accept", "application/fhir+xml"),
        Ask::get(&plain).with("accept", "application/json;q=0.5, */*;q=0.1"),
        Ask::get(&plain).with("accept-encoding", "gzip"),
        Ask::get(&plain).with("if-none-match", "W/\"0123456789abcdef\""),
        Ask::get(&plain).with("if-modified-since", "Sat, 21 Nov 2026 11:00:00 GMT"),
        Ask::get(&plain).with("prefer", "handling=lenient"),
        Ask::get(&plain).with("range", "bytes=0-99"),
        form(&[("patient", id)]),
        form(&[("patient", &reference)]).with("accept", "application/fhir+xml"),
        form(&[("patient", id), ("_format", "xml")]),
        form(&[("patient", id)]).with("accept-encoding", "gzip"),
    ]
}

/// Every way to read it.
fn reads(target: &str) -> Vec<Ask> {
    let path = format!("/fhir/{target}");
    vec![
        Ask::get(&path),
        Ask::get(&path).with("accept", "application/fhir+xml"),
        Ask::get(&path).method(Method::HEAD),
        Ask::get(&path).with("if-none-match", "*"),
        Ask::get(&format!("{path}?_format=xml")),
    ]
}

/// What stands beside it and might speak of it: the plan, the person, the team, and some of everything else.
fn around(thing: &Thing) -> Vec<Ask> {
    let both = |one: &&crate::harness::Kept| {
        thing.absent.iter().any(|o| o.reference() == one.reference()) && one.body["resourceType"] != "Goal"
    };
    let plan = of_type(thing, "CarePlan");
    let mut asks = vec![
        Ask::get(&format!("/fhir/{plan}")),
        Ask::get(&format!("/fhir/{plan}")).with("accept", "application/fhir+xml"),
        Ask::get(&format!("/fhir/{plan}")).with("accept-encoding", "gzip"),
    ];
    let visible = |kind: &str| {
        let unlabelled = |one: &&crate::harness::Kept| one.body["meta"]["security"] == Value::Null;
        thing
            .hidden
            .iter()
            .filter(both)
            .filter(unlabelled)
            .find(|one| one.body["resourceType"] == kind)
    };
    for kind in [
        "Condition",
        "MedicationRequest",
        "AllergyIntolerance",
        "Task",
        "Practitioner",
        "Organization",
        "RelatedPerson",
    ] {
        asks.extend(visible(kind).map(|one| Ask::get(&format!("/fhir/{}", one.reference()))));
    }
    asks.push(Ask::get(&format!("/fhir/{}", of_type(thing, "CareTeam"))));
    asks
}

/// Questions that are refused; the refusal must not depend on what is hidden either.
fn probes(thing: &Thing, id: &str) -> Vec<Ask> {
    let (focus, target) = (thing.focus, &thing.target);
    let search = |rest: &str| Ask::get(&format!("/fhir/{focus}?patient={id}&{rest}"));
    vec![
        search("_total=accurate"),
        search("_summary=count"),
        search("_sort=-_lastUpdated"),
        search("_count=1"),
        search(&format!("_include={focus}:subject")),
        search("_lastUpdated=gt2026-01-01"),
        Ask::get(&format!(
            "/fhir/Patient?_id={id}&_has:{focus}:patient:_id={}",
            last(target)
        )),
        Ask::get(&format!("/fhir/{target}/_history")),
        Ask::get(&format!("/fhir/{target}")).method(Method::DELETE),
        Ask::post(&format!("/fhir/{focus}"), "{}").with("if-none-exist", &format!("_id={}", last(target))),
        Ask::get(&format!("/fhir/{focus}")),
    ]
}

fn of_type(thing: &Thing, kind: &str) -> String {
    thing
        .absent
        .iter()
        .find(|one| one.body["resourceType"] == kind)
        .expect("the demo has one")
        .reference()
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}
