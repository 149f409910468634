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

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

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

/// Types that US Core has a profile for.
const OF_US_CORE: [&str; 21] = [
    "Patient",
    "CarePlan",
    "CareTeam",
    "Goal",
    "Condition",
    "Observation",
    "ServiceRequest",
    "MedicationRequest",
    "AllergyIntolerance",
    "Encounter",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
    "RelatedPerson",
    "DocumentReference",
    "Provenance",
    "Coverage",
    "Immunization",
    "Procedure",
    "QuestionnaireResponse",
];

/// A resource of a type that US Core profiles, and what it is, where it claims none of those profiles.
pub fn claims_no_us_core(resource: &Value) -> Option<String> {
    let kind = resource["resourceType"].as_str()?;
    let claimed = resource["meta"]["profile"].as_array().into_iter().flatten();
    let mut claimed = claimed.filter_map(Value::as_str);
    let claims = claimed.any(|url| url.starts_with(US_CORE));
    (OF_US_CORE.contains(&kind) && !claims).then(|| kind.to_owned())
}

/// Where a resource is not what it claims to be in `meta.profile`. Asked once of each content: most tests release the same.
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
    let issues = definitions.validate(&plain, &[]);
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
