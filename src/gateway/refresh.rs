//! `released` kept current without anybody reading: people whose record moved, for whom a date came, or for whom what is shared
//! changed, are decided for every partner and purpose, and what differs is dated. Not a disclosure: nothing leaves, no event.
//! <https://hl7.org/fhir/R4/search.html#lastupdated>
//!
//! One process of a deployment does it at a time, by a lease; that saves work, and no more than that: each change checks the
//! versions it was decided from, so several at once do no harm, and what is lost half way stays due.

use std::collections::HashMap;

use postern_rules::disclosure::{self, Recipient, Record, Shown, decide};
use postern_rules::fhir::{Instant, Now};

use super::break_glass::is_emergency;
use super::caller::ACTIVE;
use super::release::{rows, shown};
use super::{Error, Gateway, Partner};
use crate::store::{Change, Lane, Refreshed, Refused, Released, ReleasedRow, Sweep, Swept};

/// People decided in one step.
const PEOPLE: i64 = 8;
/// People made due at once when everybody has to be decided anew: few, so that who changes meanwhile does not wait long.
const CHUNK: usize = 64;
/// A process that has not renewed its lease for so long is taken to have ended.
const LEASE_SECONDS: i64 = 120;
/// Who cannot be loaded or kept is tried again after so long, and holds up nobody meanwhile.
const AGAIN_SECONDS: i64 = 60;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many people were decided; others may be waiting.
    Decided(usize),
    /// So many people are due now, because what is shared has changed.
    MadeDue(usize),
    /// Nobody is due, or another process does it.
    Nothing,
    /// Too much is waiting to be recorded: these people stay due.
    Busy,
}

/// Every partner and purpose that people are decided for, in one version of the world.
struct Recipients {
    world: i64,
    list: Vec<(Recipient, Vec<String>)>,
}

impl Gateway {
    /// One step: a few of those who are due, or when nobody is, the next few of everybody.
    pub async fn refresh(&self) -> Result<Step, Error> {
        let Some(sweep) = self.lease().await? else {
            return Ok(Step::Nothing);
        };
        let people = self.store.people_due(self.clock.instant(), PEOPLE).await?;
        if people.is_empty() {
            return self.make_due(sweep).await;
        }
        let recipients = self.recipients().await?;
        let (mut changes, mut failed) = (Vec::with_capacity(people.len()), Vec::new());
        for patient in &people {
            match self.decide_for_all(patient, &recipients).await {
                Ok(change) => changes.extend(change),
                Err(_) => failed.push(patient.clone()),
            }
        }
        let committed: Vec<String> = changes.iter().flat_map(people_of).collect();
        let (mut decided, mut busy) = (0, false);
        let verdicts = self.store.commit_all(Lane::Bulk, changes).await;
        for (patient, verdict) in committed.into_iter().zip(verdicts) {
            match verdict {
                Ok(_) => decided += 1,
                // A version moved meanwhile: they are due still, or again.
                Err(Refused::Stale | Refused::Duplicate(_)) => {}
                Err(Refused::Busy) => busy = true,
                Err(Refused::Unavailable) => failed.push(patient),
            }
        }
        self.put_off(failed).await?;
        Ok(if busy { Step::Busy } else { Step::Decided(decided) })
    }

