//! One record of an agency's system comes in: converted whole or not at all, then kept in one transaction.
//!
//! The same record twice changes nothing; what a record changes is worked out in `statement.rs`.

use std::collections::BTreeMap;

use postern_rules::audit;
use postern_rules::fhir::{Issue, IssueCode, Value, is_shared, json};
use postern_rules::mapping::{Conversion, Problem, Settings};

use super::caller::ACTIVE;
use super::statement::Plan;
use super::{Error, Gateway};
use crate::auth::Bearer;
use crate::store::{Change, Lane, Put, Refused, Work};

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
    /// What of a FHIR record was left out by rule, with how many: types, and references by their element.
    pub left_out: BTreeMap<String, usize>,
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
        let (unmapped, left_out) = (conversion.unmapped(), conversion.left_out());
        let Conversion { resources, chief, .. } = conversion;
        about_one_person(&resources)?;
        let patient = patient_of(&resources);
        let source = source_key(intake, chief, &resources);
        for _ in 0..TRIES {
            // Read before the plan: if somebody else writes about this person meanwhile, the plan is made again.
            let version = self.version_of(patient.as_deref()).await?;
            let plan = self.plan(&source, patient.as_deref(), &resources).await?;
            let accepted = Accepted {
                resources: resources.iter().filter_map(reference).collect(),
                changed: plan.puts.iter().filter(|put| !put.deleted).count(),
                retired: plan.puts.iter().filter(|put| put.deleted).count(),
                unmapped: unmapped.clone(),
                left_out: left_out.clone(),
            };
            if plan.is_empty() {
                return Ok(accepted);
            }
            let sentences = self.sentences_to_label(intake, &plan.puts, &resources).await?;
            match self.keep(intake, plan, sentences, version, bulk).await {
                Ok(()) => return Ok(accepted),
                Err(Refused::Stale) => {}
                Err(refused) => return Err(Rejected::Failed(refused.into())),
            }
        }
        Err(Rejected::Failed(Error::Busy))
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
        plan: Plan,
        sentences: Vec<Work>,
        version: Option<(String, i64)>,
        bulk: bool,
    ) -> Result<(), Refused> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        let about = |patient: &str| format!("Patient/{patient}");
        let mut people = Vec::new();
        if let Some((from, _)) = &plan.corrected {
            // The person it was about is told apart from the one it is about: each has an event.
            let gone = plan
                .rehomed
                .iter()
                .map(|r| format!("{}/{}", r.resource_type, r.id));
            people.push((about(from), gone.collect::<Vec<String>>(), true));
        }
        let mut written = written(&plan.puts);
        if written.is_empty() {
            let stated = plan.states.iter().chain(&plan.unstates);
            written = stated.map(|s| format!("{}/{}", s.resource_type, s.id)).collect();
        }
        let update = version.as_ref().is_none_or(|(_, version)| *version > 0);
        let patient = version.as_ref().map(|(id, _)| about(id)).unwrap_or_default();
        people.push((patient, written, update));
        change.touches.extend(version.iter().map(|(id, _)| id.clone()));
        change
            .touches
            .extend(plan.corrected.iter().map(|(id, _)| id.clone()));
        change.expects.extend(version.into_iter().chain(plan.corrected));
        change.puts = plan.puts;
        change.work = sentences;
        change.states = plan.states;
        change.unstates = plan.unstates;
        change.rehomed = plan.rehomed;
        let name = format!("{}/{}", intake.source, intake.record);
        let mapping = name.as_str();
        let mapping_of = self.mappings.get(intake.source, intake.record);
        let named = mapping_of.and_then(|mapping| mapping.staff(intake.body));
        let staff = named.or(intake.staff).unwrap_or_default();
        self.with_occasion(at, intake.request, |occasion, salt| {
            for (patient, references, update) in &people {
                let written: Vec<&str> = references.iter().map(String::as_str).collect();
                let event = audit::Intake {
                    source: audit::Party {
                        name: intake.source,
                        system: "",
                        identifier: intake.source,
                    },
                    address: intake.address,
                    staff: audit::Person { name: staff, id: "" },
                    patient,
                    update: *update,
                    written: &written,
                    mapping,
                };
                change.audit.push(event.event(occasion, salt));
            }
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

/// What a record may be chiefly about, first what says most.
const CHIEF: [&str; 4] = ["CarePlan", "ServiceRequest", "Consent", "QuestionnaireResponse"];

/// The record's own name: source, record and the resource it is chiefly about. Where the mapping does not say which, it
/// is of the list above, else the first thing said of the person.
fn source_key(intake: &Intake<'_>, chief: Option<String>, resources: &[Value]) -> String {
    let kind_of = |r: &Value| r["resourceType"].as_str().unwrap_or_default().to_owned();
    let of_type = |kind: &&str| resources.iter().find(|r| kind_of(r) == **kind);
    let personal = || {
        resources
            .iter()
            .find(|r| !is_shared(&kind_of(r)) && kind_of(r) != "Patient")
    };
    let found = || {
        CHIEF
            .iter()
            .find_map(of_type)
            .or_else(personal)
            .or_else(|| of_type(&"Patient"))
            .or_else(|| resources.first())
            .and_then(reference)
    };
    let chief = chief.or_else(found).unwrap_or_default();
    format!("{}/{}#{chief}", intake.source, intake.record)
}

/// What was written, for the log: first what the record is chiefly about.
fn written(puts: &[Put]) -> Vec<String> {
    let chief = CHIEF
        .iter()
        .chain(&["Patient"])
        .find_map(|kind| puts.iter().position(|put| put.resource_type == *kind));
    let mut all: Vec<String> = puts
        .iter()
        .map(|put| format!("{}/{}", put.resource_type, put.id))
        .collect();
    if let Some(at) = chief {
        all[..=at].rotate_right(1);
    }
    all
}

fn reference(resource: &Value) -> Option<String> {
    Some(format!(
        "{}/{}",
        resource["resourceType"].as_str()?,
        resource["id"].as_str()?
    ))
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
