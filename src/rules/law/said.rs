//! What the person said about a datum, as the law reads it, and what that alone permits. SEMANTICS 3: *never asked* is a state of its
//! own, and only it reaches the deployment's default; a grant overrides a denial where the policy lets it (SEMANTICS 4).
//! `45 CFR 164.506(b)`, `42 CFR 2.15`, `2.33`.

use super::outcome::{Outcome, Regime};
use super::{Purpose, Question};
use crate::label::NoteKind;
use crate::profile::{InQuestion, Role};

/// What the person's consents come to for one datum and one recipient; agreed restrictions stand apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Permits,
    /// A consent in force denies it.
    Denies,
    /// Asked, and nothing in force permits it: refused, revoked, expired, silent, insufficient, not computable.
    DoesNotPermit,
    /// Nobody ever asked the person about this recipient.
    NeverAsked,
}

/// How far the deployment's default reaches for people who were never asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This class of recipient gets nothing.
    Nothing,
    /// It gets something, but this datum is held more closely.
    Beyond,
    Covers,
}

/// The Part 2 side: does a consent with every element of `42 CFR 2.31(a)` permit it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part2Word {
    Sufficient,
    Insufficient,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub word: Word,
    pub part2: Part2Word,
    /// A restriction the agency agreed to refuses it (`45 CFR 164.522(a)`).
    pub restricted: bool,
    /// A restriction for what the person paid in full refuses it (`164.522(a)(1)(vi)`).
    pub self_pay: bool,
    /// One of the permitting consents names the recipient and has every element of `45 CFR 164.508(c)`.
    pub authorization: bool,
    /// One of the permitting consents has the state's form and is in force by it.
    pub state_form: bool,
    /// The capacity of whoever permits is in question, and this is what the policy then lets it permit.
    pub in_question: Option<InQuestion>,
    pub default: Default,
}

impl Said {
    /// Of a person nobody asked, toward a class that gets nothing by default.
    pub const NOTHING: Said = Said {
        word: Word::NeverAsked,
        part2: Part2Word::None,
        restricted: false,
        self_pay: false,
        authorization: false,
        state_form: false,
        in_question: None,
        default: Default::Nothing,
    };
}

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let said = question.said;
    if let Some(emergency) = question.asker.emergency {
        return match said.word {
            Word::Permits | Word::NeverAsked => Outcome::permit("break-glass 45 CFR 164.506(c)(2)"),
            Word::Denies | Word::DoesNotPermit if emergency.overrides_consent => {
                Outcome::permit("break-glass-over-consent 45 CFR 164.506(c)(2)")
            }
            Word::Denies | Word::DoesNotPermit => {
                Outcome::deny(Regime::Consent, "the policy lets no grant override a denial")
            }
        };
    }
    match said.word {
        Word::Permits => capacity(said.in_question, question.asker.purpose),
        Word::Denies | Word::DoesNotPermit => Outcome::deny(Regime::Consent, "the person's consent"),
        Word::NeverAsked => without_asking(question),
    }
}

/// "Capacity in question" is a state of the record; the policy's row says what consents then permit.
fn capacity(in_question: Option<InQuestion>, purpose: Purpose) -> Outcome {
    match in_question {
        None | Some(InQuestion::Everything) => Outcome::NotApplicable,
        Some(InQuestion::TreatmentOnly) if purpose == Purpose::Treatment => Outcome::NotApplicable,
        Some(_) => Outcome::needs(
            Regime::Capacity,
            "the signer's capacity is in question: policy.json capacityInQuestion",
        ),
    }
}

fn without_asking(question: &Question<'_>) -> Outcome {
    let Question { asker, source, .. } = question;
    let plain = source.note == NoteKind::General;
    // Whoever works for the agency is not a recipient the person is asked about (45 CFR 164.502(e), 42 CFR 2.12(c)(4)).
    let serves = matches!(
        asker.role,
        Role::BusinessAssociate | Role::QualifiedServiceOrganization
    ) && matches!(asker.purpose, Purpose::Payment | Purpose::Operations(_));
    match (question.said.default, source.part2) {
        _ if plain && serves && question.agency.serves_qso => Outcome::NotApplicable,
        (Default::Covers, None) if plain => Outcome::NotApplicable,
        // The person did consent, to whom it came from: that consent reaches as far as 42 CFR 2.33(b)(1) says.
        (Default::Covers | Default::Beyond, Some(_)) if plain && super::part2::follows_hipaa(question) => {
            Outcome::NotApplicable
        }
        _ => Outcome::deny(Regime::Default, "profiles/policy.json"),
    }
}
