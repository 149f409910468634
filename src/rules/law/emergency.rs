//! What a break-glass grant opens beyond treatment: the table stands in `disclosure/README.md`. `42 CFR 2.51` [T],
//! `45 CFR 164.522(a)(1)(iii)`, `(iv)` [T], SEMANTICS 4.

/// The facts of a grant that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Whether the person's consent could be had; `Some(true)`: they were asked and refused.
    pub refused: bool,
    /// The deployment's policy lets a grant override what the person denied.
    pub overrides_consent: bool,
    /// A named therapist decided (`740 ILCS 110/11`); the requester's own word is not that.
    pub therapist_determined: bool,
}
