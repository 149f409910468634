//! Is a code in a value set? Asked of packages first, then of R4's own tables.
//! <https://hl7.org/fhir/R4/terminologies.html#4.1>

use super::canonical::split;
use super::code_list::{CodeSystem, Codes, Held, Part};
use super::definitions::Definitions;
use crate::terminology::r4;

/// Sets within sets are followed this far; what lies deeper, or in a circle, is not known here.
const DEEPEST: usize = 16;

impl Definitions {
    /// A code of a system; without a system the code alone, as an element of type `code` has it.
    pub(super) fn holds(&self, value_set: &str, system: Option<&str>, code: &str) -> Held {
        self.in_set(value_set, system, code, DEEPEST)
    }

    fn in_set(&self, canonical: &str, system: Option<&str>, code: &str, left: usize) -> Held {
        if left == 0 {
            return Held::Unknown;
        }
        let Some(set) = self.value_set(canonical) else {
            return in_r4(split(canonical).0, system, code);
        };
        // A set that composes nothing here is defined elsewhere.
        let mut best = if set.include.is_empty() {
            Held::Unknown
        } else {
            Held::Out
        };
        for part in &set.include {
            match self.in_part(part, system, code, left) {
                Held::In => {
                    best = Held::In;
                    break;
                }
                Held::Unknown => best = Held::Unknown,
                Held::Out => {}
            }
        }
        for part in &set.exclude {
            if best == Held::Out {
                break;
            }
            match self.in_part(part, system, code, left) {
                Held::In => return Held::Out,
                Held::Unknown => best = Held::Unknown,
                Held::Out => {}
            }
        }
        best
    }

    fn in_part(&self, part: &Part, system: Option<&str>, code: &str, left: usize) -> Held {
        let own = match &part.system {
            Some(own) if system.is_some_and(|system| system != &**own) => return Held::Out,
            Some(own) => match &part.codes {
                Codes::Listed(codes) if codes.contains(code) => Held::In,
                Codes::Listed(_) => Held::Out,
                Codes::All => self.in_system(own, code),
                Codes::Filtered(filters) => all(filters.iter().map(|filter| match self.code_system(own) {
                    Some(held) => held.meets(code, filter),
                    None => Held::Unknown,
                })),
            },
            None => Held::In,
        };
        all(std::iter::once(own).chain(
            part.value_sets
                .iter()
                .map(|url| self.in_set(url, system, code, left - 1)),
        ))
    }

    /// Does this system have the code?
    pub(super) fn in_system(&self, system: &str, code: &str) -> Held {
        if let Some(held) = self.code_system(system) {
            return CodeSystem::holds(held, code);
        }
        match (r4::code_system(split(system).0), system) {
            (Some(codes), _) if codes.contains(code) => Held::In,
            (Some(_), _) => Held::Out,
            (None, system) => by_grammar(system, code).unwrap_or(Held::Unknown),
        }
    }
}

/// Systems that are a grammar, not a list.
fn by_grammar(system: &str, code: &str) -> Option<Held> {
    let holds = match system {
        "urn:ietf:bcp:13" | "http://hl7.org/fhir/ValueSet/mimetypes" => is_media_type(code),
        "urn:ietf:bcp:47" | "http://hl7.org/fhir/ValueSet/all-languages" => is_language_tag(code),
        _ => return None,
    };
    Some(if holds { Held::In } else { Held::Out })
}

fn all(parts: impl Iterator<Item = Held>) -> Held {
    let mut known = Held::In;
    for part in parts {
        match part {
            Held::Out => return Held::Out,
            Held::Unknown => known = Held::Unknown,
            Held::In => {}
        }
    }
    known
}

/// A set of R4 whose codes are all listed in its table.
fn in_r4(url: &str, system: Option<&str>, code: &str) -> Held {
    let Some(members) = r4::value_set(url) else {
        return by_grammar(url, code).unwrap_or(Held::Unknown);
    };
    let mut own = members
        .iter()
        .filter(|(own, _)| system.is_none_or(|system| system == *own));
    if own.any(|(_, codes)| codes.contains(code)) {
        Held::In
    } else {
        Held::Out
    }
}

/// `type/subtype`, perhaps with parameters, and the three short names that FHIR has for its own.
/// <https://www.rfc-editor.org/rfc/rfc6838#section-4.2>, <https://hl7.org/fhir/R4/http.html#mime-type>
fn is_media_type(text: &str) -> bool {
    if matches!(text, "xml" | "json" | "ttl") {
        return true;
    }
    let name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| name(kind) && name(subtype))
}

/// Letters and digits in parts of 1 to 8, the first of letters alone. <https://www.rfc-editor.org/rfc/rfc5646#section-2.1>
fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts
        .next()
        .is_some_and(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    first
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
