//! What a regime of law answers, and how answers combine: every regime that applies must permit, and where none applies nothing is
//! permitted. `reference/law.md` section 0.

use std::borrow::Cow;

/// The regimes, in the order in which their refusals are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Regime {
    /// Courts, law enforcement, proceedings: `45 CFR 164.512(e)`, `(f)`, `42 CFR 2.61` to `2.67`.
    Proceedings,
    /// Kinds of notes: `45 CFR 164.508(a)(2)`, `42 CFR 2.31(b)`, `740 ILCS 110/3`.
    Notes,
    /// `45 CFR 164.522(a)(1)(vi)`.
    SelfPay,
    /// `45 CFR 164.522(a)`.
    Restriction,
    /// `42 CFR part 2`.
    Part2,
    /// What the person said.
    Consent,
    /// The capacity of whoever consented.
    Capacity,
    /// The deployment's state.
    State,
    /// The deployment's default for people who were never asked.
    Default,
    /// `45 CFR part 164, subpart E`.
    Hipaa,
    /// No regime applies.
    None,
}

impl Regime {
    pub fn code(self) -> &'static str {
        match self {
            Regime::Proceedings => "proceedings",
            Regime::Notes => "notes",
            Regime::SelfPay => "self-pay",
            Regime::Restriction => "restriction",
            Regime::Part2 => "part2",
            Regime::Consent => "consent",
            Regime::Capacity => "capacity",
            Regime::State => "state",
            Regime::Default => "default",
            Regime::Hipaa => "hipaa",
            Regime::None => "none",
        }
    }
}

/// The answer of one regime, or of all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Permit(Permit),
    Deny(Reason),
    /// It would permit if this were so; until then it does not.
    Needs(Reason),
    NotApplicable,
}

/// A permission with what it rests on and what has to travel or be kept with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Each regime's basis: `hipaa-treatment 45 CFR 164.506(c)(2)`.
    pub basis: Vec<Cow<'static, str>>,
    pub obligations: Obligations,
}

/// Why not, for staff and the log: never for the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub regime: Regime,
    /// Section of law, with what it asks where that helps.
    pub cite: Cow<'static, str>,
}

/// What a permission brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obligation {
    /// The statement of `42 CFR 2.32(a)` travels.
    Part2Notice,
    /// A clear explanation of the scope of the consent travels, `42 CFR 2.32(b)`.
    ConsentScope,
    /// The recipient is asked not to use or disclose further, `45 CFR 164.522(a)(1)(iv)`.
    AskNoFurtherDisclosure,
    /// The state forbids redisclosure without the person's consent.
    StateRedisclosure,
    /// `45 CFR 164.502(b)` applies: no more than the purpose needs.
    MinimumNecessary,
    /// The items of `42 CFR 2.51(c)` are on record.
    EmergencyRecord,
}

/// A set of obligations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obligations(u8);

const ALL: [Obligation; 6] = [
    Obligation::Part2Notice,
    Obligation::ConsentScope,
    Obligation::AskNoFurtherDisclosure,
    Obligation::StateRedisclosure,
    Obligation::MinimumNecessary,
    Obligation::EmergencyRecord,
];

impl Obligation {
    pub fn code(self) -> &'static str {
        match self {
            Obligation::Part2Notice => "part2-notice",
            Obligation::ConsentScope => "consent-scope",
            Obligation::AskNoFurtherDisclosure => "ask-no-further-disclosure",
            Obligation::StateRedisclosure => "state-redisclosure",
            Obligation::MinimumNecessary => "minimum-necessary",
            Obligation::EmergencyRecord => "emergency-record",
        }
    }
}

impl Obligations {
    pub const NONE: Obligations = Obligations(0);

    #[must_use]
    pub fn with(self, one: Obligation) -> Obligations {
        Obligations(self.0 | 1 << one as u8)
    }

    #[must_use]
    pub fn and(self, others: Obligations) -> Obligations {
        Obligations(self.0 | others.0)
    }

    pub fn has(self, one: Obligation) -> bool {
        self.0 & 1 << one as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Obligation> {
        ALL.into_iter().filter(move |one| self.has(*one))
    }
}

impl Outcome {
    pub fn permit(basis: &'static str) -> Outcome {
        Outcome::with(basis, Obligations::NONE)
    }

    pub fn with(basis: impl Into<Cow<'static, str>>, obligations: Obligations) -> Outcome {
        Outcome::Permit(Permit {
            basis: vec![basis.into()],
            obligations,
        })
    }

    pub fn deny(regime: Regime, cite: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome::Deny(Reason {
            regime,
            cite: cite.into(),
        })
    }

    pub fn needs(regime: Regime, what: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome::Needs(Reason {
            regime,
            cite: what.into(),
        })
    }

    pub fn permits(&self) -> bool {
        matches!(self, Outcome::Permit(_))
    }
}

/// Every regime that applies must permit; none applying is a deny. The first refusal in order is named.
pub fn combine(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    let mut permit: Option<Permit> = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Permit(more) => {
                let all = permit.get_or_insert_default();
                all.basis.extend(more.basis);
                all.obligations = all.obligations.and(more.obligations);
            }
            Outcome::NotApplicable => {}
            refusal => return refusal,
        }
    }
    match permit {
        Some(permit) => Outcome::Permit(permit),
        None => Outcome::deny(Regime::None, "no regime permits it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_regime_that_applies_must_permit_and_none_is_a_deny() {
        let yes = || Outcome::permit("a");
        let no = || Outcome::deny(Regime::Part2, "b");
        let needs = || Outcome::needs(Regime::State, "c");
        assert!(combine([yes(), Outcome::NotApplicable]).permits());
        assert_eq!(combine([yes(), no()]), no());
        assert_eq!(combine([yes(), needs()]), needs());
        assert_eq!(combine([needs(), no()]), needs());
        assert!(matches!(combine([Outcome::NotApplicable]), Outcome::Deny(_)));
        assert!(matches!(combine([]), Outcome::Deny(_)));
    }

    #[test]
    fn obligations_add_up() {
        let notice = Obligations::NONE.with(Obligation::Part2Notice);
        let both = combine([
            Outcome::with("a", notice),
            Outcome::with("b", Obligations::NONE.with(Obligation::MinimumNecessary)),
        ]);
        let Outcome::Permit(permit) = both else {
            unreachable!("two permits")
        };
        let codes: Vec<&str> = permit.obligations.iter().map(Obligation::code).collect();
        assert_eq!(codes, ["part2-notice", "minimum-necessary"]);
        assert_eq!(permit.basis, ["a", "b"]);
    }
}
