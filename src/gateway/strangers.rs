//! Attempts of somebody nobody knows: no valid token, an assertion that does not hold. Each is refused; the log gets one event
//! per address or client and minute with the number, so that noise cannot fill it. 45 CFR 164.308(a)(5)(ii)(C), 164.312(b)

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postern_rules::audit;
use postern_rules::fhir::Instant;

use super::{Error, Gateway};
use crate::store::{Change, Lane};

/// At which door, and what was wrong. A closed set: it stands on the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// A request without a valid access token.
    Request,
    /// A token request whose client could not be authenticated.
    Token,
    /// A token request that is wrong in what it asks or states; often of a client that is known.
    Terms,
}

impl Attempt {
    fn reason(self) -> &'static str {
        match self {
            Attempt::Request => "no valid access token",
            Attempt::Token => "client authentication failed",
            Attempt::Terms => "token request invalid",
        }
    }
}

/// Who tried, as far as that can be said: where it came from, and the registered client it claimed to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stranger {
    pub address: String,
    /// Only one that is registered: what else is claimed is anything at all.
    pub client: Option<String>,
    pub attempt: Attempt,
}

/// One minute of one stranger.
struct Minute {
    begun: Instant,
    /// Attempts in it.
    tried: u32,
    /// Those of them that no event speaks of yet.
    unsaid: u32,
}

#[derive(Default)]
pub struct Strangers(Mutex<HashMap<Stranger, Minute>>);

const MINUTE_SECONDS: i64 = 60;
/// Strangers told apart; further ones are counted as one.
const MOST: usize = 4_096;

impl Strangers {
    fn minutes(&self) -> MutexGuard<'_, HashMap<Stranger, Minute>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt; the number to put on the log now, which is none while this minute's event has been written.
    fn count(&self, stranger: Stranger, now: Instant) -> Option<(Stranger, u32)> {
        let mut minutes = self.minutes();
        let stranger = match minutes.contains_key(&stranger) || minutes.len() < MOST {
            true => stranger,
            false => Stranger {
                address: "many".to_owned(),
                client: None,
                ..stranger
            },
        };
        let minute = minutes.entry(stranger.clone()).or_insert(Minute {
            begun: Instant(i64::MIN),
            tried: 0,
            unsaid: 0,
        });
        minute.unsaid = minute.unsaid.saturating_add(1);
        if now < minute.begun.plus_seconds(MINUTE_SECONDS) {
            minute.tried = minute.tried.saturating_add(1);
            return None;
        }
        let unsaid = std::mem::take(&mut minute.unsaid);
        (minute.begun, minute.tried) = (now, 1);
        Some((stranger, unsaid))
    }

    /// What was counted in minutes that are over, and forgets them.
    fn ended(&self, now: Instant) -> Vec<(Stranger, u32)> {
        let mut ended = Vec::new();
        self.minutes().retain(|stranger, minute| {
            let over = now >= minute.begun.plus_seconds(MINUTE_SECONDS);
            if over && minute.unsaid > 0 {
                ended.push((stranger.clone(), minute.unsaid));
            }
            !over
        });
        ended
    }

    fn tried(&self, address: &str, now: Instant) -> u32 {
        let minutes = self.minutes();
        let own = minutes.iter().filter(|(stranger, minute)| {
            let unknown = stranger.attempt != Attempt::Terms;
            unknown && stranger.address == address && now < minute.begun.plus_seconds(MINUTE_SECONDS)
        });
        own.map(|(_, minute)| minute.tried).sum()
    }
}

impl Gateway {
    /// An attempt was refused: it is counted, and on the log.
    pub async fn note_stranger(&self, stranger: Stranger, request: &str) {
        let now = self.clock.instant();
        if let Some((stranger, times)) = self.strangers.count(stranger, now) {
            self.record_strangers(vec![(stranger, times)], request).await;
        }
    }

    /// Has this address been refused too often in this minute to be heard without a token that is known?
    pub fn heard_enough_of(&self, address: &str) -> Result<(), Error> {
        let most = self.config.limits.strangers_per_minute;
        let server = &self.config.server;
        let told_apart = !server.behind_proxy || server.client_address_header.is_some();
        if most == 0 || !told_apart || self.strangers.tried(address, self.clock.instant()) < most {
            return Ok(());
        }
        Err(Error::TooMany(MINUTE_SECONDS.unsigned_abs()))
    }

    /// The last attempts of minutes that are over, for the log.
    pub async fn note_ended_strangers(&self) {
        let ended = self.strangers.ended(self.clock.instant());
        if !ended.is_empty() {
            self.record_strangers(ended, &self.request_id()).await;
        }
    }

    /// Nothing was disclosed: when it cannot be recorded, the operator's log is what is left.
    async fn record_strangers(&self, strangers: Vec<(Stranger, u32)>, request: &str) {
        let mut change = Change::at(self.clock.instant());
        for (index, (stranger, times)) in strangers.into_iter().enumerate() {
            let reason = match times {
                1 => stranger.attempt.reason().to_owned(),
                _ => format!("{}; {times} attempts", stranger.attempt.reason()),
            };
            let caller = audit::Caller {
                client_id: stranger.client.as_deref().unwrap_or_default(),
                organisation: audit::Party::default(),
                address: &stranger.address,
                person: None,
            };
            let event = audit::Stranger {
                caller: &caller,
                at_token_endpoint: stranger.attempt != Attempt::Request,
                reason: &reason,
            };
            self.with_occasion(change.now, request, |occasion, salt| {
                change
                    .audit
                    .push(event.event(occasion, self.salt(salt, index, 0)));
            });
        }
        if let Err(error) = self.store.commit_in(Lane::Ordinary, change).await {
            tracing::warn!(%error, "refused attempts of strangers are not on the log");
        }
    }
}
