//! Whether a recipient has to do with a person at all. Without a relationship the person does not exist for it.
//!
//! A relationship is read from the record: a referral addressed to the recipient, a place in the care team, a consent that names it,
//! insurance with it (`45 CFR 164.506(c)(3)`, `(4)`). It has a basis, and it ends with its period. What the record knows only from
//! the recipient's own message (an encounter it reported) relates too, but opens no more than the data set for unconfirmed ones.

use std::collections::HashSet;

use jiff::tz::TimeZone;

use super::heard::{extension, restriction};
use super::record::{Recipient, Record, Stored};
use crate::fhir::date::PartialDate;
use crate::fhir::{Now, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    Referral,
    CareTeam,
    Consent,
    /// The recipient is the payor of a coverage in force.
    Coverage,
    /// An encounter that the recipient itself reported.
    Reported,
    /// None: a break-glass grant opened the person.
    BreakGlass,
    /// None: a member of staff discloses by hand.
    StaffAct,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    pub basis: Basis,
    /// The resource that states it: `ServiceRequest/abc`.
    pub evidence: String,
}

impl Basis {
    pub fn code(self) -> &'static str {
        match self {
            Basis::Referral => "referral",
            Basis::CareTeam => "care-team",
            Basis::Consent => "consent",
            Basis::Coverage => "coverage",
            Basis::Reported => "reported",
            Basis::BreakGlass => "break-glass",
            Basis::StaffAct => "staff-act",
        }
    }
}

/// The references in this record that mean the recipient: its organisations, their roles that are in force, and the
/// practitioners who act for nobody else. What only may mean it (an ended role, a person of several organisations)
/// stands in the second set: enough for a deny, never for a relationship or a permit.
pub fn references_to(record: &Record, recipient: &Recipient) -> (HashSet<String>, HashSet<String>) {
    let mut known: HashSet<String> = record
        .of_type("Organization")
        .filter(|organization| is_recipients(&organization.body, recipient))
        .map(Stored::reference)
        .collect();
    let organisations = known.clone();
    let mut likely: HashSet<String> = HashSet::new();
    let of_recipient = |role: &&Stored| {
        let organisation = role.body["organization"]["reference"].as_str();
        organisation.is_some_and(|r| organisations.contains(r))
    };
    let in_force = |role: &&Stored| role.body["active"] != false;
    let elsewhere: HashSet<&str> = record
        .of_type("PractitionerRole")
        .filter(|role| in_force(role) && !of_recipient(role))
        .filter_map(|role| role.body["practitioner"]["reference"].as_str())
        .collect();
    for role in record.of_type("PractitionerRole").filter(of_recipient) {
        let practitioner = role.body["practitioner"]["reference"].as_str();
        let certain = in_force(&role);
        if certain {
            known.insert(role.reference());
        }
        likely.insert(role.reference());
        likely.extend(practitioner.map(str::to_owned));
        known.extend(
            practitioner
                .filter(|person| certain && !elsewhere.contains(person))
                .map(str::to_owned),
        );
    }
    (known, likely)
}

fn is_recipients(organization: &Value, recipient: &Recipient) -> bool {
    identifiers(organization).any(|(system, value)| {
        recipient
            .organization
            .iter()
            .any(|(s, v)| s == system && v == value)
    })
}

