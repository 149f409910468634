//! Tests of validation over packages kept beside the repository, where they are there.

mod examples;
pub(crate) mod packages;
mod snapshots;
