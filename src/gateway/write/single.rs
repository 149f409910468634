//! One write at one address: `POST /[type]`, `PUT` and `PATCH /[type]/[id]`. <https://hl7.org/fhir/R4/http.html#update>

use postern_rules::disclosure::{Answer, Shows};
use postern_rules::fhir::{Instant, Now, Value};
use postern_rules::log::Digest;
use postern_rules::write::{Kind, Refused};
use serde_json::json;

use super::commit::Kept;
use super::condition::Existing;
use super::stage::{On, Outcome, Stage};
use super::{Intent, Target};
use crate::gateway::break_glass::is_emergency;
use crate::gateway::events::Interaction;
use crate::gateway::pull::{Reply, TRIES};
use crate::gateway::release::Trust;
use crate::gateway::{Call, Error, Gateway};
use crate::store::Guard;

/// An answer to a write, with where what was made can be read.
pub struct Written {
    pub reply: Reply,
    pub location: Option<String>,
}

/// Seconds in which the same create by the same client is the same: a client that tries again makes nothing twice.
const SAME_SECONDS: i64 = 600;

/// One round: done, or to be made again.
pub(super) enum Round<T> {
    Done(T),
    Again,
}

impl Gateway {
    /// Carries out one write and answers it, whatever becomes of it.
    pub async fn write(&self, call: &Call, intent: &Intent, shows: Shows) -> Result<Written, Error> {
        self.write_entry(call, intent, shows, 0).await
    }

    /// The same as one entry of several.
    pub(super) async fn write_entry(
        &self,
        call: &Call,
        intent: &Intent,
        shows: Shows,
        number: usize,
    ) -> Result<Written, Error> {
        let mut call = call.clone();
        for _ in 0..TRIES {
            self.may_write(&call, intent)?;
            let now = self.clock.now();
            let round = match intent.target() {
                Some(target) => self.change_one(&call, (intent, target), shows, &now).await?,
                None => self.create_one(&call, (intent, number), shows, &now).await?,
            };
            if let Round::Done(written) = round {
                return Ok(written);
            }
            call = self.again(&call).await?;
        }
        Err(Error::Unavailable)
    }

    pub(super) fn may_write(&self, call: &Call, intent: &Intent) -> Result<(), Error> {
        match intent.target() {
            None => self.may_create(call, intent.resource_type()),
            Some(target) => self.may_update(call, target.resource_type),
        }
    }

    /// May this caller state resources of this type?
    pub fn may_create(&self, call: &Call, resource_type: &str) -> Result<(), Error> {
        permitted(call, call.caller.scopes.may_create(resource_type))?;
        Kind::of(resource_type).map(|_| ()).ok_or(Error::NotSupported)
    }

    /// May it change, or propose to change, resources of this type?
    pub fn may_update(&self, call: &Call, resource_type: &str) -> Result<(), Error> {
        permitted(call, call.caller.scopes.may_update(resource_type))
    }

    async fn change_one(
        &self,
        call: &Call,
        (intent, target): (&Intent, &Target),
        shows: Shows,
        now: &Now,
    ) -> Result<Round<Written>, Error> {
        let (kind, id) = (target.resource_type, target.id.as_str());
        let people = self.people_of(call, kind, id, Trust::Database).await?;
        let found = self.find_all(call, people, Trust::Database, now).await?;
        let there = |f: &crate::gateway::release::Found| f.release.as_ref().is_ok_and(|r| r.holds(kind, id));
        let Some(patient) = found.iter().find(|f| there(f)).map(|f| f.patient.clone()) else {
            // As a read of it: absent, foreign and withheld cost the same and are the same.
            self.pay_for_a_miss(call, id, &found, now).await?;
            let answer = Answer::not_found(&call.request);
            let reply = self.record(call, interaction(intent), answer, found, now).await?;
            return Ok(reply.map_or(Round::Again, |reply| Round::Done(reply.into())));
        };
        // Who waits for the same release may have it: what is written is decided anew.
        drop(found);
        let mut stage = Stage::new(self, call, now);
        stage
            .benches
            .push(self.bench(&call.caller, &patient, (&[(kind, id)], now)).await?);
        let outcome = stage.change(intent);
        self.finish(stage, (intent, outcome), shows, None).await
    }

