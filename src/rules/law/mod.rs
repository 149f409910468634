//! Law as predicates over given facts: each regime in its own file with its citation, combined so that every one that applies must
//! permit. `45 CFR part 164, subpart E`, `42 CFR part 2`, state law as data; facts and confidence after `reference/law.md`.
//!
//! Nothing here reads a record: who asks, what is asked for and what the person said are arguments.

mod outcome;
mod purpose;
mod facts;
mod said;
mod emergency;
mod proceedings;
mod notes;
mod restriction;
mod part2;
mod state;
mod read_state;
mod state_rule;
mod hipaa;
mod shipped;
pub mod staff_act;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod staff_act_tests;

pub use emergency::Emergency;
pub use facts::{Agency, Asker, Origin, Source};
pub use hipaa::minimum_necessary;
pub use outcome::{Obligation, Obligations, Outcome, Permit, Reason, Regime, combine};
pub use part2::follows_hipaa;
pub use purpose::{Operations, Purpose};
pub use said::{Default, Part2Word, Said, Word};
pub use shipped::states;
pub use state::{Confidence, StateLaw, StateRule};

/// One datum, one recipient, one purpose: the facts that every regime is given.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub asker: &'a Asker,
    pub source: Source,
    pub said: &'a Said,
    pub agency: &'a Agency,
    pub state: &'a StateLaw,
}

/// What one regime says; regimes are listed in the order in which refusals are named.
type Judge = fn(&Question<'_>) -> Outcome;

const REGIMES: [Judge; 8] = [
    proceedings::judge,
    notes::judge,
    restriction::self_pay,
    restriction::agreed,
    part2::judge,
    said::judge,
    state_rule::judge,
    hipaa::judge,
];

/// May this datum go? Every regime that applies must permit.
pub fn judge(question: &Question<'_>) -> Outcome {
    combine(REGIMES.iter().map(|regime| regime(question)))
}
