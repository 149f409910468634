//! The Provenance of a released resource: who wrote it, as far as that is released too, and that the agency transmitted it. It
//! is never stored: it is made from the release when it is asked for, so nothing in it can come from what is withheld. Like
//! every resource it passes the closed profile of its data set, whose elements alone get through, and names it.
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-provenance>

use std::iter;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Rules;
use super::narrative;
use super::release::{Release, Released, version_id};
use crate::fhir::excerpt::write_string;
use crate::fhir::{Instant, json as door};
use crate::profile::{Profile, Withheld};
use crate::search::{Values, provenance_id, provenance_values};

/// One resource that is made for an answer, of one that is released.
#[derive(Debug)]
pub(super) struct Made {
    pub resource_type: &'static str,
    pub id: String,
    /// Of all that is in it, and of what it is of.
    pub digest: [u8; 32],
    /// When what it is of changed.
    pub changed_at: Instant,
    pub body: Arc<[u8]>,
    /// Place of what it is of.
    pub of: usize,
}

impl Made {
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

/// An id of R4 has at most 64 characters; of what has a longer name there is no Provenance.
const LONGEST_ID: usize = 64;

/// Is there a Provenance of this resource?
pub(super) fn is_served(release: &Release, of: &Released, rules: &Rules) -> bool {
    of.provenance_id().len() <= LONGEST_ID && profile(release, rules).is_some()
}

/// What a search may ask of it.
pub(super) fn of_release(of: &Released) -> Values {
    provenance_values(&of.resource_type, &of.id, of.changed_at)
}

fn profile<'r>(release: &Release, rules: &'r Rules) -> Option<&'r Profile> {
    rules
        .data_sets
        .get(&release.about.data_set)?
        .profile("Provenance")
}

impl Released {
    pub(super) fn provenance_id(&self) -> String {
        provenance_id(&self.resource_type, &self.id)
    }
}

/// The Provenance of the resource at this place; `None` when the data set has none.
pub(super) fn provenance(release: &Release, at: usize, rules: &Rules) -> Option<Made> {
    let (profile, of) = (profile(release, rules)?, &release.resources[at]);
    let target = door::parse(&of.body).ok()?;
    let id = of.provenance_id();
    let mut agents: Vec<Value> = author(release, &target, rules).into_iter().collect();
    agents.push(json!({"type": agent_type(US_CORE_AGENT, "transmitter", "Transmitter"), "who": agency(release, rules)}));
    let whole = json!({
        "resourceType": "Provenance",
        "id": id,
        "target": [{"reference": of.reference()}],
        "recorded": of.changed_at.to_fhir(),
        "agent": agents
    });
    let excerpt = profile.excerpt(&whole, Withheld::default())?.excerpt;
    let root = excerpt.root()?;
    let mut rest = Vec::with_capacity(1024);
    rest.extend_from_slice(b"\"profile\":");
    let named: Vec<&str> = iter::once(profile.url()).chain(profile.claims(root)).collect();
    rest.extend_from_slice(json!(named).to_string().as_bytes());
    // It says whose record it is of as much as the record does: it carries the same labels and the same notice.
    rest.extend_from_slice(b",\"security\":");
    rest.extend_from_slice(target["meta"]["security"].to_string().as_bytes());
    rest.extend_from_slice(b"},\"text\":");
    let notice = target["text"]["div"].as_str().and_then(narrative::notice_in);
    narrative::narrative_with(root, notice, &mut rest);
    for part in root
        .parts()
        .filter(|part| !matches!(part.name(), "resourceType" | "id"))
    {
        rest.push(b',');
        part.write_name(&mut rest);
        part.write(&mut rest);
    }
    rest.push(b'}');
    let digest: [u8; 32] = Sha256::new()
        .chain_update(of.digest)
        .chain_update(&rest)
        .finalize()
        .into();
    let mut body = b"{\"resourceType\":\"Provenance\",\"id\":".to_vec();
    write_string(&id, &mut body);
    let (version, date) = (version_id(&digest), of.changed_at.to_fhir());
    body.extend_from_slice(
        format!(",\"meta\":{{\"versionId\":\"{version}\",\"lastUpdated\":\"{date}\",").as_bytes(),
    );
    body.append(&mut rest);
    Some(Made {
        resource_type: "Provenance",
        id,
        digest,
        changed_at: of.changed_at,
        body: body.into(),
        of: at,
    })
}

const AGENT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const US_CORE_AGENT: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type";

fn agent_type(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}]})
}

/// Who wrote a resource, by the first of these that names somebody who is released.
const AUTHORS: [&str; 9] = [
    "author",
    "recorder",
    "asserter",
    "requester",
    "performer",
    "sender",
    "source",
    "expressedBy",
    "contributor",
];

/// Of what is yet to be done, the performer is who shall do it.
const REQUESTS: [&str; 2] = ["ServiceRequest", "MedicationRequest"];

/// What can be an agent (<https://hl7.org/fhir/R4/provenance-definitions.html#Provenance.agent.who>).
const AGENTS: [&str; 5] = [
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
    "Patient",
    "Organization",
];

fn author(release: &Release, target: &Value, rules: &Rules) -> Option<Value> {
    let of = target["resourceType"].as_str()?;
    let elements = AUTHORS
        .iter()
        .filter(|name| **name != "performer" || !REQUESTS.contains(&of));
    let who = elements
        .flat_map(|name| references(&target[*name]))
        .find(|reference| is_agent(release, reference))?;
    let mut agent = json!({"type": agent_type(AGENT, "author", "Author"), "who": {"reference": who}});
    // US Core provenance-1: a person acts on behalf of somebody.
    if who.starts_with("Practitioner/") {
        agent["onBehalfOf"] = employer(release, who).unwrap_or_else(|| agency(release, rules));
    }
    Some(agent)
}

/// The references of an element, be it one or a list.
fn references(element: &Value) -> impl Iterator<Item = &str> {
    let list = element.as_array().map(Vec::as_slice);
    let all = list.unwrap_or_else(|| std::slice::from_ref(element));
    all.iter().filter_map(|one| one["reference"].as_str())
}

fn is_agent(release: &Release, reference: &str) -> bool {
    let named = reference.split_once('/');
    named.is_some_and(|(of, id)| AGENTS.contains(&of) && release.find(of, id).is_some())
}

/// The organisation of a role that is released with the practitioner.
fn employer(release: &Release, practitioner: &str) -> Option<Value> {
    let (_, id) = practitioner.split_once('/')?;
    let roles = release
        .of_type("PractitionerRole")
        .map(|at| &release.resources[at].values);
    let mut own = roles.filter(|values| values.has_reference_to("practitioner", "Practitioner", id));
    own.find_map(|values| {
        let mut organisations = values.references("organization");
        let (of, id) = organisations.find(|(of, id)| release.find(of, id).is_some())?;
        Some(json!({"reference": format!("{of}/{id}")}))
    })
}

/// The agency: its Organization, where that is released, else its name.
fn agency(release: &Release, rules: &Rules) -> Value {
    let Some(agency) = &rules.agency else {
        return json!({"display": "the agency"});
    };
    match release.find(&agency.resource_type, &agency.id) {
        Some(_) => json!({"reference": agency.reference()}),
        None => json!({"display": agency.body["name"]}),
    }
}
