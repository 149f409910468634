//! A partner reads or searches: load → decide → record → answer. The events are durable before a byte leaves.

use std::sync::Arc;

use postern_rules::disclosure::{Answer, Asking, Form, Permits, PlanDocument, Reading, Release};
use postern_rules::fhir::{Instant, Issue, IssueCode, Now, is_shared};
use postern_rules::search::{Query, Setting, Values, provenance_target};

use super::events::Interaction;
use super::release::{Found, Trust};
use super::{Call, Error, Gateway};
use crate::auth::Permission;
use crate::store::{Change, Refused};

/// An opened answer, ready for a door.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub etag: Option<String>,
    pub last_modified: Option<Instant>,
    pub body: Arc<[u8]>,
}

/// A change that meets a moved version is decided again this often.
pub(super) const TRIES: usize = 3;

impl Gateway {
    /// `GET /[type]/[id]`, and with a version `GET /[type]/[id]/_history/[vid]`.
    pub async fn read(&self, call: &Call, reading: &Reading<'_>) -> Result<Reply, Error> {
        let (resource_type, id) = (reading.resource_type, reading.id);
        if resource_type == "Binary" && Form::of_binary(id).is_some() {
            return self.read_document(call, reading).await;
        }
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            if !call.caller.scopes.may_read(resource_type) {
                return Err(Error::OutOfScope);
            }
            let people = self.people_of(&call, resource_type, id, trust).await?;
            let found = self.find_all(&call, &people, trust, &now).await?;
            let scopes = &call.caller.scopes;
            let permits = |of: &str, values: &Values| scopes.permits(Permission::Read, of, values);
            let base = self.config.base();
            let asking = self.asking(&base, &permits, &call.request);
            let shows = |r: &Arc<Release>| r.shows(resource_type, id, &asking);
            let release = found
                .iter()
                .find_map(|f| f.release.as_ref().ok().filter(|r| shows(r)))
                .cloned();
            match &release {
                Some(_) if is_shared(belongs_as(resource_type, id).0) => {}
                Some(release) => {
                    let (recipient, patient) = (&call.caller.recipient.id, &release.about().patient);
                    self.people.keep(recipient, resource_type, id, patient);
                }
                None => self.pay_for_a_miss(&call, id, &found, &now).await?,
            }
            let answer = Answer::read(release, reading, &asking);
            if let Some(reply) = self.record(&call, Interaction::Read, answer, found, &now).await? {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }

    /// `GET /[type]?…`. Every type but Patient and the shared ones needs `patient`.
    pub async fn search(&self, call: &Call, query: &Query) -> Result<Reply, Error> {
        let query = &self.with_pages(call, query)?;
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            if !call.caller.scopes.may_search(query.resource_type) {
                return Err(Error::OutOfScope);
            }
            let people = self.people_searched(&call, query, trust).await?;
            let found = self.find_all(&call, &people, trust, &now).await?;
            let releases = found
                .iter()
                .filter_map(|f| f.release.as_ref().ok().cloned())
                .collect();
            let scopes = &call.caller.scopes;
            // What is searched for has to be in the scope of a search; what comes with it, in that of a read.
            let permits = |of: &str, values: &Values| {
                let search = of == query.resource_type;
                let permission = if search {
                    Permission::Search
                } else {
                    Permission::Read
                };
                scopes.permits(permission, of, values)
            };
            let base = self.config.base();
            let answer = Answer::search(releases, query, &self.asking(&base, &permits, &call.request));
            if query.patients.is_none() && answer.subjects().is_empty() {
                self.pay_for_a_miss(&call, "", &found, &now).await?;
            }
            if let Some(reply) = self
                .record(&call, Interaction::Search, answer, found, &now)
                .await?
            {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }

    pub(super) fn asking<'a>(
        &'a self,
        base: &'a str,
        permits: &'a Permits<'a>,
        request: &'a str,
    ) -> Asking<'a> {
        Asking {
            rules: &self.rules,
            base,
            permits,
            request,
        }
    }

    /// A search as it was asked for. `lenient`: what is not served is left out instead of refused.
    pub fn read_query(
        &self,
        resource_type: &'static str,
        pairs: &[(String, String)],
        lenient: bool,
    ) -> Result<Query, Vec<Issue>> {
        let setting = Setting {
            base: &self.config.base(),
            zone: &self.rules.zone,
            now: self.clock.now().stamp(),
            lenient,
        };
        Query::parse(resource_type, pairs, &setting)
    }

    /// The query with pages of its own; a cursor of another client, purpose or query is 400.
    fn with_pages(&self, call: &Call, query: &Query) -> Result<Query, Error> {
        let caller = &call.caller;
        let bound = query
            .clone()
            .bound(&self.cursors, &caller.client, &caller.purpose, &self.clock.now());
        bound.map_err(|issue| Error::Invalid(vec![issue]))
    }

