//! What one record changes: what it states now against what is stored, and against what it stated before.
//!
//! A resource is in force while some record states it: when the last one comes again without it, it is retired, so that a
//! discontinued item does not stay and a shared one does not go. Whose a resource is may be corrected by the record
//! that alone states it. Whose form is kept: the last writer's, unless another record knows it better. 45 CFR 164.312(c)(1), 164.526

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::fhir::{Issue, IssueCode, Value, is_shared};
use postern_rules::log::Digest;

use super::{Error, Gateway};
use crate::store::{Put, Rehomed, ResourceRow, Statement};

/// What has to be written. Nothing, when the record says what it said before.
#[derive(Default)]
pub(super) struct Plan {
    pub puts: Vec<Put>,
    pub states: Vec<Statement>,
    pub unstates: Vec<Statement>,
    pub rehomed: Vec<Rehomed>,
    /// The person the record was about until now, with the version of that person's record.
    pub corrected: Option<(String, i64)>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.states.is_empty() && self.unstates.is_empty()
    }
}

type Key = (String, String);

impl Gateway {
    /// `source`: the record's own name; `patient`: the person it is about, none for one of shared resources.
    pub(super) async fn plan(
        &self,
        source: &str,
        patient: Option<&str>,
        resources: &[Value],
    ) -> Result<Plan, Error> {
        let before = self.store.stated_in(source).await?;
        let mut plan = Plan::default();
        let mut made: BTreeMap<Key, Digest> = BTreeMap::new();
        let mut foreign: Vec<ResourceRow> = Vec::new();
        for resource in resources {
            let Some(key) = key_of(resource) else { continue };
            let stored = self.store.resource(&key.0, &key.1).await?;
            let body = resource.to_string();
            let says = Digest::of(body.as_bytes());
            let said_before = before.get(&key).is_some_and(|before| *before == says.0);
            made.insert(key.clone(), says);
            // The store never gives a resource to another person by itself: said here, or it would look busy forever.
            let of = patient.filter(|_| !is_shared(&key.0)).map(str::to_owned);
            if let Some(row) = stored {
                if row.patient != of {
                    foreign.push(row);
                } else if !row.deleted
                    && (row.body == body
                        || self.known_otherwise(source, &row)
                        || self.stated_better(source, patient, &row).await?
                        || said_before && changed_since(&row))
                {
                    continue;
                }
            }
            plan.puts.push(Put {
                resource_type: key.0,
                id: key.1,
                patient: of,
                source: source.to_owned(),
                body,
                deleted: false,
                identifiers: identifiers(resource),
            });
        }
        if !foreign.is_empty() {
            self.correct(source, patient, &before, &made, foreign, &mut plan)
                .await?;
        }
        let made_now: BTreeSet<&Key> = made.keys().collect();
        let dropped: Vec<&Key> = before.keys().filter(|key| !made_now.contains(key)).collect();
        for (resource_type, id) in &dropped {
            if let Some(row) = self.store.resource(resource_type, id).await?
                && !row.deleted
                && row.patient.as_deref().is_some_and(|of| Some(of) == patient)
                && !self.store.stated_elsewhere(source, resource_type, id).await?
            {
                plan.puts.push(retirement(row));
            }
        }
        let statement = |(resource_type, id): &Key, digest: Digest| Statement {
            source: source.to_owned(),
            resource_type: resource_type.clone(),
            id: id.clone(),
            digest,
        };
        let new = made
            .iter()
            .filter(|(key, says)| before.get(key).is_none_or(|before| *before != says.0));
        plan.states = new.map(|(key, says)| statement(key, *says)).collect();
        plan.unstates = dropped
            .into_iter()
            .map(|key| statement(key, Digest([0; 32])))
            .collect();
        Ok(plan)
    }

    /// Does another source, not a Part 2 program as a whole, know this person? Then that one's Patient stands: the
    /// program's word would hide the person from those who rightly know them, and theirs says nothing of the program.
    fn known_otherwise(&self, source: &str, row: &ResourceRow) -> bool {
        let system = |source: &str| source.split('/').next().unwrap_or_default().to_owned();
        let (own, other) = (system(source), system(&row.source));
        row.resource_type == "Patient"
            && other != own
            && self.mappings.part2_whole(&own)
            && !self.mappings.part2_whole(&other)
    }

