//! What a purpose of use is in law: the same code means treatment from a provider and operations from a health plan.
//! `45 CFR 164.501` (definitions of treatment, payment, operations), `164.506(c)` [T];
//! <https://terminology.hl7.org/CodeSystem-v3-ActReason.html>

use crate::profile::Role;
use crate::terminology::{ACT_REASON, is_a};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    Treatment,
    Payment,
    Operations(Operations),
    /// Courts, government, investigations: never by this door.
    Proceedings,
    /// Research, marketing, public health, the person's own request: by authorization, or an act of staff.
    Other,
}

/// The paragraphs of "health care operations" that `164.506(c)(4)` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operations {
    /// Paragraphs (1) and (2), and fraud and abuse compliance: may go to another covered entity.
    Shared,
    /// All the rest, and what does not say: for the entity's own use alone.
    Own,
}

const NEVER: [&str; 4] = ["HLEGAL", "GOV", "FRAUD", "MILCDM"];

/// Quality, outcomes, population-based activities, case management (1); competence, training, accreditation (2); compliance.
const SHARED: [&str; 9] = [
    "CAREMGT", "HQUALIMP", "HOUTCOMS", "PERFMSR", "PATSFTY", "POPHLTH", "HACCRED", "TRAIN", "HCOMPL",
];

impl Purpose {
    /// `code` of v3-ActReason as asked by a recipient of this role.
    pub fn of(code: &str, role: Role) -> Purpose {
        let is = |ancestor: &str| is_a(ACT_REASON, code, ancestor);
        let any = |list: &[&str]| list.iter().any(|ancestor| is(ancestor));
        if any(&NEVER) {
            return Purpose::Proceedings;
        }
        // The hierarchy files trials under treatment; the law does not.
        if is("CLINTRL") {
            return Purpose::Other;
        }
        if is("POPHLTH") {
            return Purpose::Operations(Operations::Shared);
        }
        // "by one or more health care providers": coordination by a plan is case management (164.501 operations (1)).
        if is("TREAT") {
            return match role {
                Role::HealthPlan | Role::CoveredEntity => Purpose::Operations(Operations::Shared),
                _ => Purpose::Treatment,
            };
        }
        if is("CAREMGT") && treats(role) {
            return Purpose::Treatment;
        }
        if is("HPAYMT") {
            return Purpose::Payment;
        }
        if any(&SHARED) {
            return Purpose::Operations(Operations::Shared);
        }
        if is("HOPERAT") {
            return Purpose::Operations(Operations::Own);
        }
        Purpose::Other
    }
}

/// A health care provider in the sense of `45 CFR 160.103`.
pub(super) fn treats(role: Role) -> bool {
    matches!(role, Role::Provider | Role::Part2Program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordination_is_treatment_by_a_provider_and_operations_by_a_plan() {
        let shared = Purpose::Operations(Operations::Shared);
        assert_eq!(Purpose::of("COC", Role::Provider), Purpose::Treatment);
        assert_eq!(Purpose::of("CAREMGT", Role::Provider), Purpose::Treatment);
        assert_eq!(Purpose::of("COC", Role::HealthPlan), shared);
        assert_eq!(Purpose::of("CAREMGT", Role::HealthPlan), shared);
        assert_eq!(Purpose::of("BTG", Role::Provider), Purpose::Treatment);
        assert_eq!(Purpose::of("POPHLTH", Role::Provider), shared);
    }

    #[test]
    fn what_the_code_does_not_say_is_not_shared() {
        let own = Purpose::Operations(Operations::Own);
        assert_eq!(Purpose::of("HOPERAT", Role::HealthPlan), own);
        assert_eq!(Purpose::of("MEMADMIN", Role::HealthPlan), own);
        assert_eq!(Purpose::of("HLEGAL", Role::Provider), Purpose::Proceedings);
        assert_eq!(Purpose::of("ELIGVER", Role::HealthPlan), Purpose::Payment);
        for code in ["HMARKT", "HRESCH", "CLINTRL", "PATRQT", "nonsense", ""] {
            assert_eq!(Purpose::of(code, Role::Provider), Purpose::Other, "{code}");
        }
    }
}
