//! What is staged becomes one change: forms, work items, what the writer is shown from now on, events; then the answer is
//! opened. <https://hl7.org/fhir/R4/http.html#transaction-integrity>

use postern_rules::audit::{self, Event, Kind, Outcome as Went};
use postern_rules::disclosure::Answer;

use super::stage::{On, Outcome, Stage};
use crate::gateway::Error;
use crate::gateway::events::{Interaction, caller_of};
use crate::gateway::pull::Reply;
use crate::gateway::release::moved_rows;
use crate::store::{Change, Guard, Refused};

/// How a commit went.
pub(super) enum Kept {
    Opened(Reply),
    /// A version moved: everything is decided again.
    Stale,
    /// The same was done before; with what became of it then.
    Duplicate(Vec<u8>),
}

impl Stage<'_> {
    /// `interactions`: one for each outcome. Nothing staged is kept when one of them was refused.
    pub async fn commit(
        self,
        outcomes: &[(Interaction, Outcome)],
        answer: Answer,
        guard: Option<Guard>,
    ) -> Result<Kept, Error> {
        let (gateway, caller) = (self.gateway, &self.call.caller);
        // Token, releases and answer have to come from one state of what is shared.
        if self
            .benches
            .iter()
            .any(|bench| bench.versions.world != caller.world)
        {
            return Ok(Kept::Stale);
        }
        let mut change = Change::at(self.now.stamp());
        let benches = self.benches.iter();
        change.expects = benches.map(|b| (b.patient.clone(), b.versions.record)).collect();
        caller.bind(&mut change);
        let whose = (caller.recipient.id.as_str(), caller.purpose.as_str());
        let rows = self.benches.iter();
        change.released = rows
            .flat_map(|b| moved_rows(whose, &b.patient, (b.release.as_deref(), &b.moved)))
            .collect();
        change.audit = self.events(outcomes, &answer);
        change.answers = vec![answer.digest()];
        let refused = outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Refused(..)));
        if !refused {
            let done = outcomes.iter().map(|(_, outcome)| outcome);
            (change.work, change.notices) = self.items(done).await?;
            change.puts = self.puts;
            change.written = self.values;
            change.guards = guard.into_iter().collect();
        }
        let (status, etag, last_modified) = (answer.status, answer.etag.clone(), answer.last_modified);
        let receipt = match gateway.store.commit(change).await {
            Ok(receipt) => receipt,
            Err(Refused::Stale) => return Ok(Kept::Stale),
            Err(Refused::Duplicate(Some(outcome))) => return Ok(Kept::Duplicate(outcome)),
            Err(refused) => return Err(refused.into()),
        };
        let opened = answer.open(&receipt).map_err(|_| Error::Unavailable)?;
        Ok(Kept::Opened(Reply {
            status,
            etag,
            last_modified,
            body: opened.0,
        }))
    }

    /// One event for each write, and a disclosure for each person of whom something is shown.
    fn events(&self, outcomes: &[(Interaction, Outcome)], answer: &Answer) -> Vec<Event> {
        let (gateway, caller) = (self.gateway, &self.call.caller);
        let person = caller.person.as_ref();
        let who = caller_of(&caller.client, &caller.partner, &self.call.address, person);
        let mut events = Vec::new();
        gateway.with_occasion(self.now.stamp(), &self.call.request, |occasion, salt| {
            // Where one entry is refused, nothing of the others was done.
            let refused = outcomes
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Refused(..)));
            let told = outcomes.iter().enumerate();
            let told = told.filter(|(_, (_, outcome))| !refused || matches!(outcome, Outcome::Refused(..)));
            for (number, (interaction, outcome)) in told {
                let salt = gateway.salt(salt, number, 2);
                events.push(self.event(&who, *interaction, outcome, (occasion, salt)));
            }
            for (number, subject) in answer.subjects().iter().enumerate() {
                let interaction = outcomes.first().map_or(Interaction::Operation, |(own, _)| *own);
                let patient = format!("Patient/{}", subject.release().about().patient);
                let salt = gateway.salt(salt, number, 1);
                events.push(gateway.disclosure_event(&who, interaction, subject, &patient, occasion, salt));
            }
        });
        events
    }

    fn event(
        &self,
        caller: &audit::Caller<'_>,
        interaction: Interaction,
        outcome: &Outcome,
        (occasion, salt): (&audit::Occasion<'_>, [u8; 16]),
    ) -> Event {
        let purpose = self.call.caller.purpose.as_str();
        let patient = |on: &On| format!("Patient/{}", self.benches[on.bench].patient);
        let resource = |on: &On| format!("{}/{}", on.resource_type, on.id);
        let write = |kind, on: &On, details: &[(&str, &str)]| {
            let (patient, resource) = (patient(on), resource(on));
            audit::Write {
                kind,
                caller,
                purpose,
                patient: &patient,
                interaction: interaction.code(),
                resource: &resource,
                details,
            }
            .event(occasion, salt)
        };
        match outcome {
            Outcome::Created(on) => write(Kind::Create, on, &[]),
            Outcome::Updated(on, form) => {
                let details: Vec<(&str, &str)> =
                    form.changed.iter().map(|one| ("element", one.as_str())).collect();
                write(Kind::Update, on, &details)
            }
            Outcome::Unchanged(on) => write(Kind::Update, on, &[("changed", "nothing")]),
            Outcome::Proposed(on, proposal) => {
                let details = proposal.edits.iter().map(|edit| ("element", edit.element()));
                write(Kind::Proposal, on, &details.collect::<Vec<_>>())
            }
            Outcome::Exists(on) => audit::Read {
                caller,
                purpose,
                patient: &patient(on),
                interaction: "read",
                resource: &resource(on),
            }
            .event(occasion, salt),
            Outcome::Refused(refused, about) => {
                let about = about
                    .as_ref()
                    .map(|on| on.bench)
                    .or((!self.benches.is_empty()).then_some(0));
                let patient = about
                    .map(|at| &self.benches[at])
                    .filter(|bench| bench.versions.record > 0);
                let patient = patient
                    .map(|bench| format!("Patient/{}", bench.patient))
                    .unwrap_or_default();
                audit::Refusal {
                    caller,
                    purpose,
                    patient: &patient,
                    interaction: interaction.code(),
                    query: self.call.line.as_bytes(),
                    reason: refused.code(),
                    outcome: Went::MinorFailure,
                }
                .event(occasion, salt)
            }
        }
    }
}
