//! Code systems and hierarchies that rules decide by: purposes of use, sensitivities, confidentiality, directives.
//! <https://terminology.hl7.org/CodeSystem-v3-ActReason.html>,
//! <https://terminology.hl7.org/CodeSystem-v3-ActCode.html>,
//! <https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html>

mod alias;
mod hierarchy;
pub mod r4;
mod sensitivity;

use std::sync::LazyLock;

pub use alias::canonical;
use hierarchy::Hierarchy;
pub use sensitivity::{EQUIVALENCE, Equivalence, Sensitivities};

pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
pub const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
pub const LOINC: &str = "http://loinc.org";

/// The code of a form that LOINC publishes, from its canonical: `http://loinc.org/q/44249-1|2.77`.
/// <https://loinc.org/fhir/>
pub fn loinc_form(canonical: &str) -> Option<&str> {
    let code = canonical.strip_prefix("http://loinc.org/q/")?;
    code.split('|').next().filter(|code| !code.is_empty())
}

static ACT_CODES: LazyLock<Hierarchy> = LazyLock::new(|| Hierarchy::read(include_str!("act_code.tsv")));
static ACT_REASONS: LazyLock<Hierarchy> = LazyLock::new(|| Hierarchy::read(include_str!("act_reason.tsv")));
static CONFIDENTIALITIES: LazyLock<Hierarchy> =
    LazyLock::new(|| Hierarchy::read(include_str!("confidentiality.tsv")));

/// How closely data are held: `U < L < M < N < R < V`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidentiality {
    Unrestricted,
    Low,
    Moderate,
    Normal,
    Restricted,
    VeryRestricted,
}

impl Confidentiality {
    /// One of the six codes `U L M N R V`; retired codes of the system are `None`.
    pub fn from_code(code: &str) -> Option<Confidentiality> {
        Some(match code {
            "U" => Confidentiality::Unrestricted,
            "L" => Confidentiality::Low,
            "M" => Confidentiality::Moderate,
            "N" => Confidentiality::Normal,
            "R" => Confidentiality::Restricted,
            "V" => Confidentiality::VeryRestricted,
            _ => return None,
        })
    }

    pub fn code(self) -> &'static str {
        match self {
            Confidentiality::Unrestricted => "U",
            Confidentiality::Low => "L",
            Confidentiality::Moderate => "M",
            Confidentiality::Normal => "N",
            Confidentiality::Restricted => "R",
            Confidentiality::VeryRestricted => "V",
        }
    }
}

/// 0 (`U`) to 5 (`V`); `None` for anything else.
pub fn confidentiality_rank(code: &str) -> Option<u8> {
    Confidentiality::from_code(code).map(|c| c as u8)
}

/// Is `code` the same as `ancestor` or below it? In a system that is not held here only equal codes are.
pub fn is_a(system: &str, code: &str, ancestor: &str) -> bool {
    code == ancestor || hierarchy(system).is_some_and(|h| h.is_a(code, ancestor))
}

/// Does this system, one of those held here, have this code? `None`: the system is not held.
pub fn known(system: &str, code: &str) -> Option<bool> {
    hierarchy(system).map(|h| h.find(code).is_some())
}

/// A code and everything above it, for many questions about one code; in a system that is not held here the code alone, and
/// nothing for a code that its system does not have.
pub fn at_or_above<'a>(system: &str, code: &'a str) -> Vec<&'a str> {
    match hierarchy(system) {
        Some(held) => held.at_or_above(code).collect(),
        None => vec![code],
    }
}

pub fn display(system: &str, code: &str) -> Option<&'static str> {
    hierarchy(system)?.display(code)
}

/// A purpose of use as tokens and headers write it: `TREAT`, `urn:oid:2.16.840.1.113883.5.8#TREAT`,
/// `http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT` (also `#`); only purposes that exist and can be asked for.
pub fn purpose_from_text(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let code = match text.rsplit_once(['#', '|']) {
        Some((system, code)) if is_purpose_system(system) => code,
        Some(_) => return None,
        None => text,
    };
    let purpose = ACT_REASONS.find(code)?;
    (purpose != "PurposeOfUse").then_some(purpose)
}

fn is_purpose_system(text: &str) -> bool {
    matches!(
        text,
        ACT_REASON
            | "http://hl7.org/fhir/v3/ActReason"
            | "urn:oid:2.16.840.1.113883.5.8"
            | "2.16.840.1.113883.5.8"
            | "urn:oid:2.16.840.1.113883.1.11.20448"
    )
}

fn hierarchy(system: &str) -> Option<&'static Hierarchy> {
    match system {
        ACT_CODE => Some(&ACT_CODES),
        ACT_REASON => Some(&ACT_REASONS),
        CONFIDENTIALITY => Some(&CONFIDENTIALITIES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_follow_the_hierarchy_of_the_code_system() {
        for (code, ancestor) in [
            ("BTG", "TREAT"),
            ("COC", "TREAT"),
            ("CAREMGT", "HOPERAT"),
            ("COVERAGE", "HPAYMT"),
        ] {
            assert!(is_a(ACT_REASON, code, ancestor), "{code} is a {ancestor}");
            assert!(!is_a(ACT_REASON, ancestor, code), "{ancestor} is no {code}");
        }
        assert!(!is_a(ACT_REASON, "HMARKT", "TREAT"));
        assert!(is_a("http://example.org", "x", "x") && !is_a("http://example.org", "x", "y"));
    }

    #[test]
    fn purposes_are_read_in_every_spelling_that_tokens_use() {
        for text in [
            "TREAT",
            "urn:oid:2.16.840.1.113883.5.8#TREAT",
            "http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT",
        ] {
            assert_eq!(purpose_from_text(text), Some("TREAT"), "{text}");
        }
        for text in [
            "",
            "TREATMENT",
            "PurposeOfUse",
            "http://example.org|TREAT",
            "treat",
        ] {
            assert_eq!(purpose_from_text(text), None, "{text}");
        }
    }

    #[test]
    fn confidentiality_is_a_scale() {
        let ranks: Vec<_> = ["U", "L", "M", "N", "R", "V"]
            .iter()
            .filter_map(|c| confidentiality_rank(c))
            .collect();
        assert_eq!(ranks, [0, 1, 2, 3, 4, 5]);
        assert_eq!(confidentiality_rank("ETH"), None);
        assert_eq!(display(CONFIDENTIALITY, "R"), Some("restricted"));
    }
}
