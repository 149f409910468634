//! A request against compiled consents: everything that does not depend on the datum, once.
//! <https://hl7.org/fhir/R4/consent.html>

use super::actor::{Actor, Identity};
use super::facts::{Compiled, Scope, Status};
use super::rule::{Rule, Tree};
use super::{Consents, Context, Dimensions, State};
use crate::fhir::{Instant, Now};
use crate::terminology::{ACT_REASON, is_a};

/// What reaching through the gateway does: the recipient accesses, the agency discloses.
pub const DISCLOSURE: [&str; 2] = ["access", "disclose"];

/// Who asks, for what, when.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub actor: &'a Actor,
    /// System and code of the purpose of use; an empty code is a request without purpose.
    pub purpose: (&'a str, &'a str),
    /// Codes of <http://terminology.hl7.org/CodeSystem/consentaction>; any of them is enough.
    pub actions: &'a [&'a str],
    /// Only consents of this scope (`patient-privacy`, `research`); `None`: privacy, and research for research.
    pub scope: Option<&'a str>,
    pub now: &'a Now,
}

impl<'a> Request<'a> {
    /// A disclosure for a purpose of v3-ActReason.
    pub fn new(actor: &'a Actor, purpose: &'a str, now: &'a Now) -> Request<'a> {
        Request {
            actor,
            purpose: (ACT_REASON, purpose),
            actions: &DISCLOSURE,
            scope: None,
            now,
        }
    }

    fn concerns(&self, scope: Scope) -> bool {
        match (self.scope, scope) {
            (None, Scope::Privacy) => true,
            (None, Scope::Research) => {
                self.purpose.0 == ACT_REASON && is_a(ACT_REASON, self.purpose.1, "HRESCH")
            }
            (Some(wanted), Scope::Privacy) => wanted == "patient-privacy",
            (Some(wanted), Scope::Research) => wanted == "research",
        }
    }
}

/// What one consent may do in this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It says nothing: a draft, an error, another scope, superseded.
    Out,
    Enforced,
    /// It never permits any more; what it denies stays denied.
    DenyOnly,
    /// It cannot be read and may hold a deny.
    Withholds,
    /// It no longer has an effect, but the person was asked.
    Past,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub standing: Standing,
    pub state: State,
    /// Per rule: the dimensions of the request that do not match.
    pub failed: Vec<Dimensions>,
    /// Part 2: no element of 2.31(a) is missing, and it is signed by now.
    pub sufficient: bool,
}

/// One request against the consents of one record. `Now` has been asked for every date that matters.
pub struct Inquiry<'a> {
    pub(super) consents: &'a Consents,
    pub(super) context: &'a dyn Context,
    pub(super) asked: Vec<Asked>,
}

impl Consents {
    /// Matches actor, purpose, action and period of every rule; [`Inquiry::evaluate`] then looks at data only.
    pub fn ask<'a>(&'a self, request: &Request<'_>, context: &'a dyn Context) -> Inquiry<'a> {
        let identity = Identity::new(request.actor, context);
        let oldest = self.oldest_in_force(request);
        let asked = self
            .list
            .iter()
            .map(|c| Asked::new(c, request, &identity, oldest))
            .collect();
        Inquiry {
            consents: self,
            context,
            asked,
        }
    }
}

impl Consents {
    /// When the oldest consent that may still permit was stated; one without a date is as old as any.
    fn oldest_in_force(&self, request: &Request<'_>) -> Option<Instant> {
        let in_force = |c: &&Compiled| standing(c, request, None).0 == Standing::Enforced;
        self.list
            .iter()
            .filter(in_force)
            .map(|c| c.stated_at.unwrap_or(Instant(i64::MIN)))
            .min()
    }
}

