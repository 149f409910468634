//! One datum as consent sees it: a resource (or an element of it) with its labels.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.data>

use std::cell::OnceCell;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::context::{Context, local_part, without_version};
use super::rule::{Code, DataRule, Meaning, Span};
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::label::{ConfidentialityBasis, Labels};
use crate::terminology::Confidentiality;

/// Elements that say who wrote it.
const AUTHORS: [&str; 9] = [
    "author",
    "performer",
    "recorder",
    "asserter",
    "requester",
    "informationSource",
    "source",
    "sender",
    "enterer",
];

/// Elements that say of when it is, the clinical time before the time of writing.
const TIMES: [&str; 24] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "servicedDate",
    "servicedPeriod",
    "started",
    "period",
    "onsetDateTime",
    "onsetPeriod",
    "executionPeriod",
    "recordedDate",
    "authoredOn",
    "dateAsserted",
    "recorded",
    "date",
    "dateTime",
    "created",
    "start",
    "issued",
    "sent",
];

/// Elements whose codes say what the resource is about; a permit by code looks nowhere else.
const SUBJECTS: [&str; 6] = [
    "code",
    "medicationCodeableConcept",
    "vaccineCode",
    "type",
    "category",
    "class",
];

/// Who serves the person, and the consent itself: a release leads to them, they are not the data it is about.
const BESIDE: [&str; 7] = [
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "HealthcareService",
    "Endpoint",
    "Consent",
];

/// Who somebody is has no clinical time: no period of the data reaches it, and none leaves it out.
const TIMELESS: [&str; 2] = ["Patient", "RelatedPerson"];

/// Deeper than the JSON door lets in.
const MAX_DEPTH: usize = 128;

/// A resource with the labels to judge it by: its own, or those of one of its elements.
#[derive(Debug)]
pub struct Datum<'a> {
    pub resource: &'a Value,
    pub labels: &'a Labels,
    /// Only what the source states counts as labelled: without a stated confidentiality no permit by one matches.
    as_stated: bool,
    references: OnceCell<Vec<&'a str>>,
    codings: OnceCell<Vec<(&'a str, &'a str)>>,
}

impl<'a> Datum<'a> {
    pub fn new(resource: &'a Value, labels: &'a Labels) -> Datum<'a> {
        Datum {
            resource,
            labels,
            as_stated: false,
            references: OnceCell::new(),
            codings: OnceCell::new(),
        }
    }

    /// A datum that no labelling has seen: unlabelled is not normal (portable cases).
    pub fn as_stated(resource: &'a Value, labels: &'a Labels) -> Datum<'a> {
        Datum {
            as_stated: true,
            ..Datum::new(resource, labels)
        }
    }

    /// The confidentiality a permit, or a deny, compares with; `None`: unlabelled.
    pub(super) fn confidentiality(&self, permit: bool) -> Option<Confidentiality> {
        let counts = match self.labels.confidentiality_basis {
            ConfidentialityBasis::Source => true,
            ConfidentialityBasis::Rule => !self.as_stated || !permit,
            ConfidentialityBasis::Default => !self.as_stated,
        };
        counts.then_some(self.labels.confidentiality)
    }

    /// `provision.class`: a resource type, a profile, or a kind of document.
    pub(super) fn is_of_class(&self, class: &Code) -> bool {
        match class.system.as_str() {
            "http://hl7.org/fhir/resource-types" | "http://hl7.org/fhir/ValueSet/resource-types" | "" => {
                self.resource["resourceType"] == class.code.as_str()
            }
            "urn:ietf:rfc:3986" => {
                let profiles = self.resource["meta"]["profile"].as_array();
                profiles.into_iter().flatten().any(|p| p == class.code.as_str())
                    || class
                        .code
                        .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                        == self.resource["resourceType"].as_str()
            }
            _ => self.has_code(class, true),
        }
    }

    /// `provision.code`: a permit looks at what the resource is about, a deny finds the code anywhere in it.
    pub(super) fn has_code(&self, code: &Code, permit: bool) -> bool {
        if permit {
            return SUBJECTS
                .iter()
                .any(|key| any_coding(&self.resource[key], &mut |s, c| code.covers(s, c)));
        }
        let codings = self.codings.get_or_init(|| {
            let mut found = Vec::new();
            codings_in(self.resource, 0, &mut found);
            found
        });
        codings.iter().any(|(system, c)| code.covers(system, c))
    }

    /// Labels, actor and purpose still decide over these.
    pub(super) fn is_beside_the_data(&self) -> bool {
        self.resource["resourceType"]
            .as_str()
            .is_some_and(|kind| BESIDE.contains(&kind))
    }

    pub(super) fn is_data(&self, rule: &DataRule, permit: bool, context: &dyn Context) -> bool {
        match rule.meaning {
            Meaning::Instance => self.is_instance(&rule.reference, permit),
            Meaning::Dependents => {
                self.is_instance(&rule.reference, permit) || self.refers_to(&rule.reference, permit)
            }
            Meaning::Related => {
                self.is_instance(&rule.reference, permit)
                    || self.refers_to(&rule.reference, permit)
                    || rule.refers_to.iter().any(|r| self.is_instance(r, permit))
            }
            Meaning::AuthoredBy => self.is_by(&rule.reference, permit, context),
        }
    }

    fn is_instance(&self, reference: &str, permit: bool) -> bool {
        let reference = match local_part(reference) {
            Some(local) if !permit => local,
            _ => reference,
        };
        let own = (
            self.resource["resourceType"].as_str(),
            self.resource["id"].as_str(),
        );
        reference
            .split_once('/')
            .is_some_and(|(kind, id)| own == (Some(kind), Some(id)))
    }

    fn refers_to(&self, reference: &str, permit: bool) -> bool {
        let references = self.references.get_or_init(|| {
            let mut found = Vec::new();
            references_in(self.resource, 0, &mut found);
            found
        });
        references.iter().any(|r| same(r, reference, permit))
    }

    fn is_by(&self, author: &str, permit: bool, context: &dyn Context) -> bool {
        let mut found = Vec::new();
        for key in AUTHORS {
            references_in(&self.resource[key], 0, &mut found);
        }
        found.into_iter().any(|reference| {
            same(reference, author, permit)
                || reference.starts_with("PractitionerRole/")
                    && context.resource(reference).is_some_and(|role| {
                        ["practitioner", "organization"]
                            .iter()
                            .filter_map(|member| role[*member]["reference"].as_str())
                            .any(|r| same(r, author, permit))
                    })
        })
    }

    /// `provision.dataPeriod`: a permit needs the datum's time wholly inside, a deny any overlap; a datum of
    /// unknown time is permitted by no period and denied by every one.
    pub(super) fn is_within(&self, span: Span, permit: bool, zone: &TimeZone) -> bool {
        let kind = self.resource["resourceType"].as_str().unwrap_or_default();
        if TIMELESS.contains(&kind) || kind != "Consent" && BESIDE.contains(&kind) {
            return permit;
        }
        let mut times = TIMES
            .iter()
            .filter_map(|key| time_of(&self.resource[key], zone))
            .peekable();
        match permit {
            true => times.next().is_some_and(|(start, end)| {
                span.from.is_none_or(|from| start >= from) && span.until.is_none_or(|until| end <= until)
            }),
            false => {
                times.peek().is_none()
                    || times.any(|(start, end)| {
                        span.from.is_none_or(|from| end > from)
                            && span.until.is_none_or(|until| start < until)
                    })
            }
        }
    }
}

