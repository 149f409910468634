//! What staff have to do about what partners write: read a statement, answer a referral, decide on a proposal, look at what was
//! put aside. Each stands in the change of what it is about. <https://hl7.org/fhir/R4/task.html>

use postern_rules::fhir::id::resource_id;
use postern_rules::fhir::is_shared;
use postern_rules::log::Digest;
use postern_rules::write::{Edit, Form, Kind, Proposal, Purpose};
use serde_json::{Value, json};

use super::stage::{On, Outcome, Stage};
use crate::gateway::Error;
use crate::gateway::break_glass::QUEUED;
use crate::gateway::work::{OPEN, SETTLED};
use crate::store::{Notice, Work, WorkItem};

/// A change that a partner may not make itself.
pub const PROPOSAL: &str = "proposal";
/// What a partner states of a person.
pub const CONTRIBUTION: &str = "contribution";
/// A partner refers somebody to the agency.
pub const REFERRAL_RECEIVED: &str = "referral-received";
/// A partner wrote over something it did not see.
pub const PUT_ASIDE: &str = "put-aside";

impl Stage<'_> {
    /// The work items that the outcomes open, and who has to be told.
    pub async fn items<'o>(
        &self,
        outcomes: impl Iterator<Item = &'o Outcome>,
    ) -> Result<(Vec<Work>, Vec<Notice>), Error> {
        let (mut work, mut notices) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let item = match outcome {
                Outcome::Created(on) => self.statement(on).await?,
                Outcome::Updated(on, form) => {
                    work.extend(self.put_aside(on, form));
                    match self.is_statement(on) {
                        true => self.statement(on).await?,
                        false => None,
                    }
                }
                Outcome::Proposed(on, proposal) => self.proposal(on, proposal).await?,
                _ => None,
            };
            if let Some(item) = item {
                notices.extend(self.notices(&item.item));
                work.push(item);
            }
        }
        Ok((work, notices))
    }

    fn is_statement(&self, on: &On) -> bool {
        let stored = self.benches[on.bench].record.find(&on.resource_type, &on.id);
        stored.is_some_and(|stored| stored.is_unconfirmed())
    }

    /// One item for each statement: opened with it, opened again when it is stated anew after it was declined.
    async fn statement(&self, on: &On) -> Result<Option<Work>, Error> {
        let gateway = self.gateway;
        let parts = [CONTRIBUTION, &on.resource_type, &on.id];
        let Ok(id) = resource_id(&gateway.keys.id, &parts) else {
            return Ok(None);
        };
        let expected_state = match gateway.store.work_item(&id).await? {
            None => None,
            // Who has it has read what is no longer said.
            Some(there) if there.state != OPEN => Some(there.state),
            Some(_) => return Ok(None),
        };
        let referral = Kind::of(&on.resource_type).is_some_and(|kind| kind.purpose == Purpose::Referral);
        let kind = if referral { REFERRAL_RECEIVED } else { CONTRIBUTION };
        let item = self.item(id, kind, on, json!({}));
        Ok(Some(Work { expected_state, item }))
    }

    /// One item for what is proposed, however often it is said while nobody has decided.
    async fn proposal(&self, on: &On, proposal: &Proposal) -> Result<Option<Work>, Error> {
        let edits: Value = proposal.edits.iter().map(Edit::to_json).collect();
        let (partner, said) = (&self.call.caller.recipient.id, edits.to_string());
        for time in 0.. {
            let time = time.to_string();
            let parts = [PROPOSAL, &on.resource_type, &on.id, partner, &said, &time];
            let Ok(id) = resource_id(&self.gateway.keys.id, &parts) else {
                break;
            };
            match self.gateway.store.work_item(&id).await? {
                None => {
                    let about = self.proposed(on, proposal, edits);
                    let item = self.item(id, PROPOSAL, on, about);
                    return Ok(Some(Work {
                        expected_state: None,
                        item,
                    }));
                }
                Some(there) if there.state == SETTLED => {}
                Some(_) => break,
            }
        }
        Ok(None)
    }

    fn proposed(&self, on: &On, proposal: &Proposal, edits: Value) -> Value {
        let words: Vec<String> = proposal.edits.iter().flat_map(Edit::in_words).collect();
        let invalid: Vec<String> = proposal.invalid.iter().map(ToString::to_string).collect();
        let release = self.benches[on.bench].release.as_ref();
        let seen = release.and_then(|release| release.version(&on.resource_type, &on.id));
        let values = proposal.values.iter();
        let values: Vec<Value> = values
            .map(|(place, digest)| json!({"place": place, "sha256": Digest(*digest).base64()}))
            .collect();
        json!({"changes": words, "edits": edits, "values": values, "storedVersion": proposal.version,
            "releasedVersion": seen, "invalid": invalid})
    }

    fn put_aside(&self, on: &On, form: &Form) -> Option<Work> {
        let version = self.benches[on.bench].record.find(&on.resource_type, &on.id);
        let version = version.map_or(0, |stored| stored.version);
        let about = format!("{}/{} {version}", on.resource_type, on.id);
        let id = self
            .gateway
            .entropy
            .id(&format!("{PUT_ASIDE} {about} {}", self.call.request));
        (!form.aside.is_empty()).then(|| Work {
            expected_state: None,
            item: self.item(id, PUT_ASIDE, on, json!({"places": form.aside})),
        })
    }

    fn item(&self, id: String, kind: &str, on: &On, mut about: Value) -> WorkItem {
        let caller = &self.call.caller;
        let at = self.now.stamp();
        let person = caller
            .person
            .as_ref()
            .map(|(name, id)| format!("{name} {id}").trim().to_owned());
        about["resource"] = format!("{}/{}", on.resource_type, on.id).into();
        about["partner"] = caller.partner.id.clone().into();
        about["partnerName"] = caller.partner.name.clone().into();
        about["phone"] = caller.partner.phone.clone().into();
        about["purpose"] = caller.purpose.clone().into();
        about["person"] = person.into();
        let hours = i64::from(self.gateway.rules.policy.request_more_hours());
        let patient = self.benches[on.bench].patient.clone();
        WorkItem {
            id,
            kind: kind.to_owned(),
            patient: Some(patient).filter(|_| !is_shared(&on.resource_type)),
            state: OPEN.to_owned(),
            owner: None,
            due: Some(at.plus_seconds(hours * 3600)),
            opened: at,
            closed: None,
            body: about.to_string(),
        }
    }

    fn notices(&self, item: &WorkItem) -> Vec<Notice> {
        let partner = &self.call.caller.partner;
        let body = json!({"work": item.id, "partner": partner.id, "partnerName": partner.name}).to_string();
        let addressees = self.gateway.config.agency.notify.iter().enumerate();
        let notice = |(index, addressee): (usize, &String)| Notice {
            id: self
                .gateway
                .entropy
                .id(&format!("notice {index} {} {}", item.id, self.call.request)),
            kind: item.kind.clone(),
            addressee: addressee.clone(),
            patient: item.patient.clone(),
            state: QUEUED.to_owned(),
            queued: self.now.stamp(),
            settled: None,
            body: body.clone(),
        };
        addressees.map(notice).collect()
    }
}
