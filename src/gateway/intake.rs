//! One record of an agency's system comes in: converted whole or not at all, then kept in one transaction.
//!
//! The same record twice changes nothing. The last record that wrote a resource owns it: when that record comes
//! again without it, the resource is retired, so that a discontinued item does not stay in force.

use std::collections::BTreeMap;

use postern_rules::audit;
use postern_rules::fhir::{Issue, IssueCode, Value, json};
use postern_rules::mapping::{Conversion, Problem, Settings};

use super::caller::ACTIVE;
use super::{Error, Gateway};
use crate::auth::Bearer;
use crate::store::{Change, Lane, Put, Refused, ResourceRow, Work};

/// A record as it arrives.
pub struct Intake<'a> {
    pub source: &'a str,
    pub record: &'a str,
    pub body: &'a Value,
    /// Who acts, where the record itself names nobody; for the log.
    pub staff: Option<&'a str>,
    /// Where it came from; `localhost` for a file.
    pub address: &'a str,
    pub request: &'a str,
}

/// What became of an accepted record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// `Type/id` of each resource the record makes.
    pub resources: Vec<String>,
    /// New or different ones among them.
    pub changed: usize,
    /// Ones the record made before and does not make any more.
    pub retired: usize,
    /// Source fields that no mapping reads.
    pub unmapped: Vec<String>,
}

#[derive(Debug)]
pub enum Rejected {
    /// No mapping for this source and record: with the names there are.
    NoMapping(Vec<String>),
    Problems(Vec<Problem>),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Rejected {
    fn from(error: E) -> Rejected {
        Rejected::Failed(error.into())
    }
}

const TRIES: usize = 3;

impl Gateway {
    /// Converts without keeping anything.
    pub fn convert<'a>(&'a self, intake: &Intake<'a>) -> Result<Conversion<'a>, Rejected> {
        let mapping = self.mappings.get(intake.source, intake.record).ok_or_else(|| {
            Rejected::NoMapping(self.mappings.names().into_iter().map(str::to_owned).collect())
        })?;
        let settings = Settings {
            id_key: &self.keys.id,
            now: self.clock.instant(),
        };
        mapping
            .convert(intake.body, &settings)
            .map_err(Rejected::Problems)
    }

    pub async fn accept(&self, intake: &Intake<'_>, bulk: bool) -> Result<Accepted, Rejected> {
        let conversion = self.convert(intake)?;
        let (unmapped, resources) = (conversion.unmapped(), conversion.resources);
        about_one_person(&resources)?;
        let patient = patient_of(&resources);
        for _ in 0..TRIES {
            // Read before the plan: if somebody else writes about this person meanwhile, the plan is made again.
            let version = self.version_of(patient.as_deref()).await?;
            let plan = self.plan(intake, &resources).await?;
            let accepted = Accepted {
                resources: resources.iter().filter_map(reference).collect(),
                changed: plan.iter().filter(|put| !put.deleted).count(),
                retired: plan.iter().filter(|put| put.deleted).count(),
                unmapped: unmapped.clone(),
            };
            if plan.is_empty() {
                return Ok(accepted);
            }
            let sentences = self.sentences_to_label(intake, &plan, &resources).await?;
            match self.keep(intake, plan, sentences, version, bulk).await {
                Ok(()) => return Ok(accepted),
                Err(Refused::Stale) => {}
                Err(refused) => return Err(Rejected::Failed(refused.into())),
            }
        }
        Err(Rejected::Failed(Error::Busy))
    }

    /// What has to be written: new and different resources, and the retirement of those no longer made.
    async fn plan(&self, intake: &Intake<'_>, resources: &[Value]) -> Result<Vec<Put>, Error> {
        let source = source_key(intake, resources);
        let patient = patient_of(resources);
        let mut puts = Vec::new();
        let mut made = Vec::with_capacity(resources.len());
        for resource in resources {
            let (Some(resource_type), Some(id)) =
                (resource["resourceType"].as_str(), resource["id"].as_str())
            else {
                continue;
            };
            made.push((resource_type, id));
            let body = resource.to_string();
            let stored = self.store.resource(resource_type, id).await?;
            if stored
                .as_ref()
                .is_some_and(|row| !row.deleted && row.body == body && owns(row, &source))
            {
                continue;
            }
            let shared = is_shared(resource_type);
            // The store never gives a resource to another person: said here, or it would look like a busy store forever.
            let of = if shared { None } else { patient.clone() };
            if stored.as_ref().is_some_and(|row| row.patient != of) {
                return Err(of_another_person(resource_type));
            }
            // A shared resource belongs to no record: who wrote it last is no reason to write it again.
            if shared
                && stored
                    .as_ref()
                    .is_some_and(|row| !row.deleted && row.body == body)
            {
                continue;
            }
            if resource_type == "Patient"
                && stored
                    .as_ref()
                    .is_some_and(|row| self.known_otherwise(intake, row))
            {
                continue;
            }
            puts.push(Put {
                resource_type: resource_type.to_owned(),
                id: id.to_owned(),
                patient: of,
                source: source.clone(),
                body,
                deleted: false,
                identifiers: identifiers(resource),
            });
        }
        for row in self.store.resources_of_source(&source).await? {
            if !made.contains(&(row.resource_type.as_str(), row.id.as_str())) && row.patient.is_some() {
                puts.push(retirement(row));
            }
        }
        Ok(puts)
    }

    /// Does another source, not a Part 2 program as a whole, know this person? Then that one's Patient stands: the
    /// program's word would hide the person from those who rightly know them, and theirs says nothing of the program.
    fn known_otherwise(&self, intake: &Intake<'_>, row: &ResourceRow) -> bool {
        let other = row.source.split('/').next().unwrap_or_default();
        !row.deleted
            && other != intake.source
            && self.mappings.part2_whole(intake.source)
            && !self.mappings.part2_whole(other)
    }

