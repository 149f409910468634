//! Consent JSON to rules. What is not understood is a reason, never a guess.
//! <https://hl7.org/fhir/R4/consent-definitions.html>

use jiff::tz::TimeZone;
use serde_json::Value;

use super::context::{Context, WithContained, without_version};
use super::facts::{Capacity, Compiled, Kind, Scope, Status};
use super::part2::{Part2Facts, extension, part};
use super::rule::Span;
use super::signing::Signing;
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::terminology::ACT_CODE;

mod form;
mod provision;
mod signer;

/// Why a consent is not computable; names elements, never values.
pub(super) type Problem = String;

const SCOPES: [&str; 2] = [
    "http://terminology.hl7.org/CodeSystem/consentscope",
    "http://hl7.org/fhir/consentscope",
];

const POLICY_CODES: &str = "http://terminology.hl7.org/CodeSystem/consentpolicycodes";

/// Dates of the statement itself.
#[derive(Default)]
struct Dates {
    revoked_at: Option<Instant>,
    expires: Option<Instant>,
}

pub(super) fn compile(
    consent: &Value,
    context: &dyn Context,
    zone: &TimeZone,
    signing: &Signing,
) -> Compiled {
    let context = &WithContained::new(consent, context);
    let scope = scope(consent);
    let kind = kind(consent);
    let dates = dates(consent, zone);
    let tree = (|| {
        shape(consent)?;
        scope?;
        kind?;
        dates.as_ref().map_err(Clone::clone)?;
        capacity(consent)?;
        provision::tree(consent, context, zone)
    })();
    let kind = kind.unwrap_or(Kind::Unstated);
    let dates = dates.unwrap_or_default();
    let signature = signer::read(consent, context, zone, signing);
    let mut part2 = Part2Facts::read(consent, kind, zone);
    part2.lacks.extend(signature.part2_lacks);
    let scope_read = scope.ok().flatten().unwrap_or(Scope::Privacy);
    Compiled {
        id: consent["id"].as_str().unwrap_or_default().to_owned(),
        status: status(consent, scope),
        scope: scope_read,
        kind,
        capacity: capacity(consent).unwrap_or(Capacity::InQuestion),
        may_deny: tree.is_err() && !provision::only_permits(consent),
        state_lacks: form::state_lacks(consent, &tree, signing),
        state_until: form::state_until(consent, &tree, signing, zone),
        authorization_lacks: form::authorization_lacks(consent, &tree, scope_read == Scope::Research),
        tree,
        revoked_at: dates.revoked_at,
        expires: dates.expires,
        signature,
        part2,
        superseded_by: None,
        overtaken: false,
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
        "grantor",
        "grantee",
        "manager",
        "date",
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

/// `None`: a consent, but not about disclosure. Where `scope` is missing, a code of its system among the categories says
/// the same (R5 moved it there, and so do consents on the way).
fn scope(consent: &Value) -> Result<Option<Scope>, &'static str> {
    let stated = consent["scope"]["coding"].as_array().into_iter().flatten();
    let mut codes: Vec<Option<&str>> = stated
        .filter(|c| c["system"].as_str().is_none_or(|s| SCOPES.contains(&s)))
        .map(|c| c["code"].as_str())
        .collect();
    if consent.get("scope").is_none() {
        let categories = consent["category"].as_array().into_iter().flatten();
        codes = categories
            .flat_map(|category| category["coding"].as_array().into_iter().flatten())
            .filter(|c| c["system"].as_str().is_some_and(|s| SCOPES.contains(&s)))
            .map(|c| c["code"].as_str())
            .collect();
    }
    let has = |code: &str| codes.contains(&Some(code));
    match () {
        () if has("patient-privacy") => Ok(Some(Scope::Privacy)),
        () if has("research") => Ok(Some(Scope::Research)),
        () if has("adr") || has("treatment") => Ok(None),
        () if codes.is_empty() => Err("it has no coded scope"),
        () => Err("its scope is not known"),
    }
}

/// Codings that say what the paper is: of `policyRule`, and of the categories.
fn says(consent: &Value, system: &str, code: &str) -> bool {
    let categories = consent["category"].as_array().into_iter().flatten();
    categories
        .chain([&consent["policyRule"]])
        .flat_map(|concept| concept["coding"].as_array().into_iter().flatten())
        .any(|coding| coding["system"] == system && coding["code"] == code)
}

/// Is the paper recorded as an authorization under 45 CFR 164.508?
fn hipaa_authorization(consent: &Value) -> bool {
    says(consent, ACT_CODE, "HIPAAAuthCD")
        || says(consent, POLICY_CODES, "hipaa-auth")
        || kind_stated(consent) == Some(Some("hipaa-authorization"))
}

/// An agreed restriction; a self-pay one when it refuses at the root (consents may only cite that rule).
fn restriction(consent: &Value) -> bool {
    let refuses = consent["provision"]["type"] == "deny";
    refuses
        && (says(consent, POLICY_CODES, "hipaa-restrictions")
            || says(consent, POLICY_CODES, "hipaa-self-pay"))
}

fn kind_stated(consent: &Value) -> Option<Option<&str>> {
    extension(consent, "consent-kind").map(|kind| kind["valueCode"].as_str())
}

fn kind(consent: &Value) -> Result<Kind, &'static str> {
    let Some(kind) = kind_stated(consent) else {
        return Ok(match () {
            () if restriction(consent) => Kind::Restriction,
            () if hipaa_authorization(consent) => Kind::HipaaAuthorization,
            () => Kind::Unstated,
        });
    };
    match kind {
        Some("general") => Ok(Kind::General),
        Some("specific") => Ok(Kind::Specific),
        Some("tpo-single") => Ok(Kind::TpoSingle),
        Some("sud-counseling-notes") => Ok(Kind::SudCounselingNotes),
        Some("proceedings") => Ok(Kind::Proceedings),
        Some("hipaa-authorization") => Ok(Kind::HipaaAuthorization),
        Some("restriction") => Ok(Kind::Restriction),
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
    let revoked = extension(consent, "consent-revoked").map(|e| &e["valueDateTime"]);
    Ok(Dates {
        // A revocation counts from the start of the day stated.
        revoked_at: read(revoked, "its time of revocation is no date")?.map(|b| b.0),
        expires: read(expiry, "its expiry is no date")?.map(|b| b.1),
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
