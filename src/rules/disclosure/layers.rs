//! The layers of law and consent for one datum: facts in, law out. A datum leaves only if every regime that applies lets it; a permit
//! on one basis never cures a deny on another. The rules themselves stand in `law`, the person's consents in `consent`.
//! SEMANTICS 3 and 4.

use super::Rules;
use super::explain::Rule;
use super::heard::{self, Heard};
use super::named::Named;
use super::record::{Recipient, Stored};
use super::relationship::{Basis, Relationship};
use super::scope::Scopes;
use crate::consent::{Consents, Datum, Effect, Inquiry, Part2, State, Verdict};
use crate::label::{Company, Labels, NoteKind, label};
use crate::law::{
    self, Agency, Asker, Default, Obligation, Obligations, Outcome, Question, Reason, Regime, Said, Source,
    Word,
};
use crate::profile::{DataSet, DefaultRelease};

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

/// On what a datum may leave, and what goes with it.
#[derive(Debug, Default)]
pub(super) struct Permitted {
    /// Legal basis of each layer that permitted it.
    pub basis: Vec<String>,
    pub obligations: Obligations,
    /// Sentences that must stand in what is released: scope of the consent, request not to disclose further.
    pub statements: Vec<String>,
}

/// One recipient's question, asked of each datum in turn.
pub(super) struct Layers<'a> {
    pub rules: &'a Rules,
    pub recipient: &'a Recipient,
    /// As decided: an emergency without a grant is treatment.
    pub purpose: &'a str,
    pub asker: Asker,
    pub agency: Agency,
    pub consents: &'a Consents,
    pub inquiry: Inquiry<'a>,
    pub heard: Heard,
    pub named: Named<'a>,
    pub scopes: Scopes,
    /// What an explanation tries instead of the policy's data set.
    pub instead: Option<&'a DataSet>,
}

/// `45 CFR 164.522(a)(1)(iv)`: what is asked of whoever received it in an emergency.
pub(super) const ASK_NO_FURTHER: &str = "Disclosed in an emergency against a restriction agreed with the person (45 CFR 164.522(a)): please do not use or disclose it further.";

