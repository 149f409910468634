//! Tests of validation over packages kept beside the repository, where they are there.

mod examples;
mod packages;
mod snapshots;
