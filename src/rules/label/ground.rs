//! What put a label there: for explanations to staff. It is made on demand; deciding needs none of it.
//! <https://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition-extension-sec-label-basis.html>

use std::collections::HashSet;

use serde_json::Value;

use super::codes::{CodeLists, ListName};
use super::review::TextReviews;
use super::source::Stated;
use super::walk::{Found, Grounds, Walk};
use super::{Labels, NoteKind, set_of, terms, text_at};
use crate::terminology::Sensitivities;

/// Why a label is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The source states it, in `meta.security` or as an inline label of the element.
    Source,
    /// A coding stands on a list; `line` is `file:line: codes: reason`.
    Code {
        system: String,
        code: String,
        line: String,
        list: ListName,
    },
    /// A word or phrase of the list of terms sounds in the text: a suspicion, not yet a label.
    Term { term: String, list: ListName },
    /// Nobody has labelled or read the bytes of a document: they may say anything.
    Unread,
    /// It is of the company that the resource keeps: `path` leads to `from`, which carries it.
    Company { path: &'static str, from: String },
    /// Staff read this very text and said so.
    Review,
    /// Confidentiality that follows from the other labels: Part 2 provenance, a kind of note, a raised sensitivity.
    Rule,
}

/// One label of a resource or of one of its elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ground {
    /// `Condition` for the whole resource, else the element: `CarePlan.activity[1].detail.code`.
    pub path: String,
    /// A sensitivity (`SUD`), `42CFRPart2`, a kind of note (`PSYTHPN`, `sud-counseling-notes`), a confidentiality (`R`).
    pub label: String,
    pub why: Why,
}

/// Every label and suspicion of a resource with what it comes from, and from which list and version.
/// `reviews`: what staff decided about texts of this resource.
pub fn basis(
    resource: &Value,
    lists: &CodeLists,
    raised: &[&str],
    reviews: Option<&TextReviews>,
) -> Vec<Ground> {
    let mut grounds = Vec::new();
    let labels = Walk::over(resource, lists, set_of(raised), reviews, Some(&mut grounds));
    for suspicion in &labels.suspicions {
        if suspicion.path.ends_with(".data") {
            grounds.extend(suspicion.sensitivity.codes().map(|code| Ground {
                path: suspicion.path.clone(),
                label: code.to_owned(),
                why: Why::Unread,
            }));
            continue;
        }
        let text = text_at(resource, &suspicion.path).unwrap_or_default();
        for (term, sensitivity) in terms::found(text) {
            let open = sensitivity.codes().filter_map(Sensitivities::of);
            let open = open.filter(|one| one.intersects(suspicion.sensitivity));
            grounds.extend(open.flat_map(Sensitivities::codes).map(|code| Ground {
                path: suspicion.path.clone(),
                label: code.to_owned(),
                why: Why::Term {
                    term: term.clone(),
                    list: terms::list(),
                },
            }));
        }
    }
    let mut seen = HashSet::new();
    grounds.retain(|ground| seen.insert(ground.clone()));
    grounds
}

impl Grounds<'_> {
    /// What a source, or staff, states at one place.
    pub(super) fn stated(&mut self, path: &str, stated: &Stated) {
        let Some(grounds) = self.0.as_deref_mut() else {
            return;
        };
        let note = match stated.note_kind {
            NoteKind::General => None,
            NoteKind::Psychotherapy => Some("PSYTHPN"),
            NoteKind::SudCounseling => Some("sud-counseling-notes"),
            NoteKind::Personal => Some("personal-notes"),
            NoteKind::TestMaterial => Some("test-material"),
            NoteKind::Unclassified => Some("unclassified-therapy-note"),
        };
        let sensitivities = stated.sensitivity.codes().filter(|code| *code != "PSYTHPN");
        let labels = sensitivities
            .chain(note)
            .chain(stated.part2.then_some("42CFRPart2"))
            .chain(stated.confidentiality.map(|stated| stated.code()));
        let why = if stated.reviewed { Why::Review } else { Why::Source };
        grounds.extend(labels.map(|label| Ground {
            path: path.to_owned(),
            label: label.to_owned(),
            why: why.clone(),
        }));
    }

    /// What the lists say about one coding.
    pub(super) fn code(&mut self, lists: &CodeLists, found: &Found<'_>) {
        let Some(grounds) = self.0.as_deref_mut() else {
            return;
        };
        let line = lists.reason(found.line).unwrap_or_default();
        let Some(list) = lists.list(found.line) else {
            return;
        };
        grounds.extend(found.sensitivity.codes().map(|label| Ground {
            path: found.path.clone(),
            label: label.to_owned(),
            why: Why::Code {
                system: found.system.to_owned(),
                code: found.code.to_owned(),
                line: line.to_owned(),
                list: list.clone(),
            },
        }));
    }

    /// A confidentiality that follows from other labels.
    pub(super) fn rule(&mut self, path: &str, labels: &Labels) {
        let Some(grounds) = self.0.as_deref_mut() else {
            return;
        };
        grounds.push(Ground {
            path: path.to_owned(),
            label: labels.confidentiality.code().to_owned(),
            why: Why::Rule,
        });
    }
}
