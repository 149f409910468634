//! Kinds of notes that no general permission reaches. Psychotherapy notes: `45 CFR 164.508(a)(2)` [T]. SUD counseling notes:
//! `42 CFR 2.11`, `2.31(b)` [S]. A therapist's personal notes and test material: `740 ILCS 110/3(b)`, `(c)` [T], kept back in every
//! state. No emergency opens any of them.

use super::Question;
use super::outcome::{Outcome, Regime};
use super::said::Word;
use crate::label::NoteKind;

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let said = question.said;
    // Only a consent of the note's own kind permits it: `consent` counts no other.
    let own_kind = said.word == Word::Permits;
    match question.source.note {
        NoteKind::General => Outcome::NotApplicable,
        NoteKind::Unclassified => Outcome::needs(
            Regime::Notes,
            "45 CFR 164.501: staff says what kind of therapy note it is",
        ),
        NoteKind::Psychotherapy if own_kind && said.authorization => {
            Outcome::permit("psychotherapy-notes-authorization 45 CFR 164.508(a)(2)")
        }
        NoteKind::Psychotherapy => Outcome::deny(Regime::Notes, "45 CFR 164.508(a)(2)"),
        NoteKind::SudCounseling if own_kind => Outcome::permit("counseling-notes-consent 42 CFR 2.31(b)"),
        NoteKind::SudCounseling => Outcome::deny(Regime::Notes, "42 CFR 2.31(b)"),
        NoteKind::Personal => Outcome::deny(Regime::Notes, "740 ILCS 110/3(b)"),
        NoteKind::TestMaterial => Outcome::deny(Regime::Notes, "740 ILCS 110/3(c)"),
    }
}