    async fn create_one(
        &self,
        call: &Call,
        (intent, number): (&Intent, usize),
        shows: Shows,
        now: &Now,
    ) -> Result<Round<Written>, Error> {
        let Intent::Create { body, unless } = intent else {
            return Err(Error::NotSupported);
        };
        let mut stage = Stage::new(self, call, now);
        let kind = Kind::of(intent.resource_type()).ok_or(Error::NotSupported)?;
        let query = unless
            .as_ref()
            .map(|condition| self.condition(kind.resource_type, condition));
        let query = query.transpose().map_err(Error::Invalid)?;
        // Loaded before the condition is looked at: what comes into this record after the look moves its version.
        let own = match kind.person(body, &stage.base) {
            Some(patient) => Some(self.bench(&call.caller, &patient, (&[], now)).await?),
            None => None,
        };
        if let Some(query) = &query {
            match self.existing(call, query, now).await? {
                Existing::None => {}
                Existing::One { patient, id } => {
                    stage
                        .benches
                        .push(self.bench(&call.caller, &patient, (&[], now)).await?);
                    let Some(on) = stage.on(kind.resource_type, &id) else {
                        return Ok(Round::Again);
                    };
                    return self
                        .finish(stage, (intent, Outcome::Exists(on)), shows, None)
                        .await;
                }
                Existing::Several => {
                    let outcome = Outcome::Refused(Refused::several(), None);
                    return self.finish(stage, (intent, outcome), shows, None).await;
                }
            }
        }
        stage.benches.extend(own);
        let id = stage.new_id(kind.resource_type, number);
        let outcome = stage.create(body, &id);
        let made = (kind.resource_type, id.as_str());
        let guard = unless
            .is_none()
            .then(|| once(call, (body, number), made, now.stamp()));
        self.finish(stage, (intent, outcome), shows, guard).await
    }

    /// Decides again, records, answers.
    async fn finish(
        &self,
        mut stage: Stage<'_>,
        (intent, outcome): (&Intent, Outcome),
        shows: Shows,
        guard: Option<Guard>,
    ) -> Result<Round<Written>, Error> {
        let call = stage.call;
        for bench in stage.benches.iter_mut().filter(|bench| bench.touched) {
            self.decide_again(&call.caller, bench, stage.now);
        }
        stage.in_scope(std::iter::once(&outcome))?;
        let answer = answer(&stage, &outcome, shows);
        let location = location(&stage, &outcome, answer.etag.as_deref());
        let outcomes = [(interaction(intent), outcome)];
        match stage.commit(&outcomes, answer, guard).await? {
            Kept::Opened(reply) => Ok(Round::Done(Written { reply, location })),
            Kept::Stale => Ok(Round::Again),
            Kept::Duplicate(outcome) => self.answer_again(call, &outcome, shows).await,
        }
    }
}

impl From<Reply> for Written {
    fn from(reply: Reply) -> Written {
        Written {
            reply,
            location: None,
        }
    }
}

/// An emergency opens what is read, never what is written.
fn permitted(call: &Call, by_scope: bool) -> Result<(), Error> {
    match by_scope && !is_emergency(&call.caller.purpose) {
        true => Ok(()),
        false => Err(Error::OutOfScope),
    }
}

pub(super) fn interaction(intent: &Intent) -> Interaction {
    match intent {
        Intent::Create { .. } => Interaction::Create,
        Intent::Update { .. } => Interaction::Update,
        Intent::Patch { .. } => Interaction::Patch,
    }
}

fn answer(stage: &Stage<'_>, outcome: &Outcome, shows: Shows) -> Answer {
    let request = stage.call.request.as_str();
    let written = |status, on: &On| {
        let release = stage.benches[on.bench].release.clone();
        let shows = stage.shows(on, shows);
        Answer::written(status, release, (&on.resource_type, &on.id), shows, request)
    };
    match outcome {
        Outcome::Created(on) => written(201, on),
        Outcome::Exists(on) | Outcome::Unchanged(on) | Outcome::Updated(on, _) => written(200, on),
        Outcome::Proposed(..) => Answer::proposed(request),
        Outcome::Refused(refused, about) => {
            let about = about.as_ref().and_then(|on| {
                let release = stage.benches[on.bench].release.clone()?;
                Some((release, (on.resource_type.as_str(), on.id.as_str())))
            });
            Answer::refused(refused.status(), &refused.issues(), about, request)
        }
    }
}

fn location(stage: &Stage<'_>, outcome: &Outcome, etag: Option<&str>) -> Option<String> {
    let (Outcome::Created(on) | Outcome::Exists(on)) = outcome else {
        return None;
    };
    Some(address(&stage.base, (&on.resource_type, &on.id), etag?))
}

/// `[base]/[type]/[id]/_history/[vid]`
pub(super) fn address(base: &str, (kind, id): (&str, &str), etag: &str) -> String {
    let version = etag.trim_start_matches("W/").trim_matches('"');
    format!("{base}/{kind}/{id}/_history/{version}")
}

/// The same body by the same client, soon after: one create. Two entries of one batch are two, whatever they say.
fn once(call: &Call, (body, number): (&Value, usize), (kind, id): (&str, &str), at: Instant) -> Guard {
    let caller = &call.caller;
    let said = format!("{}\n{}\n{kind}\n{number}\n{body}", caller.client, caller.purpose);
    Guard {
        kind: "create",
        key: Digest::of(said.as_bytes()).hex(),
        until: at.plus_seconds(SAME_SECONDS),
        outcome: Some(json!({"type": kind, "id": id}).to_string().into_bytes()),
    }
}
