//! What all events have in common, and the order in which an event is written.
//! <https://hl7.org/fhir/R4/auditevent.html>

use super::columns::Columns;
use super::json::{Json, clean};
use super::kind::{Kind, Outcome};
use super::party::{Gateway, PURPOSE, Party, Who};
use crate::fhir::Instant;
use crate::log::{Digest, digest::hex, leaf_hash};

/// When and where: the same for all events of one request.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    pub gateway: &'a Gateway<'a>,
    /// Kept to the millisecond.
    pub recorded: Instant,
    /// Request id, the one the answer carries; blank outside a request.
    pub request: &'a str,
}

/// One event, ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The columns beside it, its resource id among them.
    pub columns: Columns,
    /// The `AuditEvent`, as it is kept and served.
    pub body: String,
    leaf: Digest,
}

impl Event {
    /// What goes into the tree: of the body as it was written, so that whoever appends need not hash.
    pub fn leaf(&self) -> Digest {
        self.leaf
    }
}

/// The facts that every kind of event states in the same place.
pub(super) struct Draft<'a> {
    pub(super) kind: Kind,
    /// Last part of the BALP profile's address; blank when none is claimed.
    pub(super) profile: &'static str,
    /// The `"type"` and, where there is one, `"subtype"` of the event.
    pub(super) classed: &'a [&'a str],
    pub(super) action: &'static str,
    pub(super) outcome: Outcome,
    pub(super) reason: &'a str,
    pub(super) purpose: &'a str,
    pub(super) patient: &'a str,
    /// The partner's organisation, where one takes part.
    pub(super) partner: Option<&'a Party<'a>>,
    pub(super) basis: &'a str,
    pub(super) general_designation: bool,
    pub(super) via_ehr: bool,
    pub(super) withheld: usize,
    pub(super) released: usize,
}

impl Draft<'_> {
    pub(super) fn new<'a>(kind: Kind, classed: &'a [&'a str], action: &'static str) -> Draft<'a> {
        Draft {
            kind,
            profile: "",
            classed,
            action,
            outcome: Outcome::Success,
            reason: "",
            purpose: "",
            patient: "",
            partner: None,
            basis: "",
            general_designation: false,
            via_ehr: false,
            withheld: 0,
            released: 0,
        }
    }

    /// Writes the whole event. `salt` is 16 random bytes: without the event nobody can guess its leaf hash, which
    /// proofs of its neighbours show. `agents` and `entities` write the items of their lists; `agents` gives the
    /// one who asked (`requestor`).
    pub(super) fn write<'w>(
        &self,
        occasion: &Occasion<'_>,
        salt: [u8; 16],
        capacity: usize,
        agents: impl FnOnce(&mut Json) -> Who<'w>,
        entities: impl FnOnce(&mut Json),
    ) -> Event {
        let id = id(occasion.recorded, &salt);
        let recorded = Instant(occasion.recorded.0 - occasion.recorded.0.rem_euclid(1000));
        let mut json = Json::with_capacity(capacity);
        json.raw("{\"resourceType\":\"AuditEvent\"").field("id", &id);
        if !self.profile.is_empty() {
            json.raw("\"meta\":{\"profile\":[\"https://profiles.ihe.net/ITI/BALP/StructureDefinition/");
            json.close(self.profile).close("\"]}");
        }
        let partner = self.partner.and_then(|partner| Who::party(partner).column());
        self.facts(&mut json, occasion, &salt, partner.as_deref().unwrap_or_default());
        for piece in self.classed {
            json.raw(piece);
        }
        json.field("action", self.action)
            .field("recorded", &recorded.to_fhir());
        json.field("outcome", self.outcome.code())
            .field("outcomeDesc", self.reason);
        if !clean(self.purpose).is_empty() {
            json.raw("\"purposeOfEvent\":[")
                .raw(PURPOSE)
                .field("code", self.purpose)
                .close("}]}")
                .close("]");
        }
        json.raw("\"agent\":[");
        let actor = agents(&mut json);
        json.close("]")
            .raw("\"source\":{")
            .field("site", occasion.gateway.base);
        Who::gateway(occasion.gateway).write(&mut json, "\"observer\":");
        json.raw(SOURCE_TYPE).close("}");
        json.list("\"entity\":[", |json| {
            patient(json, self.patient);
            entities(json);
        });
        json.close("}");
        let stated = |text: &str| Some(clean(text).into_owned()).filter(|text| !text.is_empty());
        let columns = Columns {
            id,
            recorded,
            kind: self.kind.code().to_owned(),
            patient: stated(self.patient),
            actor: actor.column().or_else(|| stated("not stated")),
            partner,
            purpose: stated(self.purpose),
            outcome: self.outcome.code().to_owned(),
            basis: stated(self.basis),
            request: stated(occasion.request),
            withheld_count: count(self.withheld),
            released_count: count(self.released),
        };
        let body = json.into_string();
        let leaf = leaf_hash(body.as_bytes());
        Event { columns, body, leaf }
    }

    /// What BALP has no place for, in one extension.
    fn facts(&self, json: &mut Json, occasion: &Occasion<'_>, salt: &[u8; 16], partner: &str) {
        json.raw("\"extension\":[{\"url\":\"https://postern.example/fhir/StructureDefinition/audit-facts\",\"extension\":[");
        fact(json, "kind", "valueCode", self.kind.code());
        fact(json, "salt", "valueString", &hex(salt));
        fact(json, "request", "valueString", occasion.request);
        fact(json, "partner", "valueString", partner);
        fact(json, "legalBasis", "valueString", self.basis);
        if self.general_designation {
            json.raw("{\"url\":\"generalDesignation\",\"valueBoolean\":true}");
        }
        if self.via_ehr {
            json.raw("{\"url\":\"viaEhr\",\"valueBoolean\":true}");
        }
        json.raw(&format!(
            "{{\"url\":\"withheld\",\"valueInteger\":{}}}",
            count(self.withheld)
        ));
        json.raw(&format!(
            "{{\"url\":\"released\",\"valueInteger\":{}}}",
            count(self.released)
        ));
        json.close("]}]");
    }
}

