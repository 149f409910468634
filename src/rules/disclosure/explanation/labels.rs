//! The labels of one resource or element, and why it carries them: which flag of the source, which code on which list, which
//! term. <https://hl7.org/fhir/R4/security-labels.html>

use crate::disclosure::{Rules, Stored};
use crate::label::{Basis, ConfidentialityBasis, Labels, NoteKind, label};
use crate::terminology::{Confidentiality, Sensitivities};

/// What a consent would have to cover, and why.
pub(super) struct Labelled {
    /// Codes of confidentiality and sensitivity.
    pub codes: Vec<String>,
    pub part2: bool,
    pub note_kind: NoteKind,
    /// A sentence sounds sensitive and carries no label.
    pub suspected: bool,
    pub basis: Vec<String>,
}

pub(super) fn labels_of(stored: &Stored, element: Option<&str>, rules: &Rules) -> Labelled {
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let whole = label(&stored.body, rules.lists, &raised);
    let Some(element) = element else {
        return told(&whole, Sensitivities::NONE, rules);
    };
    if let Some((_, own)) = whole.elements.iter().find(|(path, _)| path == element) {
        return told(own, Sensitivities::NONE, rules);
    }
    let suspicion = whole.suspicions.iter().find(|s| s.path == element);
    told(&whole, suspicion.map_or(Sensitivities::NONE, |s| s.sensitivity), rules)
}

fn told(labels: &Labels, suspected: Sensitivities, rules: &Rules) -> Labelled {
    let mut basis = Vec::new();
    if labels.part2 {
        basis.push("42CFRPart2: stated by the source, as the record of a Part 2 program".to_owned());
    }
    for reason in &labels.reasons {
        let codes: Vec<&str> = reason.sensitivity.codes().collect();
        basis.push(match &reason.basis {
            Basis::Source => format!("{}: stated by the source", codes.join(", ")),
            Basis::Code { path, line } => {
                let line = rules.lists.reason(*line).unwrap_or("a code list");
                format!("{}: the code at {path} ({line})", codes.join(", "))
            }
        });
    }
    if !suspected.is_empty() {
        let codes: Vec<&str> = suspected.codes().collect();
        basis.push(format!("{}: suspected, the text sounds like it and carries no label", codes.join(", ")));
    }
    if labels.confidentiality > Confidentiality::Normal {
        let code = labels.confidentiality.code();
        basis.push(match labels.confidentiality_basis {
            ConfidentialityBasis::Source => format!("{code}: stated by the source"),
            _ => format!("{code}: by rule, from the above"),
        });
    }
    let confidentiality = match suspected.is_empty() {
        true => labels.confidentiality,
        false => labels.confidentiality.max(Confidentiality::Restricted),
    };
    let mut codes = vec![confidentiality.code().to_owned()];
    codes.extend(labels.to_permit.with(suspected).codes().map(str::to_owned));
    if labels.part2 {
        codes.push("42CFRPart2".to_owned());
    }
    Labelled {
        codes,
        part2: labels.part2,
        note_kind: labels.note_kind,
        suspected: !suspected.is_empty(),
        basis,
    }
}
