//! Reads and searches about people who are named: by their ids, by the id of something of theirs, or by an identifier with its system.
//! <https://hl7.org/fhir/R4/search.html>

use postern_rules::disclosure::PlanDocument;
use postern_rules::fhir::{Issue, IssueCode, Now, is_shared};
use postern_rules::search::{Query, provenance_target};

use super::release::{Found, Trust};
use super::{Call, Error, Gateway};

/// One request names so many people, or resources, at most.
const MOST_NAMED: usize = 100;

impl Gateway {
    /// The releases in which a search finds its matches, when it says whose they are; else `None`.
    pub(super) async fn find_named(
        &self,
        call: &Call,
        query: &Query,
        trust: Trust,
        now: &Now,
    ) -> Result<Option<Vec<Found>>, Error> {
        if let Some(patients) = &query.patients {
            return Ok(Some(
                self.find_all(call, few(patients)?.to_vec(), trust, now).await?,
            ));
        }
        let named = query.named();
        if query.ids.is_some() || !named.is_empty() {
            return Ok(Some(self.find_holding(call, few(&named)?, trust, now).await?));
        }
        if query.identifiers().is_empty() || is_shared(query.resource_type) {
            return Ok(None);
        }
        let people = self.people_identified(call, query).await?;
        Ok(Some(self.find_all(call, people, trust, now).await?))
    }

    /// Whose releases could hold what the query's identifiers name, as far as this recipient was told.
    pub(super) async fn people_identified(&self, call: &Call, query: &Query) -> Result<Vec<String>, Error> {
        let caller = &call.caller;
        let reader = (caller.recipient.id.as_str(), caller.purpose.as_str());
        let mut people = Vec::new();
        for (system, value) in few(&query.identifiers())? {
            let identifier = (system.as_str(), value.as_str());
            let found = self
                .store
                .people_identified(reader, query.resource_type, identifier);
            people.extend(found.await?);
        }
        Ok(people)
    }

    /// Releases that may hold these: of each its own person's; of something shared the first that does hold it, as far as its
    /// recipient was told of any.
    pub(super) async fn find_holding(
        &self,
        call: &Call,
        named: &[(String, String)],
        trust: Trust,
        now: &Now,
    ) -> Result<Vec<Found>, Error> {
        let (mut found, mut own): (Vec<Found>, Vec<String>) = (Vec::new(), Vec::new());
        for (of, id) in named {
            let people = self.people_of(call, of, id, trust).await?;
            let (of, id) = belongs_as(of, id);
            if !is_shared(of) {
                own.extend(people);
                continue;
            }
            let holds = |found: &Found| found.release.as_ref().is_ok_and(|release| release.holds(of, id));
            for patient in people {
                let at = match found.iter().position(|found| found.patient == patient) {
                    Some(at) => at,
                    None => {
                        // These come in no order of person: no build is waited for with another in hand.
                        let one = self.find_release(&call.caller, &patient, trust, now).await?;
                        found.push(one.let_go());
                        found.len() - 1
                    }
                };
                if holds(&found[at]) {
                    break;
                }
            }
        }
        own.retain(|patient| !found.iter().any(|found| found.patient == *patient));
        found.extend(self.find_all(call, own, trust, now).await?);
        Ok(found)
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

    /// In order of person, so that two requests never wait for each other's builds.
    pub(super) async fn find_all(
        &self,
        call: &Call,
        mut people: Vec<String>,
        trust: Trust,
        now: &Now,
    ) -> Result<Vec<Found>, Error> {
        people.sort();
        people.dedup();
        let mut found = Vec::with_capacity(people.len());
        for patient in &people {
            found.push(self.find_release(&call.caller, patient, trust, now).await?);
        }
        Ok(found)
    }
}

/// Counted by what is asked for, whoever of them is here.
fn few<T>(named: &[T]) -> Result<&[T], Error> {
    if named.len() <= MOST_NAMED {
        return Ok(named);
    }
    let details = format!("this names more than {MOST_NAMED}; ask for them in several searches");
    Err(Error::Invalid(vec![Issue::error(
        IssueCode::TooCostly,
        "",
        details,
    )]))
}

/// Whose a Provenance is says the resource it is of; whose another resource is, it says itself.
pub(super) fn belongs_as<'a>(resource_type: &'a str, id: &'a str) -> (&'a str, &'a str) {
    match resource_type {
        "Provenance" => provenance_target(id).unwrap_or((resource_type, id)),
        _ => (resource_type, id),
    }
}
