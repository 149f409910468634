//! R4 Consent: who may have what, why, until when.
//! <https://hl7.org/fhir/R4/consent.html>; the semantics this module fixes stand in its README.
//!
//! `Consents::compile` once per record version, `Consents::ask` once per recipient and purpose,
//! `Inquiry::evaluate` per datum.

mod actor;
mod ask;
pub mod case;
mod compile;
mod context;
mod coverage;
mod elements;
mod datum;
mod dimension;
mod evaluate;
mod facts;
mod identity;
mod label_rule;
mod part2;
mod parts;
mod rule;
mod signature;
mod signing;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::fhir::Instant;

pub use actor::{Actor, RECIPIENT_CLASS};
pub use ask::{DISCLOSURE, Inquiry, Request};
pub use context::{Context, Resources};
pub use coverage::Reach;
pub use datum::Datum;
pub use dimension::Dimensions;
pub use facts::{Capacity, Kind};
pub use parts::Parts;
pub use signing::Signing;

/// What the consents of a record say about one datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Permit,
    Deny,
    /// No consent speaks about it. Only with [`State::NeverAsked`] may a no-consent default be asked.
    NotApplicable,
}

/// How the person stands to being asked; never merged, because each has its own consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    NeverAsked,
    /// An active consent permits, denies or is silent.
    Active,
    Refused,
    Revoked,
    Expired,
    /// Part 2 content, and the consent that would permit it lacks an element of 42 CFR 2.31(a).
    Insufficient,
    NotComputable,
}

/// The effect one consent had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Permit,
    Deny,
    /// A root permit that does not match: its dimensions in `Part::failed`. Another consent's permit overrides it.
    Silent,
}

/// One consent that took part in a decision. `Consents::path` names its provision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub consent: usize,
    pub rule: usize,
    pub effect: Effect,
    /// For `Silent`: what of the root did not match.
    pub failed: Dimensions,
}

/// The Part 2 side of a decision, for data of a Part 2 program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part2 {
    NotPart2,
    Permit,
    Deny,
    /// This consent would permit if it were sufficient; `Consents::lacks` says what is missing.
    Insufficient(usize),
}

/// The answer for one datum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Already includes Part 2 and the two kinds of notes: `Permit` means that consent stands in nobody's way.
    pub decision: Decision,
    pub state: State,
    pub part2: Part2,
    /// Every consent that took part, in the order compiled.
    pub parts: Parts,
    /// A permit rests on a signer whose capacity is in question: the policy has its own row for that.
    pub capacity_in_question: bool,
}

/// The consents of one record, compiled.
#[derive(Debug)]
pub struct Consents {
    list: Vec<facts::Compiled>,
    zone: TimeZone,
}

impl Consents {
    /// Reads every Consent of one person. What cannot be computed stays in the list with its reason: it never
    /// permits, and withholds when it states or may state a deny. `zone` gives dates their midnight, `signing` says who
    /// may sign and what the state asks of the form.
    pub fn compile(
        consents: &[&Value],
        context: &dyn Context,
        zone: &TimeZone,
        signing: &Signing,
    ) -> Consents {
        let mut list: Vec<facts::Compiled> = consents
            .iter()
            .map(|c| compile::compile(c, context, zone, signing))
            .collect();
        facts::mark_superseded(&mut list);
        Consents {
            list,
            zone: zone.clone(),
        }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `Consent/x provision[0].provision[1]`; the root provision is `Consent/x provision`.
    pub fn path(&self, part: &Part) -> String {
        let Some(consent) = self.list.get(part.consent) else {
            return String::new();
        };
        match consent
            .tree
            .as_ref()
            .ok()
            .and_then(|tree| tree.rules.get(part.rule))
        {
            Some(rule) => format!("Consent/{} {}", consent.id, rule.path),
            None => format!("Consent/{}", consent.id),
        }
    }

    /// Logical id of a compiled consent.
    pub fn id(&self, consent: usize) -> Option<&str> {
        self.list.get(consent).map(|c| c.id.as_str())
    }

    /// Why a consent is not computable, whatever the time; [`Inquiry::not_computable`] also knows what has ended by now.
    pub fn not_computable(&self, consent: usize) -> Option<&str> {
        self.list.get(consent)?.not_computable()
    }

    /// Elements of 42 CFR 2.31(a) that a consent lacks by its content; empty for a sufficient one.
    pub fn lacks(&self, consent: usize) -> &[&'static str] {
        self.list.get(consent).map_or(&[], |c| c.part2.lacks.as_slice())
    }

    /// What the state's form asks (740 ILCS 110/5 in Illinois) that this consent lacks; empty when it lacks nothing or the
    /// state asks nothing. It then does not count for state-governed data.
    pub fn state_lacks(&self, consent: usize) -> &[&'static str] {
        self.list.get(consent).map_or(&[], |c| c.state_lacks.as_slice())
    }

    /// For state-governed data a consent without a calendar date of expiry holds until the end of the day on which it was
    /// received (740 ILCS 110/5(b)(6)); `None`: the state asks no date, or the consent has one.
    pub fn state_until(&self, consent: usize) -> Option<Instant> {
        self.list.get(consent)?.state_until
    }

    /// Core elements and statements of 45 CFR 164.508(c) that this consent lacks; empty for a valid authorization.
    pub fn authorization_lacks(&self, consent: usize) -> &[&'static str] {
        self.list
            .get(consent)
            .map_or(&[], |c| c.authorization_lacks.as_slice())
    }

    /// Index of the consent that superseded this one.
    pub fn superseded_by(&self, consent: usize) -> Option<usize> {
        self.list.get(consent)?.superseded_by
    }

    /// What a consent is a consent for (`consent-kind`).
    pub fn kind(&self, consent: usize) -> Option<Kind> {
        self.list.get(consent).map(|c| c.kind)
    }

    /// What is recorded about the capacity of a consent's signer.
    pub fn capacity(&self, consent: usize) -> Option<Capacity> {
        self.list.get(consent).map(|c| c.capacity)
    }

    /// Is there a consent that its status alone keeps from saying anything (draft, proposed, entered in error)?
    pub fn has_unstated(&self) -> bool {
        self.list
            .iter()
            .any(|c| matches!(c.status, facts::Status::Unstated | facts::Status::Error))
    }

    /// One datum for one request; for many data call [`Consents::ask`] once.
    pub fn evaluate(&self, request: &Request<'_>, context: &dyn Context, datum: &Datum<'_>) -> Verdict {
        self.ask(request, context).evaluate(datum)
    }
}