/// A FHIR integer ends at 2^31 - 1.
fn count(n: usize) -> i64 {
    i64::from(i32::try_from(n).unwrap_or(i32::MAX))
}

fn fact(json: &mut Json, url: &str, key: &str, value: &str) {
    if !clean(value).is_empty() {
        json.raw("{").field("url", url).field(key, value).close("}");
    }
}

const SOURCE_TYPE: &str = r#""type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server"}]"#;

pub(super) const PERSON: &str = r#""type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1","display":"Person"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1","display":"Patient"}"#;
pub(super) const RESOURCE: &str = r#""type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4","display":"Domain Resource"}"#;
pub(super) const QUERY: &str = r#""type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24","display":"Query"}"#;
pub(super) const DECISION: &str = r#""type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2","display":"System Object"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"13","display":"Security Resource"}"#;
const TRANSACTION: &str = r#""type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}"#;

/// `patient` is `Patient/…`; blank writes nothing.
fn patient(json: &mut Json, patient: &str) {
    if !clean(patient).is_empty() {
        json.raw("{\"what\":{")
            .field("reference", patient)
            .close("}")
            .raw(PERSON)
            .close("}");
    }
}

/// The request id, where the profile lets it stand among the entities.
pub(super) fn transaction(json: &mut Json, request: &str) {
    if !clean(request).is_empty() {
        json.raw("{\"what\":{\"identifier\":{")
            .field("value", request)
            .close("}}")
            .raw(TRANSACTION)
            .close("}");
    }
}

/// One line of `entity.detail`; blank values write nothing.
pub(super) fn detail(json: &mut Json, name: &str, value: &str) {
    if !clean(value).is_empty() {
        json.raw("{")
            .field("type", name)
            .field("valueString", value)
            .close("}");
    }
}

/// The id is public, the salt is not: one comes from the other by a hash. The milliseconds before it keep events of one time
/// beside each other in an index, whose pages are what a commit writes.
fn id(recorded: Instant, salt: &[u8; 16]) -> String {
    let milliseconds = recorded.0.div_euclid(1000).to_be_bytes();
    hex(&[&milliseconds[2..], &Digest::of(salt).0[..10]].concat())
}
