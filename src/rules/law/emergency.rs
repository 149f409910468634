//! What a break-glass grant opens beyond treatment: the table stands in `disclosure/README.md`. `42 CFR 2.51` [T],
//! `45 CFR 164.522(a)(1)(iii)`, `(iv)` [T], SEMANTICS 4. Each regime asks here for its part.

use super::facts::Asker;
use super::outcome::{Obligation, Obligations, Outcome, Regime};

/// The facts of a grant that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// The person was asked and refused: consent could be had ("cannot be obtained", `2.51(a)(1)`, is false).
    pub refused: bool,
    /// The deployment's policy lets a grant override what the person denied.
    pub overrides_consent: bool,
    /// A named therapist decided (`740 ILCS 110/11`); the requester's own word is not that.
    pub therapist_determined: bool,
}

impl Emergency {
    /// Medical personnel, for as long as consent cannot be obtained; the four items of `2.51(c)` were recorded with the grant.
    pub(super) fn part2(self, asker: &Asker, travels: Obligations) -> Outcome {
        if !asker.medical_personnel {
            return Outcome::deny(Regime::Part2, "42 CFR 2.51: not registered as medical personnel");
        }
        if self.refused {
            return Outcome::deny(
                Regime::Part2,
                "42 CFR 2.51(a)(1): consent could be obtained and was refused",
            );
        }
        Outcome::with(
            "part2-emergency 42 CFR 2.51",
            travels.with(Obligation::EmergencyRecord),
        )
    }
}
