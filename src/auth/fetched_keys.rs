//! Keys that a client keeps at an address of its own: fetched when needed, kept as long as their owner allows.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification>
//!
//! Each client has a place of its own: a host that is slow or dead holds up nobody else's requests, and those with keys in
//! hand not even its own. Requests that wait for the same keys share one fetch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postern_rules::fhir::{Instant, json};

use super::jwks::{ClientKey, Kept, parse_jwks};
use crate::egress::{Call, Egress, Target};

/// Bytes of a key set.
const MOST_BYTES: usize = 64 * 1024;
/// A set is kept at least this long, whatever its owner says, so that one client means at most one fetch a minute …
const LEAST_SECONDS: i64 = 60;
/// … at most this long, so that a key taken out is out within the hour …
const MOST_SECONDS: i64 = 3600;
/// … and this long when its owner says nothing.
const UNSAID_SECONDS: i64 = 300;
/// A fetch that failed is not tried again at once.
const FAILED_SECONDS: i64 = 30;
/// Requests that wait for one client's keys; further ones are refused.
const MOST_WAITING: usize = 32;

/// The key sets of all clients that have them at an address.
#[derive(Default)]
pub struct FetchedKeys(Mutex<HashMap<String, Arc<Place>>>);

#[derive(Default)]
struct Place {
    held: Mutex<Held>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

#[derive(Clone, Default)]
struct Held {
    url: String,
    keys: Arc<[ClientKey]>,
    fetched: Option<Instant>,
    fresh_until: Option<Instant>,
    failed_until: Option<Instant>,
}

/// Why there are no keys: for the operator's log.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the client's keys could not be fetched: {0}")]
pub struct NotFetched(pub String);

const UNTIL_LATER: &str = "they could not be a moment ago";
const MANY: &str = "too many requests wait for them";

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn is_fresh(&self, now: Instant) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    /// What can be said without asking: keys among which `kid` is, or which are too new to have changed.
    fn answer(&self, url: &str, kid: &str, now: Instant) -> Option<Arc<[ClientKey]>> {
        let new = self
            .fetched
            .is_some_and(|at| now < at.plus_seconds(LEAST_SECONDS));
        let known = new || self.keys.iter().any(|key| key.kid == kid);
        (self.url == url && self.is_fresh(now) && known).then(|| Arc::clone(&self.keys))
    }
}

impl FetchedKeys {
    /// The keys at a client's registered address, fetched when they are not known, no longer fresh, or without this `kid`.
    pub async fn of(
        &self,
        client: &str,
        address: &Target,
        kid: &str,
        now: Instant,
        egress: &Egress,
    ) -> Result<Arc<[ClientKey]>, NotFetched> {
        let place = self.place(client);
        let url = address.to_string();
        if let Some(keys) = place.held().answer(&url, kid, now) {
            return Ok(keys);
        }
        let waiting = Waiting::at(&place.waiting).ok_or(NotFetched(MANY.to_owned()))?;
        let turn = place.fetching.lock().await;
        // Whoever had the turn before may have fetched them.
        let held = place.held().clone();
        if let Some(keys) = held.answer(&url, kid, now) {
            return Ok(keys);
        }
        if held.url == url && held.failed_until.is_some_and(|until| now < until) {
            return held.or(now, NotFetched(UNTIL_LATER.to_owned()));
        }
        let result = fetch(address, egress).await;
        let answer = place.keep(&url, result, now);
        drop((turn, waiting));
        answer
    }

    fn place(&self, client: &str) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(client.to_owned()).or_default())
    }
}

impl Held {
    /// Keys that are still fresh, though without what was looked for.
    fn or(self, now: Instant, why: NotFetched) -> Result<Arc<[ClientKey]>, NotFetched> {
        if self.is_fresh(now) {
            Ok(self.keys)
        } else {
            Err(why)
        }
    }
}

impl Place {
    fn keep(
        &self,
        url: &str,
        result: Result<(Vec<ClientKey>, i64), NotFetched>,
        now: Instant,
    ) -> Result<Arc<[ClientKey]>, NotFetched> {
        let mut held = self.held();
        if held.url != url {
            *held = Held {
                url: url.to_owned(),
                ..Held::default()
            };
        }
        match result {
            Ok((keys, seconds)) => {
                held.keys = keys.into();
                held.fetched = Some(now);
                held.fresh_until = Some(now.plus_seconds(seconds));
                held.failed_until = None;
                Ok(Arc::clone(&held.keys))
            }
            Err(why) => {
                held.failed_until = Some(now.plus_seconds(FAILED_SECONDS));
                held.clone().or(now, why)
            }
        }
    }
}

/// One of those that wait, counted as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(waiting: &'a AtomicUsize) -> Option<Waiting<'a>> {
        let counted = Waiting(waiting);
        (waiting.fetch_add(1, Ordering::SeqCst) < MOST_WAITING).then_some(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The keys at this address, and for how many seconds they may be kept.
pub async fn fetch(address: &Target, egress: &Egress) -> Result<(Vec<ClientKey>, i64), NotFetched> {
    let failed = |why: &dyn std::fmt::Display| NotFetched(why.to_string());
    let call = Call::get(address, "application/json", MOST_BYTES);
    let reply = egress.call(call).await.map_err(|error| failed(&error))?;
    if reply.status != 200 {
        return Err(failed(&format!("status {}", reply.status)));
    }
    let jwks = json::parse(&reply.bytes).map_err(|_| failed(&"the answer is not JSON"))?;
    let keys = parse_jwks(&jwks, Kept::AtUrl).map_err(|error| failed(&error))?;
    Ok((keys, seconds_to_keep(&reply.cache_control, reply.age)))
}

/// `Cache-Control`, less what a cache in between has used of it. <https://www.rfc-editor.org/rfc/rfc9111#section-4.2>
fn seconds_to_keep(cache_control: &str, age: u64) -> i64 {
    let lower = cache_control.to_ascii_lowercase();
    let directives = || lower.split(',').map(str::trim);
    if directives().any(|one| one == "no-store" || one == "no-cache" || one.starts_with("no-cache=")) {
        return LEAST_SECONDS;
    }
    let stated = directives().find_map(|one| {
        one.strip_prefix("max-age=")?
            .trim_matches('"')
            .parse::<i64>()
            .ok()
    });
    let age = i64::try_from(age).unwrap_or(i64::MAX);
    stated
        .map_or(UNSAID_SECONDS, |seconds| seconds.saturating_sub(age))
        .clamp(LEAST_SECONDS, MOST_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_owner_says_counts_within_a_minute_and_an_hour() {
        for (said, age, seconds) in [
            ("", 0, 300),
            ("max-age=600", 0, 600),
            ("public, Max-Age=\"600\"", 100, 500),
            ("max-age=10", 0, 60),
            ("max-age=600", 900, 60),
            ("no-store", 0, 60),
            ("no-cache, max-age=600", 0, 60),
            ("max-age=86400", 0, 3600),
            ("max-age=soon", 0, 300),
            ("s-maxage=7", 0, 300),
            ("max-age=-5", 0, 60),
            ("max-age=600", u64::MAX, 60),
        ] {
            assert_eq!(seconds_to_keep(said, age), seconds, "{said} after {age}");
        }
    }
}
