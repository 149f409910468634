//! One request as the layers see it: everything that does not depend on the datum, read once. The grant that is in force, the purpose it
//! leaves, who the recipient is in the record, what the consents say to it. SEMANTICS 2 and 4; `42 CFR 2.51`, `740 ILCS 110/11`.

use std::collections::HashSet;

use super::grant::Obtainable;
use super::heard::{Heard, extension};
use super::layers::Layers;
use super::named::Named;
use super::record::{Recipient, Record, Stored};
use super::relationship::{self, Basis, Relationship};
use super::scope::Scopes;
use super::{Refusal, Rules};
use crate::consent::{Actor, Consents, Request, Resources};
use crate::fhir::date::PartialDate;
use crate::fhir::{Now, Value};
use crate::law::{Agency, Asker, Emergency, Purpose};
use crate::profile::DataSet;
use crate::terminology;

pub(super) struct Asked<'a> {
    record: &'a Record,
    recipient: &'a Recipient,
    /// As the decision reads it: an emergency without a grant is treatment.
    purpose: &'a str,
    rules: &'a Rules,
    now: &'a Now,
    emergency: Option<Emergency>,
    /// References that mean the recipient, and those that may.
    means: HashSet<String>,
    may_mean: HashSet<String>,
    /// Every relationship the record states, with the resource that states it.
    related: Vec<(Relationship, &'a Stored)>,
    /// The data set to decide within, instead of the policy's.
    pub instead: Option<&'a DataSet>,
}

impl<'a> Asked<'a> {
    pub fn new(
        record: &'a Record,
        recipient: &'a Recipient,
        purpose: &'a str,
        rules: &'a Rules,
        now: &'a Now,
    ) -> Asked<'a> {
        let emergency = emergency(record, recipient, purpose, rules, now);
        let (means, may_mean) = relationship::references_to(record, recipient);
        let related = relationship::find_all(record, recipient, &means, &rules.zone, now);
        Asked {
            record,
            recipient,
            purpose: if emergency.is_some() {
                purpose
            } else {
                without_grant(purpose)
            },
            rules,
            now,
            emergency,
            means,
            may_mean,
            related,
            instead: None,
        }
    }

    /// The answer where nothing relates the recipient to the person and no grant opens it, before anything is compiled:
    /// what most partners of a deployment have of most people.
    pub fn refused_at_once(&self) -> Option<Refusal> {
        if self.emergency.is_some() || !self.related.is_empty() {
            return None;
        }
        let served = self.rules.data_set(&self.recipient.class, self.purpose);
        Some(served.map_or(Refusal::PurposeNotServed, |_| Refusal::NoRelationship))
    }

    /// Compiles the consents, asks them once, and hands on the layers with every relationship the record states.
    pub fn with_layers<T>(
        &self,
        then: impl for<'x> FnOnce(Layers<'x>, &'x Record, Vec<(Relationship, &'x Stored)>) -> T,
    ) -> T {
        let Asked {
            record,
            recipient,
            purpose,
            rules,
            now,
            instead,
            ..
        } = *self;
        let context = Resources::new(record.all().map(|stored| &stored.body));
        let list: Vec<&Value> = record.of_type("Consent").map(|stored| &stored.body).collect();
        let consents = Consents::compile(&list, &context, &rules.zone, rules.state.signing());
        let named = Named::new(recipient, &self.means, &self.may_mean, &context);
        let in_question = rules.policy.capacity_in_question();
        let heard = Heard::new(&list, &consents, &named, person(record), in_question, now);
        let actor = Actor {
            references: self.means.iter().cloned().collect(),
            likely: self.may_mean.iter().cloned().collect(),
            identifiers: recipient.organization.clone(),
            classes: vec![recipient.class.clone()],
        };
        let related = &self.related;
        let asker = Asker {
            role: recipient.role,
            purpose: Purpose::of(purpose, recipient.role),
            // Without one there is no release at all.
            related: true,
            in_care_team: related.iter().any(|(r, _)| r.basis == Basis::CareTeam),
            medical_personnel: recipient.medical_personnel,
            emergency: self.emergency,
        };
        let layers = Layers {
            rules,
            recipient,
            purpose,
            asker,
            agency: Agency::of(&rules.policy),
            consents: &consents,
            inquiry: consents.ask(&Request::new(&actor, purpose, now), &context),
            heard,
            named,
            scopes: Scopes::new(&list, purpose),
            instead,
        };
        then(layers, record, related.clone())
    }
}

/// The person's own resource.
fn person(record: &Record) -> Option<&Value> {
    let mut patients = record.of_type("Patient");
    let own = patients.find(|stored| stored.id == record.patient);
    own.map(|stored| &stored.body)
}

/// The facts of a break-glass grant that is in force for this person and asked for as an emergency.
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
        therapist_determined: person(record).is_some_and(|p| therapist_determined(p, rules, now)),
    })
}

/// A named therapist's determination that is on record and has not ended: extension `therapist-determination`.
fn therapist_determined(patient: &Value, rules: &Rules, now: &Now) -> bool {
    let Some(determination) = extension(patient, "therapist-determination") else {
        return false;
    };
    let part = |name: &str| {
        let mut parts = determination["extension"].as_array().into_iter().flatten();
        parts.find(|part| part["url"] == name)
    };
    let says = |name: &str| {
        part(name).is_some_and(|p| p["valueString"].as_str().is_some_and(|t| !t.trim().is_empty()))
    };
    let until = part("until").and_then(|p| PartialDate::parse(p["valueDateTime"].as_str()?));
    let lasts = until.is_some_and(|until| !now.reached(until.bounds(&rules.zone).1));
    says("therapist") && says("ground") && lasts
}

/// An emergency that is only asserted is treatment: what an emergency opens takes a break-glass grant.
fn without_grant(purpose: &str) -> &str {
    if terminology::is_a(terminology::ACT_REASON, purpose, "ETREAT") {
        "TREAT"
    } else {
        purpose
    }
}