    /// Lets those wait who could not be decided or kept, so that the others come to their turn. Fails when it is the store
    /// that does not answer.
    async fn put_off(&self, people: Vec<String>) -> Result<(), Error> {
        if people.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            people = people.len(),
            "releases could not be refreshed; tried again in a minute"
        );
        let mut change = Change::at(self.clock.instant());
        let again = Some(change.now.plus_seconds(AGAIN_SECONDS));
        change.refreshed = people
            .into_iter()
            .map(|patient| Refreshed { patient, again })
            .collect();
        self.store.commit_in(Lane::Bulk, change).await?;
        Ok(())
    }

    /// Lets another process go on at once.
    pub async fn end_lease(&self) -> Result<(), Error> {
        let sweep = self.store.sweep().await?;
        if sweep.holder == self.holder {
            let until = Instant(0);
            self.keep_sweep(
                &sweep,
                Sweep {
                    until,
                    ..sweep.clone()
                },
                Vec::new(),
            )
            .await?;
        }
        Ok(())
    }

    /// The sweep as it is, when this process is the one that refreshes. Who comes with other rules than the last one begins
    /// with everybody.
    async fn lease(&self) -> Result<Option<Sweep>, Error> {
        let now = self.clock.now();
        let sweep = self.store.sweep().await?;
        let ours = sweep.holder == self.holder;
        let lasts = |t: Instant| !now.reached(t);
        if ours && lasts(sweep.until.plus_seconds(-LEASE_SECONDS / 2)) {
            return Ok(Some(sweep));
        }
        if !ours && lasts(sweep.until) {
            return Ok(None);
        }
        let mut next = Sweep {
            holder: self.holder.clone(),
            until: now.stamp().plus_seconds(LEASE_SECONDS),
            ..sweep.clone()
        };
        if sweep.rules != self.rules_version {
            next.rules.clone_from(&self.rules_version);
            (next.world, next.reached) = (self.store.world_version().await?, Some(String::new()));
        }
        self.keep_sweep(&sweep, next, Vec::new()).await
    }

    /// Makes the next of everybody due. A world that moved while they were gone through takes another round.
    async fn make_due(&self, sweep: Sweep) -> Result<Step, Error> {
        let world = self.store.world_version().await?;
        let (round, reached) = match &sweep.reached {
            None if sweep.world == world => return Ok(Step::Nothing),
            None => (world, ""),
            Some(reached) => (sweep.world, reached.as_str()),
        };
        let people = self.store.people_after(reached, CHUNK as i64).await?;
        let made = people.len();
        let next = Sweep {
            world: round,
            reached: people.last().cloned().filter(|_| made == CHUNK),
            ..sweep.clone()
        };
        let kept = self.keep_sweep(&sweep, next, people).await?;
        Ok(kept.map_or(Step::Nothing, |_| Step::MadeDue(made)))
    }

    /// `None` when another process was first, or too much is waiting.
    async fn keep_sweep(&self, sweep: &Sweep, next: Sweep, due: Vec<String>) -> Result<Option<Sweep>, Error> {
        let mut change = Change::at(self.clock.instant());
        change.due = due;
        change.sweep = Some(Swept {
            expected: sweep.version,
            next: next.clone(),
        });
        match self.store.commit_in(Lane::Bulk, change).await {
            Ok(_) => Ok(Some(Sweep {
                version: sweep.version + 1,
                ..next
            })),
            Err(Refused::Stale | Refused::Busy) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Partners that may ask, each with its purposes but those of an emergency: what a grant opens is decided when it is used.
    async fn recipients(&self) -> Result<Recipients, Error> {
        // Read before the partners: if anything moves in between, what is decided by them is stale and not kept.
        let world = self.store.world_version().await?;
        let mut list = Vec::new();
        for (_, row) in self.store.partners().await? {
            if row.state != ACTIVE {
                continue;
            }
            let partner: Partner = serde_json::from_str(&row.body).map_err(|_| Error::Unavailable)?;
            let recipient = partner.recipient(&self.rules.policy);
            let purposes = partner.purposes.into_iter().filter(|p| !is_emergency(p));
            list.push((recipient, purposes.collect()));
        }
        Ok(Recipients { world, list })
    }

    /// One person's releases for all of them, as a change; `None` when the world has moved on.
    async fn decide_for_all(&self, patient: &str, recipients: &Recipients) -> Result<Option<Change>, Error> {
        let record = self.load_record(patient).await?;
        if record.world != recipients.world {
            return Ok(None);
        }
        let mut before = self.store.releases_of(patient).await?;
        let now = self.clock.now();
        let mut change = Change::at(now.stamp());
        for (recipient, purposes) in &recipients.list {
            for purpose in purposes {
                let before = before.remove(&(recipient.id.clone(), purpose.clone()));
                let before = before.unwrap_or_default();
                change
                    .released
                    .extend(self.moves(&record, (recipient, purpose), &before, &now));
            }
        }
        change.expects = vec![(patient.to_owned(), record.version)];
        change.expects_world = Some(recipients.world);
        change.refreshed = vec![Refreshed {
            patient: patient.to_owned(),
            again: Some(now.valid_until()).filter(|t| *t != Instant::MAX),
        }];
        Ok(Some(change))
    }

    /// The rows that one release moves, and those that others keys lead to now; all are gone where nothing is released any more.
    fn moves(
        &self,
        record: &Record,
        (recipient, purpose): (&Recipient, &str),
        before: &[ReleasedRow],
        now: &Now,
    ) -> Vec<Released> {
        let whose = (recipient.id.as_str(), purpose);
        let told: Vec<Shown> = before.iter().filter_map(shown).collect();
        let Ok(decision) = decide(record, recipient, purpose, &self.rules, now) else {
            let gone: Vec<_> = told.into_iter().map(|s| (s.resource_type, s.id)).collect();
            return rows(whose, &record.patient, std::iter::empty(), &gone);
        };
        let (release, moved) = decision.dated(&told, now);
        let kept: HashMap<(&str, &str), &ReleasedRow> = before
            .iter()
            .map(|row| ((row.resource_type.as_str(), row.id.as_str()), row))
            .collect();
        let differs = |one: &&disclosure::Released| {
            kept.get(&one.name())
                .is_none_or(|row| row.digest != one.digest() || row.keyed != one.keys().name)
        };
        rows(
            whose,
            &record.patient,
            release.resources().filter(differs),
            &moved.gone,
        )
    }
}

fn people_of(change: &Change) -> Option<String> {
    change.refreshed.first().map(|one| one.patient.clone())
}
