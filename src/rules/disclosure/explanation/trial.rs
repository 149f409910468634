//! Trying a change out: it is made on a copy of the record, the recipient or the data set, and `decide` is asked again. What
//! is printed as the smallest change was found to work here.

use std::collections::HashMap;

use serde_json::{Value, json as value};

use super::change::{COUNSELING, Step};
use super::form::{self, Wanted};
use super::missing::{is_there, missing};
use crate::disclosure::decide::decide_within;
use crate::disclosure::{Decision, Grant, Obtainable, Recipient, Record, Rules, Stored, decide};
use crate::fhir::{Instant, Now, json};
use crate::label::{text_at, text_digest};
use crate::profile::{DataSet, whole_data_set};
use crate::terminology::Sensitivities;

/// Decisions tried for one explanation; beyond them nothing more is worked out. Fewer for a record that is long.
const MOST: usize = 96;
const MOST_RESOURCES: usize = 48_000;

/// What should be released: a resource, or one element of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub reference: String,
    pub element: Option<String>,
}

/// What one change does: for each target whether it is released, and whether anything released before is lost.
struct World {
    releases: Vec<bool>,
    loses: bool,
}

pub(super) struct Trials<'a> {
    pub record: &'a Record,
    pub recipient: &'a Recipient,
    pub purpose: &'a str,
    pub rules: &'a Rules,
    pub now: Instant,
    targets: Vec<Target>,
    /// `Type/id` of what is released as things are.
    before: Vec<String>,
    whole: Option<DataSet>,
    worlds: HashMap<Vec<Step>, Option<World>>,
}

impl<'a> Trials<'a> {
    pub fn new(
        (record, recipient, purpose): (&'a Record, &'a Recipient, &'a str),
        rules: &'a Rules,
        now: Instant,
        targets: Vec<Target>,
        before: Vec<String>,
    ) -> Trials<'a> {
        Trials {
            record,
            recipient,
            purpose,
            rules,
            now,
            targets,
            before,
            whole: None,
            worlds: HashMap::new(),
        }
    }

    /// Would these steps release target number `at`, without taking away what is released now?
    pub fn releases(&mut self, steps: &[Step], at: usize) -> bool {
        let key: Vec<Step> = steps.iter().map(plain).collect();
        if !self.worlds.contains_key(&key) {
            let most = MOST
                .min(MOST_RESOURCES / self.record.resources.len().max(1))
                .max(8);
            let world = (self.worlds.len() < most).then(|| self.world(steps)).flatten();
            self.worlds.insert(key.clone(), world);
        }
        let may_lose = steps.contains(&Step::BreakGlass);
        self.worlds
            .get(&key)
            .and_then(Option::as_ref)
            .is_some_and(|world| world.releases[at] && (may_lose || !world.loses))
    }

    fn world(&mut self, steps: &[Step]) -> Option<World> {
        let mut record = self.record.clone();
        let mut recipient = self.recipient.clone();
        let mut purpose = self.purpose;
        for step in steps {
            if *step == Step::BreakGlass {
                purpose = "ETREAT";
                recipient.grant = Some(Grant {
                    id: "what-if".to_owned(),
                    patient: record.patient.clone(),
                    until: self.now.plus_seconds(3600),
                    consent_obtainable: Obtainable::No,
                });
            }
            self.make(step, &mut record)?;
        }
        let now = Now::new(self.now);
        let widened = steps.iter().any(|step| matches!(step, Step::WidenDataSet { .. }));
        let decided = if widened {
            let all = self.record;
            let whole = self
                .whole
                .get_or_insert_with(|| whole_data_set("whole", all.all().map(|stored| &stored.body)));
            decide_within(&record, &recipient, purpose, (self.rules, Some(whole)), &now)
        } else {
            decide(&record, &recipient, purpose, self.rules, &now)
        };
        Some(self.look(&record, &decided.ok()?))
    }

