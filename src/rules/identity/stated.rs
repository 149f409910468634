//! What is stated of a person, read from a `Patient` and made comparable.
//! <https://hl7.org/fhir/R4/patient.html>

use super::normal;
use crate::fhir::Value;

/// A person as somebody states them. Texts are normalised; what says nothing is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    pub(super) identifiers: Vec<(String, String)>,
    pub(super) names: Vec<Name>,
    /// `YYYY-MM-DD`; none when only part of it is known.
    pub(super) birth_date: Option<String>,
    /// `male` or `female`.
    pub(super) gender: Option<String>,
    pub(super) phones: Vec<String>,
    pub(super) mails: Vec<String>,
    pub(super) postal_codes: Vec<String>,
    pub(super) lines: Vec<String>,
}

/// One name: family, and how the given names can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    pub family: String,
    /// The first given name, and all of them together.
    pub given: Vec<String>,
}

/// Marks an element that has a label of its own.
const INLINE_LABEL: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

impl Stated {
    /// All that a requester states.
    pub fn of(patient: &Value) -> Stated {
        Stated::read(patient, false)
    }

    /// All that is stored and has no label of its own.
    pub(super) fn stored(patient: &Value) -> Stated {
        Stated::read(patient, true)
    }

    fn read(patient: &Value, unlabelled: bool) -> Stated {
        let mut stated = Stated::default();
        let open = |one: &&Value| !unlabelled || !is_labelled(one);
        let hidden = |name: &str| unlabelled && is_labelled(&patient[name]);
        for one in items(&patient["identifier"]).filter(open) {
            let pair = (one["system"].as_str(), one["value"].as_str());
            if let (Some(system), Some(value)) = pair
                && one["use"] != "old"
                && !(system.trim().is_empty() || value.trim().is_empty())
            {
                stated
                    .identifiers
                    .push((system.trim().to_owned(), value.trim().to_owned()));
            }
        }
        stated.names = items(&patient["name"]).filter(open).map(Name::of).collect();
        let date = patient["birthDate"].as_str().filter(|_| !hidden("_birthDate"));
        stated.birth_date = date.filter(|date| date.len() == 10).map(str::to_owned);
        let gender = patient["gender"].as_str().filter(|_| !hidden("_gender"));
        stated.gender = gender
            .filter(|g| matches!(*g, "male" | "female"))
            .map(str::to_owned);
        for one in items(&patient["telecom"]).filter(open) {
            let value = one["value"].as_str().unwrap_or_default();
            match one["system"].as_str() {
                Some("phone" | "sms") => stated.phones.extend(normal::phone(value)),
                Some("email") => stated.mails.extend(normal::mail(value)),
                _ => {}
            }
        }
        for one in items(&patient["address"]).filter(open) {
            let code = one["postalCode"].as_str().and_then(normal::postal_code);
            stated.postal_codes.extend(code);
            let first = items(&one["line"]).next().and_then(Value::as_str);
            stated.lines.extend(first.and_then(normal::line));
        }
        stated
    }

    /// Identifiers stated, as (system, value).
    pub fn identifiers(&self) -> &[(String, String)] {
        &self.identifiers
    }

    pub(super) fn families(&self) -> impl Iterator<Item = &str> {
        let families = self.names.iter().map(|name| name.family.as_str());
        families.filter(|family| !family.is_empty())
    }

    /// The key of the index for this family name.
    pub(super) fn key(&self, family: &str) -> Option<String> {
        self.birth_date.as_ref().map(|date| format!("{date} {family}"))
    }

    /// The keys this person would be found under; at most `most`.
    pub fn keys(&self, most: usize) -> Vec<String> {
        self.families()
            .take(most)
            .filter_map(|family| self.key(family))
            .collect()
    }

    /// What is missing before the rule could find anybody; empty when it can.
    pub fn missing(&self) -> Vec<&'static str> {
        if !self.identifiers.is_empty() {
            return Vec::new();
        }
        let corroborated = self.gender.is_some()
            || !(self.phones.is_empty()
                && self.mails.is_empty()
                && self.postal_codes.is_empty()
                && self.lines.is_empty());
        let wanted = [
            (self.families().next().is_some(), "name.family"),
            (self.names.iter().any(|name| !name.given.is_empty()), "name.given"),
            (self.birth_date.is_some(), "birthDate (year, month and day)"),
            (
                corroborated,
                "one of gender, telecom (phone, email), address.postalCode, address.line",
            ),
        ];
        let missing = wanted.into_iter().filter(|(there, _)| !there);
        missing.map(|(_, what)| what).collect()
    }
}

impl Name {
    fn of(name: &Value) -> Name {
        let family = normal::name(name["family"].as_str().unwrap_or_default());
        let given: Vec<String> = items(&name["given"])
            .filter_map(Value::as_str)
            .map(normal::name)
            .collect();
        let mut readings: Vec<String> = given.first().cloned().into_iter().collect();
        readings.push(given.concat());
        // An initial is many people's.
        readings.retain(|one| one.chars().nth(1).is_some());
        readings.dedup();
        Name {
            family,
            given: readings,
        }
    }
}

fn is_labelled(element: &Value) -> bool {
    items(&element["extension"]).any(|extension| extension["url"] == INLINE_LABEL)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