    /// Does another record know this better? The one that is chiefly about it does; and of what is shared, one of nobody: a
    /// directory. A referral that names an organisation by its number says nothing against the address a directory gives.
    async fn stated_better(
        &self,
        source: &str,
        patient: Option<&str>,
        row: &ResourceRow,
    ) -> Result<bool, Error> {
        let own = (row.resource_type.as_str(), row.id.as_str());
        if chief_of(source) == Some(own) {
            return Ok(false);
        }
        let mentions = patient.is_some() && is_shared(own.0);
        let others = self.store.others_stating(source, own.0, own.1).await?;
        Ok(others
            .iter()
            .filter_map(|other| chief_of(other))
            .any(|chief| chief == own || mentions && is_shared(chief.0)))
    }

    /// The record comes again about another person. That is a correction when nothing but the person changed, when this
    /// record alone stated what it moves, and when nothing else in the first person's record refers to it; whatever
    /// is not surely one stays a problem of the record. A plan's number typed into another plan is not one.
    async fn correct(
        &self,
        source: &str,
        patient: Option<&str>,
        before: &BTreeMap<Key, Vec<u8>>,
        made: &BTreeMap<Key, Digest>,
        foreign: Vec<ResourceRow>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let kind = foreign[0].resource_type.clone();
        let (Some(from), Some(to)) = (foreign[0].patient.clone(), patient) else {
            return Err(of_another_person(&kind));
        };
        let moved: BTreeSet<Key> = foreign
            .iter()
            .map(|row| (row.resource_type.clone(), row.id.clone()))
            .collect();
        for row in &foreign {
            let (resource_type, id) = (&row.resource_type, &row.id);
            if row.patient.as_ref() != Some(&from)
                || !before.contains_key(&(resource_type.clone(), id.clone()))
                || self.store.stated_elsewhere(source, resource_type, id).await?
            {
                return Err(of_another_person(resource_type));
            }
        }
        let (versions, rows) = self.store.load_record(&from).await?;
        let person = ("Patient".to_owned(), from.clone());
        let (mut own, mut others) = (None, 0);
        for row in rows {
            let key = (row.resource_type.clone(), row.id.clone());
            if key == person {
                own = Some(row);
            } else if !moved.contains(&key) {
                let refers = moved
                    .iter()
                    .any(|(t, id)| row.body.contains(&format!("\"{t}/{id}\"")));
                if refers || before.contains_key(&key) && !made.contains_key(&key) {
                    return Err(of_another_person(&kind));
                }
                others += 1;
            }
        }
        if let Some(row) = own
            && others == 0
            && !self.store.stated_elsewhere(source, "Patient", &from).await?
        {
            plan.puts.push(retirement(row));
        }
        plan.rehomed = foreign
            .into_iter()
            .map(|row| Rehomed {
                resource_type: row.resource_type,
                id: row.id,
                from: from.clone(),
                to: to.to_owned(),
            })
            .collect();
        plan.corrected = Some((from, versions.record));
        Ok(())
    }
}

/// Did a partner, or staff who accepted what one proposed, write this form? Then a source that says what it said before has
/// said nothing about it.
fn changed_since(row: &ResourceRow) -> bool {
    row.source.starts_with("partner:") || row.source.starts_with(ACCEPTED)
}

/// Source of a form that staff made by accepting a proposal; the work item follows.
pub(super) const ACCEPTED: &str = "proposal:";

/// What a record is chiefly about, from its own name: `hearthstone/directory#Organization/…`.
fn chief_of(source: &str) -> Option<(&str, &str)> {
    source.rsplit_once('#')?.1.split_once('/')
}

fn key_of(resource: &Value) -> Option<Key> {
    let text = |name: &str| resource[name].as_str().map(str::to_owned);
    Some((text("resourceType")?, text("id")?))
}

/// What is kept about one person does not become another's by accident, and trying again does not help.
fn of_another_person(resource_type: &str) -> Error {
    let details = "a number of this record already names something of another person, and more than the person changed or \
                   other records depend on it: correct the number, or withdraw what depends on it first";
    Error::Unprocessable(vec![Issue::error(
        IssueCode::BusinessRule,
        resource_type,
        details,
    )])
}

pub(super) fn identifiers(resource: &Value) -> Vec<(String, String)> {
    let list = match &resource["identifier"] {
        Value::Array(list) => list.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    let pair = |i: &Value| Some((i["system"].as_str()?.to_owned(), i["value"].as_str()?.to_owned()));
    let mut pairs: Vec<(String, String)> = list.iter().filter_map(pair).collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

fn retirement(row: ResourceRow) -> Put {
    Put {
        resource_type: row.resource_type,
        id: row.id,
        patient: row.patient,
        source: row.source,
        body: row.body,
        deleted: true,
        identifiers: Vec::new(),
    }
}
