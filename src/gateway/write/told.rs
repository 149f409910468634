//! What a transaction answers: each entry as it is released after the change; the same transaction a second time is answered with
//! what was made the first time, as it is now. <https://hl7.org/fhir/R4/http.html#transaction-response>

use std::collections::BTreeSet;

use postern_rules::disclosure::{self, Answer, Shows};
use postern_rules::fhir::{Value, json};
use postern_rules::write::Refused;
use serde_json::json;

use super::batch::Part;
use super::commit::Kept;
use super::entry::BundleKind;
use super::single::address;
use super::stage::{On, Outcome, Stage};
use crate::gateway::events::Interaction;
use crate::gateway::pull::Reply;
use crate::gateway::release::Trust;
use crate::gateway::{Call, Error, Gateway};

impl Gateway {
    /// The same transaction a second time: what it made, as it is now.
    pub(super) async fn all_again(
        &self,
        call: &Call,
        made: &[u8],
        shows: Shows,
    ) -> Result<Option<Reply>, Error> {
        let made = json::parse(made).map_err(|_| Error::Unavailable)?;
        let now = self.clock.now();
        let mut stage = Stage::new(self, call, &now);
        let list = made.as_array().cloned().unwrap_or_default();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let mut people = BTreeSet::new();
        for one in &list {
            people.extend(
                self.people_of(call, &text(one, "type"), &text(one, "id"), Trust::Database)
                    .await?,
            );
        }
        for patient in people {
            stage
                .benches
                .push(self.bench(&call.caller, &patient, (&[], &now)).await?);
        }
        let outcomes: Vec<(usize, Interaction, Outcome)> = list
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let on = stage.on(&text(one, "type"), &text(one, "id"));
                let outcome = match on {
                    Some(on) => Outcome::Exists(on),
                    None => Outcome::Refused(Refused::NotFound, None),
                };
                (number, Interaction::Read, outcome)
            })
            .collect();
        let mut told = parts_list(&stage, &outcomes, shows);
        for (part, one) in told.iter_mut().zip(&list).filter(|(part, _)| part.status == 200) {
            match text(one, "status").parse() {
                Ok(202) => *part = disclosure::Part::proposed(),
                status => part.status = status.unwrap_or(part.status),
            }
        }
        let answer = Answer::parts(
            BundleKind::Transaction.response(),
            told,
            &stage.base,
            &call.request,
        );
        let outcomes: Vec<(Interaction, Outcome)> = outcomes
            .into_iter()
            .filter(|(_, _, outcome)| matches!(outcome, Outcome::Exists(_)))
            .map(|(_, interaction, outcome)| (interaction, outcome))
            .collect();
        match stage.commit(&outcomes, answer, None).await? {
            Kept::Opened(reply) => Ok(Some(reply)),
            _ => Ok(None),
        }
    }
}

pub(super) fn parts_of(
    stage: &Stage<'_>,
    outcomes: &[(usize, Interaction, Outcome)],
    shows: Shows,
) -> Answer {
    let parts = parts_list(stage, outcomes, shows);
    Answer::parts(
        BundleKind::Transaction.response(),
        parts,
        &stage.base,
        &stage.call.request,
    )
}

fn parts_list(
    stage: &Stage<'_>,
    outcomes: &[(usize, Interaction, Outcome)],
    shows: Shows,
) -> Vec<disclosure::Part> {
    let of = |(_, _, outcome): &(usize, Interaction, Outcome)| match outcome {
        Outcome::Created(on) => one_part(stage, 201, on, shows),
        Outcome::Exists(on) | Outcome::Unchanged(on) | Outcome::Updated(on, _) => {
            one_part(stage, 200, on, shows)
        }
        Outcome::Proposed(..) => disclosure::Part::proposed(),
        Outcome::Refused(refused, _) => disclosure::Part::told(refused.status(), refused.issues()),
    };
    outcomes.iter().map(of).collect()
}

fn one_part(stage: &Stage<'_>, status: u16, on: &On, shows: Shows) -> disclosure::Part {
    let release = stage.benches[on.bench].release.clone();
    let name = (on.resource_type.as_str(), on.id.as_str());
    let mut part = disclosure::Part::written(status, release, name, stage.shows(on, shows));
    part.location = part.etag.as_deref().map(|etag| address(&stage.base, name, etag));
    part
}

/// What was made or changed, as the guard keeps it.
pub(super) fn made_of(outcomes: &[(usize, Interaction, Outcome)]) -> Value {
    let told = outcomes.iter().map(|(_, _, outcome)| match outcome {
        Outcome::Created(on) => json!({"status": "201", "type": on.resource_type, "id": on.id}),
        Outcome::Proposed(on, _) => json!({"status": "202", "type": on.resource_type, "id": on.id}),
        Outcome::Exists(on) | Outcome::Unchanged(on) | Outcome::Updated(on, _) => {
            json!({"status": "200", "type": on.resource_type, "id": on.id})
        }
        Outcome::Refused(..) => Value::Null,
    });
    told.collect()
}

/// An entry of the opened answer.
pub(super) fn part(entry: Value) -> Part {
    let url = entry["fullUrl"].as_str().map(str::to_owned);
    let shown = entry
        .get("resource")
        .map(|resource| (url, resource.to_string().into_bytes().into()));
    Part {
        response: entry["response"].clone(),
        shown,
    }
}
