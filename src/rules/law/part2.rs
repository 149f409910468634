//! Records of a Part 2 program. They apply by provenance, `42 CFR 2.12(d)(2)` [Q]; a consent with every element, `2.31` [(a)(1)–(4) T,
//! rest S/M], `2.33(a)` [T]; what was received under a consent for treatment, payment and operations follows HIPAA from here,
//! `2.33(b)(1)` [T], with its label, and never into proceedings; qualified service organizations, `2.12(c)(4)` [M: off unless the
//! policy says so]; emergencies, `2.51` [T].
//!
//! The verdict on the consent comes from `consent`; here stands what it is needed for. `2.13(a)`: a data set always applies.

use super::facts::Origin;
use super::outcome::{Obligation, Obligations, Outcome, Regime};
use super::said::Part2Word;
use super::{Purpose, Question};
use crate::label::{NoteKind, Received};
use crate::profile::Role;

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let Some(origin) = question.source.part2 else {
        return Outcome::NotApplicable;
    };
    let travels = Obligations::NONE
        .with(Obligation::Part2Notice)
        .with(Obligation::MinimumNecessary);
    match origin {
        Origin::Received(Received::Qso) => {
            return Outcome::deny(Regime::Part2, "42 CFR 2.12(c)(4): back to the program alone");
        }
        Origin::Received(Received::Order) => {
            return Outcome::deny(Regime::Part2, "42 CFR 2.61: only what the order names, by staff");
        }
        _ => {}
    }
    if question.said.part2 == Part2Word::Sufficient {
        return Outcome::with(
            "part2-consent 42 CFR 2.31, 2.33",
            travels.with(Obligation::ConsentScope),
        );
    }
    if let Some(emergency) = question.asker.emergency {
        return emergency.part2(question.asker, travels);
    }
    if follows_hipaa(question) {
        return Outcome::with("part2-redisclosure 42 CFR 2.33(b)(1)", travels);
    }
    if serves_the_program(question) {
        return Outcome::with("part2-qso 42 CFR 2.12(c)(4)", travels);
    }
    match question.said.part2 {
        Part2Word::Insufficient => {
            Outcome::needs(Regime::Part2, "42 CFR 2.31(a): the consent lacks an element")
        }
        _ => Outcome::deny(Regime::Part2, "42 CFR 2.13, 2.31"),
    }
}

/// Received under a consent for treatment, payment and operations (single, or naming us for such a purpose) by a covered entity:
/// from here HIPAA decides, for those purposes and never for proceedings.
pub fn follows_hipaa(question: &Question<'_>) -> bool {
    let received = matches!(
        question.source.part2,
        Some(Origin::Received(Received::Tpo | Received::Specific))
    );
    received
        && question.agency.covered_entity
        && question.source.note == NoteKind::General
        && question.asker.role != Role::Court
        && matches!(
            question.asker.purpose,
            Purpose::Treatment | Purpose::Payment | Purpose::Operations(_)
        )
}

/// Information a service organization needs for its service; care itself is no such service.
fn serves_the_program(question: &Question<'_>) -> bool {
    question.agency.serves_qso
        && question.source.part2 == Some(Origin::Own)
        && question.source.note == NoteKind::General
        && matches!(
            question.asker.role,
            Role::QualifiedServiceOrganization | Role::BusinessAssociate
        )
        && matches!(question.asker.purpose, Purpose::Payment | Purpose::Operations(_))
}
