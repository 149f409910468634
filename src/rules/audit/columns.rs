//! What stands beside an event for searching, told once from the facts and again from the event, so that the check
//! of the log can hold one against the other. 45 CFR 170.315(d)(3): sortable by every datum.

use serde_json::Value;

use super::json::clean;
use crate::fhir::{Instant, json};
use crate::log::Projection;

/// One row's search columns; each can be told from the body alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// `AuditEvent.id`.
    pub id: String,
    /// To the millisecond.
    pub recorded: Instant,
    /// `Kind::code`.
    pub kind: String,
    /// `Patient/…`
    pub patient: Option<String>,
    /// Who asked: the identifier, else the name.
    pub actor: Option<String>,
    /// The partner's identifier, else its name.
    pub partner: Option<String>,
    /// Code of v3-ActReason.
    pub purpose: Option<String>,
    /// `0`, `4`, `8`.
    pub outcome: String,
    pub basis: Option<String>,
    pub request: Option<String>,
    pub withheld_count: i64,
    pub released_count: i64,
}

impl Columns {
    /// The columns of an event; `None` for what is no event of ours.
    pub fn from_body(body: &Value) -> Option<Columns> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let fact = |name: &str| facts(body)?.iter().find(|fact| fact["url"] == name);
        let string = |name: &str| fact(name).and_then(|fact| text(&fact["valueString"]));
        let number = |name: &str| fact(name).and_then(|fact| fact["valueInteger"].as_i64());
        let asked = items(&body["agent"]).find(|agent| agent["requestor"] == true)?;
        let patient = items(&body["entity"]).find(|entity| coded(entity, "1", "1"));
        Some(Columns {
            id: text(&body["id"])?,
            recorded: body["recorded"].as_str().and_then(Instant::parse)?,
            kind: fact("kind").and_then(|fact| text(&fact["valueCode"]))?,
            patient: patient.and_then(|patient| text(&patient["what"]["reference"])),
            actor: named(&asked["who"]).map(str::to_owned),
            partner: string("partner"),
            purpose: text(&body["purposeOfEvent"][0]["coding"][0]["code"]),
            outcome: text(&body["outcome"])?,
            basis: string("legalBasis"),
            request: string("request"),
            withheld_count: number("withheld")?,
            released_count: number("released")?,
        })
    }

    /// The first column in which two rows differ.
    fn difference(&self, other: &Columns) -> Option<&'static str> {
        let equal = [
            ("id", self.id == other.id),
            ("recorded", self.recorded == other.recorded),
            ("kind", self.kind == other.kind),
            ("patient", self.patient == other.patient),
            ("actor", self.actor == other.actor),
            ("partner", self.partner == other.partner),
            ("purpose", self.purpose == other.purpose),
            ("outcome", self.outcome == other.outcome),
            ("basis", self.basis == other.basis),
            ("request", self.request == other.request),
            ("withheld", self.withheld_count == other.withheld_count),
            ("released", self.released_count == other.released_count),
        ];
        equal.into_iter().find(|(_, equal)| !equal).map(|(name, _)| name)
    }
}

impl Projection for Columns {
    fn differs(&self, body: &[u8]) -> Option<&'static str> {
        match json::parse(body).ok().as_ref().and_then(Columns::from_body) {
            Some(told) => self.difference(&told),
            None => Some("body"),
        }
    }
}

/// The items of the extension that carries our own facts.
pub(super) fn facts(body: &Value) -> Option<&Vec<Value>> {
    let mut extensions = items(&body["extension"]);
    let ours = |e: &&Value| e["url"] == "https://postern.example/fhir/StructureDefinition/audit-facts";
    extensions
        .find(ours)
        .and_then(|extension| extension["extension"].as_array())
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// An entity with these codes of <http://terminology.hl7.org/CodeSystem/audit-entity-type> and `object-role`.
pub(super) fn coded(entity: &Value, kind: &str, role: &str) -> bool {
    entity["type"]["code"] == kind && entity["role"]["code"] == role
}

/// Identifier, else display of a `who`.
fn named(who: &Value) -> Option<&str> {
    who["identifier"]["value"]
        .as_str()
        .or_else(|| who["display"].as_str())
        .filter(|name| !clean(name).is_empty())
}
