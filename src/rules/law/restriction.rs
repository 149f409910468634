//! Restrictions the agency agreed to, and the one it must agree to. `45 CFR 164.522(a)(1)` [T]: (iii) binding, except in an emergency;
//! (iv) then the provider is asked not to use or disclose further; (vi) toward a health plan, for payment and operations, what was paid
//! in full stays back whatever else is said.

use super::outcome::{Obligation, Obligations, Outcome, Regime};
use super::{Purpose, Question};
use crate::profile::Role;

pub(super) fn self_pay(question: &Question<'_>) -> Outcome {
    let asker = question.asker;
    let to_plan =
        asker.role == Role::HealthPlan && matches!(asker.purpose, Purpose::Payment | Purpose::Operations(_));
    if question.source.self_pay && to_plan {
        return Outcome::deny(Regime::SelfPay, "45 CFR 164.522(a)(1)(vi)");
    }
    if question.said.self_pay {
        return in_emergency(question, Regime::SelfPay, "45 CFR 164.522(a)(1)(vi)");
    }
    Outcome::NotApplicable
}

pub(super) fn agreed(question: &Question<'_>) -> Outcome {
    if question.said.restricted {
        return in_emergency(question, Regime::Restriction, "45 CFR 164.522(a)(1)(iii)");
    }
    Outcome::NotApplicable
}

fn in_emergency(question: &Question<'_>, regime: Regime, cite: &'static str) -> Outcome {
    let asker = question.asker;
    if asker.emergency.is_some() && asker.purpose == Purpose::Treatment {
        return Outcome::with(
            "restriction-overridden 45 CFR 164.522(a)(1)(iii)",
            Obligations::NONE.with(Obligation::AskNoFurtherDisclosure),
        );
    }
    Outcome::deny(regime, cite)
}
