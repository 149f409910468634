//! The keys Postern signs with as a client of others: published, listed, rotated; each rotation on the log.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use postern_rules::audit::{self, Act, Kind};
use postern_rules::fhir::Value;

use super::{Error, Gateway};
use crate::auth::{Account, Algorithm, Client, OwnKeyError, Signer};
use crate::store::Change;

impl Gateway {
    /// Public address of the key set: beside the FHIR base. Partners register Postern by it.
    pub fn jwks_address(&self) -> String {
        format!("{}/.well-known/jwks.json", self.root())
    }

    /// The key set others verify Postern's assertions by. Empty while there is no key.
    pub fn published_keys(&self) -> Result<Value, Error> {
        self.own_keys.published(self.clock.instant()).map_err(|error| {
            tracing::error!(%error, "own keys");
            Error::Unavailable
        })
    }

    /// Makes a new key. When the log cannot be written, the key is there all the same and the operator is told.
    pub async fn rotate_keys(
        &self,
        algorithm: Algorithm,
        at_once: bool,
        operator: &str,
    ) -> Result<String, OwnKeyError> {
        let now = self.clock.instant();
        let kid = self.own_keys.rotate(algorithm, at_once, &self.entropy, now)?;
        let details = [
            ("key", kid.as_str()),
            ("algorithm", algorithm.name()),
            ("at-once", if at_once { "yes" } else { "no" }),
        ];
        let mut change = Change::at(now);
        self.with_occasion(now, &self.request_id(), |occasion, salt| {
            let person = audit::Person {
                name: operator,
                id: operator,
            };
            let act = Act {
                details: &details,
                ..Act::of(Kind::KeyRotated, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        let kept = self.store.commit(change).await;
        kept.map_err(|error| OwnKeyError::File(format!("the key is made, and not on the log: {error}")))?;
        Ok(kid)
    }

    /// A deployment that has no key yet gets its first one, so that its published set is not empty.
    pub async fn make_first_key(&self) -> Result<(), OwnKeyError> {
        match self.own_keys.all(self.clock.instant())?.is_empty() {
            true => self
                .rotate_keys(Algorithm::Es384, false, "postern")
                .await
                .map(|_| ()),
            false => Ok(()),
        }
    }

    /// Postern as a client of another server, signing with its own keys.
    pub fn client_of(&self, account: Account) -> Client {
        let signer = Signer::Own(self.own_keys.clone());
        Client::new(
            self.egress.clone(),
            account,
            signer,
            self.clock.clone(),
            self.entropy.clone(),
        )
    }
}
