//! The explanation of a decision, for staff: what a recipient would be shown, and for each thing kept back where it stands, why,
//! by which law, and the smallest change that would release it, found by trying. SEMANTICS 3; 45 CFR 171.202(b)
//!
//! ```compile_fail,E0616
//! // What staff are told opens only with proof that the look was recorded, and never as a recipient's answer.
//! fn leak(told: postern_rules::disclosure::ForStaff) -> postern_rules::disclosure::Explanation {
//!     told.explanation
//! }
//! ```

mod missing;
mod title;
mod ground;
mod change;
mod reason;
mod form;
mod labels;
mod trial;
mod find;
mod candidates;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use change::{SmallestChange, Step};
pub use ground::Exception;
pub use reason::{Denied, Reason};
pub use title::title;

use super::answer::NotRecorded;
use super::{Decision, Recipient, Record, Refusal, Relationship, Rules, decide};
use crate::fhir::Now;
use crate::label::Company;
use crate::log::{Digest, Durable};
use crate::terminology::{ACT_REASON, is_a};
use candidates::candidates;
use find::{Kept, find, to_name};
use labels::labels_of;
use trial::{Target, Trials};

/// What staff are told about one person, one recipient and one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub patient: String,
    pub recipient: String,
    pub recipient_name: String,
    pub purpose: String,
    pub outcome: Result<Seen, Denied>,
}

/// What would be released, and what not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub data_set: String,
    pub relationship: Relationship,
    pub basis: Vec<String>,
    /// `Type/id` and what staff call it, in the reading order of the data set.
    pub released: Vec<(String, String)>,
    pub withheld: Vec<Reason>,
    /// What the data set says its recipient should find, and this release does not hold.
    pub gaps: Vec<String>,
    pub elements_stored: usize,
    pub elements_released: usize,
}

/// An explanation that waits for the record of who looked.
#[derive(Debug)]
pub struct ForStaff {
    explanation: Explanation,
    digest: Digest,
}

impl ForStaff {
    /// Names what would be shown to staff.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many resources are released, and how many things withheld: for the log.
    pub fn counts(&self) -> (usize, usize) {
        match &self.explanation.outcome {
            Ok(seen) => (seen.released.len(), seen.withheld.len()),
            Err(_) => (0, 0),
        }
    }

    /// Why there is nobody for this recipient, if so.
    pub fn refused(&self) -> Option<&'static str> {
        self.explanation.outcome.as_ref().err().map(|denied| denied.code)
    }

    /// The explanation, once the look is durable.
    pub fn open(self, receipt: &impl Durable) -> Result<Explanation, NotRecorded> {
        if receipt.covers(&self.digest) {
            Ok(self.explanation)
        } else {
            Err(NotRecorded)
        }
    }
}

/// Decides as for the recipient, and explains it. `request` makes the digest of this look its own.
pub fn explain(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    now: &Now,
    request: &str,
) -> ForStaff {
    let outcome = match decide(record, recipient, purpose, rules, now) {
        Ok(decision) => Ok(seen(record, recipient, purpose, rules, now, &decision)),
        Err(refusal) => Err(denied(record, recipient, purpose, rules, now, refusal)),
    };
    let explanation = Explanation {
        patient: record.patient.clone(),
        recipient: recipient.id.clone(),
        recipient_name: recipient.name.clone(),
        purpose: purpose.to_owned(),
        outcome,
    };
    let digest = Digest::of(format!("staff {request} {}", explanation.to_json()).as_bytes());
    ForStaff { explanation, digest }
}

fn treating(recipient: &Recipient, purpose: &str, rules: &Rules) -> bool {
    rules
        .policy
        .class(&recipient.class)
        .is_some_and(|class| class.treating)
        && is_a(ACT_REASON, purpose, "TREAT")
}

fn seen(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    now: &Now,
    decision: &Decision,
) -> Seen {
    let about = decision.about();
    let kept = find(record, decision, rules);
    let targets = kept
        .iter()
        .map(|kept| Target {
            reference: kept.reference.clone(),
            element: kept.element.clone(),
        })
        .collect();
    let bodies = trial::bodies(decision);
    let before: Vec<String> = bodies.iter().map(trial::reference).collect();
    let mut trials = Trials::new((record, recipient, purpose), rules, now.stamp(), targets, before);
    let withheld = reasons(&kept, &mut trials);
    let set = rules.data_sets.get(&about.data_set);
    let mut released: Vec<(String, String)> = bodies
        .iter()
        .map(|body| (trial::reference(body), title(body)))
        .collect();
    let place = |reference: &str| {
        let name = reference.split('/').next().unwrap_or_default();
        set.and_then(|set| set.order().iter().position(|known| known == name))
    };
    released.sort_by_cached_key(|(reference, title)| (place(reference), title.clone(), reference.clone()));
    let gaps = set.map(|set| set.gaps(&bodies));
    Seen {
        data_set: about.data_set.clone(),
        relationship: about.relationship.clone(),
        basis: about.basis.clone(),
        released,
        withheld,
        gaps: gaps
            .into_iter()
            .flatten()
            .map(|item| item.label.clone())
            .collect(),
        elements_stored: about.elements_stored,
        elements_released: about.elements_released,
    }
}

