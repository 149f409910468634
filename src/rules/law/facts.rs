//! The facts a predicate is given; none is inferred. `reference/law.md` section 0: what is known of the datum, of the recipient and
//! of the agency that discloses.

use crate::label::{Labels, NoteKind, Programs, Received};
use crate::profile::{Policy, Role};

/// One datum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `None`: no record of a Part 2 program.
    pub part2: Option<Origin>,
    pub note: NoteKind,
    /// Kinds of the programs that made it.
    pub programs: Programs,
    /// Of a service the person paid for in full.
    pub self_pay: bool,
}

/// How a Part 2 record came to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Written by a Part 2 program of the agency.
    Own,
    Received(Received),
}

/// Who discloses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agency {
    /// A covered entity: what it received under a consent for treatment, payment and operations follows HIPAA (`42 CFR 2.33(b)(1)`).
    pub covered_entity: bool,
    /// What a record without a `program-kind` label comes from.
    pub programs: Programs,
    /// Qualified service organizations get what their service needs without consent (`42 CFR 2.12(c)(4)`, from memory: off unless
    /// the policy says so).
    pub serves_qso: bool,
}

/// Who would receive, for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub role: Role,
    pub purpose: super::Purpose,
    /// A relationship to the person is on record.
    pub related: bool,
    /// By a place in the care team.
    pub in_care_team: bool,
    /// Registered as medical personnel, `42 CFR 2.51`.
    pub medical_personnel: bool,
    /// A break-glass grant is in force.
    pub emergency: Option<super::Emergency>,
}

impl Source {
    /// As the resource (or an element of it) is labelled, and as the agency states of itself.
    pub fn of(labels: &Labels, agency: &Agency) -> Source {
        let provenance = labels.provenance;
        let is_part2 = labels.part2 || labels.note_kind == NoteKind::SudCounseling;
        let origin = || provenance.received.map_or(Origin::Own, Origin::Received);
        Source {
            part2: is_part2.then(origin),
            note: labels.note_kind,
            programs: if provenance.programs.is_empty() {
                agency.programs
            } else {
                provenance.programs
            },
            self_pay: provenance.self_pay,
        }
    }
}

impl Agency {
    pub fn of(policy: &Policy) -> Agency {
        let stated = policy.agency();
        let programs = stated.programs.iter().filter_map(|code| Programs::named(code));
        Agency {
            covered_entity: stated.covered_entity,
            programs: programs.fold(Programs::NONE, Programs::with),
            serves_qso: stated.serves_qso,
        }
    }
}