    /// The person and the version of that person's record; none for a record of shared resources.
    async fn version_of(&self, patient: Option<&str>) -> Result<Option<(String, i64)>, Error> {
        let Some(patient) = patient else { return Ok(None) };
        Ok(Some((
            patient.to_owned(),
            self.store.record_versions(patient).await?.record,
        )))
    }

    async fn keep(
        &self,
        intake: &Intake<'_>,
        puts: Vec<Put>,
        sentences: Vec<Work>,
        version: Option<(String, i64)>,
        bulk: bool,
    ) -> Result<(), Refused> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        let people: BTreeMap<String, ()> = puts
            .iter()
            .filter_map(|p| Some((p.patient.clone()?, ())))
            .collect();
        let patient = people
            .keys()
            .next()
            .map(|id| format!("Patient/{id}"))
            .unwrap_or_default();
        let chief = chief_of(&puts);
        let all = puts.iter().map(|p| format!("{}/{}", p.resource_type, p.id));
        let others = all.filter(|reference| Some(reference) != chief.as_ref());
        let references: Vec<String> = chief.iter().cloned().chain(others).collect();
        let update = version.as_ref().is_none_or(|(_, version)| *version > 0);
        change.expects.extend(version);
        change.puts = puts;
        change.work = sentences;
        let name = format!("{}/{}", intake.source, intake.record);
        let mapping = name.as_str();
        let mapping_of = self.mappings.get(intake.source, intake.record);
        let named = mapping_of.and_then(|mapping| mapping.staff(intake.body));
        let staff = named.or(intake.staff).unwrap_or_default();
        self.with_occasion(at, intake.request, |occasion, salt| {
            let written: Vec<&str> = references.iter().map(String::as_str).collect();
            let event = audit::Intake {
                source: audit::Party {
                    name: intake.source,
                    system: "",
                    identifier: intake.source,
                },
                address: intake.address,
                staff: audit::Person { name: staff, id: "" },
                patient: &patient,
                update,
                written: &written,
                mapping,
            };
            change.audit.push(event.event(occasion, salt));
        });
        let lane = if bulk { Lane::Bulk } else { Lane::Ordinary };
        self.store.commit_in(lane, change).await?;
        Ok(())
    }

    /// The internal system whose bearer token this is; a token of another source does not open this one.
    pub async fn source(&self, bearer: Option<Bearer>, name: &str) -> Result<(), Error> {
        let hash = bearer.ok_or(Error::Unauthenticated)?.hash();
        let source = self.store.source_by_token(&hash).await?;
        let known = source.is_some_and(|source| source.state == ACTIVE && source.name == name);
        if known {
            Ok(())
        } else {
            Err(Error::Unauthenticated)
        }
    }

    /// Reads one record from outside bytes.
    pub fn parse_record(bytes: &[u8]) -> Result<Value, Vec<postern_rules::fhir::Issue>> {
        json::parse(bytes)
    }
}

/// The record's own name: source, record and the resource it is chiefly about.
fn source_key(intake: &Intake<'_>, resources: &[Value]) -> String {
    let of_type = |kind: &&str| resources.iter().find(|r| r["resourceType"] == **kind);
    let chief = ["CarePlan", "ServiceRequest", "Consent"].iter().find_map(of_type);
    let chief = chief
        .or_else(|| resources.first())
        .and_then(reference)
        .unwrap_or_default();
    format!("{}/{}#{chief}", intake.source, intake.record)
}

/// What the record is chiefly about, for the log.
fn chief_of(puts: &[Put]) -> Option<String> {
    let kinds = ["CarePlan", "ServiceRequest", "Consent", "Patient"];
    let found = kinds
        .iter()
        .find_map(|kind| puts.iter().find(|put| put.resource_type == *kind));
    found.map(|put| format!("{}/{}", put.resource_type, put.id))
}

fn owns(row: &ResourceRow, source: &str) -> bool {
    row.source == source
}

fn reference(resource: &Value) -> Option<String> {
    Some(format!(
        "{}/{}",
        resource["resourceType"].as_str()?,
        resource["id"].as_str()?
    ))
}

fn is_shared(resource_type: &str) -> bool {
    matches!(
        resource_type,
        "Practitioner" | "PractitionerRole" | "Organization" | "Location" | "HealthcareService" | "Endpoint"
    )
}

/// What is kept about one person never becomes another's, and trying again does not help.
fn of_another_person(resource_type: &str) -> Error {
    let details = "a number of this record already names something of another person: correct the record, or give it a new number";
    Error::Unprocessable(vec![Issue::error(
        IssueCode::BusinessRule,
        resource_type,
        details,
    )])
}

/// A record that states things about a person names that person, and no other.
fn about_one_person(resources: &[Value]) -> Result<(), Error> {
    let people = resources
        .iter()
        .filter(|r| r["resourceType"] == "Patient")
        .count();
    let personal = resources
        .iter()
        .any(|r| !is_shared(r["resourceType"].as_str().unwrap_or_default()));
    if people == 1 || (people == 0 && !personal) {
        return Ok(());
    }
    let details = "a record is about exactly one person: its mapping has to make one Patient";
    Err(Error::Unprocessable(vec![Issue::error(
        IssueCode::BusinessRule,
        "Patient",
        details,
    )]))
}

/// One record is about one person.
fn patient_of(resources: &[Value]) -> Option<String> {
    resources
        .iter()
        .find(|r| r["resourceType"] == "Patient")
        .and_then(|r| r["id"].as_str())
        .map(str::to_owned)
}

fn identifiers(resource: &Value) -> Vec<(String, String)> {
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