impl Code {
    /// The same code, or in ICD one below it.
    fn covers(&self, system: &str, code: &str) -> bool {
        if system != self.system {
            return false;
        }
        code == self.code
            || system.contains("/icd-")
                && self.code.len() >= 3
                && code
                    .bytes()
                    .filter(|b| *b != b'.')
                    .zip(self.code.bytes().filter(|b| *b != b'.'))
                    .all(|(a, b)| a == b)
                && code.len() > self.code.len()
    }
}

fn same(a: &str, b: &str, permit: bool) -> bool {
    let (a, b) = (without_version(a), without_version(b));
    a == b || !permit && local_part(a).unwrap_or(a) == local_part(b).unwrap_or(b)
}

fn time_of(value: &Value, zone: &TimeZone) -> Option<(Instant, Instant)> {
    match value {
        Value::String(text) => PartialDate::parse(text).map(|d| d.bounds(zone)),
        Value::Object(period) => {
            let bound = |key| {
                period
                    .get(key)
                    .and_then(Value::as_str)
                    .and_then(PartialDate::parse)
                    .map(|d| d.bounds(zone))
            };
            let (start, end) = (bound("start"), bound("end"));
            if start.is_none() && end.is_none() {
                return None;
            }
            Some((
                start.map_or(Instant(i64::MIN), |s| s.0),
                end.map_or(Instant::MAX, |e| e.1),
            ))
        }
        _ => None,
    }
}

/// Codings of a CodeableConcept, a Coding, or a list of either.
fn any_coding(value: &Value, found: &mut dyn FnMut(&str, &str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| any_coding(item, found)),
        Value::Object(members) => {
            let text = |key| members.get(key).and_then(Value::as_str);
            if let (Some(system), Some(code)) = (text("system"), text("code"))
                && found(system, code)
            {
                return true;
            }
            members
                .get("coding")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|coding| {
                    found(
                        coding["system"].as_str().unwrap_or_default(),
                        coding["code"].as_str().unwrap_or_default(),
                    )
                })
        }
        _ => false,
    }
}

fn codings_in<'a>(value: &'a Value, depth: usize, found: &mut Vec<(&'a str, &'a str)>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| codings_in(item, depth + 1, found)),
        Value::Object(members) => {
            if let Some(code) = members.get("code").and_then(Value::as_str) {
                found.push((
                    members.get("system").and_then(Value::as_str).unwrap_or_default(),
                    code,
                ));
            }
            members
                .values()
                .for_each(|member| codings_in(member, depth + 1, found));
        }
        _ => {}
    }
}

/// Every `reference` text below a value.
pub(super) fn references_in<'a>(value: &'a Value, depth: usize, found: &mut Vec<&'a str>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| references_in(item, depth + 1, found)),
        Value::Object(members) => {
            found.extend(members.get("reference").and_then(Value::as_str));
            members
                .values()
                .for_each(|member| references_in(member, depth + 1, found));
        }
        _ => {}
    }
}