fn identifiers(resource: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = resource["identifier"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .filter_map(|i| Some((i["system"].as_str()?, i["value"].as_str()?)))
}

/// Every relationship in force at `now` with the resource that states it, in the order referral, care team, consent, coverage, reported.
/// Whether the recipient may know of that resource is for the caller to judge: a referral it may not see relates it
/// to nobody.
pub fn find_all<'r>(
    record: &'r Record,
    recipient: &Recipient,
    known: &HashSet<String>,
    zone: &TimeZone,
    now: &Now,
) -> Vec<(Relationship, &'r Stored)> {
    let means = |reference: &Value| {
        let identifier = &reference["identifier"];
        let by_identifier = recipient
            .organization
            .iter()
            .any(|(system, value)| identifier["system"] == *system && identifier["value"] == *value);
        by_identifier || reference["reference"].as_str().is_some_and(|r| known.contains(r))
    };
    let mut found: Vec<(Relationship, &Stored)> = Vec::new();
    let mut add = |basis, stored: &'r Stored| {
        let evidence = stored.reference();
        found.push((Relationship { basis, evidence }, stored));
    };
    let lasts = |body: &Value| is_open(body) && !is_over(body, zone, now);
    // What a partner stated and nobody accepted relates nobody.
    let stated = record.resources.iter().filter(|stored| !stored.is_unconfirmed());
    for stored in stated.filter(|stored| lasts(&stored.body)) {
        let body = &stored.body;
        match stored.resource_type.as_str() {
            "ServiceRequest" if list(&body["performer"]).iter().any(means) => add(Basis::Referral, stored),
            "Task" if means(&body["owner"]) => add(Basis::Referral, stored),
            _ => {}
        }
    }
    for team in record
        .of_type("CareTeam")
        .filter(|t| is_open(&t.body) && in_period(&t.body["period"], zone, now))
    {
        // Who takes part for another organisation is not there for this one.
        let meant = |p: &Value| match &p["onBehalfOf"] {
            Value::Null => means(&p["member"]),
            behalf => means(behalf),
        };
        let takes_part = |p: &Value| meant(p) && in_period(&p["period"], zone, now);
        if list(&team.body["participant"]).iter().any(takes_part) {
            add(Basis::CareTeam, team);
        }
    }
    let consents = record.of_type("Consent").filter(|c| c.body["status"] == "active");
    // A restriction the agency agreed to names whom it keeps out.
    for consent in consents.filter(|c| restriction(&c.body).is_none()) {
        if permits_someone(
            &consent.body["provision"],
            &|a| means(&a["reference"]),
            zone,
            now,
            0,
        ) {
            add(Basis::Consent, consent);
        }
    }
    for coverage in record
        .of_type("Coverage")
        .filter(|c| c.body["status"] == "active")
    {
        let body = &coverage.body;
        if list(&body["payor"]).iter().any(means) && in_period(&body["period"], zone, now) {
            add(Basis::Coverage, coverage);
        }
    }
    for encounter in record.of_type("Encounter") {
        let by = extension(&encounter.body, "reported-by");
        if by.is_some_and(|by| means(&by["valueReference"])) && is_recent(&encounter.body, zone, now) {
            add(Basis::Reported, encounter);
        }
    }
    found
}

/// An encounter relates while it lasts and for thirty days after it ended; one that ended without a date relates nobody.
fn is_recent(encounter: &Value, zone: &TimeZone, now: &Now) -> bool {
    let lasts = matches!(
        encounter["status"].as_str(),
        Some("arrived" | "triaged" | "in-progress" | "onleave")
    );
    match encounter["period"]["end"].as_str().map(PartialDate::parse) {
        None => lasts,
        Some(end) => {
            let counts = lasts || encounter["status"] == "finished";
            counts
                && end.is_some_and(|end| !now.reached(end.bounds(zone).1.plus_seconds(AFTER_CLOSE_SECONDS)))
        }
    }
}

/// Requests and teams that were never in force, or were made in error, relate nobody.
fn is_open(body: &Value) -> bool {
    !matches!(
        body["status"].as_str(),
        Some("draft" | "proposed" | "revoked" | "cancelled" | "rejected" | "entered-in-error" | "inactive")
    )
}

/// A closed request relates for thirty days more, so that its outcome can be read; one that does not say when it was
/// closed relates nobody.
fn is_over(body: &Value, zone: &TimeZone, now: &Now) -> bool {
    if !matches!(body["status"].as_str(), Some("completed" | "failed" | "stopped")) {
        return false;
    }
    let closed = [
        &body["executionPeriod"]["end"],
        &body["lastModified"],
        &body["occurrencePeriod"]["end"],
    ];
    let closed = closed.iter().find_map(|date| PartialDate::parse(date.as_str()?));
    closed.is_none_or(|date| now.reached(date.bounds(zone).1.plus_seconds(AFTER_CLOSE_SECONDS)))
}

const AFTER_CLOSE_SECONDS: i64 = 30 * 24 * 3600;

/// Does a permitting provision, at any depth, name an actor that is meant?
fn permits_someone(
    provision: &Value,
    meant: &dyn Fn(&Value) -> bool,
    zone: &TimeZone,
    now: &Now,
    depth: u8,
) -> bool {
    if depth > 16 || !in_period(&provision["period"], zone, now) {
        return false;
    }
    let permits = provision["type"].as_str() != Some("deny");
    (permits && list(&provision["actor"]).iter().any(meant))
        || list(&provision["provision"])
            .iter()
            .any(|p| permits_someone(p, meant, zone, now, depth + 1))
}

