//! `Record` + recipient + purpose + rules + now → `Decision` or `Refusal`. Pure: the same input, the same output.
//!
//! Order of work: label the whole record → relationship → consent, HIPAA, Part 2, state, restrictions (AND) per resource →
//! element labels → projection → references, until nothing changes → narrative and meta.

use std::collections::BTreeSet;

use super::asked::Asked;
use super::consider::{Candidate, Work};
use super::finish::finish;
use super::layers::Layers;
use super::plan_document::Gathered;
use super::record::{Recipient, Record, Stored};
use super::relationship::{Basis, Relationship};
use super::release::{About, Decision};
use super::sight::Sighted;
use super::{Rules, elements, references};
use crate::fhir::Now;
use crate::label::Company;
use crate::law::Emergency;
use crate::profile::DataSet;
use crate::search::Extractor;

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
    decide_within(record, recipient, purpose, (rules, None), now)
}

/// The same, and where a data set is given, within that one instead of the policy's: what an explanation tries.
pub(super) fn decide_within(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    (rules, instead): (&Rules, Option<&DataSet>),
    now: &Now,
) -> Result<Decision, Refusal> {
    let decided = decide_and_see(record, recipient, purpose, (rules, instead), (now, &[]));
    decided.map(|(decision, _)| decision)
}

/// The decision, and what of these resources (type and id) is seen, place by place: the ground of a write.
pub fn decide_seeing(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    (now, wanted): (&Now, &[(&str, &str)]),
) -> Result<(Decision, Vec<Sighted>), Refusal> {
    decide_and_see(record, recipient, purpose, (rules, None), (now, wanted))
}

fn decide_and_see(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    (rules, instead): (&Rules, Option<&DataSet>),
    (now, wanted): (&Now, &[(&str, &str)]),
) -> Result<(Decision, Vec<Sighted>), Refusal> {
    let mut asked = Asked::new(record, recipient, purpose, rules, now);
    asked.instead = instead;
    if let Some(refusal) = asked.refused_at_once() {
        return Err(refusal);
    }
    asked.with_layers(|layers, record, related| released(layers, record, related, purpose, (now, wanted)))
}

/// The order of work, once everything that does not depend on a datum is known. `purpose` as it was asserted.
fn released<'a>(
    layers: Layers<'a>,
    record: &'a Record,
    related: Vec<(Relationship, &'a Stored)>,
    purpose: &str,
    (now, wanted): (&Now, &[(&str, &str)]),
) -> Result<(Decision, Vec<Sighted>), Refusal> {
    let (rules, recipient, emergency) = (layers.rules, layers.recipient, layers.asker.emergency);
    let policy = &rules.policy;
    let mut data_set = match emergency {
        Some(_) => rules.data_sets.get(policy.break_glass()),
        None => rules.data_set(&recipient.class, layers.purpose),
    }
    .ok_or(Refusal::PurposeNotServed)?;
    let raised: Vec<&str> = policy.raised().iter().map(String::as_str).collect();
    let company = Company::of(record.all().map(|stored| &stored.body), rules.lists, &raised);
    let relationship = layers
        .first_known(related, &raised, &company)
        .or_else(|| under_grant(recipient, emergency));
    let relationship = relationship.ok_or(Refusal::NoRelationship)?;
    if relationship.basis == Basis::Reported && emergency.is_none() {
        // Known only from the recipient's own message: no more than the way to the scene needs.
        let unconfirmed = rules.data_sets.get(policy.unconfirmed_relationship());
        data_set = unconfirmed.ok_or(Refusal::PurposeNotServed)?;
    }
    let data_set = layers.instead.unwrap_or(data_set);
    let mut work = Work {
        rules,
        raised,
        data_set,
        layers,
        company: &company,
        reviewed: &record.reviewed,
        written: &record.written,
        withheld: Vec::new(),
    };
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for stored in &record.resources {
        candidates.extend(work.consider(stored, false));
    }
    for stored in &record.directory {
        candidates.extend(work.consider(stored, true));
    }
    candidates.extend(rules.agency.as_ref().and_then(|agency| work.who_answers(agency)));
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
    candidates.iter_mut().for_each(Candidate::take_in_elements);
    let seen = |c: &&Candidate<'_>| wanted.contains(&(c.stored.resource_type.as_str(), c.stored.id.as_str()));
    let seen: Vec<Sighted> = candidates.iter().filter(seen).map(Sighted::of).collect();
    let part2 = candidates.iter().any(Candidate::is_part2);
    let raised = work.raised;
    let mut basis = BTreeSet::new();
    let mut resources = Vec::with_capacity(candidates.len());
    let (mut bytes, mut extractor) = (Vec::new(), Extractor::new(&rules.zone));
    let mut gathered = Gathered::default();
    for mut candidate in candidates {
        let own = std::mem::take(&mut candidate.basis);
        basis.extend(own.iter().cloned());
        let member = gathered.member(&candidate);
        let (own, written) = (own.into_iter().collect(), (&mut bytes, &mut extractor));
        if let Some(mut written) = finish(candidate, own, rules.lists, &raised, written) {
            gathered.take(member, &mut written);
            resources.push(written);
        }
    }
    let whose = (recipient.id.as_str(), purpose, record.patient.as_str());
    let (document, reference) = gathered
        .document(whose, (data_set, rules), &mut extractor)
        .unzip();
    resources.extend(reference);
    let about = About {
        recipient: recipient.id.clone(),
        purpose: purpose.to_owned(),
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
        grant: emergency
            .and(recipient.grant.as_ref())
            .map(|grant| format!("Grant/{}", grant.id)),
        document,
        valid_until: now.valid_until(),
    };
    Ok((Decision { about, resources }, seen))
}

/// A grant opens the person where no relationship does.
fn under_grant(recipient: &Recipient, emergency: Option<Emergency>) -> Option<Relationship> {
    let grant = recipient.grant.as_ref().filter(|_| emergency.is_some())?;
    Some(Relationship {
        basis: Basis::BreakGlass,
        evidence: format!("Grant/{}", grant.id),
    })
}
