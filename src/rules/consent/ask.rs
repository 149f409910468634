//! A request against compiled consents: everything that does not depend on the datum, once.
//! <https://hl7.org/fhir/R4/consent.html>

use super::actor::Actor;
use super::facts::{Compiled, Kind, Scope, Status};
use super::identity::Identity;
use super::rule::{Code, Rule, Tree};
use super::signature::Covers;
use super::{Consents, Context, Dimensions, State};
use crate::fhir::{Instant, Now};
use crate::terminology::{ACT_REASON, at_or_above, is_a};

/// What reaching through the gateway does: the recipient accesses, the agency discloses.
pub const DISCLOSURE: [&str; 2] = ["access", "disclose"];

/// Class of recipients that pay for care, as `policy.json` and registrations name it.
const PAYER: &str = "health-plan";

/// Who asks, for what, when.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub actor: &'a Actor,
    /// System and code of the purpose of use; an empty code is a request without purpose.
    pub purpose: (&'a str, &'a str),
    /// Purposes asked for at once beside it: as inside any dimension, one that matches is enough, for a permit and for a deny.
    pub others: &'a [(&'a str, &'a str)],
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
            others: &[],
            actions: &DISCLOSURE,
            scope: None,
            now,
        }
    }

    fn purposes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        std::iter::once(self.purpose).chain(self.others.iter().copied())
    }

    /// Is a purpose of v3-ActReason asked for, or one below it?
    fn is_for(&self, ancestor: &str) -> bool {
        self.purposes()
            .any(|(system, code)| system == ACT_REASON && is_a(ACT_REASON, code, ancestor))
    }

    /// 42 CFR 2.15(a)(2): payment, to a payer.
    fn is_payment_to_payer(&self) -> bool {
        let payment = |(system, code): (&str, &str)| system == ACT_REASON && is_a(ACT_REASON, code, "HPAYMT");
        self.purposes().all(payment) && self.actor.classes.iter().any(|class| class == PAYER)
    }

    fn concerns(&self, scope: Scope) -> bool {
        match (self.scope, scope) {
            (None, Scope::Privacy) => true,
            (None, Scope::Research) => self.is_for("HRESCH"),
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
    /// An agreed restriction: what it denies is denied, and else it says nothing.
    OnlyRestricts,
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
    /// Why it permits nothing now: whoever signed may not consent, or no longer.
    pub refused: Option<&'static str>,
    /// For which records its signature is enough.
    pub covers: Covers,
    /// Part 2: no element of 2.31(a) is missing, and it is signed by now.
    pub sufficient: bool,
}

/// Who asks and what for, read once for all rules.
struct Asker<'a> {
    identity: Identity,
    purposes: Purposes<'a>,
}

/// The purposes asked for, each with everything above it.
struct Purposes<'a> {
    known: Vec<(&'a str, Vec<&'a str>)>,
    /// One of them is not said, or is none of its system.
    unknown: bool,
}

