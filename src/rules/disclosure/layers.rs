//! The layers of law and consent, combined by AND: a datum leaves only if each applicable one lets it.
//! A permit on one basis never cures a deny on another.
//!
//! | layer | rule |
//! |---|---|
//! | note kinds | `45 CFR 164.508(a)(2)`, `42 CFR 2.31(b)`: never under a general consent |
//! | consent | <https://hl7.org/fhir/R4/consent.html>, deny overrides |
//! | Part 2 | `42 CFR 2.31`, `2.33`: applies by provenance, needs a valid consent |
//! | HIPAA | `45 CFR 164.506(c)`: treatment, else the person's consent |
//! | default | only for people who were never asked |

use std::collections::HashSet;

use super::explain::Rule;
use super::record::{Recipient, Record, Stored};
use super::relationship;
use super::Rules;
use crate::consent::{Actor, Consents, Datum, Decision, Part2, Request, State, Verdict};
use crate::fhir::{Now, Value};
use crate::label::{Labels, NoteKind};
use crate::terminology;

/// Why a layer keeps something back.
pub(super) struct Refused {
    pub rule: Rule,
    pub label: Option<String>,
    pub basis: String,
}

impl Refused {
    pub fn new(rule: Rule, label: Option<String>, basis: impl Into<String>) -> Refused {
        Refused { rule, label, basis: basis.into() }
    }
}

pub(super) struct Layers<'a> {
    rules: &'a Rules,
    recipient: &'a Recipient,
    purpose: &'a str,
    now: &'a Now,
    consents: Consents,
    actor: Actor,
    means_recipient: HashSet<String>,
}

impl<'a> Layers<'a> {
    pub fn new(
        record: &Record, recipient: &'a Recipient, purpose: &'a str, rules: &'a Rules, now: &'a Now,
    ) -> Layers<'a> {
        let means_recipient = relationship::references_to(record, recipient);
        let consents: Vec<&Value> = record.of_type("Consent").map(|stored| &stored.body).collect();
        let context: Vec<&Value> = record.all().map(|stored| &stored.body).collect();
        let actor = Actor {
            references: means_recipient.iter().cloned().collect(),
            identifiers: recipient.organization.clone(),
            classes: vec![recipient.class.clone()],
            ..Actor::default()
        };
        let consents = Consents::compile(&consents, &context);
        Layers { rules, recipient, purpose, now, consents, actor, means_recipient }
    }

    /// The bases on which a datum with these labels may leave, or the layer that keeps it back.
    pub fn judge(&self, stored: &Stored, labels: &Labels) -> Result<Vec<String>, Refused> {
        note_kind(labels)?;
        if stored.resource_type == "Consent" && !self.concerns_recipient(&stored.body["provision"], 0) {
            return Err(Refused::new(Rule::Consent, None, "a consent about others"));
        }
        let request = Request { actor: &self.actor, purpose: self.purpose, now: self.now, zone: &self.rules.zone };
        let verdict = self.consents.evaluate(&request, &Datum { resource: &stored.body, labels });
        if verdict.decision == Decision::Deny {
            return Err(Refused::new(Rule::Consent, labels.telling(), verdict.basis_text()));
        }
        let mut basis = Vec::new();
        if labels.part2 {
            basis.push(part2(&verdict)?);
        }
        if verdict.decision == Decision::Permit {
            basis.push(format!("consent {}", verdict.basis_text()));
        } else {
            self.without_consent(&verdict, labels)?;
        }
        basis.push(self.hipaa(&verdict)?.to_owned());
        Ok(basis)
    }

    /// Only a person who was never asked falls to the default.
    fn without_consent(&self, verdict: &Verdict, labels: &Labels) -> Result<(), Refused> {
        if verdict.state != State::NeverAsked {
            return Err(Refused::new(Rule::Consent, labels.telling(), verdict.state.in_words()));
        }
        let most = self.rules.policy.default_confidentiality(&self.recipient.class);
        let covered = most.is_some_and(|most| {
            terminology::confidentiality_rank(&labels.confidentiality) <= terminology::confidentiality_rank(most)
        });
        if covered && !labels.part2 {
            Ok(())
        } else {
            Err(Refused::new(Rule::Default, labels.telling(), "profiles/policy.json"))
        }
    }

    fn hipaa(&self, verdict: &Verdict) -> Result<&'static str, Refused> {
        let treatment = terminology::is_a(terminology::ACT_REASON, self.purpose, "TREAT");
        if treatment && self.rules.policy.is_treating(&self.recipient.class) {
            return Ok("hipaa-treatment 45 CFR 164.506(c)(2)");
        }
        if verdict.decision == Decision::Permit {
            return Ok("hipaa-authorization 45 CFR 164.508");
        }
        Err(Refused::new(Rule::Hipaa, None, "45 CFR 164.506"))
    }

    /// Does this consent name the recipient? Others' provisions are not its business.
    fn concerns_recipient(&self, provision: &Value, depth: u8) -> bool {
        let list = |name: &str| provision[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |actor: &Value| {
            let reference = &actor["reference"];
            reference["reference"].as_str().is_some_and(|r| self.means_recipient.contains(r))
                || reference["identifier"]["value"].as_str() == Some(self.recipient.class.as_str())
        };
        depth < 16
            && (list("actor").iter().any(named)
                || list("provision").iter().any(|p| self.concerns_recipient(p, depth + 1)))
    }
}

fn note_kind(labels: &Labels) -> Result<(), Refused> {
    match labels.note_kind {
        NoteKind::General => Ok(()),
        NoteKind::Psychotherapy => {
            Err(Refused::new(Rule::PsychotherapyNotes, Some("PSYTHPN".to_owned()), "45 CFR 164.508(a)(2)"))
        }
        NoteKind::SudCounseling => {
            Err(Refused::new(Rule::SudCounselingNotes, Some("sud-counseling-notes".to_owned()), "42 CFR 2.31(b)"))
        }
    }
}

fn part2(verdict: &Verdict) -> Result<String, Refused> {
    let label = Some("42CFRPart2".to_owned());
    match &verdict.part2 {
        Part2::Permit => Ok(format!("part2-consent 42 CFR 2.31, 2.33 {}", verdict.basis_text())),
        Part2::Insufficient(lacks) => {
            Err(Refused::new(Rule::Part2, label, format!("insufficient: lacks {}", lacks.join(", "))))
        }
        _ => Err(Refused::new(Rule::Part2, label, "42 CFR 2.13, 2.31")),
    }
}
