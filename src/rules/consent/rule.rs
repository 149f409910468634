//! A provision compiled: its effect and, per dimension, what it states or inherits.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.provision>

use std::sync::Arc;

use super::actor::Names;
use super::label_rule::LabelRule;
use crate::fhir::Instant;

/// Half-open span of time; an absent end is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Option<Instant>,
    pub until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Instance,
    /// The instance, what it refers to, and what refers to it.
    Related,
    /// The instance and what refers to it.
    Dependents,
    AuthoredBy,
}

#[derive(Clone, Debug)]
pub(super) struct DataRule {
    pub meaning: Meaning,
    /// `Type/id`, or an absolute address.
    pub reference: String,
    /// What the instance itself refers to, for `Related`.
    pub refers_to: Vec<String>,
}

/// A system and a code; an absent system is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub system: String,
    pub code: String,
}

/// Per dimension: `None` when neither stated nor inherited. Shared, since children inherit.
#[derive(Clone, Debug, Default)]
pub(super) struct Stated {
    pub period: Option<Span>,
    pub actors: Option<Arc<Names>>,
    pub purposes: Option<Arc<Vec<Code>>>,
    pub actions: Option<Arc<Vec<String>>>,
    pub labels: Option<Arc<LabelRule>>,
    pub classes: Option<Arc<Vec<Code>>>,
    pub codes: Option<Arc<Vec<Code>>>,
    pub data: Option<Arc<Vec<DataRule>>>,
    pub data_period: Option<Span>,
}

impl Stated {
    /// Does it state or inherit any dimension of the data themselves?
    pub(super) fn limits_data(&self) -> bool {
        self.labels.is_some()
            || self.classes.is_some()
            || self.codes.is_some()
            || self.data.is_some()
            || self.data_period.is_some()
    }
}

impl Stated {
    /// Is there a dimension of the data beside their class?
    pub(super) fn limits_beside_class(&self) -> bool {
        self.labels.is_some() || self.codes.is_some() || self.data.is_some() || self.data_period.is_some()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub permit: bool,
    pub path: String,
    pub stated: Stated,
    /// States a dimension of the data itself, not only by inheritance.
    pub own_data: bool,
    pub children: Vec<usize>,
}

/// Rules of one consent; the first is the root.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub rules: Vec<Rule>,
}
