//! `Record` + recipient + purpose + rules + now → `Decision` or `Refusal`. Pure: the same input, the same output.
//!
//! Order of work: label the whole record → relationship → consent, HIPAA, Part 2, default (AND) per resource →
//! element labels → projection → references, until nothing changes → narrative and meta.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::explain::{Rule, Withheld};
use super::layers::{Layers, Refused};
use super::record::{Recipient, Record, Stored};
use super::references;
use super::relationship;
use super::release::{About, Decision};
use super::{Rules, elements, narrative};
use crate::fhir::Now;
use crate::label::{Labels, label};
use crate::profile::{DataSet, Profile};

/// A decision not to release anything: a value, not an error. The recipient sees the same 404 or empty searchset
/// as for a person who does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing in the record relates the recipient to the person.
    NoRelationship,
    /// No data set serves this class of recipient for this purpose.
    PurposeNotServed,
    /// Not even the person may be acknowledged (`42 CFR 2.13(c)`).
    PersonWithheld,
}

impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Refusal::NoRelationship => "no-relationship",
            Refusal::PurposeNotServed => "purpose-not-served",
            Refusal::PersonWithheld => "person-withheld",
        }
    }
}

/// A resource that survived its layers and its projection.
pub(super) struct Candidate<'a> {
    pub stored: &'a Stored,
    pub profile: &'a Profile,
    pub labels: Labels,
    pub body: Value,
    pub shared: bool,
}

/// What `recipient` may see of `record` for `purpose` (a code of v3-ActReason) now.
pub fn decide(
    record: &Record, recipient: &Recipient, purpose: &str, rules: &Rules, now: &Now,
) -> Result<Decision, Refusal> {
    let data_set = rules.data_set(&recipient.class, purpose).ok_or(Refusal::PurposeNotServed)?;
    let relationship = relationship::find(record, recipient, now).ok_or(Refusal::NoRelationship)?;
    let layers = Layers::new(record, recipient, purpose, rules, now);
    let mut work = Work { rules, data_set, layers, withheld: Vec::new(), basis: BTreeSet::new() };
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for stored in &record.resources {
        candidates.extend(work.consider(stored, false));
    }
    for stored in &record.directory {
        candidates.extend(work.consider(stored, true));
    }
    references::settle(&mut candidates, &mut work.withheld);
    if !candidates.iter().any(|c| c.stored.resource_type == "Patient" && c.stored.id == record.patient) {
        return Err(Refusal::PersonWithheld);
    }
    let elements_stored = record.resources.iter().map(|stored| elements::leaves(&stored.body)).sum();
    let elements_released = candidates.iter().filter(|c| !c.shared).map(|c| elements::leaves(&c.body)).sum();
    let part2 = candidates.iter().any(|c| c.labels.part2);
    let resources = candidates.into_iter().map(|c| finish(c, rules)).collect();
    let about = About {
        recipient: recipient.id.clone(),
        purpose: purpose.to_owned(),
        patient: record.patient.clone(),
        record: record.version,
        world: record.world,
        data_set: data_set.name().to_owned(),
        relationship,
        basis: work.basis.into_iter().collect(),
        withheld: work.withheld,
        elements_stored,
        elements_released,
        part2,
        valid_until: now.valid_until(),
    };
    Ok(Decision { about, resources })
}

struct Work<'a> {
    rules: &'a Rules,
    data_set: &'a DataSet,
    layers: Layers<'a>,
    withheld: Vec<Withheld>,
    basis: BTreeSet<String>,
}

impl<'a> Work<'a> {
    /// Layers and projection of one resource. Shared resources that are not released leave no entry: they are
    /// not about the person.
    fn consider(&mut self, stored: &'a Stored, shared: bool) -> Option<Candidate<'a>> {
        let labels = label(&stored.body, &self.rules.lists, self.rules.policy.raised());
        let permitted = self.layers.judge(stored, &labels);
        let basis = match permitted {
            Ok(basis) => basis,
            Err(refused) => {
                self.keep_back(stored.reference(), refused, shared);
                return None;
            }
        };
        let Some(profile) = self.data_set.profile(&stored.resource_type) else {
            let refused = Refused::new(Rule::DataSet, None, self.data_set.name());
            self.keep_back(stored.reference(), refused, shared);
            return None;
        };
        let hidden = self.hidden_elements(stored, &labels, shared);
        let any_hidden = !hidden.is_empty();
        let keeps_back = |path: &str| {
            hidden.contains(path) || (any_hidden && elements::is_free_text(path) && !labels.has_own_label(path))
        };
        let Some(body) = profile.project(&stored.body, &keeps_back) else {
            let rule = if any_hidden { Rule::Shape } else { Rule::DataSet };
            self.keep_back(stored.reference(), Refused::new(rule, None, self.data_set.name()), shared);
            return None;
        };
        self.basis.extend(basis);
        Some(Candidate { stored, profile, labels, body, shared })
    }

    /// Paths of labelled elements that this recipient may not have.
    fn hidden_elements(&mut self, stored: &Stored, labels: &Labels, shared: bool) -> BTreeSet<String> {
        let mut hidden = BTreeSet::new();
        for (path, own) in &labels.elements {
            if let Err(refused) = self.layers.judge(stored, own) {
                self.keep_back(format!("{}#{path}", stored.reference()), refused, shared);
                hidden.insert(path.clone());
            }
        }
        hidden
    }

    fn keep_back(&mut self, path: String, refused: Refused, shared: bool) {
        if !shared {
            self.withheld.push(Withheld { path, rule: refused.rule, label: refused.label, basis: refused.basis });
        }
    }
}

/// Labels, profile and narrative, computed again from what is released.
fn finish(candidate: Candidate<'_>, rules: &Rules) -> Value {
    let Candidate { profile, labels, mut body, .. } = candidate;
    let part2 = labels.part2;
    let seen = label(&body, &rules.lists, rules.policy.raised());
    let mut meta = json!({ "profile": [profile.url()] });
    meta["security"] = Value::Array(seen.security(&labels));
    let notice = part2.then_some(narrative::PART2_NOTICE);
    let text = narrative::narrative(&body, notice);
    let mut out = serde_json::Map::new();
    if let Value::Object(object) = &mut body {
        for name in ["resourceType", "id"] {
            if let Some(value) = object.shift_remove(name) {
                out.insert(name.to_owned(), value);
            }
        }
        out.insert("meta".to_owned(), meta);
        out.insert("text".to_owned(), text);
        out.extend(std::mem::take(object));
    }
    Value::Object(out)
}
