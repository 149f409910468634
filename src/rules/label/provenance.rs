//! Where a record comes from, as far as law asks: the kind of service that made it, how a Part 2 record was received, whether
//! the person paid for the service. `42 CFR 2.12(d)(2)`, `2.33(b)`, `45 CFR 164.522(a)(1)(vi)`, `740 ILCS 110/2`;
//! the codings stand in the table in `profiles/README.md`.

/// Set on the resource in `meta.security`, by the mapping of its source; never found out from codes or words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Kinds of the service that made it; state law applies by them.
    pub programs: Programs,
    /// A Part 2 record that came from elsewhere; `None`: originated here.
    pub received: Option<Received>,
    /// Of a service paid in full by the person (v3-ActCode|HIPAASelfPay).
    pub self_pay: bool,
}

/// A set of kinds of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Programs(u8);

const PROGRAMS: [&str; 3] = ["mental-health", "developmental-disability", "substance-use"];

/// On what basis a Part 2 record was received; in rising order of what it forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Received {
    /// Under a single consent for all treatment, payment and operations.
    Tpo,
    /// Under a consent that names us for a purpose.
    Specific,
    /// In an emergency (`42 CFR 2.51`).
    Emergency,
    /// As a qualified service organization (`42 CFR 2.12(c)(4)`).
    Qso,
    /// By a court's order (`42 CFR 2.61` to `2.67`), or on a basis that is not known.
    Order,
}

impl Programs {
    pub const NONE: Programs = Programs(0);

    /// By its code of `program-kind`; `None` for any other.
    pub fn named(code: &str) -> Option<Programs> {
        let at = PROGRAMS.iter().position(|own| *own == code)?;
        Some(Programs(1 << at))
    }

    pub fn with(self, other: Programs) -> Programs {
        Programs(self.0 | other.0)
    }

    pub fn intersects(self, other: Programs) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn codes(self) -> impl Iterator<Item = &'static str> {
        PROGRAMS
            .iter()
            .enumerate()
            .filter(move |(at, _)| self.0 & (1 << at) != 0)
            .map(|(_, code)| *code)
    }
}

impl Received {
    /// By its code of `part2-basis`; what is not known there forbids most.
    pub(super) fn from_code(code: &str) -> Option<Received> {
        match code {
            "originated" => None,
            "received-tpo" => Some(Received::Tpo),
            "received-specific" => Some(Received::Specific),
            "received-emergency" => Some(Received::Emergency),
            "received-qso" => Some(Received::Qso),
            _ => Some(Received::Order),
        }
    }
}

impl Provenance {
    pub(super) const PART2_BASIS: &str = "https://postern.example/fhir/CodeSystem/part2-basis";
    pub(super) const PROGRAM_KIND: &str = "https://postern.example/fhir/CodeSystem/program-kind";

    pub(super) fn says_something(self) -> bool {
        self != Provenance::default()
    }
}
