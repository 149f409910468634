//! Record + recipient + policy + now → `Release` or `Refusal`; answers; explanations.
//!
//! Read in this order: [`record`](Record), `relationship`, `layers`, `decide`, `release`, `answer`.

mod record;
mod grant;
mod relationship;
mod explain;
mod elements;
mod named;
mod heard;
mod scope;
mod layers;
mod asked;
mod references;
mod narrative;
mod consider;
mod finish;
mod decide;
mod release;
mod rules;
mod provenance;
mod answer;
mod operation;
pub mod case;
#[cfg(debug_assertions)]
pub mod planted;
#[cfg(test)]
mod law_cases;
mod explanation;
mod by_staff;
#[cfg(test)]
mod necessary;

#[cfg(test)]
mod finish_by_value;

pub use answer::{Answer, Asking, MAY_BE_INCOMPLETE, NotRecorded, Opened, Permits, Reading, Subject};
pub use by_staff::{StaffAct, by_staff, purpose_of};
pub use decide::{Refusal, decide};
pub use explain::{Rule, Withheld};
pub use explanation::{
    Denied, Exception, Explanation, ForStaff, Reason, Seen, SmallestChange, Step, explain, title,
};
pub use grant::{Grant, Obtainable};
pub use narrative::PART2_NOTICE;
pub use operation::{Granted, NOBODY_MEANT};
pub use record::{Recipient, Record, Stored};
pub use relationship::{Basis, Relationship};
pub use release::{About, Decision, Moved, Release, Released, Shown, version_id};
pub use rules::Rules;
