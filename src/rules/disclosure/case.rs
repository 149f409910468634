//! A portable case through every layer: relationship, consent, law, data set. What the gateway reads from its records, a case states
//! as facts (`reference/law.md` section 0); nothing that a resource refers to has to be in the case. SEMANTICS 2 and 3.
//!
//! In: as for the consent layer, with `recipient {class, role, relationship, registered, organization?, medicalPersonnel?}`, `facts`,
//! `state`. Out: the same form; `why` names the layer and its rule.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::asked::Asked;
use super::consider::Work;
use super::record::{Record, Stored};
use super::{Rules, Withheld};
use crate::consent::case::{read, read::Case, refused};
use crate::fhir::{Issue, Now};
use crate::label::{CodeLists, Company};
use crate::law;
use crate::profile::shipped;

mod facts;
mod party;

use facts::Facts;
use party::Party;

/// The shipped policy, data sets and states: what a case is decided by, one set of rules for each state.
pub struct Shipped(HashMap<String, Rules>);

impl Shipped {
    /// `Err`: what is wrong with a shipped file.
    pub fn load() -> Result<Shipped, Vec<Issue>> {
        let mut by_state = HashMap::new();
        for (name, state) in law::states()? {
            let sets = shipped::data_sets()?.into_iter();
            let rules = Rules {
                policy: shipped::policy()?,
                data_sets: sets.map(|set| (set.name().to_owned(), set)).collect(),
                lists: CodeLists::shipped(),
                state,
                states: HashMap::new(),
                zone: jiff::tz::TimeZone::UTC,
                agency: None,
                digest: [0; 32],
            };
            by_state.insert(name, rules);
        }
        Ok(Shipped(by_state))
    }

    /// A malformed case, or one whose facts cannot be read, withholds everything and says why.
    pub fn decide(&mut self, case: &Value) -> Value {
        let state = match &case["state"] {
            Value::Null => "neutral".to_owned(),
            stated => stated
                .as_str()
                .or(stated["name"].as_str())
                .unwrap_or_default()
                .to_lowercase(),
        };
        let state = if matches!(state.as_str(), "il" | "us-il") {
            "illinois".to_owned()
        } else {
            state
        };
        let Some(rules) = self.0.get_mut(&state) else {
            return refused(case, "the case names a state whose law is not held here");
        };
        rules.zone = Case::read(case).zone;
        decide(case, rules)
    }
}

/// Decides a case by these rules.
pub fn decide(case: &Value, rules: &Rules) -> Value {
    let read = Case::read(case);
    let Some(as_of) = read::as_of(case) else {
        return refused(case, "the case has no valid asOf");
    };
    if !case["request"].is_object() {
        return refused(case, "the case has no request");
    }
    let patient = patient(&read);
    let party = match Party::read(case, &read, &patient, as_of, rules) {
        Ok(party) => party,
        Err(why) => return refused(case, why),
    };
    let facts = match Facts::read(&case["facts"], &read) {
        Ok(facts) => facts,
        Err(why) => return refused(case, why),
    };
    let record = record(case, &read, &patient, &party, &facts);
    let now = Now::new(as_of);
    // Several purposes: what each would have is had; nothing is released for none.
    let mut answers: Vec<HashMap<usize, String>> = Vec::new();
    for (_, purpose) in &read.purposes {
        answers.push(withheld_for(
            &record,
            &party,
            purpose,
            rules,
            &now,
            read.resources.len(),
        ));
    }
    let (mut visible, mut hidden) = (Vec::new(), Vec::new());
    for (at, resource) in read.resources.iter().enumerate() {
        let id = resource["id"].as_str().unwrap_or_default();
        match answers
            .iter()
            .map(|answer| answer.get(&at))
            .min_by_key(Option::is_some)
            .flatten()
        {
            None => visible.push(id),
            Some(why) => hidden.push(json!({"id": id, "why": why})),
        }
    }
    let decision = match (visible.is_empty(), hidden.is_empty()) {
        (false, true) => "permit",
        (false, false) => "permit-with-filter",
        (true, _) => "deny",
    };
    json!({"name": read.name, "decision": decision, "visible": visible, "withheld": hidden})
}

