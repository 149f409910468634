//! Labels that the source states: `meta.security` and DS4P inline labels.
//! <https://hl7.org/fhir/R4/resource.html#Meta>,
//! <https://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition-extension-inline-sec-label.html>

use serde_json::Value;

use super::{NoteKind, Programs, Provenance, Received};
use crate::terminology::{ACT_CODE, CONFIDENTIALITY, Confidentiality, Sensitivities, canonical};

/// Labels of an element stand in this extension of it (DS4P).
pub const INLINE_LABEL: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";
pub(super) const NOTE_KIND: &str = "https://postern.example/fhir/CodeSystem/note-kind";

/// What a list of security codings states.
#[derive(Clone, Copy, Default)]
pub(super) struct Stated {
    pub confidentiality: Option<Confidentiality>,
    pub sensitivity: Sensitivities,
    pub part2: bool,
    pub note_kind: NoteKind,
    /// Staff set it on a sentence, not the source.
    pub reviewed: bool,
    pub provenance: Provenance,
}

impl Stated {
    pub(super) fn of_meta(resource: &Value) -> Stated {
        let codings = resource["meta"]["security"].as_array().into_iter().flatten();
        let stated = codings.fold(Stated::default(), Stated::and);
        if resource["resourceType"] != "DocumentReference" {
            return stated;
        }
        // What a source says of the document is no less a label for standing beside the document.
        let of_document = resource["securityLabel"].as_array().into_iter().flatten();
        of_document
            .flat_map(|concept| concept["coding"].as_array().into_iter().flatten())
            .fold(stated, Stated::and)
    }

    /// Has somebody who knew what it says labelled it? That a program made it says nothing of what is in it.
    pub(super) fn says_what_it_holds(&self) -> bool {
        self.confidentiality.is_some() || !self.sensitivity.is_empty() || self.note_kind != NoteKind::General
    }

    /// The inline labels among these extensions; `None` when there are none.
    pub(super) fn of_extensions(extensions: &Value) -> Option<Stated> {
        let mut labels = extensions
            .as_array()?
            .iter()
            .filter(|e| e["url"] == INLINE_LABEL)
            .map(|e| &e["valueCoding"])
            .peekable();
        labels.peek()?;
        Some(labels.fold(Stated::default(), Stated::and))
    }

    fn and(mut self, coding: &Value) -> Stated {
        let code = coding["code"].as_str().unwrap_or_default();
        match canonical(coding["system"].as_str().unwrap_or_default()) {
            "" => self.without_system(code),
            CONFIDENTIALITY => self.confidentiality_code(code),
            ACT_CODE => self.act_code(code),
            NOTE_KIND => self.note_kind = self.note_kind.max(note_kind(code)),
            Provenance::PART2_BASIS => {
                self.provenance.received = self.provenance.received.max(Received::from_code(code));
            }
            Provenance::PROGRAM_KIND => {
                let named = Programs::named(code).unwrap_or_default();
                self.provenance.programs = self.provenance.programs.with(named);
            }
            _ => {}
        }
        self
    }

    fn act_code(&mut self, code: &str) {
        match code {
            "42CFRPart2" => self.part2 = true,
            "PSYTHPN" => self.note_kind = self.note_kind.max(NoteKind::Psychotherapy),
            "HIPAASelfPay" => self.provenance.self_pay = true,
            _ => {}
        }
        self.sensitivity = self.sensitivity.with(Sensitivities::of(code).unwrap_or_default());
    }

    /// A code whose system nobody stated can hold back, never clear.
    fn without_system(&mut self, code: &str) {
        self.act_code(code);
        let stated = Confidentiality::from_code(code).filter(|c| *c > Confidentiality::Normal);
        self.confidentiality = self.confidentiality.max(stated);
    }

    /// Several codes: the highest counts. Retired codes of the system name a sensitivity or, like unknown ones, at least `R`.
    fn confidentiality_code(&mut self, code: &str) {
        if let "ETH" | "HIV" | "PSY" | "SDV" = code {
            self.sensitivity = self.sensitivity.with(Sensitivities::of(code).unwrap_or_default());
        }
        let stated = Confidentiality::from_code(code).unwrap_or(Confidentiality::Restricted);
        self.confidentiality = self.confidentiality.max(Some(stated));
    }
}

/// A kind that is not known is a note nobody has classified.
fn note_kind(code: &str) -> NoteKind {
    match code {
        "sud-counseling-notes" => NoteKind::SudCounseling,
        "personal-notes" => NoteKind::Personal,
        "test-material" => NoteKind::TestMaterial,
        _ => NoteKind::Unclassified,
    }
}
