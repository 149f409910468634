//! One datum as consent sees it: a resource (or an element of it) with its labels.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.data>

use std::cell::OnceCell;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::context::{Context, local_part, without_version};
use super::elements::{self, AUTHORS, REQUESTS, SUBJECTS};
use super::rule::{Code, DataRule, Meaning, Span};
use crate::fhir::date::PartialDate;
use crate::fhir::{Instant, is_shared};
use crate::label::{ConfidentialityBasis, Labels};
use crate::terminology::Confidentiality;

/// Who serves the person, and the consent itself: a release leads to them, they are not the data it is about.
fn is_beside(resource_type: &str) -> bool {
    resource_type == "Consent" || is_shared(resource_type)
}

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
    references: OnceCell<References<'a>>,
    codings: OnceCell<Vec<(&'a str, &'a str)>>,
}

/// What a resource refers to: by address, and by identifier alone (system, value).
#[derive(Debug, Default)]
struct References<'a> {
    addresses: Vec<&'a str>,
    identifiers: Vec<(&'a str, &'a str)>,
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
        // A document is what its first entry, the Composition, says it is.
        let first = &self.resource["entry"][0]["resource"];
        let document = self.resource["resourceType"] == "Bundle" && self.resource["type"] == "document";
        if document && Datum::new(first, self.labels).is_of_class(class) {
            return true;
        }
        match class.system.as_str() {
            "http://hl7.org/fhir/resource-types" | "http://hl7.org/fhir/ValueSet/resource-types" | "" => {
                elements::is_of_type(self.resource, &class.code)
            }
            "urn:ietf:rfc:3986" => {
                let profiles = self.resource["meta"]["profile"].as_array();
                profiles.into_iter().flatten().any(|p| p == class.code.as_str())
                    || class
                        .code
                        .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
                        == self.resource["resourceType"].as_str()
            }
            "urn:ietf:bcp:13" => {
                let content = self.resource["content"].as_array().into_iter().flatten();
                let of_document = content.map(|c| &c["attachment"]["contentType"]);
                of_document
                    .chain([&self.resource["contentType"]])
                    .any(|t| t == class.code.as_str())
            }
            _ => self.has_code(class, true),
        }
    }

    /// `provision.code`: a permit looks at what the resource is about, a deny finds the code anywhere in it.
    pub(super) fn has_code(&self, code: &Code, permit: bool) -> bool {
        if elements::form(self.resource).is_some_and(|(system, own)| code.covers(system, own)) {
            return true;
        }
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
        self.resource["resourceType"].as_str().is_some_and(is_beside)
    }

    pub(super) fn is_data(&self, rule: &DataRule, permit: bool, context: &dyn Context) -> bool {
        match rule.meaning {
            Meaning::Instance => self.is_instance(&rule.reference, permit),
            Meaning::Dependents => {
                self.is_instance(&rule.reference, permit) || self.refers_to(&rule.reference, permit, context)
            }
            Meaning::Related => {
                self.is_instance(&rule.reference, permit)
                    || self.refers_to(&rule.reference, permit, context)
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

    fn refers_to(&self, reference: &str, permit: bool, context: &dyn Context) -> bool {
        let references = self.references.get_or_init(|| {
            let mut found = References::default();
            each_reference(self.resource, 0, &mut |reference| {
                match (reference["reference"].as_str(), &reference["identifier"]) {
                    (Some(address), _) => found.addresses.push(address),
                    (None, own) => found
                        .identifiers
                        .extend(own["system"].as_str().zip(own["value"].as_str())),
                }
                false
            });
            found
        });
        references.addresses.iter().any(|r| same(r, reference, permit))
            || references
                .identifiers
                .iter()
                .any(|(system, value)| is_identified(system, value, reference, permit, context))
    }

    fn is_by(&self, author: &str, permit: bool, context: &dyn Context) -> bool {
        let kind = self.resource["resourceType"].as_str().unwrap_or_default();
        let shall_do = |key: &str| permit && key == "performer" && REQUESTS.contains(&kind);
        let makers = elements::makers(kind, permit);
        let mut authors = AUTHORS.iter().filter(|key| !shall_do(key)).chain(makers);
        authors.any(|key| {
            each_reference(&self.resource[*key], 0, &mut |reference| {
                self.is_meant(reference, author, permit, context)
            })
        })
    }

    /// Does a reference to an author mean this one: itself, in a role, by identifier, or as one of an organisation?
    fn is_meant(&self, reference: &Value, author: &str, permit: bool, context: &dyn Context) -> bool {
        let by_identifier = |of: &Value| {
            let own = of["system"].as_str().zip(of["value"].as_str());
            own.is_some_and(|(system, value)| is_identified(system, value, author, permit, context))
        };
        let Some(address) = reference["reference"].as_str() else {
            return by_identifier(&reference["identifier"]);
        };
        let target = match address.strip_prefix('#') {
            Some(id) => {
                let mut contained = self.resource["contained"].as_array().into_iter().flatten();
                contained.find(|r| r["id"] == id)
            }
            None => context.resource(address),
        };
        let of_role = |role: &Value| {
            ["practitioner", "organization"]
                .iter()
                .filter_map(|member| role[*member]["reference"].as_str())
                .any(|r| same(r, author, permit))
        };
        let contained = address.starts_with('#');
        same(address, author, permit)
            || target.is_some_and(|t| t["resourceType"] == "PractitionerRole" && of_role(t))
            || contained
                && target.is_some_and(|t| {
                    t["identifier"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .any(by_identifier)
                })
            || author.starts_with("Organization/") && acts_only_for(address, author, permit, context)
    }

    /// `provision.dataPeriod`: a permit needs the datum's time wholly inside, a deny any overlap; a datum of
    /// unknown time is permitted by no period and denied by every one.
    pub(super) fn is_within(&self, span: Span, permit: bool, zone: &TimeZone) -> bool {
        let kind = self.resource["resourceType"].as_str().unwrap_or_default();
        if TIMELESS.contains(&kind) || is_shared(kind) {
            return permit;
        }
        let mut times = elements::times(kind, self.resource)
            .filter_map(|time| time_of(time, zone))
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

/// Does an identifier lead to this reference: to it alone for a permit, possibly for a deny?
fn is_identified(system: &str, value: &str, reference: &str, permit: bool, context: &dyn Context) -> bool {
    let found = context.identified(system, value);
    found.iter().any(|r| same(r, reference, permit)) && (!permit || found.len() == 1)
}

/// A practitioner of an organisation: of this one alone for a permit.
fn acts_only_for(practitioner: &str, organisation: &str, permit: bool, context: &dyn Context) -> bool {
    let mut roles = context.roles(practitioner);
    roles.retain(|role| !permit || role["active"] != false);
    let is_of = |role: &&Value| {
        role["organization"]["reference"]
            .as_str()
            .is_some_and(|r| same(r, organisation, permit))
    };
    match permit {
        true => !roles.is_empty() && roles.iter().all(is_of),
        false => roles.iter().any(is_of),
    }
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
            let (start, end) = (
                start.map_or(Instant(i64::MIN), |s| s.0),
                end.map_or(Instant::MAX, |e| e.1),
            );
            // One that ends before it starts says nothing of when it was.
            (start < end).then_some((start, end))
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

/// Every Reference below a value, until one is the one looked for.
fn each_reference<'a>(value: &'a Value, depth: usize, found: &mut dyn FnMut(&'a Value) -> bool) -> bool {
    match value {
        _ if depth > MAX_DEPTH => false,
        Value::Array(items) => items.iter().any(|item| each_reference(item, depth + 1, found)),
        Value::Object(members) => {
            let is_reference = members.get("reference").is_some_and(Value::is_string)
                || members.get("identifier").is_some_and(Value::is_object);
            is_reference && found(value)
                || members
                    .values()
                    .any(|member| each_reference(member, depth + 1, found))
        }
        _ => false,
    }
}
