//! Consent JSON to rules. What is not understood is a reason, never a guess.
//! <https://hl7.org/fhir/R4/consent-definitions.html>

use jiff::tz::TimeZone;
use serde_json::Value;

use super::context::{Context, without_version};
use super::facts::{Capacity, Compiled, Kind, Scope, Status};
use super::part2::{Part2Facts, extension, part};
use super::rule::Span;
use super::signing::Signing;
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::terminology::ACT_CODE;

mod provision;

/// Why a consent is not computable; names elements, never values.
pub(super) type Problem = String;

const SCOPES: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/consentscope",
    "http://hl7.org/fhir/consentscope",
];

/// Dates of the statement itself.
#[derive(Default)]
struct Dates {
    revoked_at: Option<Instant>,
    expires: Option<Instant>,
    authority_ends: Option<Instant>,
}

pub(super) fn compile(
    consent: &Value,
    context: &dyn Context,
    zone: &TimeZone,
    signing: &Signing,
) -> Compiled {
    let _ = signing;
    let scope = scope(consent);
    let kind = kind(consent);
    let dates = dates(consent, zone);
    let tree = (|| {
        shape(consent)?;
        scope?;
        kind?;
        dates.as_ref().map_err(Clone::clone)?;
        let role = signer(consent)?;
        if capacity(consent)? == Capacity::IncapacityDecided && role == "patient" {
            return Err("the signer's incapacity was decided".into());
        }
        provision::tree(consent, context, zone)
    })();
    let kind = kind.unwrap_or(Kind::Unstated);
    let dates = dates.unwrap_or_default();
    Compiled {
        id: consent["id"].as_str().unwrap_or_default().to_owned(),
        status: status(consent, scope),
        scope: scope.ok().flatten().unwrap_or(Scope::Privacy),
        kind,
        capacity: capacity(consent).unwrap_or(Capacity::InQuestion),
        may_deny: tree.is_err() && !provision::only_permits(consent),
        tree,
        revoked_at: dates.revoked_at,
        expires: dates.expires,
        authority_ends: dates.authority_ends,
        part2: Part2Facts::read(consent, kind, zone),
        superseded_by: None,
        state_lacks: Vec::new(),
        authorization_lacks: Vec::new(),
        identifiers: identifiers(consent),
        replaces: replaces(consent),
        stated_at: date(&consent["dateTime"]).map(|d| d.bounds(zone).0),
    }
}

fn shape(consent: &Value) -> Result<(), &'static str> {
    if consent["resourceType"] != "Consent" {
        return Err("it is no Consent");
    }
    // Elements of R5, then of STU3: what they say would be passed over here.
    let other = [
        "decision",
        "controller",
        "regulatoryBasis",
        "policyBasis",
        "policyText",
        "subject",
        "period",
        "except",
        "actor",
        "purpose",
        "securityLabel",
        "data",
        "dataPeriod",
    ];
    if consent["provision"].is_array() || other.iter().any(|key| consent.get(key).is_some()) {
        return Err("it has the shape of another FHIR release");
    }
    if consent.get("modifierExtension").is_some() || consent.get("implicitRules").is_some() {
        return Err("it carries a modifier that is not understood");
    }
    match consent["status"].as_str() {
        Some("draft" | "proposed" | "active" | "rejected" | "inactive" | "entered-in-error") => Ok(()),
        _ => Err("its status is not one of R4"),
    }
}

fn status(consent: &Value, scope: Result<Option<Scope>, &'static str>) -> Status {
    if scope == Ok(None) {
        return Status::Elsewhere;
    }
    match consent["status"].as_str() {
        Some("draft" | "proposed") => Status::Unstated,
        Some("rejected" | "not-done") => Status::Refused,
        Some("inactive") => Status::Revoked,
        Some("entered-in-error") => Status::Error,
        _ => Status::Active,
    }
}

/// `None`: a consent, but not about disclosure.
fn scope(consent: &Value) -> Result<Option<Scope>, &'static str> {
    let codings = consent["scope"]["coding"].as_array().into_iter().flatten();
    let mut codes = codings
        .filter(|c| c["system"].as_str().is_none_or(|s| SCOPES.contains(&s)))
        .map(|c| c["code"].as_str());
    match codes.next().flatten() {
        Some("patient-privacy") => Ok(Some(Scope::Privacy)),
        Some("research") => Ok(Some(Scope::Research)),
        Some("adr" | "treatment") => Ok(None),
        Some(_) => Err("its scope is not known"),
        None => Err("it has no coded scope"),
    }
}

fn kind(consent: &Value) -> Result<Kind, &'static str> {
    let Some(kind) = extension(consent, "consent-kind") else {
        let hipaa = consent["policyRule"]["coding"].as_array().into_iter().flatten();
        let authorization = hipaa
            .into_iter()
            .any(|c| c["system"] == ACT_CODE && c["code"] == "HIPAAAuthCD");
        return Ok(if authorization {
            Kind::HipaaAuthorization
        } else {
            Kind::Unstated
        });
    };
    match kind["valueCode"].as_str() {
        Some("general") => Ok(Kind::General),
        Some("specific") => Ok(Kind::Specific),
        Some("tpo-single") => Ok(Kind::TpoSingle),
        Some("sud-counseling-notes") => Ok(Kind::SudCounselingNotes),
        Some("proceedings") => Ok(Kind::Proceedings),
        Some("hipaa-authorization") => Ok(Kind::HipaaAuthorization),
        _ => Err("its kind is not known"),
    }
}

