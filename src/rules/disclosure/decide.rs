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
use super::relationship::{self, Relationship};
use super::release::{About, Decision};
use super::{Rules, elements, narrative};
use crate::consent::{Actor, Consents, Request, Resources};
use crate::fhir::Now;
use crate::label::{Labels, label, label_codes};
use crate::profile::{self, DataSet, Profile};
use crate::terminology::{self, Confidentiality, Sensitivities};

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
    pub body: Value,
    pub shared: bool,
    /// Legal basis of each layer that permitted it, or an element of it.
    pub basis: BTreeSet<String>,
    /// The resource, or a released element of it, is content under 42 CFR Part 2.
    pub part2: bool,
}

/// What `recipient` may see of `record` for `purpose` (a code of v3-ActReason) now.
pub fn decide(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    now: &Now,
) -> Result<Decision, Refusal> {
    let asserted = purpose;
    let purpose = without_grant(purpose);
    let data_set = rules
        .data_set(&recipient.class, purpose)
        .ok_or(Refusal::PurposeNotServed)?;
    let (means_recipient, may_mean_recipient) = relationship::references_to(record, recipient);
    let context = Resources::new(record.all().map(|stored| &stored.body));
    let consents: Vec<&Value> = record.of_type("Consent").map(|stored| &stored.body).collect();
    let consents = Consents::compile(&consents, &context, &rules.zone);
    let actor = Actor {
        references: means_recipient.iter().cloned().collect(),
        likely: may_mean_recipient.into_iter().collect(),
        identifiers: recipient.organization.clone(),
        classes: vec![recipient.class.clone()],
    };
    let inquiry = consents.ask(&Request::new(&actor, purpose, now), &context);
    let layers = Layers {
        rules,
        recipient,
        purpose,
        consents: &consents,
        inquiry,
        means_recipient: &means_recipient,
    };
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let mut work = Work {
        rules,
        raised,
        data_set,
        layers,
        withheld: Vec::new(),
    };
    let relationship = work.relationship(record, now).ok_or(Refusal::NoRelationship)?;
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for stored in &record.resources {
        candidates.extend(work.consider(stored, false));
    }
    for stored in &record.directory {
        candidates.extend(work.consider(stored, true));
    }
    references::settle(&mut candidates, &mut work.withheld);
    if !candidates
        .iter()
        .any(|c| c.stored.resource_type == "Patient" && c.stored.id == record.patient)
    {
        return Err(Refusal::PersonWithheld);
    }
    let elements_stored = record
        .resources
        .iter()
        .map(|stored| elements::leaves(&stored.body))
        .sum();
    let elements_released = candidates
        .iter()
        .filter(|c| !c.shared)
        .map(|c| elements::leaves(&c.body))
        .sum();
    let part2 = candidates.iter().any(|c| c.part2);
    let raised = work.raised;
    let mut basis = BTreeSet::new();
    let mut resources = Vec::with_capacity(candidates.len());
    for mut candidate in candidates {
        let own = std::mem::take(&mut candidate.basis);
        basis.extend(own.iter().cloned());
        resources.push((finish(candidate, rules, &raised), own.into_iter().collect()));
    }
    let about = About {
        recipient: recipient.id.clone(),
        purpose: asserted.to_owned(),
        patient: record.patient.clone(),
        record: record.version,
        world: record.world,
        data_set: data_set.name().to_owned(),
        relationship,
        basis: basis.into_iter().collect(),
        withheld: work.withheld,
        elements_stored,
        elements_released,
        part2,
        valid_until: now.valid_until(),
    };
    Ok(Decision { about, resources })
}

/// An emergency that is only asserted is treatment: what an emergency opens takes a break-glass grant.
fn without_grant(purpose: &str) -> &str {
    if terminology::is_a(terminology::ACT_REASON, purpose, "ETREAT") {
        "TREAT"
    } else {
        purpose
    }
}

struct Work<'a> {
    rules: &'a Rules,
    raised: Vec<&'a str>,
    data_set: &'a DataSet,
    layers: Layers<'a>,
    withheld: Vec<Withheld>,
}

impl<'a> Work<'a> {
    /// The first relationship whose evidence this recipient may know of.
    fn relationship(&self, record: &Record, now: &Now) -> Option<Relationship> {
        let all = relationship::find_all(record, self.layers.means_recipient, &self.rules.zone, now);
        let known = all.into_iter().find(|(_, evidence)| {
            let labels = label(&evidence.body, self.rules.lists, &self.raised);
            self.layers.judge(evidence, &labels).is_ok()
        });
        known.map(|(relationship, _)| relationship)
    }

