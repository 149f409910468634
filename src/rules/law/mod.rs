//! Law as predicates over given facts: each regime in its own file with its citation, combined so that every one that applies must
//! permit. `45 CFR part 164, subpart E`, `42 CFR part 2`, state law as data; facts and confidence after `reference/law.md`.
//!
//! Nothing here reads a record: who asks, what is asked for and what the person said are arguments.

mod outcome;
mod purpose;
mod facts;
mod emergency;
mod state;
mod read_state;
mod shipped;
pub mod staff_act;

pub use emergency::Emergency;
pub use facts::{Agency, Asker, Origin, Source};
pub use outcome::{Obligation, Obligations, Outcome, Permit, Reason, Regime, combine};
pub use purpose::{Operations, Purpose};
pub use shipped::states;
pub use state::{Confidence, StateLaw, StateRule};