    /// Whose release could hold this resource. Unknown ids lead nowhere, like foreign ones. Only who was shown it before
    /// finds it without a read: so absent, foreign and withheld cost the same.
    pub(super) async fn people_of(
        &self,
        call: &Call,
        resource_type: &str,
        id: &str,
        trust: Trust,
    ) -> Result<Vec<String>, Error> {
        let known = self.people.get(&call.caller.recipient.id, resource_type, id);
        if let (Trust::Memory, Some(patient)) = (trust, known) {
            return Ok(vec![patient]);
        }
        let caller = &call.caller;
        let reader = (caller.recipient.id.as_str(), caller.purpose.as_str());
        let (resource_type, id) = belongs_as(resource_type, id);
        let mut people = self.store.people_holding(reader, resource_type, id).await?;
        // The document of a plan is never stored: its id leads to the person. Asked of every id, so that none differs.
        if resource_type == "DocumentReference" {
            let patient = PlanDocument::patient_of(id, reader).unwrap_or_default();
            people.extend(self.store.people_holding(reader, "Patient", &patient).await?);
        }
        Ok(people)
    }

    /// Nothing is found: the reads of a build are made all the same when none was. What is not there, is another's or is
    /// withheld takes the same number of reads, whatever is in memory.
    pub(super) async fn pay_for_a_miss(
        &self,
        call: &Call,
        id: &str,
        found: &[Found],
        now: &Now,
    ) -> Result<(), Error> {
        if found.iter().any(Found::was_built) {
            return Ok(());
        }
        if found.is_empty() {
            // What an emergency asks of everyone who is there.
            self.grant_in_force(&call.caller, id, now).await?;
        }
        self.read_as_if_building(&call.caller, id).await
    }

    async fn people_searched(&self, call: &Call, query: &Query, trust: Trust) -> Result<Vec<String>, Error> {
        if let Some(patients) = &query.patients {
            let mut people = patients.clone();
            people.sort();
            people.dedup();
            return Ok(people);
        }
        let mut people = Vec::new();
        let named = query.named();
        for (of, id) in &named {
            people.extend(self.people_of(call, of, id, trust).await?);
        }
        for (system, value) in query.identifiers() {
            let caller = &call.caller;
            let reader = (caller.recipient.id.as_str(), caller.purpose.as_str());
            let identifier = (system.as_str(), value.as_str());
            let store = &self.store;
            people.extend(
                store
                    .people_identified(reader, query.resource_type, identifier)
                    .await?,
            );
        }
        if named.is_empty() && query.ids.is_none() && query.identifiers().is_empty() {
            let details = match query.resource_type {
                "Patient" => "search Patient by `_id` or `identifier` (system|value)",
                "Provenance" => "search Provenance by `target` (Type/id), `patient` or `_id`",
                _ => "this search needs `patient` (or `_id`)",
            };
            return Err(Error::Invalid(vec![Issue::error(
                IssueCode::Required,
                "",
                details,
            )]));
        }
        people.sort();
        people.dedup();
        Ok(people)
    }

    /// In order of person, so that two requests never wait for each other's builds.
    pub(super) async fn find_all(
        &self,
        call: &Call,
        people: &[String],
        trust: Trust,
        now: &Now,
    ) -> Result<Vec<Found>, Error> {
        let mut found = Vec::with_capacity(people.len());
        for patient in people {
            found.push(self.find_release(&call.caller, patient, trust, now).await?);
        }
        Ok(found)
    }

    /// Records the answer and opens it; `None` when a version moved and the use case has to run again.
    pub(super) async fn record(
        &self,
        call: &Call,
        interaction: Interaction,
        answer: Answer,
        found: Vec<Found>,
        now: &Now,
    ) -> Result<Option<Reply>, Error> {
        // Token, releases and answer have to come from one state of what is shared.
        if found.iter().any(|f| f.versions.world != call.caller.world) {
            return Ok(None);
        }
        // A grant that ended while this was decided opens nothing any more.
        if found
            .iter()
            .any(|f| f.ends.is_some_and(|end| self.clock.now().reached(end)))
        {
            return Ok(None);
        }
        let mut change = Change::at(now.stamp());
        change.expects = found
            .iter()
            .map(|f| (f.patient.clone(), f.versions.record))
            .collect();
        call.caller.bind(&mut change);
        change.released = found.iter().flat_map(|f| f.rows(&call.caller)).collect();
        let asked_about = found
            .iter()
            .find(|f| f.versions.record > 0)
            .map(|f| f.patient.clone());
        let refusal = found
            .iter()
            .find_map(|f| f.release.as_ref().err())
            .map(|refusal| refusal.code());
        change.audit = self.events(
            call,
            interaction,
            &answer,
            (refusal, asked_about.as_deref()),
            now.stamp(),
        );
        change.answers = vec![answer.digest()];
        let (status, etag, last_modified) = (answer.status, answer.etag.clone(), answer.last_modified);
        let receipt = match self.store.commit(change).await {
            Ok(receipt) => receipt,
            Err(Refused::Stale) => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        found.into_iter().for_each(|f| f.keep(self));
        let opened = answer.open(&receipt).map_err(|_| Error::Unavailable)?;
        Ok(Some(Reply {
            status,
            etag,
            last_modified,
            body: opened.0,
        }))
    }
}

/// Whose a Provenance is says the resource it is of; whose another resource is, it says itself.
fn belongs_as<'a>(resource_type: &'a str, id: &'a str) -> (&'a str, &'a str) {
    match resource_type {
        "Provenance" => provenance_target(id).unwrap_or((resource_type, id)),
        _ => (resource_type, id),
    }
}
