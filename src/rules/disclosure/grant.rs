//! A break-glass grant: one person opened to one recipient for some hours in an emergency. `42 CFR 2.51`,
//! `45 CFR 164.522(a)(1)(iii)`; what it overrides stands in a table in the README.

use crate::fhir::Instant;

/// Could the person's consent be had? (`42 CFR 2.51(a)(1)`: "prior written consent cannot be obtained")
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obtainable {
    No,
    /// The person was asked and refused: never opens Part 2 content.
    Refused,
    Unknown,
}

/// A grant as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: String,
    pub patient: String,
    /// At most the policy's hours after it was opened.
    pub until: Instant,
    pub consent_obtainable: Obtainable,
}