    fn look(&self, record: &Record, decision: &Decision) -> World {
        let bodies = bodies(decision);
        let released: HashMap<String, &Value> = bodies.iter().map(|body| (reference(body), body)).collect();
        let stored: HashMap<String, &Value> = record.all().map(|one| (one.reference(), &one.body)).collect();
        let mut gone: HashMap<&str, Vec<String>> = HashMap::new();
        let mut releases = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let body = released.get(&target.reference);
            let there = match (&target.element, body, stored.get(&target.reference)) {
                (None, body, _) => body.is_some(),
                (Some(element), Some(body), Some(stored)) => {
                    let gone = gone
                        .entry(&target.reference)
                        .or_insert_with(|| missing(stored, body));
                    is_there(gone, element)
                }
                _ => false,
            };
            releases.push(there);
        }
        let loses = self.before.iter().any(|one| !released.contains_key(one));
        World { releases, loses }
    }

    /// Makes the step on the copy; `None` when the record does not have what it changes.
    fn make(&self, step: &Step, record: &mut Record) -> Option<()> {
        match step {
            Step::CompleteConsent { consent, .. } => {
                let patient = record.patient.clone();
                let body = body_of(record, "Consent", consent)?;
                form::complete(body, &patient, self.now, &self.rules.zone);
                form::mark_part2(body);
            }
            Step::Withdraw { consent, provision } if provision == "provision" => {
                let at = record
                    .resources
                    .iter()
                    .position(|one| one.resource_type == "Consent" && one.id == *consent)?;
                record.resources.remove(at);
            }
            Step::Withdraw { consent, provision } => {
                take_out(body_of(record, "Consent", consent)?, provision)?;
            }
            Step::NewConsent { labels, part2 } => {
                let kind = if *part2 { "specific" } else { "hipaa-authorization" };
                self.add_consent(record, labels, *part2, kind);
            }
            Step::OwnAuthorization { notes } => {
                let counseling = *notes == COUNSELING;
                let (labels, kind): (&[String], _) = match counseling {
                    true => (&[], "sud-counseling-notes"),
                    false => (&["PSYTHPN".to_owned()], "hipaa-authorization"),
                };
                self.add_consent(record, labels, counseling, kind);
            }
            Step::ReviewText { path } => {
                let (reference, element) = path.split_once('#')?;
                let found = record.resources.iter().find(|one| one.reference() == reference)?;
                let digest = text_digest(text_at(&found.body, element)?);
                record
                    .reviewed
                    .insert(reference, element, digest, Sensitivities::NONE);
            }
            Step::ClassifyNote { reference } => {
                let (name, id) = reference.split_once('/')?;
                let labels = body_of(record, name, id)?.get_mut("meta")?.get_mut("security")?;
                labels
                    .as_array_mut()?
                    .retain(|label| label["code"] != "unclassified-therapy-note");
            }
            Step::Refer => {
                let organization = self.organization(record);
                let request = value!({"resourceType": "ServiceRequest", "id": "what-if", "status": "active",
                    "intent": "order", "subject": {"reference": format!("Patient/{}", record.patient)},
                    "performer": [{"reference": organization}]});
                record.resources.extend(Stored::new(request, 1));
            }
            Step::SettleCapacity => settle_capacity(record)?,
            Step::BreakGlass | Step::WidenDataSet { .. } => {}
        }
        Some(())
    }

    /// The reference by which the record names the recipient; made when it does not.
    fn organization(&self, record: &mut Record) -> String {
        let (organization, made) = form::organization(record, self.recipient);
        record
            .directory
            .extend(made.and_then(|body| Stored::new(body, 1)));
        organization
    }

    fn add_consent(&self, record: &mut Record, labels: &[String], part2: bool, kind: &str) {
        let organization = self.organization(record);
        let wanted = Wanted {
            labels,
            part2,
            kind,
            purpose: self.purpose,
            organization: &organization,
        };
        let consent = form::new_consent(record, &wanted, self.now, &self.rules.zone);
        record.resources.extend(Stored::new(consent, 1));
    }
}

/// Steps that lead to the same trial.
fn plain(step: &Step) -> Step {
    match step {
        Step::WidenDataSet { .. } => Step::WidenDataSet {
            profile: String::new(),
            element: String::new(),
        },
        other => other.clone(),
    }
}

/// What is released, read again.
pub(super) fn bodies(decision: &Decision) -> Vec<Value> {
    let bodies = decision.resources.iter();
    bodies.filter_map(|one| json::parse(&one.bytes).ok()).collect()
}

pub(super) fn reference(body: &Value) -> String {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    format!("{}/{}", text("resourceType"), text("id"))
}

fn body_of<'r>(record: &'r mut Record, resource_type: &str, id: &str) -> Option<&'r mut Value> {
    let found = record
        .resources
        .iter_mut()
        .find(|one| one.resource_type == resource_type && one.id == id)?;
    Some(&mut found.body)
}

/// Removes `provision[0].provision[1]`, counted from the root provision.
fn take_out(consent: &mut Value, provision: &str) -> Option<()> {
    let indexes: Vec<usize> = provision
        .split('.')
        .filter_map(|step| step.split_once('[')?.1.trim_end_matches(']').parse().ok())
        .collect();
    let (last, above) = indexes.split_last()?;
    let mut here = consent.get_mut("provision")?;
    for index in above {
        here = here.get_mut("provision")?.get_mut(index)?;
    }
    let list = here.get_mut("provision")?.as_array_mut()?;
    if *last >= list.len() {
        return None;
    }
    list.remove(*last);
    if list.is_empty() {
        here.as_object_mut()?.shift_remove("provision");
    }
    Some(())
}

/// `None` when no capacity is in question.
fn settle_capacity(record: &mut Record) -> Option<()> {
    let in_question = |e: &Value| {
        let url = e["url"].as_str().unwrap_or_default();
        url.ends_with("/capacity-in-question")
            || url.ends_with("/consent-capacity") && e["valueCode"] == "in-question"
    };
    let mut settled = None;
    for one in &mut record.resources {
        let Some(extensions) = one.body["extension"].as_array_mut() else {
            continue;
        };
        let before = extensions.len();
        extensions.retain(|e| !in_question(e));
        if extensions.len() < before {
            settled = Some(());
        }
        if extensions.is_empty()
            && let Some(body) = one.body.as_object_mut()
        {
            body.shift_remove("extension");
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provision_is_taken_out_where_it_stands() {
        let mut consent = value!({"provision": {"provision": [{"a": 1}, {"provision": [{"b": 2}]}]}});
        assert!(take_out(&mut consent, "provision[1].provision[0]").is_some());
        assert_eq!(consent, value!({"provision": {"provision": [{"a": 1}, {}]}}));
        assert!(take_out(&mut consent, "provision[7]").is_none());
    }
}
