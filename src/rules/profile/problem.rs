//! The rules a profile must keep to be loaded, each with its name.
//! Postern's semantics, section 1 (README.md beside this file); <https://hl7.org/fhir/R4/profiling.html>

use crate::fhir::{Issue, IssueCode};

/// Why a profile does not load. The name stands first in the issue's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// url, kind, type, baseDefinition or derivation are not what a profile of ours has.
    Header,
    /// An element definition has no id, its path and id differ, or it stands twice.
    Element,
    /// Neither `mustSupport: true`, nor `min` of 1 or more, nor `max: "0"`.
    Unmarked,
    UnknownPath,
    BackboneWithoutChildren,
    OpenExtension,
    OpenContained,
    ChoiceWithoutTypes,
    ModifierOmitted,
    RequiredOmitted,
    Slicing,
    Cardinality,
    /// A constraint that projection does not enforce: better refused than read as kept.
    Unenforced,
    /// A claim to conform to another guide that names no profile, or asks for what cannot be.
    Claim,
    /// `meta`, `text`, `implicitRules` or an element `id`: computed, or never released.
    NotForProfiles,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Rule::Header => "header",
            Rule::Element => "element",
            Rule::Unmarked => "unmarked",
            Rule::UnknownPath => "unknown-path",
            Rule::BackboneWithoutChildren => "backbone-without-children",
            Rule::OpenExtension => "open-extension",
            Rule::OpenContained => "open-contained",
            Rule::ChoiceWithoutTypes => "choice-without-types",
            Rule::ModifierOmitted => "modifier-omitted",
            Rule::RequiredOmitted => "required-omitted",
            Rule::Slicing => "slicing",
            Rule::Cardinality => "cardinality",
            Rule::Unenforced => "unenforced",
            Rule::Claim => "claim",
            Rule::NotForProfiles => "not-for-profiles",
        }
    }

    /// The problem as an issue; `id` is the element definition's id.
    pub fn broken(self, id: &str, why: impl std::fmt::Display) -> Issue {
        Issue::error(IssueCode::BusinessRule, id, format!("{}: {why}", self.name()))
    }
}

/// The nearest of `known` to `name`, when it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + name.chars().count() / 3;
    known
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Levenshtein distance, without regard to case; names longer than 64 characters are far from everything.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["status", "statusReason", "subject"];
        assert_eq!(nearest("stauts", known.into_iter()), Some("status"));
        assert_eq!(nearest("Subject", known.into_iter()), Some("subject"));
        assert_eq!(nearest("medication", known.into_iter()), None);
    }
}