impl Asked {
    fn new(consent: &Compiled, request: &Request<'_>, identity: &Identity, oldest: Option<Instant>) -> Asked {
        let (standing, state) = standing(consent, request, oldest);
        let failed = match (&consent.tree, standing) {
            (Ok(Tree { rules }), Standing::Enforced | Standing::DenyOnly) => {
                rules.iter().map(|rule| failed(rule, request, identity)).collect()
            }
            _ => Vec::new(),
        };
        let part2 = &consent.part2;
        let sufficient = part2.marked
            && part2.lacks.is_empty()
            && part2.signed_from.is_some_and(|t| request.now.reached(t));
        Asked {
            standing,
            state,
            failed,
            sufficient,
        }
    }
}

/// `oldest`: when the oldest consent in force was stated.
fn standing(consent: &Compiled, request: &Request<'_>, oldest: Option<Instant>) -> (Standing, State) {
    let now = request.now;
    let concerned = request.concerns(consent.scope);
    if consent.superseded_by.is_some() || !concerned {
        return (Standing::Out, State::NeverAsked);
    }
    match consent.status {
        Status::Unstated | Status::Error | Status::Elsewhere => return (Standing::Out, State::NeverAsked),
        Status::Refused => return (Standing::Past, State::Refused),
        Status::Revoked => return (revoked(consent, oldest), State::Revoked),
        Status::Active => {}
    }
    if consent.revoked_at.is_some_and(|t| now.reached(t)) {
        return (revoked(consent, oldest), State::Revoked);
    }
    if consent.expires.is_some_and(|t| now.reached(t)) {
        return (Standing::Past, State::Expired);
    }
    let Ok(tree) = &consent.tree else {
        let standing = if consent.may_deny {
            Standing::Withholds
        } else {
            Standing::Past
        };
        return (standing, State::NotComputable);
    };
    if consent.authority_ends.is_some_and(|t| now.reached(t)) {
        return (Standing::DenyOnly, State::NotComputable);
    }
    let over = |t| now.reached(t);
    // A nested provision may state a period of its own, so the rules are still asked.
    let expired = tree.rules[0]
        .stated
        .period
        .and_then(|p| p.until)
        .is_some_and(over);
    (
        Standing::Enforced,
        if expired { State::Expired } else { State::Active },
    )
}

/// Taking back a consent must not show more: what it denied stays denied to whoever is permitted by a consent that
/// was stated before it was taken back. One stated later speaks for itself. Without a time of revocation nobody
/// can tell, and an inactive consent then has no effect, as R4 says.
fn revoked(consent: &Compiled, oldest: Option<Instant>) -> Standing {
    let binds = consent
        .revoked_at
        .zip(oldest)
        .is_some_and(|(revoked, stated)| stated < revoked);
    if binds && consent.tree.is_ok() {
        Standing::DenyOnly
    } else {
        Standing::Past
    }
}

fn failed(rule: &Rule, request: &Request<'_>, identity: &Identity) -> Dimensions {
    let mut failed = Dimensions::NONE;
    let mut demand = |holds: bool, dimension: Dimensions| {
        if !holds {
            failed = failed.with(dimension);
        }
    };
    let stated = &rule.stated;
    demand(
        stated.period.is_none_or(|p| p.holds(request.now)),
        Dimensions::PERIOD,
    );
    demand(
        stated
            .actors
            .as_ref()
            .is_none_or(|names| names.matches(identity, rule.permit, request.now)),
        Dimensions::ACTOR,
    );
    let (system, purpose) = request.purpose;
    // Not saying what for opens no permit and escapes no deny.
    demand(
        stated.purposes.as_ref().is_none_or(|purposes| match purpose {
            "" => !rule.permit,
            _ => purposes
                .iter()
                .any(|p| p.system == system && is_a(system, purpose, &p.code)),
        }),
        Dimensions::PURPOSE,
    );
    demand(
        stated
            .actions
            .as_ref()
            .is_none_or(|actions| actions.iter().any(|a| request.actions.contains(&a.as_str()))),
        Dimensions::ACTION,
    );
    failed
}
