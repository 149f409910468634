//! A partner fetches the released plan as a file: load → decide → write → record → answer. It is written anew each time, from the
//! release as it is then; what has been withheld since its DocumentReference was read is not in it.
//! <https://hl7.org/fhir/R4/binary.html>

use std::sync::Arc;

use postern_rules::disclosure::{Answer, Asking, Form, Reading, Release, Writing};
use postern_rules::search::Values;

use super::events::Interaction;
use super::pull::{Reply, TRIES};
use super::release::Trust;
use super::{Call, Error, Gateway};
use crate::auth::Permission;

impl Gateway {
    /// `GET /Binary/[id]` where the id is one of a document: the Binary, or the 404 of everything that is not there.
    pub(super) async fn read_document(&self, call: &Call, reading: &Reading<'_>) -> Result<Reply, Error> {
        let document = Form::of_binary(reading.id).map_or(reading.id, |(document, _)| document);
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let scopes = &call.caller.scopes;
            if !scopes.may_read("DocumentReference") && !scopes.may_read("Binary") {
                return Err(Error::OutOfScope);
            }
            let people = self
                .people_of(&call, "DocumentReference", document, trust)
                .await?;
            let found = self.find_all(&call, people, trust, &now).await?;
            let permits = |of: &str, values: &Values| scopes.permits(Permission::Read, of, values);
            let within = |of: &str, values: &Values| call.caller.within(of, values);
            let base = self.config.base();
            let asking = self.asking(&base, (&permits, &within), &call.request);
            let releases = found.iter().filter_map(|f| f.release.as_ref().ok());
            let writing = find(releases, reading, &asking);
            match &writing {
                Some(writing) => {
                    let recipient = &call.caller.recipient.id;
                    self.people
                        .keep(recipient, "DocumentReference", document, writing.patient());
                }
                None => self.pay_for_a_miss(&call, document, &found, &now).await?,
            }
            let answer = answer(writing, reading, &asking).await?;
            if let Some(reply) = self.record(&call, Interaction::Read, answer, found, &now).await? {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }
}

fn find<'r>(
    mut releases: impl Iterator<Item = &'r Arc<Release>>,
    reading: &Reading<'_>,
    asking: &Asking<'_>,
) -> Option<Writing> {
    let writing = releases.find_map(|release| release.document(reading.id, asking))?;
    writing.is_wanted(reading).then_some(writing)
}

/// A long document is written beside the requests of others.
async fn answer(
    writing: Option<Writing>,
    reading: &Reading<'_>,
    asking: &Asking<'_>,
) -> Result<Answer, Error> {
    let Some(writing) = writing else {
        return Ok(Answer::not_found(asking.request));
    };
    if writing.is_known(reading) {
        return Ok(Answer::known_document(writing, asking.request));
    }
    let written = tokio::task::spawn_blocking(|| writing.write()).await;
    let written = written.map_err(|_| Error::Unavailable)?.map_err(|_| {
        tracing::error!("a document could not be written");
        Error::Unavailable
    })?;
    Ok(Answer::document(written, reading, asking))
}
