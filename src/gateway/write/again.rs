//! The same create a second time: a client that did not hear the answer tries again. It is answered with what was made the first
//! time, as it is now. <https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2>

use postern_rules::disclosure::{Answer, Shows};
use postern_rules::fhir::{element::table, json};

use super::commit::Kept;
use super::single::{Round, Written, address};
use super::stage::{Outcome, Stage};
use crate::gateway::events::Interaction;
use crate::gateway::release::Trust;
use crate::gateway::{Call, Error, Gateway};

impl Gateway {
    /// `outcome`: what the guard kept.
    pub(super) async fn answer_again(
        &self,
        call: &Call,
        outcome: &[u8],
        shows: Shows,
    ) -> Result<Round<Written>, Error> {
        let outcome = json::parse(outcome).map_err(|_| Error::Unavailable)?;
        let text = |name: &str| outcome[name].as_str().unwrap_or_default();
        let known = table().resource_types().find(|known| *known == text("type"));
        let (kind, id) = (known.ok_or(Error::Unavailable)?, text("id"));
        let now = self.clock.now();
        let people = self.people_of(call, kind, id, Trust::Database).await?;
        let mut stage = Stage::new(self, call, &now);
        for patient in people {
            stage
                .benches
                .push(self.bench(&call.caller, &patient, (&[], &now)).await?);
        }
        let Some(on) = stage.on(kind, id) else {
            return Err(Error::NotFound);
        };
        let release = stage.benches[on.bench].release.clone();
        let shows = stage.shows(&on, shows);
        let answer = Answer::written(201, release, (kind, id), shows, &call.request);
        let location = answer
            .etag
            .as_deref()
            .map(|etag| address(&stage.base, (kind, id), etag));
        let outcomes = [(Interaction::Read, Outcome::Exists(on))];
        match stage.commit(&outcomes, answer, None).await? {
            Kept::Opened(reply) => Ok(Round::Done(Written { reply, location })),
            _ => Ok(Round::Again),
        }
    }
}