fn capacity(consent: &Value) -> Result<Capacity, &'static str> {
    match extension(consent, "consent-capacity").map(|e| e["valueCode"].as_str()) {
        None | Some(Some("not-in-question")) => Ok(Capacity::NotInQuestion),
        Some(Some("in-question")) => Ok(Capacity::InQuestion),
        Some(Some("incapacity-decided")) => Ok(Capacity::IncapacityDecided),
        Some(_) => Err("the capacity of its signer is not known"),
    }
}

/// Who may consent: the person, a minor alone, or a representative with an authority on record (45 CFR 164.502(g),
/// 42 CFR 2.14, 2.15). Anyone else makes the consent not computable.
fn signer(consent: &Value) -> Result<&str, &'static str> {
    let (performer, patient) = (&consent["performer"][0], &consent["patient"]);
    let reference = |of: &'_ Value| of["reference"].as_str().map(|r| without_version(r).to_owned());
    let same_identifier =
        performer["identifier"].is_object() && performer["identifier"] == patient["identifier"];
    let same_reference = reference(performer).is_some() && reference(performer) == reference(patient);
    let is_patient = performer.is_null() || same_reference || same_identifier;
    let Some(signer) = extension(consent, "consent-signer") else {
        return if is_patient {
            Ok("patient")
        } else {
            Err("it is signed by another without a stated authority")
        };
    };
    let role = part(signer, "role")
        .and_then(|p| p["valueCode"].as_str())
        .unwrap_or_default();
    let authority = part(signer, "authority")
        .and_then(|p| p["valueString"].as_str())
        .is_some_and(|t| !t.trim().is_empty());
    match role {
        "patient" | "minor" if is_patient => Ok("patient"),
        "parent" | "guardian" | "agent" | "executor" if authority => Ok(role),
        "parent" | "guardian" | "agent" | "executor" => Err("its signer states no authority"),
        _ => Err("its signer may not consent"),
    }
}

fn dates(consent: &Value, zone: &TimeZone) -> Result<Dates, Problem> {
    let read = |value: Option<&Value>, problem: &str| match value {
        None => Ok(None),
        Some(value) => date(value)
            .map(|d| Some(d.bounds(zone)))
            .ok_or_else(|| problem.to_owned()),
    };
    let expiry = extension(consent, "consent-expiry")
        .and_then(|e| part(e, "date"))
        .map(|p| &p["valueDate"]);
    let authority = extension(consent, "consent-signer")
        .and_then(|e| part(e, "authorityEnds"))
        .map(|p| &p["valueDate"]);
    let revoked = extension(consent, "consent-revoked").map(|e| &e["valueDateTime"]);
    Ok(Dates {
        // A revocation and the end of an authority (an 18th birthday) count from the start of the day stated.
        revoked_at: read(revoked, "its time of revocation is no date")?.map(|b| b.0),
        expires: read(expiry, "its expiry is no date")?.map(|b| b.1),
        authority_ends: read(authority, "the end of its signer's authority is no date")?.map(|b| b.0),
    })
}

fn identifiers(consent: &Value) -> Vec<(String, String)> {
    let list = consent["identifier"].as_array().into_iter().flatten();
    list.filter_map(|i| Some((i["system"].as_str()?.to_owned(), i["value"].as_str()?.to_owned())))
        .collect()
}

/// Consents named as replaced (HL7's `replaces` extension) or as the source this one was made from.
fn replaces(consent: &Value) -> Vec<String> {
    let extensions = consent["extension"].as_array().into_iter().flatten();
    let named = extensions
        .filter(|e| {
            e["url"]
                .as_str()
                .is_some_and(|u| u.ends_with("/StructureDefinition/replaces"))
        })
        .filter_map(|e| {
            e["valueReference"]["reference"]
                .as_str()
                .or(e["valueCanonical"].as_str())
                .or(e["valueUri"].as_str())
        });
    named
        .chain(consent["sourceReference"]["reference"].as_str())
        .map(|r| without_version(r).to_owned())
        .filter(|r| r.starts_with("Consent/"))
        .collect()
}

fn date(value: &Value) -> Option<PartialDate> {
    PartialDate::parse(value.as_str()?)
}

/// A Period, inclusive at stated precision; `start` after `end`, or neither, is impossible.
pub(super) fn span(period: &Value, zone: &TimeZone) -> Result<Span, Problem> {
    let bound = |key: &str| match &period[key] {
        Value::Null => Ok(None),
        value => date(value)
            .map(|d| Some(d.bounds(zone)))
            .ok_or_else(|| format!("a period's {key} is no date")),
    };
    let (from, until) = (bound("start")?.map(|b| b.0), bound("end")?.map(|b| b.1));
    match (from, until) {
        (None, None) => Err("a period has neither start nor end".into()),
        (Some(from), Some(until)) if from >= until => Err("a period ends before it starts".into()),
        _ => Ok(Span { from, until }),
    }
}