/// First what is kept back for its own sake, then what follows it: the changes found for the one are tried for the other.
fn reasons(kept: &[Kept], trials: &mut Trials<'_>) -> Vec<Reason> {
    let raised: Vec<&str> = trials.rules.policy.raised().iter().map(String::as_str).collect();
    let (record, lists) = (trials.record, trials.rules.lists);
    let company = Company::of(record.all().map(|stored| &stored.body), lists, &raised);
    let mut found: Vec<Vec<Step>> = Vec::new();
    let mut reasons: Vec<Option<Reason>> = kept.iter().map(|_| None).collect();
    for follows in [false, true] {
        for (at, kept) in kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.follows == follows)
        {
            let reason = reason(at, kept, trials, (&found, &company));
            if !reason.change.steps.is_empty() && !found.contains(&reason.change.steps) {
                found.push(reason.change.steps.clone());
                found.sort_by_key(Vec::len);
            }
            reasons[at] = Some(reason);
        }
    }
    reasons.into_iter().flatten().collect()
}

fn reason(
    at: usize,
    kept: &Kept,
    trials: &mut Trials<'_>,
    (found, company): (&[Vec<Step>], &Company<'_>),
) -> Reason {
    let (recipient, purpose, rules) = (trials.recipient, trials.purpose, trials.rules);
    let treating = treating(recipient, purpose, rules);
    let stored = trials
        .record
        .resources
        .iter()
        .find(|one| one.reference() == kept.reference);
    let labelled = stored.map(|stored| {
        let reviews = trials.record.reviewed.of(&stored.resource_type, &stored.id);
        labels_of(stored, kept.element.as_deref(), rules, (reviews, company))
    });
    let tried = match kept.follows {
        true => found.to_vec(),
        false => candidates(trials.record, kept, labelled.as_ref(), &to_name(kept)),
    };
    let works = tried.into_iter().find(|steps| trials.releases(steps, at));
    let change = match works {
        Some(steps) => SmallestChange::of(steps, &recipient.name, purpose, treating),
        None => SmallestChange::none(candidates::why_none(kept)),
    };
    let label_basis = match kept.label.is_some() {
        true => labelled.map(|labelled| labelled.basis).unwrap_or_default(),
        false => Vec::new(),
    };
    Reason {
        reference: kept.reference.clone(),
        element: kept.element.clone(),
        title: stored.map(|stored| title(&stored.body)).unwrap_or_default(),
        rule: kept.rule.code(),
        in_words: kept.in_words(),
        label: kept.label.clone(),
        label_basis,
        stands_at: kept.stands_at.clone(),
        law: ground::law(kept.rule),
        exception: ground::exception(kept.rule, &kept.stands_at, recipient, purpose, rules),
        change,
    }
}

fn denied(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    now: &Now,
    refusal: Refusal,
) -> Denied {
    let (criterion, law) = ground::refusal(refusal);
    let patient = Target {
        reference: format!("Patient/{}", record.patient),
        element: None,
    };
    let mut trials = Trials::new(
        (record, recipient, purpose),
        rules,
        now.stamp(),
        vec![patient],
        Vec::new(),
    );
    let works = candidates::for_the_person(record, refusal)
        .into_iter()
        .find(|steps| trials.releases(steps, 0));
    let change = match works {
        Some(steps) => SmallestChange::of(
            steps,
            &recipient.name,
            purpose,
            treating(recipient, purpose, rules),
        ),
        None => SmallestChange::none(candidates::why_refused(refusal)),
    };
    Denied {
        code: refusal.code(),
        criterion,
        law,
        exception: None,
        change,
    }
}

impl Explanation {
    /// As the staff door gives it.
    pub fn to_json(&self) -> Value {
        let mut told = json!({
            "patient": format!("Patient/{}", self.patient),
            "recipient": self.recipient,
            "recipientName": self.recipient_name,
            "purpose": self.purpose,
        });
        match &self.outcome {
            Err(denied) => told["denied"] = denied.to_json(),
            Ok(seen) => {
                let released: Vec<Value> = seen
                    .released
                    .iter()
                    .map(|(reference, title)| json!({"reference": reference, "title": title}))
                    .collect();
                told["dataSet"] = seen.data_set.as_str().into();
                told["relationship"] =
                    json!({"basis": seen.relationship.basis.code(), "evidence": seen.relationship.evidence});
                told["basis"] = json!(seen.basis);
                told["elements"] =
                    json!({"stored": seen.elements_stored, "released": seen.elements_released});
                told["gaps"] = json!(seen.gaps);
                told["released"] = released.into();
                told["withheld"] = seen.withheld.iter().map(Reason::to_json).collect();
            }
        }
        told
    }
}
