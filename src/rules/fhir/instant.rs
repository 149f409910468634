//! Points in time, and the one place where rules compare them with the present.
//! <https://hl7.org/fhir/R4/datatypes.html#instant>

use std::sync::atomic::{AtomicI64, Ordering};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    /// Later than any time a record can state.
    pub const MAX: Instant = Instant(i64::MAX);

    pub fn plus_seconds(self, seconds: i64) -> Instant {
        Instant(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The same in whole milliseconds, as `to_fhir` writes it.
    pub fn milliseconds(self) -> Instant {
        Instant(self.0 - self.0.rem_euclid(1000))
    }

    /// An R4 `instant` or `dateTime` with an offset; anything else is `None`.
    pub fn parse(text: &str) -> Option<Instant> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| Instant(t.as_microsecond()))
    }

    /// R4 `instant`, UTC, milliseconds.
    pub fn to_fhir(self) -> String {
        let stamp = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        format!("{stamp:.3}")
    }
}

/// The present, as rules may ask for it. It remembers the nearest future instant that was asked about:
/// until then every answer stays the same, which is how long a decision may be cached.
#[derive(Debug)]
pub struct Now {
    at: Instant,
    nearest: AtomicI64,
}

impl Now {
    pub fn new(at: Instant) -> Now {
        Now {
            at,
            nearest: AtomicI64::new(Instant::MAX.0),
        }
    }

    /// The instant to stamp on what is made now. Never compare it: ask `reached`.
    pub fn stamp(&self) -> Instant {
        self.at
    }

    /// Is it `t` or later?
    pub fn reached(&self, t: Instant) -> bool {
        if self.at >= t {
            return true;
        }
        self.nearest.fetch_min(t.0, Ordering::Relaxed);
        false
    }

    /// The first instant at which some answer given so far could change.
    pub fn valid_until(&self) -> Instant {
        Instant(self.nearest.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_remembers_the_nearest_future_instant_asked() {
        let now = Now::new(Instant(100));
        assert!(now.reached(Instant(100)));
        assert_eq!(now.valid_until(), Instant::MAX);
        assert!(!now.reached(Instant(300)) && !now.reached(Instant(200)) && !now.reached(Instant(250)));
        assert_eq!(now.valid_until(), Instant(200));
    }

    #[test]
    fn instants_are_written_in_utc_with_milliseconds() {
        let t = Instant::parse("2026-11-21T10:00:00.5+02:00").expect("valid");
        assert_eq!(t.to_fhir(), "2026-11-21T08:00:00.500Z");
        assert_eq!(Instant::parse("2026-11-21"), None);
    }
}