    /// Layers and projection of one resource. Shared resources that are not released leave no entry: they are
    /// not about the person.
    fn consider(&mut self, stored: &'a Stored, shared: bool) -> Option<Candidate<'a>> {
        let labels = label(&stored.body, self.rules.lists, &self.raised);
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
        if shared && !self.data_set.directory().contains(&stored.resource_type) {
            return None;
        }
        let mut basis: BTreeSet<String> = basis.into_iter().collect();
        let hidden = self.hidden_elements(stored, &labels, shared, &mut basis);
        let part2 = labels.part2
            || labels
                .elements
                .iter()
                .any(|(path, own)| own.part2 && !hidden.contains(path));
        let mut texts: BTreeSet<String> = BTreeSet::new();
        if !hidden.is_empty() {
            // What a person typed may speak of what is withheld; only text with a label of its own was judged.
            let own: BTreeSet<&str> = labels.elements.iter().map(|(path, _)| path.as_str()).collect();
            profile::free_text(&stored.body, &mut |path| {
                if !own.contains(path) {
                    texts.insert(path.to_owned());
                }
            });
        }
        let keeps_back = |path: &str| hidden.contains(path) || texts.contains(path);
        let projected = if hidden.is_empty() {
            profile.project_all(&stored.body)
        } else {
            profile.project(&stored.body, &keeps_back)
        };
        let Some(body) = projected else {
            let rule = if hidden.is_empty() {
                Rule::DataSet
            } else {
                Rule::Shape
            };
            self.keep_back(
                stored.reference(),
                Refused::new(rule, None, self.data_set.name()),
                shared,
            );
            return None;
        };
        Some(Candidate {
            stored,
            profile,
            body,
            shared,
            basis,
            part2,
        })
    }

    /// Paths of labelled elements that this recipient may not have, and of text that sounds like what it may not.
    /// The bases of those it may have are added to `basis`.
    fn hidden_elements(
        &mut self,
        stored: &Stored,
        labels: &Labels,
        shared: bool,
        basis: &mut BTreeSet<String>,
    ) -> BTreeSet<String> {
        let suspected = labels.suspicions.iter().map(|suspicion| {
            let sensitivity = labels.sensitivity.with(suspicion.sensitivity);
            let to_permit = labels.to_permit.with(suspicion.sensitivity);
            let confidentiality = self.at_least_raised(labels.confidentiality, suspicion.sensitivity);
            let own = Labels {
                sensitivity,
                to_permit,
                confidentiality,
                elements: Vec::new(),
                suspicions: Vec::new(),
                ..labels.clone()
            };
            (suspicion.path.clone(), own)
        });
        let judged: Vec<(String, Labels)> = labels.elements.iter().cloned().chain(suspected).collect();
        let mut hidden = BTreeSet::new();
        for (path, own) in judged {
            match self.layers.judge(stored, &own) {
                Ok(permitted) => basis.extend(permitted),
                Err(refused) => {
                    self.keep_back(format!("{}#{path}", stored.reference()), refused, shared);
                    hidden.insert(path);
                }
            }
        }
        hidden
    }

    /// Data of a raised sensitivity count as `R`, suspected or not.
    fn at_least_raised(&self, stated: Confidentiality, suspected: Sensitivities) -> Confidentiality {
        let raised = self.raised.iter().filter_map(|code| Sensitivities::of(code));
        let touches = raised
            .fold(Sensitivities::NONE, Sensitivities::with)
            .and_below()
            .intersects(suspected);
        if touches {
            stated.max(Confidentiality::Restricted)
        } else {
            stated
        }
    }

    fn keep_back(&mut self, path: String, refused: Refused, shared: bool) {
        if !shared {
            self.withheld.push(Withheld {
                path,
                rule: refused.rule,
                label: refused.label,
                basis: refused.basis,
            });
        }
    }
}

/// Labels, profile and narrative, computed again from what is released.
fn finish(candidate: Candidate<'_>, rules: &Rules, raised: &[&str]) -> Value {
    let Candidate {
        stored,
        profile,
        part2,
        mut body,
        ..
    } = candidate;
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    body["meta"] = json!({ "security": stored.body["meta"]["security"] });
    let mut seen = label_codes(&body, rules.lists, raised);
    if part2 && !seen.part2 {
        // An element stands for the whole it is read in: `42 CFR 2.32` binds what accompanies it.
        seen.part2 = true;
        seen.confidentiality = seen.confidentiality.max(Confidentiality::Restricted);
    }
    let meta = json!({ "profile": [profile.url()], "security": security(&seen) });
    profile.complete(&mut body);
    let text = narrative::narrative(&body, part2.then_some(narrative::PART2_NOTICE));
    if let Value::Object(object) = &mut body {
        object.shift_remove("meta");
        // In the order people read: type, id, meta, text, and the rest as it stood.
        let id = object.keys().position(|name| name == "id");
        if let Some(value) = id.filter(|at| *at != 1).and_then(|_| object.shift_remove("id")) {
            object.shift_insert(1, "id".to_owned(), value);
        }
        let next = 1 + usize::from(id.is_some());
        object.shift_insert(next, "meta".to_owned(), meta);
        object.shift_insert(next + 1, "text".to_owned(), text);
    }
    body
}

/// Labels that travel: confidentiality, sensitivities, and for Part 2 content the law and the refrain that its
/// notice states (<https://hl7.org/fhir/R4/security-labels.html>).
fn security(labels: &Labels) -> Vec<Value> {
    let act = |code: &str| json!({"system": terminology::ACT_CODE, "code": code});
    let mut codings =
        vec![json!({"system": terminology::CONFIDENTIALITY, "code": labels.confidentiality.code()})];
    codings.extend(labels.sensitivity.codes().map(act));
    if labels.part2 {
        codings.extend([act("42CFRPart2"), act("NORDSCLCD")]);
    }
    codings
}
