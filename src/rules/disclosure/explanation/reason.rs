//! One thing kept back, with everything staff want to know of it: where it stands, its label and why it has it, the provision or
//! state, the law or data set, and the smallest change that would release it. 45 CFR 171.202(b), 164.514(d)

use serde_json::{Value, json};

use super::change::SmallestChange;
use super::ground::Exception;

/// Why one resource, or one element of it, does not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `CarePlan/abc`
    pub reference: String,
    /// `CarePlan.activity[2]`, for an element.
    pub element: Option<String>,
    /// What staff call the resource.
    pub title: String,
    /// Code of the rule, as on the log.
    pub rule: &'static str,
    pub in_words: &'static str,
    /// The label that decided, when one did.
    pub label: Option<String>,
    /// Why it carries its labels: source flag, code and list, term.
    pub label_basis: Vec<String>,
    /// Provision, state or profile (`Consent/x provision[0]`, `https://…|1.0.0`).
    pub stands_at: String,
    pub law: &'static str,
    /// For treatment data that HIPAA permits.
    pub exception: Option<Exception>,
    pub change: SmallestChange,
}

/// Why there is nobody for this recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub code: &'static str,
    /// What would have to be so and is not.
    pub criterion: &'static str,
    pub law: &'static str,
    pub exception: Option<Exception>,
    pub change: SmallestChange,
}

impl Reason {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "path": match &self.element {
                Some(element) => format!("{}#{element}", self.reference),
                None => self.reference.clone(),
            },
            "title": self.title,
            "rule": self.rule,
            "why": self.in_words,
            "label": self.label,
            "labelBasis": self.label_basis,
            "standsAt": self.stands_at,
            "law": self.law,
            "informationBlocking": self.exception.map(exception),
            "smallestChange": self.change.to_json(),
        })
    }
}

impl Denied {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "refusal": self.code,
            "criterion": self.criterion,
            "law": self.law,
            "informationBlocking": self.exception.map(exception),
            "smallestChange": self.change.to_json(),
        })
    }
}

fn exception(exception: Exception) -> Value {
    json!({"citation": exception.citation, "criterion": exception.criterion})
}
