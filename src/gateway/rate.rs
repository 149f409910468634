//! How much one client may ask. Counted by client alone: a limit by person would tell who is asked about.
//! <https://www.rfc-editor.org/rfc/rfc6585#section-4>

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use postern_rules::fhir::Instant;

use super::{Error, Gateway};
use crate::config::{Clock, Limits};

/// Requests of each client against its limit; in memory, so each process counts its own.
pub struct Rates(Option<Limiter>);

type Limiter = RateLimiter<String, DashMapStateStore<String>, Ticks, NoOpMiddleware<Nanos>>;

/// The gateway's clock as the limiter reads it.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let Instant(micros) = self.0.instant();
        Nanos::new(u64::try_from(micros).unwrap_or_default().saturating_mul(1_000))
    }
}

impl Rates {
    pub fn new(limits: &Limits, clock: &Clock) -> Rates {
        let per_minute = NonZeroU32::new(limits.requests_per_minute);
        let burst = NonZeroU32::new(limits.burst);
        let quota = per_minute
            .zip(burst)
            .map(|(per_minute, burst)| Quota::per_minute(per_minute).allow_burst(burst));
        Rates(quota.map(|quota| RateLimiter::new(quota, DashMapStateStore::default(), Ticks(clock.clone()))))
    }

    /// Counts one request; the whole seconds to wait when it is one too many.
    fn count(&self, client: &str) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        let refused = match limiter.check_key(&client.to_owned()) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let now = limiter.clock().now();
        let wait: Duration = refused.earliest_possible().duration_since(now).into();
        Err(wait.as_secs_f64().ceil() as u64)
    }

    /// Forgets the clients that have their whole limit again.
    fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

impl Gateway {
    /// Counts one request of a client against its limit: 429 when it is one too many.
    pub fn count_request(&self, client: &str) -> Result<(), Error> {
        self.rates.count(client).map_err(Error::TooMany)
    }

    pub(super) fn forget_rates(&self) {
        self.rates.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_burst_then_the_average_and_nobody_elses() {
        let limits = Limits {
            requests_per_minute: 60,
            burst: 3,
            ..Limits::default()
        };
        let clock = Clock::fixed(Instant::parse("2026-11-30T08:00:00Z").expect("an instant"));
        let rates = Rates::new(&limits, &clock);
        for _ in 0..3 {
            assert_eq!(rates.count("maple"), Ok(()));
        }
        assert_eq!(rates.count("maple"), Err(1));
        assert_eq!(rates.count("brigid"), Ok(()));
        clock.advance(1);
        assert_eq!(rates.count("maple"), Ok(()));
        assert_eq!(rates.count("maple"), Err(1));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let limits = Limits {
            requests_per_minute: 0,
            ..Limits::default()
        };
        let rates = Rates::new(&limits, &Clock::System);
        assert!((0..10_000).all(|_| rates.count("maple").is_ok()));
    }
}
