//! A referral as its `Task` tells it: the milestones of BSeR, which of them may follow which, who may say so; where no
//! milestone is stated, the states of R4's Task.
//! <http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS>, <https://hl7.org/fhir/R4/task.html#statemachine>

mod milestone;
mod task_state;
mod transition;

#[cfg(test)]
mod case_files;

pub use milestone::{Milestone, SYSTEM};
pub use transition::{By, Refused, check};
