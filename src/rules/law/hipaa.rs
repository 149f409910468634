//! The HIPAA Privacy Rule's permissions: `45 CFR 164.506(c)(1)` to `(5)` [T], `164.502(e)` (business associates), `164.508` [T]
//! (authorization), and when the minimum necessary applies, `164.502(b)` [T]. `(c)(5)`, organized arrangements, is not used: no
//! fact says who belongs to one.

use super::outcome::{Obligation, Obligations, Outcome, Regime};
use super::purpose::{Operations, Purpose, treats};
use super::said::Word;
use super::{Asker, Question};
use crate::profile::Role;

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let asker = question.asker;
    if let Some(basis) = without_authorization(asker) {
        return Outcome::with(basis, necessary(asker, false));
    }
    let said = question.said;
    match (said.word, said.authorization) {
        (Word::Permits, true) => Outcome::with("hipaa-authorization 45 CFR 164.508", necessary(asker, true)),
        (Word::Permits, false) => Outcome::needs(
            Regime::Hipaa,
            "45 CFR 164.508(c): an authorization with every element that names the recipient",
        ),
        _ => Outcome::deny(Regime::Hipaa, why_not(asker)),
    }
}

/// The permission of `164.506(c)` or `164.502(e)` that fits, if one does.
fn without_authorization(asker: &Asker) -> Option<&'static str> {
    let works_for_us = matches!(
        asker.role,
        Role::BusinessAssociate | Role::QualifiedServiceOrganization
    );
    match asker.purpose {
        _ if works_for_us && is_tpo(asker.purpose) => Some("hipaa-business-associate 45 CFR 164.502(e)"),
        Purpose::Treatment if treats(asker.role) => Some("hipaa-treatment 45 CFR 164.506(c)(2)"),
        // What passes on to treating participants is for their treatment; each has to have a relationship.
        Purpose::Treatment if asker.role == Role::Intermediary && asker.related => {
            Some("hipaa-treatment 45 CFR 164.506(c)(2)")
        }
        Purpose::Payment if is_covered(asker.role) && asker.related => {
            Some("hipaa-payment 45 CFR 164.506(c)(3)")
        }
        Purpose::Operations(Operations::Shared) if is_covered(asker.role) && asker.related => {
            Some("hipaa-operations 45 CFR 164.506(c)(4)")
        }
        _ => None,
    }
}

fn why_not(asker: &Asker) -> &'static str {
    match asker.purpose {
        Purpose::Treatment => "45 CFR 164.506(c)(2): the recipient is no health care provider",
        Purpose::Payment => "45 CFR 164.506(c)(3)",
        Purpose::Operations(Operations::Shared) if !asker.related => {
            "45 CFR 164.506(c)(4): the recipient has no relationship with the person"
        }
        Purpose::Operations(_) => "45 CFR 164.506(c)(4): not operations of paragraph (1) or (2)",
        Purpose::Proceedings | Purpose::Other => "45 CFR 164.508",
    }
}

/// A covered entity in `160.103`: a provider that exchanges electronically is one; who is not registers as `non_covered`.
fn is_covered(role: Role) -> bool {
    treats(role) || matches!(role, Role::HealthPlan | Role::CoveredEntity)
}

fn is_tpo(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::Treatment | Purpose::Payment | Purpose::Operations(_)
    )
}

/// `164.502(b)(2)`: not to or by a provider for treatment, not under an authorization. "Disclosures to or requests by a health
/// care provider": coordination by a shelter is not exempt.
pub fn minimum_necessary(asker: &Asker, by_authorization: bool) -> bool {
    let treatment = asker.purpose == Purpose::Treatment && treats(asker.role);
    !treatment && !by_authorization
}

fn necessary(asker: &Asker, by_authorization: bool) -> Obligations {
    if minimum_necessary(asker, by_authorization) {
        Obligations::NONE.with(Obligation::MinimumNecessary)
    } else {
        Obligations::NONE
    }
}
