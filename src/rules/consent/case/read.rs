//! The parts of a portable case, however they are written. <https://profiles.ihe.net/ITI/PCF/>, and the hooks of LEAP
//! (`reference/consent.md`): lists or single values, codes or Codings, references or identifiers.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::consent::context::{local_part, without_version};
use crate::consent::{Actor, Context, Resources};
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::terminology::{ACT_REASON, canonical, purpose_from_text};

/// A case read. What it does not say is empty; only the time must be there.
pub struct Case<'a> {
    pub name: &'a str,
    pub zone: TimeZone,
    /// The resources to decide about, in their order.
    pub resources: Vec<&'a Value>,
    pub consents: Vec<&'a Value>,
    /// Everything a reference or an identifier may be looked up in: context, resources.
    pub around: Resources<'a>,
    pub actor: Actor,
    /// System and code; never empty (an empty code is a request without purpose).
    pub purposes: Vec<(&'a str, &'a str)>,
    pub actions: Vec<&'a str>,
    pub scope: Option<&'a str>,
    /// Resource types the request is limited to.
    pub types: Vec<&'a str>,
}

impl<'a> Case<'a> {
    pub fn read(case: &'a Value) -> Case<'a> {
        let request = &case["request"];
        let resources = resources(&case["resources"]);
        let mut around = Resources::new(
            self::resources(&case["context"])
                .into_iter()
                .chain(resources.iter().copied()),
        );
        for (address, resource) in addresses(&case["context"]).chain(addresses(&case["resources"])) {
            around.add_at(address, resource);
        }
        let mut actor = actor(&request["actor"]);
        actor
            .classes
            .extend(case["recipient"]["class"].as_str().map(str::to_owned));
        let actions = codes(&request["action"]);
        Case {
            name: case["name"].as_str().unwrap_or_default(),
            zone: zone(case),
            resources,
            consents: self::resources(&case["consents"]),
            around,
            actor,
            purposes: purposes(request),
            actions: if actions.is_empty() {
                vec!["access"]
            } else {
                actions
            },
            scope: scope(request),
            types: codes(&request["class"]),
        }
    }

    /// Whom a resource is about, as `Patient/id`; `None`: it does not say.
    pub fn subject(&self, resource: &Value) -> Option<String> {
        if resource["resourceType"] == "Patient" {
            return Some(format!("Patient/{}", resource["id"].as_str()?));
        }
        let about = ["subject", "patient", "beneficiary", "for"];
        about.iter().find_map(|key| self.patient(&resource[*key]))
    }

    fn patient(&self, reference: &Value) -> Option<String> {
        if let Some(text) = reference["reference"].as_str() {
            let local = local_part(text).unwrap_or(text);
            return local
                .starts_with("Patient/")
                .then(|| without_version(local).to_owned());
        }
        let identifier = &reference["identifier"];
        self.identified(identifier)
    }

    fn identified(&self, identifier: &Value) -> Option<String> {
        let found = self
            .around
            .identified(identifier["system"].as_str()?, identifier["value"].as_str()?);
        found
            .into_iter()
            .find(|r| r.starts_with("Patient/"))
            .map(str::to_owned)
    }

    /// The patient a request without resources is about, where `patientId` leads to one.
    pub fn asked_about(&self, request: &Value) -> Option<String> {
        one_or_many(&request["patientId"])
            .iter()
            .find_map(|id| self.identified(id))
    }
}

/// The instant a case is decided at: `asOf` (or `now`), beside the request or in it.
pub fn as_of(case: &Value) -> Option<Instant> {
    let zone = zone(case);
    let stated = [&case["asOf"], &case["now"], &case["request"]["asOf"]];
    stated.into_iter().find_map(|text| instant(text.as_str()?, &zone))
}

fn zone(case: &Value) -> TimeZone {
    let stated = case["zone"].as_str().and_then(|zone| TimeZone::get(zone).ok());
    stated.unwrap_or(TimeZone::UTC)
}

fn instant(text: &str, zone: &TimeZone) -> Option<Instant> {
    if let Some(date) = PartialDate::parse(text) {
        return Some(date.bounds(zone).0);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let stamp = local.to_zoned(zone.clone()).ok()?.timestamp();
    Some(Instant(stamp.as_microsecond()))
}

/// A list, a Bundle, an object of resources by reference, or one resource.
pub fn resources(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().map(in_entry).collect(),
        Value::Object(_) if value["resourceType"] == "Bundle" && value["type"] != "document" => {
            resources(&value["entry"])
        }
        Value::Object(_) if value["resourceType"].is_string() => vec![value],
        Value::Object(members) => members.values().map(in_entry).collect(),
        _ => Vec::new(),
    }
}

fn in_entry(item: &Value) -> &Value {
    item.get("resource").unwrap_or(item)
}

/// Addresses under which resources are handed in: keys of an object, `fullUrl` of entries.
fn addresses(value: &Value) -> Box<dyn Iterator<Item = (&str, &Value)> + '_> {
    match value {
        Value::Object(members) if !value["resourceType"].is_string() => {
            Box::new(members.iter().map(|(key, item)| (key.as_str(), in_entry(item))))
        }
        _ => {
            let list = if value["resourceType"] == "Bundle" {
                &value["entry"]
            } else {
                value
            };
            let list = list.as_array().into_iter().flatten();
            Box::new(list.filter_map(|entry| Some((entry["fullUrl"].as_str()?, entry.get("resource")?))))
        }
    }
}

