//! What leaves, held to the guides a partner's system expects: US Core 6.1.0, eLTSS 2.0.0, BSeR, BALP, where their packages
//! lie beside the repository. What does not conform yet is listed, with the reason, in `conformance.tsv`.
//! <http://hl7.org/fhir/us/core/STU6.1/>, <http://hl7.org/fhir/us/eltss/>, <https://profiles.ihe.net/ITI/BALP/>

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use postern_rules::fhir::path::without_indexes;
use postern_rules::fhir::{Severity, json};
use postern_rules::log::Digest;
use postern_rules::validation::{Definitions, Package};
use serde_json::Value;

use super::people::root;

const PACKAGES: [&str; 4] = ["us-core-6.1.0", "eltss-2.0.0", "bser-2.0.0-ballot", "balp-1.1.5"];

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-";
const ELTSS: &str = "http://hl7.org/fhir/us/eltss/StructureDefinition/";
const BSER: &str = "http://hl7.org/fhir/us/bser/StructureDefinition/referral-";

/// What an error says and of which profile, where: a line of `conformance.tsv` without its reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonconformity {
    /// Last part of the profile's address; `R4` for R4's own rules.
    pub profile: String,
    pub element: String,
    pub what: String,
}

/// The packages, read once; `None`, with a printed line, where they are absent.
fn definitions() -> Option<&'static Definitions> {
    static ALL: LazyLock<Option<Definitions>> = LazyLock::new(|| {
        let places = [
            root().join("../shared/packages"),
            root().join("../../shared/packages"),
        ];
        let folder = places.into_iter().find(|place| place.is_dir());
        if folder.is_none() {
            println!("skipped: no packages under ../shared/packages");
        }
        let folder = folder?;
        let packages = PACKAGES.map(|name| package(name, &folder.join(name)));
        Some(Definitions::new(packages.into()))
    });
    ALL.as_ref()
}

fn package(name: &str, folder: &Path) -> Package {
    let mut reader = Package::reader(name);
    for entry in std::fs::read_dir(folder)
        .expect("a package is a folder")
        .flatten()
    {
        if entry.path().extension().is_some_and(|e| e == "json") {
            let bytes = std::fs::read(entry.path()).expect("a readable file");
            reader.add(&entry.file_name().to_string_lossy(), &bytes);
        }
    }
    reader.finish().expect("a published package is in order")
}

/// The profiles a client would expect a resource of this kind to conform to.
fn expected(resource: &Value) -> Vec<String> {
    let text = |name: &str| resource[name].as_str().unwrap_or_default();
    let core = |name: &str| vec![format!("{US_CORE}{name}")];
    match text("resourceType") {
        kind @ ("Patient"
        | "CareTeam"
        | "MedicationRequest"
        | "AllergyIntolerance"
        | "Encounter"
        | "Organization"
        | "Practitioner"
        | "PractitionerRole"
        | "Location"
        | "RelatedPerson"
        | "DocumentReference"
        | "Provenance"
        | "Coverage"
        | "Immunization"
        | "Procedure"
        | "Medication"
        | "QuestionnaireResponse") => core(&kind.to_lowercase()),
        "CarePlan" => vec![format!("{US_CORE}careplan"), format!("{ELTSS}CarePlan-eltss")],
        "Goal" => vec![format!("{US_CORE}goal"), format!("{ELTSS}Goal-eltss")],
        "RiskAssessment" => vec![format!("{ELTSS}RiskAssessment-eltss")],
        "Condition" if has_category(resource, "encounter-diagnosis") => core("condition-encounter-diagnosis"),
        "Condition" => core("condition-problems-health-concerns"),
        "Observation" => core(observation(resource)),
        "ServiceRequest" => vec![
            format!("{US_CORE}servicerequest"),
            format!("{BSER}servicerequest"),
        ],
        // A referral's task, not an action of a plan.
        "Task"
            if resource["focus"]["reference"]
                .as_str()
                .is_some_and(|r| r.starts_with("ServiceRequest/")) =>
        {
            vec![format!("{BSER}task")]
        }
        _ => Vec::new(),
    }
}

fn has_category(resource: &Value, code: &str) -> bool {
    let categories = resource["category"].as_array().into_iter().flatten();
    let mut codings = categories.flat_map(|one| one["coding"].as_array().into_iter().flatten());
    codings.any(|coding| coding["code"] == code)
}

