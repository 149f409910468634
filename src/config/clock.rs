//! The clock: the one home of "what time is it". Tests fix it and advance it by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use postern_rules::fhir::{Instant, Now};

#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// Microseconds since 1970; shared, so that a test can advance it.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    pub fn fixed(at: Instant) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(at.0)))
    }

    /// Moves a fixed clock forward; the system clock moves by itself.
    pub fn advance(&self, seconds: i64) {
        if let Clock::Fixed(at) = self {
            at.fetch_add(seconds.saturating_mul(1_000_000), Ordering::SeqCst);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of the present")]
    pub fn instant(&self) -> Instant {
        match self {
            Clock::System => Instant(jiff::Timestamp::now().as_microsecond()),
            Clock::Fixed(at) => Instant(at.load(Ordering::SeqCst)),
        }
    }

    pub fn now(&self) -> Now {
        Now::new(self.instant())
    }
}
