//! For what a signature is enough, and how long. 42 CFR 2.14, 2.15; 45 CFR 164.502(g).

use super::datum::Datum;
use crate::fhir::{Instant, Now};
use crate::label::NoteKind;

/// The code system of the kind of service that made a record (profiles/README.md).
const PROGRAM_KIND: &str = "https://postern.example/fhir/CodeSystem/program-kind";

/// Kinds of service whose records a signature may permit to be disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covers {
    pub general: bool,
    pub mental_health: bool,
    /// Records of a Part 2 program or another substance use service.
    pub substance_use: bool,
    /// Only payment, to a payer (42 CFR 2.15(a)(2)).
    pub only_payment: bool,
}

impl Covers {
    pub(super) const ALL: Covers = Covers {
        general: true,
        mental_health: true,
        substance_use: true,
        only_payment: false,
    };
    const NOTHING: Covers = Covers {
        general: false,
        mental_health: false,
        substance_use: false,
        only_payment: false,
    };
    pub(super) const PAYMENT_OF_PROGRAM: Covers = Covers {
        substance_use: true,
        only_payment: true,
        ..Covers::NOTHING
    };

    /// Every kind of service that made this datum.
    pub(super) fn datum(self, datum: &Datum<'_>) -> bool {
        if self == Covers::ALL {
            return true;
        }
        let (mut mental_health, mut substance_use) = (false, false);
        for tag in datum.resource["meta"]["security"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if tag["system"] == PROGRAM_KIND {
                mental_health |= tag["code"] == "mental-health" || tag["code"] == "developmental-disability";
                substance_use |= tag["code"] == "substance-use";
            }
        }
        mental_health |= datum.labels.note_kind == NoteKind::Psychotherapy;
        substance_use |= datum.labels.part2 || datum.labels.note_kind == NoteKind::SudCounseling;
        (self.mental_health || !mental_health)
            && (self.substance_use || !substance_use)
            && (self.general || mental_health || substance_use)
    }
}

/// Who signed, as far as it decides what the consent can permit. Its denies stay whoever signed.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// Why it permits nothing, whatever the time.
    pub problem: Option<&'static str>,
    /// From then on it permits nothing, and why.
    pub ends: Option<(Instant, &'static str)>,
    /// Signed by the person at an unknown time: before this they were a minor.
    pub begins: Option<Instant>,
    pub covers: Covers,
    pub mental_health_until: Option<Instant>,
    /// What 42 CFR 2.14 asks beside.
    pub part2_lacks: Option<&'static str>,
}

impl Signature {
    pub(super) fn of(covers: Covers) -> Signature {
        Signature {
            problem: None,
            ends: None,
            begins: None,
            covers,
            mental_health_until: None,
            part2_lacks: None,
        }
    }

    pub(super) fn worthless(why: &'static str) -> Signature {
        Signature {
            problem: Some(why),
            ..Signature::of(Covers::NOTHING)
        }
    }

    /// The earliest end counts.
    pub(super) fn end(&mut self, at: Instant, why: &'static str) {
        if self.ends.is_none_or(|(before, _)| at < before) {
            self.ends = Some((at, why));
        }
    }

    /// Why it permits nothing now.
    pub(super) fn refuses(&self, now: &Now) -> Option<&'static str> {
        if self.problem.is_some() {
            return self.problem;
        }
        if self.begins.is_some_and(|t| !now.reached(t)) {
            return Some("the person signed as a minor");
        }
        self.ends.filter(|(t, _)| now.reached(*t)).map(|(_, why)| why)
    }

    /// What it covers now, for a purpose and a recipient that pays or does not.
    pub(super) fn covers_now(&self, now: &Now, payment: bool) -> Covers {
        let covers = self.covers;
        if covers.only_payment && !payment {
            return Covers::NOTHING;
        }
        Covers {
            mental_health: covers.mental_health && self.mental_health_until.is_none_or(|t| !now.reached(t)),
            ..covers
        }
    }
}
