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

const OBTAINABLE: [(&str, Obtainable); 3] = [
    ("no", Obtainable::No),
    ("refused", Obtainable::Refused),
    ("unknown", Obtainable::Unknown),
];

impl Obtainable {
    /// By its code.
    pub fn named(code: &str) -> Option<Obtainable> {
        OBTAINABLE
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, stated)| *stated)
    }

    pub fn code(self) -> &'static str {
        OBTAINABLE
            .iter()
            .find(|(_, stated)| *stated == self)
            .map_or("", |(code, _)| code)
    }

    /// Of two grants in force at once the stricter statement counts: whoever refused has refused.
    pub fn stricter(self, other: Obtainable) -> Obtainable {
        let rank = |stated| match stated {
            Obtainable::Refused => 2,
            Obtainable::Unknown => 1,
            Obtainable::No => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
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
