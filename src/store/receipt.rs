//! Proof that an answer's events are durable. Made here only, after COMMIT.
//! <https://profiles.ihe.net/ITI/BALP/>

use postern_rules::log::{Digest, Durable};

/// What `commit` gives back. It opens exactly the answers whose digests the change named, and only a committed
/// transaction makes one.
#[derive(Debug)]
pub struct Receipt {
    answers: Vec<Digest>,
    first: u64,
    events: u64,
}

impl Receipt {
    /// For `transaction::write` alone, which calls it when COMMIT has returned.
    pub(super) fn new(answers: Vec<Digest>, first: u64, events: u64) -> Receipt {
        Receipt {
            answers,
            first,
            events,
        }
    }

    /// Positions of this change's events in the log; empty when it had none.
    pub fn events(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.events
    }
}

impl Durable for Receipt {
    fn covers(&self, digest: &Digest) -> bool {
        self.answers.contains(digest)
    }
}
