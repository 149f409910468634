//! `Record` + recipient + purpose + rules + now → `Decision` or `Refusal`. Pure: the same input, the same output.
//!
//! Order of work: label the whole record → relationship → consent, HIPAA, Part 2, state, restrictions (AND) per resource →
//! element labels → projection → references, until nothing changes → narrative and meta.

use std::collections::BTreeSet;

use serde_json::Value;

use super::consider::{Candidate, Work};
use super::finish::finish;
use super::grant::Obtainable;
use super::heard::Heard;
use super::layers::Layers;
use super::named::Named;
use super::record::{Recipient, Record};
use super::relationship::{Basis, Relationship};
use super::release::{About, Decision};
use super::scope::Scopes;
use super::{Rules, elements, references, relationship};
use crate::consent::{Actor, Consents, Request, Resources};
use crate::fhir::Now;
use crate::law::{Agency, Asker, Emergency, Purpose};
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
    let emergency = emergency(record, recipient, purpose, rules, now);
    let purpose = if emergency.is_some() {
        purpose
    } else {
        without_grant(purpose)
    };
    let mut data_set = match emergency {
        Some(_) => rules.data_sets.get(rules.policy.break_glass()),
        None => rules.data_set(&recipient.class, purpose),
    }
    .ok_or(Refusal::PurposeNotServed)?;
    let (means_recipient, may_mean_recipient) = relationship::references_to(record, recipient);
    let context = Resources::new(record.all().map(|stored| &stored.body));
    let list: Vec<&Value> = record.of_type("Consent").map(|stored| &stored.body).collect();
    let consents = Consents::compile(&list, &context, &rules.zone, rules.state.signing());
    let named = Named::new(recipient, &means_recipient, &may_mean_recipient, &context);
    let patient = record.of_type("Patient").find(|p| p.id == record.patient);
    let heard = Heard::new(
        &list,
        &consents,
        &named,
        patient.map(|stored| &stored.body),
        rules.policy.capacity_in_question(),
        now,
    );
    let actor = Actor {
        references: means_recipient.iter().cloned().collect(),
        likely: may_mean_recipient.iter().cloned().collect(),
        identifiers: recipient.organization.clone(),
        classes: vec![recipient.class.clone()],
    };
    let inquiry = consents.ask(&Request::new(&actor, purpose, now), &context);
    let related = relationship::find_all(record, recipient, &means_recipient, &rules.zone, now);
    let asker = Asker {
        role: recipient.role,
        purpose: Purpose::of(purpose, recipient.role),
        // Without one there is no release at all.
        related: true,
        in_care_team: related.iter().any(|(r, _)| r.basis == Basis::CareTeam),
        medical_personnel: recipient.medical_personnel,
        emergency,
    };
    let layers = Layers {
        rules,
        recipient,
        asker,
        agency: Agency::of(&rules.policy),
        consents: &consents,
        inquiry,
        heard,
        named,
        scopes: Scopes::new(&list, purpose),
    };
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let relationship = layers
        .first_known(related, &raised)
        .or_else(|| under_grant(recipient, emergency));
    let relationship = relationship.ok_or(Refusal::NoRelationship)?;
    if relationship.basis == Basis::Reported && emergency.is_none() {
        // Known only from the recipient's own message: no more than the way to the scene needs.
        let unconfirmed = rules.data_sets.get(rules.policy.unconfirmed_relationship());
        data_set = unconfirmed.ok_or(Refusal::PurposeNotServed)?;
    }
    let mut work = Work {
        rules,
        raised,
        data_set,
        layers,
        withheld: Vec::new(),
    };
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
    candidates.iter_mut().for_each(Candidate::take_in_elements);
    let part2 = candidates.iter().any(Candidate::is_part2);
    let raised = work.raised;
    let mut basis = BTreeSet::new();
    let mut resources = Vec::with_capacity(candidates.len());
    let mut bytes = Vec::new();
    for mut candidate in candidates {
        let own = std::mem::take(&mut candidate.basis);
        basis.extend(own.iter().cloned());
        resources.extend(finish(
            candidate,
            own.into_iter().collect(),
            rules.lists,
            &raised,
            &mut bytes,
        ));
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

/// The facts of a break-glass grant that is in force for this person and asked for as an emergency. `42 CFR 2.51`
fn emergency(
    record: &Record,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
    now: &Now,
) -> Option<Emergency> {
    let grant = recipient.grant.as_ref()?;
    let asked = terminology::is_a(terminology::ACT_REASON, purpose, "ETREAT");
    if !asked || grant.patient != record.patient || now.reached(grant.until) {
        return None;
    }
    Some(Emergency {
        refused: grant.consent_obtainable == Obtainable::Refused,
        overrides_consent: rules.policy.break_glass_overrides_consent(),
        therapist_determined: false,
    })
}

/// A grant opens the person where no relationship does.
fn under_grant(recipient: &Recipient, emergency: Option<Emergency>) -> Option<Relationship> {
    let grant = recipient.grant.as_ref().filter(|_| emergency.is_some())?;
    Some(Relationship {
        basis: Basis::BreakGlass,
        evidence: format!("Grant/{}", grant.id),
    })
}

/// An emergency that is only asserted is treatment: what an emergency opens takes a break-glass grant.
fn without_grant(purpose: &str) -> &str {
    if terminology::is_a(terminology::ACT_REASON, purpose, "ETREAT") {
        "TREAT"
    } else {
        purpose
    }
}
