//! Changes that would release something: what each is in words, and how it is made on a copy of the record.
//! 42 CFR 2.31, 45 CFR 164.508, 164.514(d), 164.522; <https://hl7.org/fhir/R4/consent.html>

use serde_json::{Value, json};

use crate::label::NoteKind;

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A consent is there and lacks elements of 42 CFR 2.31(a).
    CompleteConsent { consent: String, lacks: Vec<String> },
    /// The person takes back what this provision denies, or the whole refusal (`provision` of the root).
    Withdraw { consent: String, provision: String },
    /// A new consent for this recipient and purpose. `labels`: codes it covers; none: everything.
    NewConsent { labels: Vec<String>, part2: bool },
    /// An authorization or consent for one kind of notes alone.
    OwnAuthorization { notes: &'static str },
    /// Staff look at a sentence that sounds sensitive, and clear it.
    ReviewText { path: String },
    /// Staff say what kind of note it is: an ordinary part of the record.
    ClassifyNote { reference: String },
    /// A referral to the recipient: it then has to do with the person.
    Refer,
    /// The capacity of the signer or the person is settled.
    SettleCapacity,
    /// The recipient opens break-glass in an emergency.
    BreakGlass,
    /// More than the data set: on request after review, or by a change of the data set.
    WidenDataSet { profile: String, element: String },
}

impl Step {
    /// For machines: a name that stays.
    pub fn code(&self) -> &'static str {
        match self {
            Step::CompleteConsent { .. } => "complete-consent",
            Step::Withdraw { .. } => "withdraw-provision",
            Step::NewConsent { .. } => "new-consent",
            Step::OwnAuthorization { .. } => "own-authorization",
            Step::ReviewText { .. } => "review-text",
            Step::ClassifyNote { .. } => "classify-note",
            Step::Refer => "refer",
            Step::SettleCapacity => "settle-capacity",
            Step::BreakGlass => "break-glass",
            Step::WidenDataSet { .. } => "widen-data-set",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut step = json!({"step": self.code()});
        match self {
            Step::CompleteConsent { consent, lacks } => {
                step["consent"] = format!("Consent/{consent}").into();
                step["lacks"] = json!(lacks);
            }
            Step::Withdraw { consent, provision } => {
                step["consent"] = format!("Consent/{consent}").into();
                step["provision"] = provision.as_str().into();
            }
            Step::NewConsent { labels, part2 } => {
                step["labels"] = json!(labels);
                step["part2"] = (*part2).into();
            }
            Step::OwnAuthorization { notes } => step["notes"] = (*notes).into(),
            Step::ReviewText { path } => step["path"] = path.as_str().into(),
            Step::WidenDataSet { profile, element } => {
                step["profile"] = profile.as_str().into();
                step["element"] = element.as_str().into();
            }
            Step::ClassifyNote { reference } => step["reference"] = reference.as_str().into(),
            Step::Refer | Step::SettleCapacity | Step::BreakGlass => {}
        }
        step
    }

    fn sentence(&self, recipient: &str, purpose: &str, treating: bool) -> String {
        match self {
            Step::CompleteConsent { consent, lacks } => {
                format!("complete Consent/{consent}: it lacks {}", lacks.join("; "))
            }
            Step::Withdraw { consent, provision } if provision == "provision" => {
                format!("the person takes back the refusal in Consent/{consent}")
            }
            Step::Withdraw { consent, provision } => {
                format!("the person takes back what Consent/{consent} {provision} denies")
            }
            Step::NewConsent { labels, part2 } => {
                let what = match labels.is_empty() {
                    true => "the data".to_owned(),
                    false => format!("data labelled {}", labels.join(", ")),
                };
                let form = if *part2 {
                    ", with every element of 42 CFR 2.31(a)"
                } else {
                    ""
                };
                format!("a consent by the person that lets {recipient} have {what} for {purpose}{form}")
            }
            Step::OwnAuthorization { notes } => format!(
                "an authorization of its own for {notes} that names {recipient} (nothing else on the same form)"
            ),
            Step::ReviewText { path } => format!("staff review the text at {path} and label or clear it"),
            Step::ClassifyNote { reference } => {
                format!("staff look at {reference} and say that it is an ordinary part of the record")
            }
            Step::Refer => format!("a referral to {recipient}, or a place for it in the care team"),
            Step::SettleCapacity => "the capacity that is in question is decided and recorded".to_owned(),
            Step::BreakGlass => format!("in an emergency: {recipient} opens break-glass for this person"),
            Step::WidenDataSet { profile, element } if treating => {
                format!(
                    "{recipient} asks for more and staff agree after review, or {element} is added to {profile}"
                )
            }
            Step::WidenDataSet { profile, element } => {
                format!("after individual review (45 CFR 164.514(d)(3)(ii)), {element} is added to {profile}")
            }
        }
    }
}

/// The smallest change found that releases something: no step at all means that none was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmallestChange {
    pub steps: Vec<Step>,
    /// One sentence.
    pub sentence: String,
}

impl SmallestChange {
    pub(super) fn of(steps: Vec<Step>, recipient: &str, purpose: &str, treating: bool) -> SmallestChange {
        let told: Vec<String> = steps
            .iter()
            .map(|step| step.sentence(recipient, purpose, treating))
            .collect();
        let mut sentence = told.join("; and ");
        if let Some(first) = sentence.get(..1).map(str::to_uppercase) {
            sentence.replace_range(..1, &first);
        }
        sentence.push('.');
        SmallestChange { steps, sentence }
    }

    /// The law, or the nature of the thing, lets none.
    pub(super) fn none(why: &str) -> SmallestChange {
        SmallestChange {
            steps: Vec::new(),
            sentence: why.to_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::to_json).collect();
        json!({"steps": steps, "sentence": self.sentence})
    }
}

/// Kinds of notes that take an authorization of their own, as people call them.
pub(super) fn notes_in_words(kind: NoteKind) -> Option<&'static str> {
    match kind {
        NoteKind::Psychotherapy => Some(PSYCHOTHERAPY),
        NoteKind::SudCounseling => Some(COUNSELING),
        _ => None,
    }
}

pub(super) const PSYCHOTHERAPY: &str = "psychotherapy notes";
pub(super) const COUNSELING: &str = "SUD counseling notes";
