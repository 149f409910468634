//! Whom a partner means: candidates from the index, and `Patient/$match` over what is released to it.
//! <https://hl7.org/fhir/R4/patient-operation-match.html>
//!
//! A match tells a partner only of people whose release it has; what is not released to it takes no part in the rule. So a
//! hidden person, an absent one, and several are the same empty searchset.

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_rules::disclosure::{Answer, Release};
use postern_rules::fhir::{IssueCode, Value};
use postern_rules::identity::{How, Stated, only};
use serde_json::json;

use super::emergency::person;
use super::events::Interaction;
use super::parameters::{Operation, Parameter, problem};
use super::pull::{Reply, TRIES};
use super::release::Trust;
use super::{Call, Error, Gateway};
use crate::auth::Permission;

/// `Patient/$match`, as R4 defines it.
pub const MATCH: Operation = Operation {
    on: "Patient",
    official: Some("http://hl7.org/fhir/OperationDefinition/Patient-match"),
    changes: false,
    code: "match",
    name: "Match",
    title: "Find a patient",
    about: "At most one confident match among the people whose records are released to the caller.",
    instance: false,
    takes: &[
        Parameter {
            name: "resource",
            members: &["resource"],
            required: true,
            many: false,
            about: "The person as a Patient: an identifier, or family name, first given name, full birth date and one of \
                    gender, telecom, address.",
        },
        Parameter {
            name: "onlyCertainMatches",
            members: &["valueBoolean"],
            required: false,
            many: false,
            about: "Only certain matches are ever given, whatever is asked.",
        },
        Parameter {
            name: "count",
            members: &["valueInteger"],
            required: false,
            many: false,
            about: "At most one is ever given; must be positive.",
        },
    ],
    gives: &[("return", "Bundle", "A searchset of one Patient, or of none.")],
};

/// Loaded when nobody agrees, so that a miss reads as often as a hit. No person has this id.
const NOBODY: &str = "nobody";
/// Family names that are looked up.
const MOST_KEYS: usize = 4;
/// More people than this behind what is stated are nobody in particular.
const MOST_CANDIDATES: usize = 50;

impl Gateway {
    /// `POST /fhir/Patient/$match`.
    pub async fn match_person(&self, call: &Call, body: &Value) -> Result<Reply, Error> {
        self.may_look_for_people(call)?;
        let stated = read(body)?;
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let candidates = self.candidates(&stated).await?;
            let mut found = Vec::new();
            for patient in to_load(&candidates) {
                found.push(self.find_release(&call.caller, patient, trust, &now).await?);
            }
            let releases = found.iter().filter_map(|f| f.release.as_ref().ok());
            let agreeing: Vec<(Arc<Release>, How)> = releases
                .filter_map(|release| Some((Arc::clone(release), release.agrees(&stated)?)))
                .collect();
            let answer = Answer::matched(only(agreeing), &self.config.base(), &call.request);
            let recorded = self
                .record(&call, Interaction::Operation, answer, found, &now)
                .await?;
            if let Some(reply) = recorded {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }

    /// Operations that look for a person take any scope that reads or searches every Patient.
    pub(super) fn may_look_for_people(&self, call: &Call) -> Result<(), Error> {
        let scopes = &call.caller.scopes;
        if scopes.may_all(Permission::Read, "Patient") || scopes.may_all(Permission::Search, "Patient") {
            Ok(())
        } else {
            Err(Error::OutOfScope)
        }
    }

    /// Everyone behind a stated identifier, or behind birth date and family name; nobody when these are too many to tell
    /// apart. How many reads it takes depends on what is stated alone.
    pub(super) async fn candidates(&self, stated: &Stated) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        for (system, value) in stated.identifiers() {
            found.extend(self.store.people_by_identifier(system, value).await?);
        }
        for key in stated.keys(MOST_KEYS) {
            found.extend(self.store.people_by_key(&key).await?);
        }
        if found.len() > MOST_CANDIDATES {
            found.clear();
        }
        Ok(found)
    }
}

/// The candidates in order; somebody who is not there when there is none. What is stored of them does not choose among
/// them: it may say more than what is released.
pub(super) fn to_load(candidates: &[String]) -> BTreeSet<&str> {
    let mut people: BTreeSet<&str> = candidates.iter().map(String::as_str).collect();
    if people.is_empty() {
        people.insert(NOBODY);
    }
    people
}

/// The person of a `Parameters`, or of a `Patient` sent as it is.
fn read(body: &Value) -> Result<Stated, Error> {
    let alone;
    let body = if body["resourceType"] == "Patient" {
        alone = json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": body}]});
        &alone
    } else {
        body
    };
    let (given, mut problems) = MATCH.read(body);
    if given
        .one("count")
        .is_some_and(|count| count.as_i64().is_none_or(|n| n < 1))
    {
        problems.push(problem("count", IssueCode::Value, "1 or more"));
    }
    if given.one("resource").is_none() {
        return Err(Error::Invalid(problems));
    }
    let stated = person(&given, &mut problems);
    if problems.is_empty() {
        Ok(stated)
    } else {
        Err(Error::Invalid(problems))
    }
}