impl Layers<'_> {
    /// The bases on which a datum with these labels may leave, or the layer that keeps it back.
    pub fn judge(&self, stored: &Stored, labels: &Labels) -> Result<Permitted, Refused> {
        if stored.resource_type == "Consent" {
            self.may_know_of(stored)?;
        }
        let source = Source::of(labels, &self.agency);
        let verdict = if law::follows_hipaa(&self.question(source, &Said::NOTHING)) {
            // Where HIPAA decides, any consent that reaches the datum counts, not only one in the form of Part 2.
            let labels = Labels {
                part2: false,
                ..labels.clone()
            };
            self.inquiry.evaluate(&Datum::new(&stored.body, &labels))
        } else {
            self.inquiry.evaluate(&Datum::new(&stored.body, labels))
        };
        let said = self.heard.said(&verdict, self.default(labels));
        match law::judge(&self.question(source, &said)) {
            Outcome::Permit(permit) => Ok(self.permitted(permit, said.word, &verdict)),
            Outcome::Deny(reason) | Outcome::Needs(reason) => {
                Err(self.refused(&reason, said.word, &verdict, labels))
            }
            Outcome::NotApplicable => Err(Refused::new(Rule::Hipaa, None, "no regime permits it")),
        }
    }

    fn question<'q>(&'q self, source: Source, said: &'q Said) -> Question<'q> {
        Question {
            asker: &self.asker,
            source,
            said,
            agency: &self.agency,
            state: &self.rules.state,
        }
    }

    /// The first relationship whose evidence the recipient may know of: a referral it may not see relates it to nobody. What it
    /// reported itself it knows; so does a payor, unless the source protects even that (`42 CFR 2.12(a)(1)`).
    pub fn first_known(
        &self,
        related: Vec<(Relationship, &Stored)>,
        raised: &[&str],
        company: &Company<'_>,
    ) -> Option<Relationship> {
        let known = related.into_iter().find(|(relationship, evidence)| {
            let labels = || {
                let mut labels = label(&evidence.body, self.rules.lists, raised);
                if let Some(kept) = company.kept_by(&evidence.resource_type, &evidence.id) {
                    kept.raise(&mut labels);
                }
                labels
            };
            match relationship.basis {
                Basis::Reported => true,
                Basis::Coverage if !labels().part2 => true,
                _ => self.judge(evidence, &labels()).is_ok(),
            }
        });
        known.map(|(relationship, _)| relationship)
    }

    /// Others' consents are not the recipient's business, nor are restrictions the agency agreed to.
    fn may_know_of(&self, consent: &Stored) -> Result<(), Refused> {
        if heard::restriction(&consent.body).is_some() {
            return Err(Refused::new(
                Rule::Restriction,
                None,
                "an agreement of the agency",
            ));
        }
        if !self.named.names_recipient(&consent.body["provision"]) {
            return Err(Refused::new(Rule::Consent, None, "a consent about others"));
        }
        Ok(())
    }

    fn default(&self, labels: &Labels) -> Default {
        match self.rules.policy.default_release(&self.recipient.class) {
            DefaultRelease::Nothing => Default::Nothing,
            DefaultRelease::UpTo(most) => {
                let rank = terminology::confidentiality_rank(most);
                match rank.is_some_and(|most| labels.confidentiality as u8 <= most) {
                    true => Default::Covers,
                    false => Default::Beyond,
                }
            }
        }
    }

    fn permitted(&self, permit: law::Permit, word: Word, verdict: &Verdict) -> Permitted {
        let (mut basis, mut statements) = (Vec::with_capacity(permit.basis.len() + 1), Vec::new());
        let parts = |word: Word| (word == Word::Permits).then(|| self.parts(verdict));
        let parts = parts(word);
        for own in permit.basis {
            match &parts {
                Some(parts) if own.starts_with("part2-consent") => basis.push(format!("{own} {parts}")),
                _ => basis.push(own.into_owned()),
            }
        }
        basis.extend(parts.map(|parts| format!("consent {parts}")));
        let obligations = permit.obligations;
        if obligations.has(Obligation::ConsentScope) {
            let permits = verdict.parts.iter().filter(|part| part.effect == Effect::Permit);
            statements.extend(
                permits
                    .filter_map(|part| self.scopes.of(part.consent))
                    .map(str::to_owned),
            );
        }
        if obligations.has(Obligation::StateRedisclosure) {
            statements.extend(self.rules.state.redisclosure_notice().map(str::to_owned));
        }
        if obligations.has(Obligation::AskNoFurtherDisclosure) {
            statements.push(ASK_NO_FURTHER.to_owned());
        }
        Permitted {
            basis,
            obligations,
            statements,
        }
    }

    fn refused(&self, reason: &Reason, word: Word, verdict: &Verdict, labels: &Labels) -> Refused {
        let cite = reason.cite.clone().into_owned();
        let part2 = || Some("42CFRPart2".to_owned());
        match reason.regime {
            Regime::Part2 => match verdict.part2 {
                Part2::Insufficient(consent) => {
                    Refused::new(Rule::Part2, part2(), self.insufficient(consent))
                }
                _ => Refused::new(Rule::Part2, part2(), cite),
            },
            Regime::Consent if word == Word::Denies => {
                Refused::new(Rule::Consent, telling(labels), self.parts(verdict))
            }
            Regime::Consent => Refused::new(Rule::Consent, telling(labels), self.silent(verdict)),
            Regime::Default => Refused::new(Rule::Default, telling(labels), cite),
            Regime::Notes => {
                let (rule, label) = note(labels.note_kind);
                Refused::new(rule, Some(label.to_owned()), cite)
            }
            Regime::Restriction => {
                Refused::new(Rule::Restriction, telling(labels), self.denies(verdict, cite))
            }
            Regime::SelfPay => Refused::new(Rule::SelfPay, Some("HIPAASelfPay".to_owned()), cite),
            Regime::State => Refused::new(
                Rule::State,
                telling(labels),
                self.state_lacks(word, verdict, cite),
            ),
            Regime::Capacity => Refused::new(Rule::Capacity, None, cite),
            Regime::Proceedings => Refused::new(Rule::LegalProcess, None, cite),
            Regime::Hipaa if word == Word::Permits => {
                Refused::new(Rule::Hipaa, None, self.authorization_lacks(verdict, cite))
            }
            Regime::Hipaa | Regime::None => Refused::new(Rule::Hipaa, None, cite),
        }
    }

    fn insufficient(&self, consent: usize) -> String {
        let lacks = self.consents.lacks(consent).join(", ");
        let id = self.consents.id(consent).unwrap_or_default();
        format!("insufficient: Consent/{id} lacks {lacks}")
    }

    /// A silent consent is named; without one the state says it.
    fn silent(&self, verdict: &Verdict) -> String {
        let names_a_consent = verdict
            .parts
            .iter()
            .any(|part| self.heard.restriction(part.consent).is_none());
        match names_a_consent {
            true => self.parts(verdict),
            false => in_words(verdict.state).to_owned(),
        }
    }

    fn denies(&self, verdict: &Verdict, cite: String) -> String {
        let paths: Vec<String> = verdict
            .parts
            .iter()
            .filter(|part| part.effect == Effect::Deny && self.heard.restriction(part.consent).is_some())
            .map(|part| self.consents.path(part))
            .collect();
        match paths.is_empty() {
            true => cite,
            false => format!("{cite} {}", paths.join("; ")),
        }
    }

    fn state_lacks(&self, word: Word, verdict: &Verdict, cite: String) -> String {
        let lacking = verdict
            .parts
            .iter()
            .filter(|part| part.effect == Effect::Permit)
            .map(|part| part.consent)
            .find(|consent| word == Word::Permits && !self.consents.state_lacks(*consent).is_empty());
        match lacking {
            None => cite,
            Some(consent) => {
                let id = self.consents.id(consent).unwrap_or_default();
                let lacks = self.consents.state_lacks(consent).join(", ");
                format!("{cite} Consent/{id} lacks {lacks}")
            }
        }
    }

    fn authorization_lacks(&self, verdict: &Verdict, cite: String) -> String {
        let permits = verdict.parts.iter().find(|part| part.effect == Effect::Permit);
        let Some(consent) = permits.map(|part| part.consent) else {
            return cite;
        };
        let id = self.consents.id(consent).unwrap_or_default();
        match self.consents.authorization_lacks(consent) {
            [] => format!("{cite}; Consent/{id} does not name it"),
            lacks => format!("{cite}; Consent/{id} lacks {}", lacks.join(", ")),
        }
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

fn note(kind: NoteKind) -> (Rule, &'static str) {
    match kind {
        NoteKind::Psychotherapy => (Rule::PsychotherapyNotes, "PSYTHPN"),
        NoteKind::SudCounseling => (Rule::SudCounselingNotes, "sud-counseling-notes"),
        NoteKind::Personal => (Rule::NeverReleased, "personal-notes"),
        NoteKind::TestMaterial => (Rule::NeverReleased, "test-material"),
        NoteKind::Unclassified | NoteKind::General => (Rule::UnclassifiedNote, "unclassified-therapy-note"),
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