/// Dates begin and end where the agency is.
fn in_period(period: &Value, zone: &TimeZone, now: &Now) -> bool {
    let bounds = |name| {
        let text = period[name].as_str()?;
        Some(PartialDate::parse(text).map(|date| date.bounds(zone)))
    };
    let started = match bounds("start") {
        None => true,
        Some(None) => false,
        Some(Some((from, _))) => now.reached(from),
    };
    let ended = match bounds("end") {
        None => false,
        Some(None) => true,
        Some(Some((_, until))) => now.reached(until),
    };
    started && !ended
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Instant;
    use crate::profile::Role;
    use serde_json::json;

    fn record(resources: Vec<Value>) -> Record {
        let directory = json!({"resourceType": "Organization", "id": "maple",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}]});
        Record {
            patient: "p".to_owned(),
            resources: resources
                .into_iter()
                .filter_map(|body| Stored::new(body, 1))
                .collect(),
            directory: Stored::new(directory, 1).into_iter().collect(),
            ..Record::default()
        }
    }

    fn maple() -> Recipient {
        let organization = vec![("http://hl7.org/fhir/sid/us-npi".to_owned(), "1".to_owned())];
        Recipient::new("maple", "Maple", "primary-care", Role::Provider, organization)
    }

    fn basis(resources: Vec<Value>, at: &str) -> Option<Basis> {
        basis_in(resources, at, "UTC")
    }

    fn basis_in(resources: Vec<Value>, at: &str, zone: &str) -> Option<Basis> {
        let zone = TimeZone::get(zone).expect("a zone");
        let now = Now::new(Instant::parse(at).expect("instant"));
        let record = record(resources);
        let (known, _) = references_to(&record, &maple());
        find_all(&record, &maple(), &known, &zone, &now)
            .into_iter()
            .next()
            .map(|(found, _)| found.basis)
    }

    #[test]
    fn a_referral_to_the_recipient_relates_and_a_revoked_one_does_not() {
        let referral = |status: &str| {
            json!({"resourceType": "ServiceRequest", "id": "s", "status": status,
                "performer": [{"reference": "Organization/maple"}]})
        };
        let at = "2026-11-21T00:00:00Z";
        assert_eq!(basis(vec![referral("active")], at), Some(Basis::Referral));
        assert_eq!(basis(vec![referral("revoked")], at), None);
        assert_eq!(basis(vec![], at), None);
    }

    #[test]
    fn a_closed_referral_relates_for_thirty_days_and_an_undated_one_not_at_all() {
        let task = |modified: Option<&str>| {
            let mut task = json!({"resourceType": "Task", "id": "t", "status": "completed",
                "owner": {"reference": "Organization/maple"}});
            if let Some(date) = modified {
                task["lastModified"] = date.into();
            }
            task
        };
        let at = "2026-11-21T00:00:00Z";
        assert_eq!(
            basis(vec![task(Some("2026-11-01T00:00:00Z"))], at),
            Some(Basis::Referral)
        );
        assert_eq!(basis(vec![task(Some("2026-10-01T00:00:00Z"))], at), None);
        assert_eq!(basis(vec![task(None)], at), None);
    }

    #[test]
    fn a_place_in_the_care_team_ends_with_its_period() {
        let team = json!({"resourceType": "CareTeam", "id": "t", "status": "active", "participant": [
            {"member": {"reference": "Organization/maple"}, "period": {"end": "2026-11-20"}}]});
        assert_eq!(
            basis(vec![team.clone()], "2026-11-20T23:59:59Z"),
            Some(Basis::CareTeam)
        );
        assert_eq!(basis(vec![team], "2026-11-21T00:00:00Z"), None);
    }

    #[test]
    fn a_date_begins_and_ends_where_the_agency_is() {
        let team = |period: Value| {
            vec![
                json!({"resourceType": "CareTeam", "id": "t", "status": "active", "participant": [
                {"member": {"reference": "Organization/maple"}, "period": period}]}),
            ]
        };
        let chicago = "America/Chicago";
        // Seven in the evening of the 20th in Chicago.
        let evening = "2026-11-21T01:00:00Z";
        let (starts, ends) = (json!({"start": "2026-11-21"}), json!({"end": "2026-11-20"}));
        assert_eq!(basis_in(team(starts.clone()), evening, chicago), None);
        assert_eq!(basis_in(team(ends), evening, chicago), Some(Basis::CareTeam));
        assert_eq!(
            basis_in(team(starts), "2026-11-21T06:00:00Z", chicago),
            Some(Basis::CareTeam)
        );
    }

    #[test]
    fn nobody_is_related_by_one_who_left_or_who_acts_for_another() {
        let role = |active: bool| {
            json!({"resourceType": "PractitionerRole", "id": "r", "active": active,
                "practitioner": {"reference": "Practitioner/d"}, "organization": {"reference": "Organization/maple"}})
        };
        let elsewhere = json!({"resourceType": "PractitionerRole", "id": "e",
            "practitioner": {"reference": "Practitioner/d"}, "organization": {"reference": "Organization/other"}});
        let team = |participant: Value| json!({"resourceType": "CareTeam", "id": "t", "status": "active", "participant": [participant]});
        let member = json!({"member": {"reference": "Practitioner/d"}});
        let other = json!({"member": {"reference": "Practitioner/d"}, "onBehalfOf": {"reference": "Organization/other"}});
        let at = "2026-11-21T00:00:00Z";
        assert_eq!(
            basis(vec![team(member.clone()), role(true)], at),
            Some(Basis::CareTeam)
        );
        assert_eq!(basis(vec![team(member.clone()), role(false)], at), None);
        assert_eq!(basis(vec![team(member), role(true), elsewhere], at), None);
        assert_eq!(basis(vec![team(other), role(true)], at), None);
    }

    #[test]
    fn a_consent_that_only_denies_the_recipient_is_no_relationship() {
        let consent = |kind: &str| {
            json!({"resourceType": "Consent", "id": "c", "status": "active", "provision":
                {"type": kind, "actor": [{"reference": {"reference": "Organization/maple"}}]}})
        };
        assert_eq!(
            basis(vec![consent("permit")], "2026-11-21T00:00:00Z"),
            Some(Basis::Consent)
        );
        assert_eq!(basis(vec![consent("deny")], "2026-11-21T00:00:00Z"), None);
    }

    #[test]
    fn insurance_relates_its_payor_while_it_is_in_force() {
        let coverage = |status: &str, payor: Value| {
            vec![
                json!({"resourceType": "Coverage", "id": "c", "status": status, "payor": [payor],
                "period": {"start": "2026-01-01", "end": "2026-11-30"}}),
            ]
        };
        let by_reference = || json!({"reference": "Organization/maple"});
        let by_number = json!({"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}});
        let at = "2026-11-21T00:00:00Z";
        assert_eq!(
            basis(coverage("active", by_reference()), at),
            Some(Basis::Coverage)
        );
        assert_eq!(basis(coverage("active", by_number), at), Some(Basis::Coverage));
        assert_eq!(basis(coverage("cancelled", by_reference()), at), None);
        assert_eq!(
            basis(coverage("active", by_reference()), "2026-12-01T00:00:00Z"),
            None
        );
        assert_eq!(
            basis(coverage("active", json!({"reference": "Organization/other"})), at),
            None
        );
    }

    #[test]
    fn an_encounter_the_recipient_reported_relates_until_thirty_days_after_it() {
        let encounter = |status: &str, period: Value| {
            let by = json!([{"url": "https://postern.example/fhir/StructureDefinition/reported-by",
                "valueReference": {"reference": "Organization/maple"}}]);
            vec![
                json!({"resourceType": "Encounter", "id": "e", "status": status, "period": period, "extension": by}),
            ]
        };
        let at = "2026-11-21T00:00:00Z";
        let reported = Some(Basis::Reported);
        assert_eq!(
            basis(encounter("in-progress", json!({"start": "2026-11-20"})), at),
            reported
        );
        assert_eq!(
            basis(encounter("finished", json!({"end": "2026-11-01"})), at),
            reported
        );
        assert_eq!(
            basis(encounter("finished", json!({"end": "2026-10-01"})), at),
            None
        );
        assert_eq!(basis(encounter("finished", Value::Null), at), None);
        assert_eq!(
            basis(encounter("entered-in-error", json!({"end": "2026-11-20"})), at),
            None
        );
    }
}