impl<'a> Purposes<'a> {
    fn new(request: &Request<'a>) -> Purposes<'a> {
        let mut purposes = Purposes {
            known: Vec::new(),
            unknown: false,
        };
        for (system, code) in request.purposes() {
            let above = at_or_above(system, code);
            if code.is_empty() || above.is_empty() {
                purposes.unknown = true;
            } else {
                purposes.known.push((system, above));
            }
        }
        purposes
    }

    /// Not saying what for, or what no system knows, opens no permit and escapes no deny.
    fn meet(&self, stated: &[Code], permit: bool) -> bool {
        let meant = |(system, above): &(&str, Vec<&str>)| {
            stated
                .iter()
                .any(|own| above.contains(&own.code.as_str()) && own.system == *system)
        };
        self.unknown && !permit || self.known.iter().any(meant)
    }
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
        let identity = Identity::new(request.actor, context, &self.zone, request.now);
        let oldest = self.oldest_in_force(request);
        let asker = Asker {
            identity,
            purposes: Purposes::new(request),
        };
        let asked = self
            .list
            .iter()
            .map(|c| Asked::new(c, request, &asker, oldest))
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
    fn new(consent: &Compiled, request: &Request<'_>, asker: &Asker<'_>, oldest: Option<Instant>) -> Asked {
        let (standing, state) = standing(consent, request, oldest);
        let failed = match (&consent.tree, standing) {
            (Ok(Tree { rules }), Standing::Enforced | Standing::DenyOnly | Standing::OnlyRestricts) => {
                rules.iter().map(|rule| failed(rule, request, asker)).collect()
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
            refused: consent.signature.refuses(request.now),
            covers: consent
                .signature
                .covers_now(request.now, request.is_payment_to_payer()),
            sufficient,
        }
    }
}

impl Inquiry<'_> {
    /// Why a consent permits nothing now: it cannot be read, or whoever signed may not consent, or no longer.
    pub fn not_computable(&self, consent: usize) -> Option<&str> {
        let compiled = self.consents.list.get(consent)?;
        compiled.not_computable().or(self.asked.get(consent)?.refused)
    }
}

/// `oldest`: when the oldest consent in force was stated.
fn standing(consent: &Compiled, request: &Request<'_>, oldest: Option<Instant>) -> (Standing, State) {
    let now = request.now;
    let concerned = request.concerns(consent.scope);
    if consent.superseded_by.is_some() || !concerned {
        return (Standing::Out, State::NeverAsked);
    }
    if consent.kind == Kind::Restriction {
        return (restriction(consent, now), State::NeverAsked);
    }
    match consent.status {
        Status::Unstated | Status::Elsewhere => return (Standing::Out, State::NeverAsked),
        // Somebody said something, and nobody knows what: no default is for such a person.
        Status::Error => return (Standing::Past, State::NotComputable),
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
        return (unread(consent), State::NotComputable);
    };
    if consent.overtaken || consent.signature.refuses(now).is_some() {
        return (Standing::DenyOnly, State::NotComputable);
    }
    // A nested provision may state a period of its own, so the rules are still asked.
    let until = tree.rules[0].stated.period.and_then(|p| p.until);
    let expired = until.is_some_and(|t| now.reached(t));
    (
        Standing::Enforced,
        if expired { State::Expired } else { State::Active },
    )
}

/// What cannot be read withholds everything if it states or may state a deny.
fn unread(consent: &Compiled) -> Standing {
    if consent.may_deny {
        Standing::Withholds
    } else {
        Standing::Past
    }
}

/// Whoever asked for it: what was agreed binds until it ends (45 CFR 164.522(a)(1)(iii), (2)).
fn restriction(consent: &Compiled, now: &Now) -> Standing {
    let over = |t: Option<Instant>| t.is_some_and(|t| now.reached(t));
    if consent.status != Status::Active || over(consent.revoked_at) || over(consent.expires) {
        return Standing::Out;
    }
    match &consent.tree {
        Ok(_) => Standing::OnlyRestricts,
        Err(_) if consent.may_deny => Standing::Withholds,
        Err(_) => Standing::Out,
    }
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

fn failed(rule: &Rule, request: &Request<'_>, asker: &Asker<'_>) -> Dimensions {
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
            .is_none_or(|names| names.matches(&asker.identity, rule.permit, request.now)),
        Dimensions::ACTOR,
    );
    demand(
        stated
            .purposes
            .as_ref()
            .is_none_or(|purposes| asker.purposes.meet(purposes, rule.permit)),
        Dimensions::PURPOSE,
    );
    // What is accessed here is disclosed: a deny of either reaches both.
    let discloses = request.actions.iter().any(|a| DISCLOSURE.contains(a));
    let asked_for = |a: &String| {
        request.actions.contains(&a.as_str()) || !rule.permit && discloses && DISCLOSURE.contains(&a.as_str())
    };
    demand(
        stated
            .actions
            .as_ref()
            .is_none_or(|actions| actions.iter().any(asked_for)),
        Dimensions::ACTION,
    );
    failed
}