/// By code where US Core has a profile for one, else by category.
fn observation(resource: &Value) -> &'static str {
    let codes: Vec<&str> = resource["code"]["coding"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|c| c["code"].as_str())
        .collect();
    let by_code = [
        ("72166-2", "smokingstatus"),
        ("82810-3", "observation-pregnancystatus"),
        ("86645-9", "observation-pregnancyintent"),
        ("76690-7", "observation-sexual-orientation"),
        ("11341-5", "observation-occupation"),
        ("85354-9", "blood-pressure"),
        ("29463-7", "body-weight"),
        ("8302-2", "body-height"),
        ("39156-5", "bmi"),
        ("8867-4", "heart-rate"),
        ("9279-1", "respiratory-rate"),
        ("8310-5", "body-temperature"),
    ];
    if let Some((_, profile)) = by_code.iter().find(|(code, _)| codes.contains(code)) {
        return profile;
    }
    let by_category = [
        ("vital-signs", "vital-signs"),
        ("laboratory", "observation-lab"),
        ("survey", "observation-screening-assessment"),
    ];
    let found = by_category.iter().find(|(code, _)| has_category(resource, code));
    found.map_or("simple-observation", |(_, profile)| profile)
}

/// Where a resource is not what a partner expects of it. Asked once of each content: most tests release the same.
pub fn nonconformities(resource: &Value) -> Vec<Nonconformity> {
    static SEEN: LazyLock<Mutex<HashMap<Digest, Vec<Nonconformity>>>> = LazyLock::new(Mutex::default);
    let Some(definitions) = definitions() else {
        return Vec::new();
    };
    let plain = without_what_changes(resource);
    let key = Digest::of(plain.to_string().as_bytes());
    let seen = || SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = seen().get(&key) {
        return known.clone();
    }
    let profiles = expected(&plain);
    let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
    let issues = definitions.validate(&plain, &profiles);
    let errors = issues
        .into_iter()
        .filter(|issue| issue.severity <= Severity::Error);
    let found: BTreeSet<Nonconformity> = errors
        .map(|issue| {
            let (what, profile) = match issue.details.split_once(" (profile ") {
                Some((what, profile)) => (
                    what,
                    profile
                        .trim_end_matches(')')
                        .rsplit('/')
                        .next()
                        .unwrap_or_default(),
                ),
                None => (issue.details.as_str(), "R4"),
            };
            Nonconformity {
                profile: profile.to_owned(),
                element: without_indexes(&issue.expression),
                what: what.to_owned(),
            }
        })
        .collect();
    let found: Vec<Nonconformity> = found.into_iter().collect();
    seen().insert(key, found.clone());
    found
}

/// What differs from request to request and decides nothing here: of a page its id and links, of a resource its version, of
/// an event every text that is no code.
fn without_what_changes(resource: &Value) -> Value {
    let mut plain = resource.clone();
    match resource["resourceType"].as_str() {
        Some("Bundle") => without(&mut plain, &["id", "meta", "timestamp", "link"]),
        Some("AuditEvent") => blank(&mut plain),
        _ => {
            if let Some(meta) = plain.get_mut("meta") {
                without(meta, &["versionId", "lastUpdated"]);
            }
        }
    }
    plain
}

fn without(value: &mut Value, names: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|name, _| !names.contains(&name.as_str()));
    }
}

fn blank(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(map) => {
            for (name, member) in map.iter_mut() {
                let constant = match name.as_str() {
                    "recorded" => "2026-11-21T12:00:00Z",
                    "id" | "value" | "valueString" | "display" | "name" | "address" => "x",
                    "valueBase64Binary" | "query" => "AAAA",
                    _ => {
                        blank(member);
                        continue;
                    }
                };
                if member.is_string() {
                    *member = Value::from(constant);
                } else {
                    blank(member);
                }
            }
        }
        _ => {}
    }
}

/// What is known not to conform, with the reason for each.
pub fn known() -> &'static [(Nonconformity, String)] {
    static KNOWN: LazyLock<Vec<(Nonconformity, String)>> = LazyLock::new(|| {
        let rows = include_str!("conformance.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let row = |line: &str| {
            let mut cells = line.split('\t').map(str::to_owned);
            let mut next = || cells.next().expect("profile, element, what, reason");
            let found = Nonconformity {
                profile: next(),
                element: next(),
                what: next(),
            };
            (found, next())
        };
        rows.map(row).collect()
    });
    &KNOWN
}

/// Those that are not listed, in sentences.
pub fn unlisted(resource: &Value) -> Vec<String> {
    let is_new = |one: &Nonconformity| !known().iter().any(|(listed, _)| listed == one);
    let show = |one: Nonconformity| format!("{} {}: {}", one.profile, one.element, one.what);
    nonconformities(resource)
        .into_iter()
        .filter(is_new)
        .map(show)
        .collect()
}

/// An event of the log, by the profile of BALP that it claims.
pub fn nonconformities_of_event(body: &str) -> Vec<Nonconformity> {
    json::parse(body.as_bytes())
        .map(|event| nonconformities(&event))
        .unwrap_or_default()
}
