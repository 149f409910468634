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

use super::Rules;
use super::explain::Rule;
use super::record::{Recipient, Stored};
use crate::consent::{Consents, Datum, Decision, Effect, Inquiry, Part2, State, Verdict};
use crate::fhir::Value;
use crate::label::{Labels, NoteKind};
use crate::profile::DefaultRelease;
use crate::terminology::{self, Confidentiality};

/// Why a layer keeps something back.
pub(super) struct Refused {
    pub rule: Rule,
    pub label: Option<String>,
    pub basis: String,
}

impl Refused {
    pub fn new(rule: Rule, label: Option<String>, basis: impl Into<String>) -> Refused {
        Refused {
            rule,
            label,
            basis: basis.into(),
        }
    }
}

/// One recipient's question, asked of each datum in turn.
pub(super) struct Layers<'a> {
    pub rules: &'a Rules,
    pub recipient: &'a Recipient,
    pub purpose: &'a str,
    pub consents: &'a Consents,
    pub inquiry: Inquiry<'a>,
    /// References that mean the recipient.
    pub means_recipient: &'a HashSet<String>,
}

impl Layers<'_> {
    /// The bases on which a datum with these labels may leave, or the layer that keeps it back.
    pub fn judge(&self, stored: &Stored, labels: &Labels) -> Result<Vec<String>, Refused> {
        note_kind(labels)?;
        if stored.resource_type == "Consent" && !self.concerns_recipient(&stored.body["provision"], 0) {
            return Err(Refused::new(Rule::Consent, None, "a consent about others"));
        }
        let verdict = self.inquiry.evaluate(&Datum::new(&stored.body, labels));
        if labels.part2 {
            self.part2(&verdict)?;
        }
        if verdict.decision == Decision::Deny {
            return Err(Refused::new(Rule::Consent, telling(labels), self.parts(&verdict)));
        }
        let mut basis = Vec::new();
        if labels.part2 {
            basis.push(format!(
                "part2-consent 42 CFR 2.31, 2.33 {}",
                self.parts(&verdict)
            ));
        }
        if verdict.decision == Decision::Permit {
            basis.push(format!("consent {}", self.parts(&verdict)));
        } else {
            self.without_consent(&verdict, labels)?;
        }
        basis.push(self.hipaa(&verdict)?.to_owned());
        Ok(basis)
    }

    /// Only a person who was never asked falls to the default.
    fn without_consent(&self, verdict: &Verdict, labels: &Labels) -> Result<(), Refused> {
        if verdict.state != State::NeverAsked {
            return Err(Refused::new(
                Rule::Consent,
                telling(labels),
                in_words(verdict.state),
            ));
        }
        let covered = match self.rules.policy.default_release(&self.recipient.class) {
            DefaultRelease::Nothing => false,
            DefaultRelease::UpTo(most) => terminology::confidentiality_rank(labels.confidentiality.code())
                .zip(terminology::confidentiality_rank(most))
                .is_some_and(|(own, most)| own <= most),
        };
        if covered && !labels.part2 {
            return Ok(());
        }
        Err(Refused::new(
            Rule::Default,
            telling(labels),
            "profiles/policy.json",
        ))
    }

    fn hipaa(&self, verdict: &Verdict) -> Result<&'static str, Refused> {
        let treatment = terminology::is_a(terminology::ACT_REASON, self.purpose, "TREAT");
        let treating = self
            .rules
            .policy
            .class(&self.recipient.class)
            .is_some_and(|class| class.treating);
        if treatment && treating {
            return Ok("hipaa-treatment 45 CFR 164.506(c)(2)");
        }
        if verdict.decision == Decision::Permit {
            return Ok("hipaa-authorization 45 CFR 164.508");
        }
        Err(Refused::new(Rule::Hipaa, None, "45 CFR 164.506"))
    }

    fn part2(&self, verdict: &Verdict) -> Result<(), Refused> {
        let label = Some("42CFRPart2".to_owned());
        match verdict.part2 {
            Part2::Permit => Ok(()),
            Part2::Insufficient(consent) => {
                let lacks = self.consents.lacks(consent).join(", ");
                let id = self.consents.id(consent).unwrap_or_default();
                Err(Refused::new(
                    Rule::Part2,
                    label,
                    format!("insufficient: Consent/{id} lacks {lacks}"),
                ))
            }
            Part2::Deny | Part2::NotPart2 => Err(Refused::new(Rule::Part2, label, "42 CFR 2.13, 2.31")),
        }
    }

    /// Does this consent name the recipient? Others' provisions are not its business.
    fn concerns_recipient(&self, provision: &Value, depth: u8) -> bool {
        let list = |name: &str| provision[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |actor: &Value| {
            let reference = &actor["reference"];
            reference["reference"]
                .as_str()
                .is_some_and(|r| self.means_recipient.contains(r))
                || reference["identifier"]["value"].as_str() == Some(self.recipient.class.as_str())
        };
        depth < 16
            && (list("actor").iter().any(named)
                || list("provision")
                    .iter()
                    .any(|p| self.concerns_recipient(p, depth + 1)))
    }

    /// `Consent/x provision[0]; Consent/y provision`
    fn parts(&self, verdict: &Verdict) -> String {
        // A silent consent decides only where no other speaks.
        let speaks = verdict.parts.iter().any(|part| part.effect != Effect::Silent);
        let deciding = verdict
            .parts
            .iter()
            .filter(|part| !speaks || part.effect != Effect::Silent);
        let paths: Vec<String> = deciding.map(|part| self.consents.path(part)).collect();
        if paths.is_empty() {
            in_words(verdict.state).to_owned()
        } else {
            paths.join("; ")
        }
    }
}

fn note_kind(labels: &Labels) -> Result<(), Refused> {
    match labels.note_kind {
        NoteKind::General => Ok(()),
        NoteKind::Psychotherapy => Err(Refused::new(
            Rule::PsychotherapyNotes,
            Some("PSYTHPN".to_owned()),
            "45 CFR 164.508(a)(2)",
        )),
        NoteKind::SudCounseling => Err(Refused::new(
            Rule::SudCounselingNotes,
            Some("sud-counseling-notes".to_owned()),
            "42 CFR 2.31(b)",
        )),
        NoteKind::Personal | NoteKind::TestMaterial | NoteKind::Unclassified => {
            Err(Refused::new(Rule::NeverReleased, None, "740 ILCS 110/3"))
        }
    }
}

/// The label that says most about why something is kept back.
fn telling(labels: &Labels) -> Option<String> {
    if labels.part2 {
        return Some("42CFRPart2".to_owned());
    }
    let codes: Vec<&str> = labels.sensitivity.codes().collect();
    match (codes.is_empty(), labels.confidentiality) {
        (false, _) => Some(codes.join(", ")),
        (true, Confidentiality::Normal) => None,
        (true, other) => Some(other.code().to_owned()),
    }
}

fn in_words(state: State) -> &'static str {
    match state {
        State::NeverAsked => "never asked",
        State::Active => "no consent in force permits it",
        State::Refused => "the person refused",
        State::Revoked => "the consent was revoked",
        State::Expired => "the consent has expired",
        State::Insufficient => "the consent lacks an element of 42 CFR 2.31(a)",
        State::NotComputable => "the consent cannot be computed",
    }
}
