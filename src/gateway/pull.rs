//! A partner reads or searches: load → decide → record → answer. The events are durable before a byte leaves.

use std::sync::Arc;

use postern_rules::disclosure::{Answer, Asking, Form, Permits, Reading, Release};
use postern_rules::fhir::{Instant, Issue, Now, is_shared};
use postern_rules::search::{Query, Setting, Values};

use super::events::Interaction;
use super::named::belongs_as;
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
            let named = [(resource_type.to_owned(), id.to_owned())];
            let found = self.find_holding(&call, &named, trust, &now).await?;
            let scopes = &call.caller.scopes;
            let permits = |of: &str, values: &Values| scopes.permits(Permission::Read, of, values);
            let within = |of: &str, values: &Values| call.caller.within(of, values);
            let base = self.config.base();
            let asking = self.asking(&base, (&permits, &within), &call.request);
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

    /// `GET /[type]?…`: about people who are named, or across those whose records are released to the caller.
    pub async fn search(&self, call: &Call, query: &Query) -> Result<Reply, Error> {
        let query = &self.with_pages(call, query)?;
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            if !call.caller.scopes.may_search(query.resource_type) {
                return Err(Error::OutOfScope);
            }
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
            let within = |of: &str, values: &Values| call.caller.within(of, values);
            let base = self.config.base();
            let asking = self.asking(&base, (&permits, &within), &call.request);
            let (found, across) = match self.find_named(&call, query, trust, &now).await? {
                Some(found) => (found, None),
                None => {
                    let (found, reached) = self.gather(&call, query, &asking, (trust, &now)).await?;
                    (found, Some(reached))
                }
            };
            let answer = Answer::search(releases_of(&found), across.as_ref().unwrap_or(query), &asking);
            if across.is_none() && query.patients.is_none() && answer.subjects().is_empty() {
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
        (permits, within): (&'a Permits<'a>, &'a Permits<'a>),
        request: &'a str,
    ) -> Asking<'a> {
        Asking {
            rules: &self.rules,
            base,
            permits,
            within,
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
        // Of several who were looked at, the log of none says that it was asked for.
        let one = match found.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        let asked_about = one.filter(|f| f.versions.record > 0).map(|f| f.patient.clone());
        let refusal = one
            .and_then(|f| f.release.as_ref().err())
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

/// Those that were found, in order.
pub(super) fn releases_of(found: &[Found]) -> Vec<Arc<Release>> {
    let releases = found.iter().filter_map(|found| found.release.as_ref().ok());
    releases.cloned().collect()
}