pub fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

/// References (texts or objects), identifiers (bare or in a reference), and recipient classes.
fn actor(value: &Value) -> Actor {
    let mut actor = Actor::default();
    for item in one_or_many(value) {
        let reference = if item["reference"].is_object() {
            &item["reference"]
        } else {
            item
        };
        let stated = reference.as_str().or(reference["reference"].as_str());
        actor.references.extend(stated.map(str::to_owned));
        let own = if reference["identifier"].is_null() {
            reference
        } else {
            &reference["identifier"]
        };
        for identifier in one_or_many(own) {
            if let Some(value) = identifier["value"].as_str() {
                let system = identifier["system"].as_str().unwrap_or_default();
                actor.identifiers.push((system.to_owned(), value.to_owned()));
            }
        }
        // A resource handed in whole.
        if let (Some(kind), Some(id)) = (item["resourceType"].as_str(), item["id"].as_str()) {
            actor.references.push(format!("{kind}/{id}"));
        }
        actor.classes.extend(item["class"].as_str().map(str::to_owned));
    }
    actor
}

fn purposes(request: &Value) -> Vec<(&str, &str)> {
    let mut stated = ["purposeOfUse", "purpose"].iter().map(|key| &request[*key]);
    let stated = stated.find(|v| !v.is_null());
    let list = stated.map(one_or_many).unwrap_or_default();
    let mut purposes: Vec<(&str, &str)> = list.iter().flat_map(purpose).collect();
    if purposes.is_empty() {
        purposes.push((ACT_REASON, ""));
    }
    purposes
}

/// A code, a token text, a Coding or a CodeableConcept.
fn purpose(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::String(text) => vec![(ACT_REASON, purpose_from_text(text).unwrap_or(text))],
        _ if value["coding"].is_array() => one_or_many(&value["coding"]).iter().flat_map(purpose).collect(),
        _ => {
            let code = value["code"].as_str().unwrap_or_default();
            vec![(value["system"].as_str().map_or(ACT_REASON, canonical), code)]
        }
    }
}

/// `scope`, or a code of its system among the categories asked for.
fn scope(request: &Value) -> Option<&str> {
    let categories = one_or_many(&request["category"]).iter();
    let mut scopes = categories.filter(|c| c["system"].as_str().is_some_and(|s| s.ends_with("consentscope")));
    let stated = codes(&request["scope"]).first().copied();
    stated.or_else(|| scopes.find_map(|c| c["code"].as_str()))
}

fn codes(value: &Value) -> Vec<&str> {
    let items = one_or_many(value).iter();
    items
        .filter_map(|a| {
            a.as_str()
                .or(a["code"].as_str())
                .or(a["coding"][0]["code"].as_str())
        })
        .collect()
}
