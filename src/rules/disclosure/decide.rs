//! `Record` + recipient + purpose + rules + now → `Decision` or `Refusal`. Pure: the same input, the same output.
//!
//! Order of work: label the whole record → relationship → consent, HIPAA, Part 2, default (AND) per resource →
//! element labels → projection → references, until nothing changes → narrative and meta.

use std::collections::BTreeSet;

use serde_json::Value;

use super::consider::{Candidate, Work};
use super::finish::finish;
use super::layers::Layers;
use super::record::{Recipient, Record};
use super::release::{About, Decision};
use super::{Rules, elements, references, relationship};
use crate::consent::{Actor, Consents, Request, Resources, Signing};
use crate::fhir::Now;
use crate::terminology;

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
    let consents = Consents::compile(&consents, &context, &rules.zone, &Signing::default());
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
        reviewed: &record.reviewed,
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
        .filter_map(|c| c.projected.excerpt.root())
        // The name of the type is not the record's.
        .map(|released| released.leaves() - 1)
        .sum();
    let part2 = candidates.iter().any(Candidate::is_part2);
    let raised = work.raised;
    let mut basis = BTreeSet::new();
    let mut resources = Vec::with_capacity(candidates.len());
    for mut candidate in candidates {
        let own = std::mem::take(&mut candidate.basis);
        basis.extend(own.iter().cloned());
        resources.extend(finish(candidate, own.into_iter().collect(), rules.lists, &raised));
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
