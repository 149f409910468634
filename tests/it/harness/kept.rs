//! Resources as the mappings make them, to be altered before a world begins with them: so that in one world something
//! stands that in another never was. <https://hl7.org/fhir/R4/references.html>

use postern::gateway::Intake;
use postern::store::{Change, Put};
use postern_rules::fhir::is_shared;
use serde_json::Value;

use super::people::DemoRecord;
use super::{Engine, World};

/// A resource and whose record it belongs to; nobody's when it is shared.
#[derive(Clone, Debug)]
pub struct Kept {
    pub patient: Option<String>,
    pub body: Value,
}

impl Kept {
    pub fn reference(&self) -> String {
        super::exchange::reference(&self.body)
    }
}

impl World {
    /// What these records become; of a resource that several make, the last one's form.
    pub fn converted(&self, records: &[DemoRecord]) -> Vec<Kept> {
        let mut all: Vec<Kept> = Vec::new();
        for record in records {
            let intake = Intake {
                source: &record.source,
                record: &record.record,
                body: &record.body,
                staff: None,
                address: "localhost",
                request: "conversion",
            };
            let resources = self
                .gateway
                .convert(&intake)
                .expect("demo records are in order")
                .resources;
            let patient = resources
                .iter()
                .find(|r| r["resourceType"] == "Patient")
                .and_then(|r| r["id"].as_str());
            for body in &resources {
                let shared = is_shared(body["resourceType"].as_str().unwrap_or_default());
                let kept = Kept {
                    patient: patient.filter(|_| !shared).map(str::to_owned),
                    body: body.clone(),
                };
                all.retain(|one| one.reference() != kept.reference());
                all.push(kept);
            }
        }
        all
    }

    /// A world that begins with exactly these resources.
    pub async fn holding(engine: Engine, resources: &[Kept]) -> World {
        let world = World::empty(engine).await;
        world.also(resources).await;
        world
    }

    /// These resources too, or in this form from now on.
    pub async fn also(&self, resources: &[Kept]) {
        let mut change = Change::at(self.clock.instant());
        change.puts = resources.iter().map(put).collect();
        self.gateway.store.commit(change).await.expect("kept");
    }
}

fn put(kept: &Kept) -> Put {
    let text = |name: &str| kept.body[name].as_str().unwrap_or_default().to_owned();
    let identifiers = kept.body["identifier"].as_array().cloned().unwrap_or_default();
    let pair = |i: &Value| Some((i["system"].as_str()?.to_owned(), i["value"].as_str()?.to_owned()));
    Put {
        resource_type: text("resourceType"),
        id: text("id"),
        patient: kept.patient.clone(),
        source: "test".to_owned(),
        body: kept.body.to_string(),
        deleted: false,
        identifiers: identifiers.iter().filter_map(pair).collect(),
    }
}

/// As if it had never been: the resource goes, and with it every reference to it.
pub fn never_was(resources: &mut Vec<Kept>, reference: &str) {
    let before = resources.len();
    resources.retain(|one| one.reference() != reference);
    assert!(resources.len() < before, "{reference} was there");
    resources.iter_mut().for_each(|one| {
        forget(&mut one.body, reference);
    });
}

/// Takes out each `Reference` to it, and what becomes empty by that; `true` when nothing of the value is left.
fn forget(value: &mut Value, reference: &str) -> bool {
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|item| !forget(item, reference));
            items.is_empty() && before > 0
        }
        Value::Object(object) => {
            if object.get("reference").is_some_and(|r| r == reference) {
                return true;
            }
            let before = object.len();
            object.retain(|_, member| !forget(member, reference));
            object.is_empty() && before > 0
        }
        _ => false,
    }
}
