//! Who writes, and what it sees: everything a write is judged by beside its own words. <https://hl7.org/fhir/R4/http.html#update>

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::refused::Refused;
use crate::disclosure::{Recipient, Record, Release, Rules, references_to};
use crate::fhir::Now;
use crate::fhir::date::PartialDate;

/// One partner before one person's record, as it is released to it now.
pub struct Writer<'a> {
    pub record: &'a Record,
    pub recipient: &'a Recipient,
    pub release: &'a Release,
    pub rules: &'a Rules,
    pub now: &'a Now,
    /// The public address, without a slash at its end.
    pub base: &'a str,
    /// `Type/id` of what the same transaction makes.
    pub made: &'a BTreeSet<String>,
    /// References that mean the partner.
    means: HashSet<String>,
}

impl<'a> Writer<'a> {
    pub fn new(
        record: &'a Record,
        recipient: &'a Recipient,
        release: &'a Release,
        (rules, now): (&'a Rules, &'a Now),
        (base, made): (&'a str, &'a BTreeSet<String>),
    ) -> Writer<'a> {
        Writer {
            means: references_to(record, recipient).0,
            record,
            recipient,
            release,
            rules,
            now,
            base,
            made,
        }
    }

    /// Does this Reference mean the partner, by where it leads or by its organisation's number?
    pub(super) fn is_self(&self, reference: &Value) -> bool {
        let identifier = &reference["identifier"];
        let numbered = self
            .recipient
            .organization
            .iter()
            .any(|(system, value)| identifier["system"] == *system && identifier["value"] == *value);
        numbered
            || reference["reference"]
                .as_str()
                .is_some_and(|r| self.means.contains(r))
    }

    /// Does it mean the agency that answers here?
    pub(super) fn is_agency(&self, reference: &Value) -> bool {
        let Some(agency) = &self.rules.agency else {
            return false;
        };
        let identifier = &reference["identifier"];
        let own = agency.body["identifier"].as_array().into_iter().flatten();
        let mut numbers = own.filter(|own| own["value"].is_string());
        numbers.any(|own| own["system"] == identifier["system"] && own["value"] == identifier["value"])
            || reference["reference"] == agency.reference()
    }

    /// Is `Type/id` released to the writer, or made by it in the same transaction?
    pub(super) fn sees(&self, reference: &str) -> bool {
        let there = reference
            .split_once('/')
            .is_some_and(|(kind, id)| self.release.holds(kind, id));
        there || self.made.contains(reference)
    }

    /// Is this date later than now? Clocks differ by some minutes.
    pub(super) fn is_to_come(&self, date: &Value) -> bool {
        let begins = date.as_str().and_then(PartialDate::parse);
        begins.is_some_and(|date| {
            let (begins, _) = date.bounds(&self.rules.zone);
            !self.now.reached(begins.plus_seconds(-LEEWAY))
        })
    }
}

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 300;

/// Absent or withheld, without a version, or with another than the one released now.
pub fn precondition(
    release: Option<&Release>,
    (resource_type, id): (&str, &str),
    if_match: Option<&str>,
) -> Result<(), Refused> {
    let version = release.and_then(|release| release.version(resource_type, id));
    let version = version.ok_or(Refused::NotFound)?;
    let tags = if_match.ok_or_else(Refused::without_version)?;
    let is = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == version
    };
    match tags.split(',').any(is) {
        true => Ok(()),
        false => Err(Refused::stale()),
    }
}
