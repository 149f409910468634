//! Record + recipient + policy + now → `Release` or `Refusal`; answers; explanations.
//!
//! Read in this order: [`record`](Record), `relationship`, `layers`, `decide`, `release`, `answer`.

mod written;
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
mod sight;
mod finish;
mod plan_document;
mod decide;
mod release;
mod rules;
mod provenance;
mod answer;
mod operation;
mod written_answer;
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

pub use answer::{
    Answer, Asking, MAY_BE_INCOMPLETE, NotRecorded, Opened, Permits, Reading, Subject, Writing, Written,
    fills_page,
};
pub use by_staff::{StaffAct, by_staff, purpose_of};
pub use decide::{Refusal, decide, decide_seeing};
pub use explain::{Rule, Withheld};
pub use explanation::{
    Denied, Exception, Explanation, ForStaff, Reason, Seen, SmallestChange, Step, explain, title,
};
pub use grant::{Grant, Obtainable};
pub use narrative::PART2_NOTICE;
pub use operation::{Granted, NOBODY_MEANT};
pub use plan_document::{Form, PlanDocument};
pub use record::{Contributed, Recipient, Record, Standing, Stored};
pub(crate) use relationship::references_to;
pub use relationship::{Basis, Relationship};
pub use release::{About, Decision, Moved, Release, Released, Shown, version_id};
pub use rules::Rules;
pub use sight::{Sight, Sighted};
pub use written::{WrittenValues, value_digest};
pub use written_answer::{Part, Shows};
