//! A treating recipient asks for more than its data set: staff get a work item. For treatment the data set is the agency's
//! standard, not law. Nothing is disclosed here. 45 CFR 164.502(b)(2)(i), 164.514(d)(3)

use postern_rules::audit::{self, Kind, Outcome};
use postern_rules::disclosure::Answer;
use postern_rules::fhir::{Instant, Issue, Value};
use serde_json::json;

use super::events::{Interaction, caller_of};
use super::parameters::{Operation, Parameter};
use super::pull::{Reply, TRIES};
use super::release::{Found, Trust};
use super::work::OPEN;
use super::{Call, Error, Gateway};
use crate::store::{Change, Refused, Work, WorkItem};

/// `Patient/[id]/$request-more`.
pub const REQUEST_MORE: Operation = Operation {
    on: "Patient",
    official: None,
    changes: true,
    code: "request-more",
    name: "RequestMore",
    title: "Ask for more than the data set",
    about: "Asks the agency's staff for data about a person that the caller's data set does not hold. The answer says only \
            that they were asked.",
    instance: true,
    takes: &[
        Parameter {
            name: "what",
            members: &["valueString", "valueCode"],
            required: true,
            many: true,
            about: "What is wanted: in words, or a resource type or element (Observation, CarePlan.activity).",
        },
        Parameter {
            name: "why",
            members: &["valueString"],
            required: true,
            many: false,
            about: "What the treatment needs it for.",
        },
        Parameter {
            name: "requester-name",
            members: &["valueString"],
            required: false,
            many: false,
            about: "Who asks, where the token does not say.",
        },
    ],
    gives: &[("return", "OperationOutcome", "That staff were asked.")],
};

/// Kind of the work item.
pub const KIND: &str = "request-more";
const MOST_WANTED: usize = 20;

struct Asked {
    what: Vec<String>,
    why: String,
    requester: Option<String>,
}

impl Gateway {
    /// `POST /fhir/Patient/[id]/$request-more`: 202, or the 404 of everyone who is not there for this caller.
    pub async fn request_more(&self, call: &Call, patient: &str, body: &Value) -> Result<Reply, Error> {
        self.may_look_for_people(call)?;
        let class = self.rules.policy.class(&call.caller.recipient.class);
        if !class.is_some_and(|class| class.treating) {
            return Err(Error::OutOfScope);
        }
        let asked = read(body).map_err(Error::Invalid)?;
        let (mut call, mut trust) = (call.clone(), Trust::Memory);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let found = self.find_release(&call.caller, patient, trust, &now).await?;
            let there = found
                .release
                .as_ref()
                .is_ok_and(|release| release.holds("Patient", patient));
            let reply = if there {
                self.record_request(&call, &asked, found, now.stamp()).await?
            } else {
                let answer = Answer::not_found(&call.request);
                self.record(&call, Interaction::Operation, answer, vec![found], &now)
                    .await?
            };
            if let Some(reply) = reply {
                return Ok(reply);
            }
            (call, trust) = (self.again(&call).await?, Trust::Database);
        }
        Err(Error::Unavailable)
    }

    async fn record_request(
        &self,
        call: &Call,
        asked: &Asked,
        found: Found,
        at: Instant,
    ) -> Result<Option<Reply>, Error> {
        if found.versions.world != call.caller.world {
            return Ok(None);
        }
        let mut change = Change::at(at);
        change.expects = vec![(found.patient.clone(), found.versions.record)];
        call.caller.bind(&mut change);
        change.released = found.rows(&call.caller);
        let work = self.entropy.id(&format!("work {}", call.request));
        let hours = i64::from(self.rules.policy.request_more_hours());
        let partner = &call.caller.partner;
        let person = asked.requester.clone().map(|name| (name, String::new()));
        let person = person.or_else(|| call.caller.person.clone());
        let body = json!({
            "what": asked.what, "why": asked.why, "partner": partner.id, "partnerName": partner.name,
            "phone": partner.phone, "purpose": call.caller.purpose,
            "requester": person.as_ref().map(|(name, id)| format!("{name} {id}").trim().to_owned()),
        });
        change.work.push(Work {
            expected_state: None,
            item: WorkItem {
                id: work.clone(),
                kind: KIND.to_owned(),
                patient: Some(found.patient.clone()),
                state: OPEN.to_owned(),
                owner: None,
                due: Some(at.plus_seconds(hours * 3600)),
                opened: at,
                closed: None,
                body: body.to_string(),
            },
        });
        let about = format!("Patient/{}", found.patient);
        self.with_occasion(at, &call.request, |occasion, salt| {
            let caller = caller_of(&call.caller.client, partner, &call.address, person.as_ref());
            // What is wanted and why may speak of the person: the work item says it, the log names the item.
            let event = audit::Operation {
                kind: Kind::RequestMore,
                caller: &caller,
                purpose: &call.caller.purpose,
                patient: &about,
                details: &[("work", &work)],
                outcome: Outcome::Success,
                reason: "",
            };
            change.audit.push(event.event(occasion, salt));
        });
        let answer = Answer::taken_up(&call.request);
        change.answers = vec![answer.digest()];
        let status = answer.status;
        let receipt = match self.store.commit(change).await {
            Ok(receipt) => receipt,
            Err(Refused::Stale) => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        found.keep(self);
        let opened = answer.open(&receipt).map_err(|_| Error::Unavailable)?;
        Ok(Some(Reply {
            status,
            etag: None,
            last_modified: None,
            body: opened.0,
        }))
    }
}

fn read(body: &Value) -> Result<Asked, Vec<Issue>> {
    let (given, mut problems) = REQUEST_MORE.read(body);
    let what: Vec<String> = given
        .all("what")
        .filter_map(Value::as_str)
        .map(|text| text.trim().to_owned())
        .collect();
    if what.len() > MOST_WANTED {
        problems.push(super::parameters::problem(
            "what",
            postern_rules::fhir::IssueCode::TooCostly,
            format!("at most {MOST_WANTED}"),
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Asked {
        what,
        why: given.text("why").unwrap_or_default().to_owned(),
        requester: given.text("requester-name").map(str::to_owned),
    })
}
