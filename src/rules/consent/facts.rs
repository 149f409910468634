//! A Consent compiled: its rules, and the facts about the statement itself.
//! <https://hl7.org/fhir/R4/consent.html>; which element carries which fact: profiles/README.md

use std::collections::HashMap;

use super::part2::Part2Facts;
use super::rule::Tree;
use super::signature::Signature;
use crate::fhir::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// `draft`, `proposed`: nobody has stated anything yet.
    Unstated,
    Active,
    Refused,
    Revoked,
    /// `entered-in-error`.
    Error,
    /// A scope that is no matter of disclosure (advance directives, consent to treatment).
    Elsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Privacy,
    Research,
}

/// What the paper is (extension `consent-kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unstated,
    General,
    Specific,
    /// One consent for all treatment, payment and operations, 42 CFR 2.33(a)(2).
    TpoSingle,
    /// 42 CFR 2.31(b): nothing but counseling notes.
    SudCounselingNotes,
    /// 42 CFR 2.31(d): never by this gateway.
    Proceedings,
    HipaaAuthorization,
    /// A restriction agreed to under 45 CFR 164.522(a): it only ever refuses, and is no answer to being asked.
    Restriction,
}

/// What is recorded about the signer's capacity (extension `consent-capacity`, 42 CFR 2.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    NotInQuestion,
    InQuestion,
    IncapacityDecided,
}

#[derive(Debug)]
pub(super) struct Compiled {
    pub id: String,
    pub status: Status,
    pub scope: Scope,
    pub kind: Kind,
    pub capacity: Capacity,
    /// The rules, or why they cannot be computed.
    pub tree: Result<Tree, String>,
    /// Not computable, and it states or may state a deny.
    pub may_deny: bool,
    pub revoked_at: Option<Instant>,
    pub expires: Option<Instant>,
    pub signature: Signature,
    pub part2: Part2Facts,
    /// What the state's form asks, 45 CFR 164.508(c): names of what is missing.
    pub state_lacks: Vec<&'static str>,
    pub authorization_lacks: Vec<&'static str>,
    /// For state-governed data it holds until then (740 ILCS 110/5(b)(6)).
    pub state_until: Option<Instant>,
    pub superseded_by: Option<usize>,
    /// Business identifiers (system, value), and consents it says it replaces.
    pub identifiers: Vec<(String, String)>,
    pub replaces: Vec<String>,
    pub stated_at: Option<Instant>,
}

impl Compiled {
    /// The rules cannot be read, they were entered in error, or whoever signed may not consent.
    pub(super) fn not_computable(&self) -> Option<&str> {
        if self.status == Status::Error {
            return Some("it was entered in error: what the person said is not known");
        }
        let unread = self.tree.as_ref().err().map(String::as_str);
        unread.or(self.signature.problem)
    }

    /// Can it take the place of an older one? Drafts never; what cannot be read might say less than it replaces. One that is
    /// marked an error later still does: what it replaced does not come back by that.
    fn supersedes(&self) -> bool {
        matches!(
            self.status,
            Status::Active | Status::Refused | Status::Revoked | Status::Error
        ) && self.tree.is_ok()
            && self.signature.problem.is_none()
    }
}

/// An older statement of the same consent (same identifier, or named by `replaces`) no longer counts.
pub(super) fn mark_superseded(list: &mut [Compiled]) {
    let mut newest: HashMap<(String, String), usize> = HashMap::new();
    for (i, consent) in list
        .iter()
        .enumerate()
        .filter(|(_, c)| c.supersedes() && c.stated_at.is_some())
    {
        for identifier in &consent.identifiers {
            let entry = newest.entry(identifier.clone()).or_insert(i);
            if list[*entry].stated_at < consent.stated_at {
                *entry = i;
            }
        }
    }
    let named: HashMap<String, usize> = list
        .iter()
        .enumerate()
        .filter(|(_, c)| c.supersedes())
        .flat_map(|(i, c)| c.replaces.iter().map(move |r| (r.clone(), i)))
        .collect();
    for i in 0..list.len() {
        let consent = &list[i];
        let by_identifier = consent
            .identifiers
            .iter()
            .filter_map(|id| newest.get(id).copied())
            .find(|newer| {
                let newer = &list[*newer];
                newer.scope == consent.scope
                    && consent.stated_at.is_some()
                    && consent.stated_at < newer.stated_at
            });
        let by_name = named.get(&format!("Consent/{}", consent.id)).copied();
        // Two that replace each other: neither is older, both count.
        let by_name = by_name.filter(|newer| {
            *newer != i && !consent.replaces.contains(&format!("Consent/{}", list[*newer].id))
        });
        list[i].superseded_by = by_identifier.or(by_name);
    }
}
