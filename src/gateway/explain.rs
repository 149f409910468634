//! What a partner would be shown of a person and what would be kept back, for staff. It discloses nothing; that it was
//! looked at is on the log.

use std::sync::Arc;

use postern_rules::audit::{Act, Kind, Person};
use postern_rules::disclosure::{Refusal, Release};

use super::caller::Caller;
use super::release::Trust;
use super::{Error, Gateway, Partner};
use crate::store::Change;

impl Gateway {
    /// The release itself: its resources stay closed, its reasons are open.
    pub async fn explain(
        &self,
        partner: &Partner,
        purpose: &str,
        patient: &str,
        operator: &str,
    ) -> Result<Result<Arc<Release>, Refusal>, Error> {
        let now = self.clock.now();
        let found = self
            .find_release(
                &Caller::preview(partner, purpose, &self.rules.policy),
                patient,
                Trust::Database,
                &now,
            )
            .await?;
        let mut change = Change::at(now.stamp());
        let about = format!("Patient/{patient}");
        self.with_occasion(now.stamp(), &self.request_id(), |occasion, salt| {
            let details = [("preview-for", partner.id.as_str())];
            let person = Person {
                name: operator,
                id: operator,
            };
            let act = Act {
                patient: &about,
                purpose,
                details: &details,
                ..Act::of(Kind::StaffRead, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Ok(found.release)
    }
}
