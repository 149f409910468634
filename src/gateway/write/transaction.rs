//! A transaction: all its writes are one change, or none is made; then its reads and searches. Errors name their entries.
//! <https://hl7.org/fhir/R4/http.html#trules>

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::disclosure::{Answer, Shows};
use postern_rules::fhir::{Issue, IssueCode, Now, Value, json};
use postern_rules::log::Digest;
use postern_rules::write::{Kind, Refused};

use super::batch::{Part, bundle};
use super::commit::Kept;
use super::condition::Existing;
use super::entry::{Asked, BundleKind, Entries, Entry};
use super::resolved::{Asking, Made};
use super::single::interaction;
use super::stage::{Outcome, Stage};
use super::told::{made_of, part, parts_of};
use super::{Intent, Target};
use crate::gateway::events::Interaction;
use crate::gateway::pull::{Reply, TRIES};
use crate::gateway::release::Trust;
use crate::gateway::{Call, Error, Gateway};
use crate::store::Guard;

/// Seconds in which the same transaction by the same client is the same.
const SAME_SECONDS: i64 = 600;
const TRANSACTION: &str = "transaction";

impl Gateway {
    pub(super) async fn transaction(
        &self,
        call: &Call,
        entries: Entries,
        (body, shows): (&Value, Shows),
    ) -> Result<Reply, Error> {
        let entries = self.all_in_order(call, entries)?;
        let (writes, reads): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| matches!(entry.asked, Asked::Write(_)));
        let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
        if !writes.is_empty() {
            let answer = self.write_all(call, &writes, (body, shows)).await?;
            if answer.status != 200 {
                return Ok(answer);
            }
            let opened = json::parse(&answer.body).map_err(|_| Error::Unavailable)?;
            let opened = opened["entry"].as_array().cloned().unwrap_or_default();
            parts.extend(
                writes
                    .iter()
                    .map(|entry| entry.number)
                    .zip(opened.into_iter().map(part)),
            );
        }
        for entry in &reads {
            let part = match self.fetch(call, entry).await {
                Ok(part) => part,
                Err(error @ (Error::Unauthenticated | Error::Busy | Error::Unavailable)) => {
                    return Err(error);
                }
                Err(error) => Part::refused(error.status(), &error.issues()),
            };
            parts.insert(entry.number, part);
        }
        Ok(bundle(BundleKind::Transaction, parts.into_values().collect()))
    }

    /// Every entry can be read and is permitted, and no two change one resource; else one outcome that names them.
    fn all_in_order(&self, call: &Call, entries: Entries) -> Result<Vec<Entry>, Error> {
        let (mut good, mut wrong, mut status) = (Vec::new(), Vec::new(), 0);
        let mut targets = BTreeSet::new();
        for (number, entry) in entries.into_iter().enumerate() {
            let checked = entry.and_then(|entry| {
                let permitted = self.permits(call, &entry);
                permitted.map_err(|error| (error.status(), error.issues()))?;
                if let Asked::Write(intent) = &entry.asked
                    && let Some(Target {
                        resource_type, id, ..
                    }) = intent.target()
                    && !targets.insert((*resource_type, id.clone()))
                {
                    let why = "a transaction changes a resource once";
                    return Err((400, vec![Issue::error(IssueCode::Duplicate, "", why)]));
                }
                Ok(entry)
            });
            match checked {
                Ok(entry) => good.push(entry),
                Err((own, issues)) => {
                    status = if status == 0 { own } else { status };
                    wrong.extend(issues.into_iter().map(|issue| at_entry(number, issue)));
                }
            }
        }
        if wrong.is_empty() {
            Ok(good)
        } else {
            Err(Error::Entries(status, wrong))
        }
    }

    fn permits(&self, call: &Call, entry: &Entry) -> Result<(), Error> {
        let scopes = &call.caller.scopes;
        let permitted = match &entry.asked {
            Asked::Write(intent) => return self.may_write(call, intent),
            Asked::Read { resource_type, .. } => scopes.may_read(resource_type),
            Asked::Search { resource_type, .. } => scopes.may_search(resource_type),
        };
        if permitted { Ok(()) } else { Err(Error::OutOfScope) }
    }

    async fn write_all(
        &self,
        call: &Call,
        writes: &[Entry],
        (body, shows): (&Value, Shows),
    ) -> Result<Reply, Error> {
        let mut call = call.clone();
        for _ in 0..TRIES {
            for entry in writes {
                if let Asked::Write(intent) = &entry.asked {
                    self.may_write(&call, intent)?;
                }
            }
            let now = self.clock.now();
            if let Some(reply) = self.write_all_once(&call, writes, (body, shows), &now).await? {
                return Ok(reply);
            }
            call = self.again(&call).await?;
        }
        Err(Error::Unavailable)
    }

    /// `None`: a version moved, and everything is decided again.
    async fn write_all_once(
        &self,
        call: &Call,
        writes: &[Entry],
        (body, shows): (&Value, Shows),
        now: &Now,
    ) -> Result<Option<Reply>, Error> {
        let key = key(call, body);
        // Looked up first: what it changed then has another version now.
        if let Some(made) = self.store.outcome(TRANSACTION, &key, now.stamp()).await? {
            return self.all_again(call, &made, shows).await;
        }
        let mut stage = Stage::new(self, call, now);
        let asking = self.resolved(&mut stage, writes).await?;
        self.load_all(&mut stage, &asking).await?;
        if self.found_since(&stage, &asking).await? {
            return Ok(None);
        }
        let Some(outcomes) = staged(&mut stage, &asking) else {
            return Ok(None);
        };
        let refused = refusals(&outcomes);
        if refused.is_none() {
            for bench in stage.benches.iter_mut().filter(|bench| bench.touched) {
                self.decide_again(&call.caller, bench, now);
            }
        }
        stage.in_scope(outcomes.iter().map(|(_, _, outcome)| outcome))?;
        let made = made_of(&outcomes);
        let answer = match refused {
            Some((status, issues)) => Answer::refused(status, &issues, None, &call.request),
            None => parts_of(&stage, &outcomes, shows),
        };
        let guard = Guard {
            kind: TRANSACTION,
            key,
            until: now.stamp().plus_seconds(SAME_SECONDS),
            outcome: Some(made.to_string().into_bytes()),
        };
        let outcomes: Vec<(Interaction, Outcome)> = outcomes
            .into_iter()
            .map(|(_, interaction, outcome)| (interaction, outcome))
            .collect();
        match stage.commit(&outcomes, answer, Some(guard)).await? {
            Kept::Opened(reply) => Ok(Some(reply)),
            Kept::Stale => Ok(None),
            Kept::Duplicate(made) => self.all_again(call, &made, shows).await,
        }
    }

    /// Does a condition that found nothing find something now? Looked once more when the records are loaded: what comes into
    /// them after that moves their versions.
    async fn found_since(&self, stage: &Stage<'_>, asking: &[Asking]) -> Result<bool, Error> {
        for asking in asking {
            let (
                Some(Made::New(_)),
                Intent::Create {
                    unless: Some(unless), ..
                },
            ) = (&asking.made, &asking.intent)
            else {
                continue;
            };
            let query = self.condition(asking.intent.resource_type(), unless);
            let query = query.map_err(|issues| at_entries(400, asking.number, issues))?;
            if !matches!(
                self.existing(stage.call, &query, stage.now).await?,
                Existing::None
            ) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The records of everybody the transaction touches.
    async fn load_all(&self, stage: &mut Stage<'_>, asking: &[Asking]) -> Result<(), Error> {
        let (call, now) = (stage.call, stage.now);
        let mut wanted: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
        for asking in asking {
            match (&asking.intent, &asking.made) {
                (_, Some(Made::There { patient, .. })) => {
                    wanted.entry(patient.clone()).or_default();
                }
                (Intent::Create { body, .. }, _) => {
                    let kind = Kind::of(asking.intent.resource_type());
                    if let Some(patient) = kind.and_then(|kind| kind.person(body, &stage.base)) {
                        wanted.entry(patient).or_default();
                    }
                }
                (Intent::Update { target, .. } | Intent::Patch { target, .. }, _) => {
                    let people = self.people_of(call, target.resource_type, &target.id, Trust::Database);
                    for patient in people.await? {
                        let list = wanted.entry(patient).or_default();
                        list.push((target.resource_type, target.id.as_str()));
                    }
                }
            }
        }
        for (patient, wanted) in wanted {
            stage
                .benches
                .push(self.bench(&call.caller, &patient, (&wanted, now)).await?);
        }
        Ok(())
    }
}

/// What becomes of each, in the order of the entries; `None` when what a condition found is gone.
fn staged(stage: &mut Stage<'_>, asking: &[Asking]) -> Option<Vec<(usize, Interaction, Outcome)>> {
    // R4: what is made comes before what is changed.
    let mut in_order: Vec<&Asking> = asking.iter().collect();
    in_order.sort_by_key(|asking| asking.intent.target().is_some());
    let mut outcomes = Vec::with_capacity(asking.len());
    for asking in in_order {
        let outcome = match (&asking.made, &asking.intent) {
            (Some(Made::New(id)), Intent::Create { body, .. }) => stage.create(body, id),
            (Some(Made::There { id, .. }), intent) => Outcome::Exists(stage.on(intent.resource_type(), id)?),
            (_, intent) => stage.change(intent),
        };
        outcomes.push((asking.number, interaction(&asking.intent), outcome));
    }
    outcomes.sort_by_key(|(number, _, _)| *number);
    Some(outcomes)
}

/// The first refusal's status, and every refusal with the place of its entry.
fn refusals(outcomes: &[(usize, Interaction, Outcome)]) -> Option<(u16, Vec<Issue>)> {
    let refused: Vec<(usize, &Refused)> = outcomes
        .iter()
        .filter_map(|(number, _, outcome)| match outcome {
            Outcome::Refused(refused, _) => Some((*number, refused)),
            _ => None,
        })
        .collect();
    let status = refused.first()?.1.status();
    let issues = refused
        .iter()
        .flat_map(|(number, refused)| refused.issues().into_iter().map(|issue| at_entry(*number, issue)));
    Some((status, issues.collect()))
}

/// `Bundle.entry[2]`, or the place inside its resource.
fn at_entry(number: usize, issue: Issue) -> Issue {
    let place = match issue.expression.as_str() {
        "" => format!("Bundle.entry[{number}]"),
        inside => format!("Bundle.entry[{number}].resource.{inside}"),
    };
    Issue {
        expression: place,
        ..issue
    }
}

pub(super) fn at_entries(status: u16, number: usize, issues: Vec<Issue>) -> Error {
    Error::Entries(
        status,
        issues.into_iter().map(|issue| at_entry(number, issue)).collect(),
    )
}

/// What is the same transaction by the same client.
fn key(call: &Call, body: &Value) -> String {
    let said = format!("{}\n{}\n{body}", call.caller.client, call.caller.purpose);
    Digest::of(said.as_bytes()).hex()
}
