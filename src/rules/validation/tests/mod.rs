//! Tests of validation over packages kept beside the repository, where they are there.

mod cases;
mod effort;
mod examples;
mod invariants;
pub(crate) mod packages;
mod snapshots;
