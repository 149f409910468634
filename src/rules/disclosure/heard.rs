//! What the consents of a record say to one recipient, read for the law: whom each is about, which are restrictions the agency agreed to
//! rather than consents, what each paper is good for. SEMANTICS 3; `45 CFR 164.508(c)`, `164.522(a)`, `740 ILCS 110/5(b)`.
//!
//! *Never asked* is about a recipient: a consent that names others only neither permits this one nor ends its default. So a consent it may
//! not see changes nothing it sees. Whoever wants nobody else served says so with a deny, which names everybody.

use super::named::Named;
use crate::consent::{Consents, Decision, Effect, Part2, Verdict};
use crate::fhir::{Now, Value};
use crate::law::{Default, Part2Word, Said, Word};
use crate::profile::InQuestion;

/// Restrictions are statements of the agency, not answers of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restriction {
    Agreed,
    SelfPay,
}

/// One consent, as this recipient hears it.
struct Statement {
    restriction: Option<Restriction>,
    /// It says something about this recipient, or may.
    concerns: bool,
    authorization: bool,
    state_form: bool,
}

pub(super) struct Heard {
    statements: Vec<Statement>,
    /// Somebody asked the person about this recipient.
    asked: bool,
    /// The record says that the person's capacity is in question.
    in_question: bool,
    policy: InQuestion,
}

const POLICIES: &str = "http://terminology.hl7.org/CodeSystem/consentpolicycodes";

/// By `policyRule`, or by the kind the paper is recorded as.
pub(super) fn restriction(consent: &Value) -> Option<Restriction> {
    let codings = consent["policyRule"]["coding"].as_array().into_iter().flatten();
    let mut codes = codings
        .filter(|coding| coding["system"] == POLICIES)
        .filter_map(|coding| coding["code"].as_str());
    let by_policy = codes.find_map(|code| match code {
        "hipaa-restrictions" => Some(Restriction::Agreed),
        "hipaa-self-pay" => Some(Restriction::SelfPay),
        _ => None,
    });
    let kind = || extension(consent, "consent-kind").is_some_and(|kind| kind["valueCode"] == "restriction");
    by_policy.or_else(|| kind().then_some(Restriction::Agreed))
}

/// An extension of ours on a resource.
pub(super) fn extension<'a>(resource: &'a Value, name: &str) -> Option<&'a Value> {
    const BASE: &str = "https://postern.example/fhir/StructureDefinition/";
    let mut extensions = resource["extension"].as_array()?.iter();
    extensions.find(|e| e["url"].as_str().and_then(|url| url.strip_prefix(BASE)) == Some(name))
}

impl Heard {
    /// `consents` in the order they were compiled in; `patient` is the person's own resource.
    pub fn new(
        list: &[&Value],
        consents: &Consents,
        named: &Named<'_>,
        patient: Option<&Value>,
        policy: InQuestion,
        now: &Now,
    ) -> Heard {
        let mut statements: Vec<Statement> = list
            .iter()
            .enumerate()
            .map(|(at, consent)| Statement {
                restriction: restriction(consent),
                concerns: named.may_mean_recipient(&consent["provision"]),
                authorization: consents.authorization_lacks(at).is_empty()
                    && named.names_recipient(&consent["provision"]),
                state_form: consents.state_lacks(at).is_empty()
                    && consents.state_until(at).is_none_or(|end| !now.reached(end)),
            })
            .collect();
        // A statement that takes the place of one about this recipient is about it too, by leaving it out.
        for _ in 0..statements.len() {
            let mut settled = true;
            for at in 0..statements.len() {
                let newer = consents.superseded_by(at).filter(|_| statements[at].concerns);
                if let Some(newer) = newer.and_then(|newer| statements.get_mut(newer))
                    && !newer.concerns
                {
                    newer.concerns = true;
                    settled = false;
                }
            }
            if settled {
                break;
            }
        }
        let asked = statements
            .iter()
            .enumerate()
            .any(|(at, s)| s.concerns && s.restriction.is_none() && is_an_answer(list[at]));
        Heard {
            statements,
            asked,
            in_question: patient.is_some_and(|patient| {
                extension(patient, "capacity-in-question").is_some_and(|e| e["valueBoolean"] == true)
            }),
            policy,
        }
    }

    pub fn restriction(&self, consent: usize) -> Option<Restriction> {
        self.statements.get(consent)?.restriction
    }

    /// The verdict on one datum as facts of law.
    pub fn said(&self, verdict: &Verdict, default: Default) -> Said {
        let mut said = Said {
            default,
            ..Said::NOTHING
        };
        let (mut denied, mut permitted) = (false, false);
        for part in &verdict.parts {
            let Some(statement) = self.statements.get(part.consent) else {
                denied |= part.effect == Effect::Deny;
                continue;
            };
            match (part.effect, statement.restriction) {
                (Effect::Deny, Some(Restriction::Agreed)) => said.restricted = true,
                (Effect::Deny, Some(Restriction::SelfPay)) => said.self_pay = true,
                (Effect::Deny, None) => denied = true,
                (Effect::Permit, None) => {
                    permitted = true;
                    said.authorization |= statement.authorization;
                    said.state_form |= statement.state_form;
                }
                (Effect::Permit, Some(_)) | (Effect::Silent, _) => {}
            }
        }
        // A restriction's deny hides in the verdict what the consents beside it would have come to.
        permitted &= verdict.decision == Decision::Permit || said.restricted || said.self_pay;
        said.word = match (denied, permitted, self.asked) {
            (true, _, _) => Word::Denies,
            (_, true, _) => Word::Permits,
            (_, _, true) => Word::DoesNotPermit,
            (_, _, false) => Word::NeverAsked,
        };
        said.part2 = match verdict.part2 {
            Part2::Permit => Part2Word::Sufficient,
            Part2::Insufficient(consent) if self.restriction(consent).is_none() => Part2Word::Insufficient,
            _ => Part2Word::None,
        };
        let in_question = self.in_question || verdict.capacity_in_question;
        said.in_question = in_question.then_some(self.policy);
        said
    }
}

/// Did it put a question to the person, with whatever answer? Drafts did not, nor did consents to care itself.
fn is_an_answer(consent: &Value) -> bool {
    let elsewhere = consent["scope"]["coding"].as_array().is_some_and(|codings| {
        codings
            .iter()
            .any(|c| matches!(c["code"].as_str(), Some("adr" | "treatment" | "research")))
    });
    !elsewhere && !matches!(consent["status"].as_str(), Some("draft" | "proposed"))
}