/// Why each of the case's resources is withheld, by place; those that are not there are released. They are the first of the record.
fn withheld_for(
    record: &Record,
    party: &Party,
    purpose: &str,
    rules: &Rules,
    now: &Now,
    count: usize,
) -> HashMap<usize, String> {
    let all = |why: &str| (0..count).map(|at| (at, why.to_owned())).collect();
    let asked = Asked::new(record, &party.recipient, purpose, rules, now);
    asked.with_layers(|mut layers, record, related| {
        let in_emergency = layers.asker.emergency.is_some();
        let relates = match party.related {
            Some(stated) => stated,
            None => !related.is_empty(),
        };
        if !relates && !in_emergency {
            return all("relationship: none in the case relates the recipient to the person");
        }
        layers.asker.related = relates;
        layers.asker.in_care_team |= party.in_care_team;
        let rules = layers.rules;
        let set = match in_emergency {
            true => rules.data_sets.get(rules.policy.break_glass()),
            false => rules.data_set(&party.recipient.class, layers.purpose),
        };
        let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
        let Some(data_set) = set else {
            return all("data-set: the policy serves this class of recipient nothing for this purpose");
        };
        let company = Company::of(record.all().map(|stored| &stored.body), rules.lists, &raised);
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
        let mut withheld = HashMap::new();
        for (at, stored) in record.resources.iter().take(count).enumerate() {
            let before = work.withheld.len();
            if work.consider(stored, false).is_none() {
                let own = work.withheld[before..]
                    .iter()
                    .rev()
                    .find(|w| !w.path.contains('#'));
                withheld.insert(at, own.map_or_else(|| "data-set".to_owned(), why));
            }
        }
        withheld
    })
}

fn why(withheld: &Withheld) -> String {
    format!(
        "{}: {} ({})",
        withheld.rule.code(),
        withheld.rule.in_words(),
        withheld.basis
    )
}

/// The person a case is about, as an id.
fn patient(case: &Case<'_>) -> String {
    let about = case
        .resources
        .iter()
        .chain(&case.consents)
        .find_map(|r| case.subject(r));
    let about = about.and_then(|reference| Some(reference.strip_prefix("Patient/")?.to_owned()));
    about.unwrap_or_else(|| "case-patient".to_owned())
}

/// The resources to decide come first, in their order; a record without its person gets one.
fn record(case: &Value, read: &Case<'_>, patient: &str, party: &Party, facts: &Facts<'_>) -> Record {
    let mut record = Record {
        patient: patient.to_owned(),
        ..Record::default()
    };
    for (at, resource) in read.resources.iter().enumerate() {
        record.resources.push(facts.on_resource(resource, at));
    }
    let consents = read
        .consents
        .iter()
        .map(|consent| facts.on_consent(consent, patient));
    record
        .resources
        .extend(consents.filter_map(|consent| Stored::new(consent, 1)));
    record.resources.extend(
        facts
            .restrictions(patient)
            .and_then(|consent| Stored::new(consent, 1)),
    );
    for resource in read::resources(&case["context"]) {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let Some(stored) = Stored::new(resource.clone(), 1) else {
            continue;
        };
        match kind {
            "Consent" => {}
            "Organization" | "Practitioner" | "PractitionerRole" | "Location" | "HealthcareService"
            | "Endpoint" | "Group" => record.directory.push(stored),
            _ => record.resources.push(stored),
        }
    }
    let own = party.directory(&mut record.directory);
    record.directory.extend(own);
    if !record
        .resources
        .iter()
        .any(|r| r.resource_type == "Patient" && r.id == patient)
    {
        let own = json!({"resourceType": "Patient", "id": patient});
        record.resources.extend(Stored::new(own, 1));
    }
    for stored in record
        .resources
        .iter_mut()
        .filter(|r| r.resource_type == "Patient" && r.id == patient)
    {
        facts.on_patient(&mut stored.body, read::as_of(case));
    }
    record
}

#[cfg(test)]
mod tests;
