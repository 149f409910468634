//! Courts, law enforcement and proceedings: never by the API, whatever anyone consented to. A staff act with the order attached
//! (`staff_act`). `45 CFR 164.512(e)`, `(f)` [T]; `42 CFR 2.12(d)(1)`, `2.31(d)` [M], `2.61` to `2.67` [partly T-old]; 42 USC 290dd-2(c).

use super::outcome::{Outcome, Regime};
use super::{Purpose, Question};
use crate::profile::Role;

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let asker = question.asker;
    if asker.role == Role::Court || asker.purpose == Purpose::Proceedings {
        return Outcome::deny(Regime::Proceedings, "45 CFR 164.512(e), 42 CFR 2.61 to 2.67");
    }
    Outcome::NotApplicable
}
