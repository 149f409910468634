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
    /// A newer statement took its place that cannot be read.
    pub overtaken: bool,
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

    /// Can it take the place of an older one? Drafts never. One that is marked an error later still does: what it replaced
    /// does not come back by that.
    fn replaces_older(&self) -> bool {
        matches!(
            self.status,
            Status::Active | Status::Refused | Status::Revoked | Status::Error
        )
    }

    fn is_read(&self) -> bool {
        self.tree.is_ok() && self.signature.problem.is_none()
    }
}

/// An older statement of the same consent (same identifier, or named by `replaces`) no longer counts. One that was replaced by
/// what cannot be read permits nothing more, but what it denied stays denied: the newer may say as much.
pub(super) fn mark_superseded(list: &mut [Compiled]) {
    let read = newer_of_each(list, Compiled::is_read);
    let unread = newer_of_each(list, |newer| !newer.is_read());
    for (consent, (read, unread)) in list.iter_mut().zip(read.into_iter().zip(unread)) {
        consent.superseded_by = read;
        consent.overtaken = unread.is_some();
    }
}

/// For each consent the newer one of this kind that took its place, if any.
fn newer_of_each(list: &[Compiled], kind: fn(&Compiled) -> bool) -> Vec<Option<usize>> {
    let replacing = || {
        list.iter()
            .enumerate()
            .filter(|(_, c)| c.replaces_older() && kind(c))
    };
    let mut newest: HashMap<(&str, &str), usize> = HashMap::new();
    for (i, consent) in replacing().filter(|(_, c)| c.stated_at.is_some()) {
        for (system, value) in &consent.identifiers {
            let entry = newest.entry((system, value)).or_insert(i);
            if list[*entry].stated_at < consent.stated_at {
                *entry = i;
            }
        }
    }
    let named: HashMap<&str, usize> = replacing()
        .flat_map(|(i, c)| c.replaces.iter().map(move |r| (r.as_str(), i)))
        .collect();
    let newer_of = |(i, consent): (usize, &Compiled)| {
        let mut same = consent
            .identifiers
            .iter()
            .filter_map(|(system, value)| newest.get(&(system.as_str(), value.as_str())).copied());
        let by_identifier = same.find(|newer| {
            let newer = &list[*newer];
            newer.scope == consent.scope && consent.stated_at.is_some() && consent.stated_at < newer.stated_at
        });
        let by_name = named.get(format!("Consent/{}", consent.id).as_str()).copied();
        // Two that replace each other: neither is older, both count.
        let by_name = by_name.filter(|newer| {
            *newer != i && !consent.replaces.contains(&format!("Consent/{}", list[*newer].id))
        });
        by_identifier.or(by_name)
    };
    list.iter().enumerate().map(newer_of).collect()
}
