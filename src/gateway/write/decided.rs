//! Staff decide what a partner proposed or stated: accepted, it is part of the record, under the name of who accepted it; rejected, it
//! is not. The partner sees no more of it than the resource changing, or not. SEMANTICS 5, 45 CFR 164.526
//! <https://hl7.org/fhir/R4/provenance.html>

use postern_rules::audit::{self, Act, Kind};
use postern_rules::disclosure::Standing;
use postern_rules::fhir::element::table;
use postern_rules::fhir::{Instant, Issue, IssueCode, Value, gate, is_shared, json};
use postern_rules::log::Digest;
use postern_rules::referral::{Milestone, SYSTEM};
use postern_rules::write::{Edit, carry_out};
use serde_json::json;

use super::item::{CONTRIBUTION, PROPOSAL, REFERRAL_RECEIVED};
use crate::gateway::release::{contributed, contribution};
use crate::gateway::statement::{ACCEPTED, identifiers};
use crate::gateway::work::{SETTLED, TAKEN, view};
use crate::gateway::{Error, Gateway, StaffMember, WorkView};
use crate::store::{Change, Put, ResourceRow, Work, WorkItem, WrittenValue};

/// Is this a kind of item that staff accept or reject?
pub fn is_decided(kind: &str) -> bool {
    [PROPOSAL, CONTRIBUTION, REFERRAL_RECEIVED].contains(&kind)
}

/// What a decision puts.
#[derive(Default)]
struct Decided {
    puts: Vec<Put>,
    written: Vec<WrittenValue>,
    /// Elements that change.
    changed: Vec<String>,
}

impl Gateway {
    /// Accepts or rejects what an item holds; `outcome` says why. The item is this person's.
    pub async fn work_decide(
        &self,
        staff: &StaffMember,
        id: &str,
        (accept, outcome): (bool, &str),
        request: &str,
    ) -> Result<WorkView, Error> {
        let mut item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        self.may_decide(staff, &item)?;
        if !accept && outcome.trim().is_empty() || outcome.len() > 2000 {
            let why = "say in at most 2000 characters why it is rejected";
            return Err(invalid("outcome", why));
        }
        if item.state != TAKEN || item.owner.as_deref() != Some(&staff.id) {
            return Err(Error::Conflict);
        }
        let mut body = json::parse(item.body.as_bytes()).map_err(|_| Error::Unavailable)?;
        // Read before what is decided on: who writes meanwhile is not overwritten.
        let version = match &item.patient {
            Some(patient) => Some(self.store.record_versions(patient).await?.record),
            None => None,
        };
        let world = self.store.world_version().await?;
        let decided = self.decided(&item, &body, (accept, outcome)).await?;
        body["accepted"] = accept.into();
        body["outcome"] = outcome.into();
        item.body = body.to_string();
        SETTLED.clone_into(&mut item.state);
        item.closed = Some(self.clock.instant());
        self.keep_decision(staff, item, decided, ((version, world), accept, request))
            .await
    }

    fn may_decide(&self, staff: &StaffMember, item: &WorkItem) -> Result<(), Error> {
        crate::gateway::work::may_open(staff, item)?;
        match is_decided(&item.kind) {
            true => Ok(()),
            false => Err(invalid("accept", "this item is settled with an outcome alone")),
        }
    }

    async fn decided(
        &self,
        item: &WorkItem,
        about: &Value,
        (accept, outcome): (bool, &str),
    ) -> Result<Decided, Error> {
        let reference = about["resource"].as_str().unwrap_or_default();
        let (kind, id) = reference.split_once('/').ok_or(Error::Unavailable)?;
        if item.kind == PROPOSAL && !accept {
            return Ok(Decided::default());
        }
        let row = self.store.resource(kind, id).await?.filter(|row| !row.deleted);
        let row = row.ok_or_else(|| unprocessable("", "the resource is no longer in force"))?;
        match item.kind.as_str() {
            PROPOSAL => self.accepted(item, about, row),
            _ => self.confirmed(row, (accept, outcome)).await,
        }
    }

    /// The proposed edits on the form that is stored now.
    fn accepted(&self, item: &WorkItem, about: &Value, row: ResourceRow) -> Result<Decided, Error> {
        let of = table().resource(&row.resource_type).ok_or(Error::Unavailable)?;
        let current = json::parse(row.body.as_bytes()).map_err(|_| Error::Unavailable)?;
        let edits = about["edits"].as_array().into_iter().flatten();
        let edits: Vec<Edit> = edits
            .map(Edit::from_json)
            .collect::<Option<_>>()
            .ok_or(Error::Unavailable)?;
        let current = current.as_object().ok_or(Error::Unavailable)?;
        let form = carry_out(of, current, &edits).map_err(|moved| {
            let why = "this has changed since it was proposed: change it in the source system, or reject the proposal";
            let issue = |element: String| {
                Issue::error(IssueCode::Conflict, format!("{}.{element}", row.resource_type), why)
            };
            Error::Unprocessable(moved.into_iter().map(issue).collect())
        })?;
        let form = Value::Object(form);
        let problems = gate::check(&form);
        if !problems.is_empty() {
            return Err(Error::Unprocessable(problems));
        }
        let written = self.written_by_proposer(about, &row);
        // A partner's statement stays its own, whoever changes it.
        let source = match contributed(&row.source) {
            Some(_) => row.source.clone(),
            None => format!("{ACCEPTED}{}", item.id),
        };
        Ok(Decided {
            written,
            changed: edits.iter().map(|edit| edit.element().to_owned()).collect(),
            puts: vec![put(row, &form, source)],
        })
    }

    /// What is the proposer's own in it: it goes on seeing that.
    fn written_by_proposer(&self, about: &Value, row: &ResourceRow) -> Vec<WrittenValue> {
        let partner = about["partner"].as_str().unwrap_or_default();
        let values = about["values"].as_array().into_iter().flatten();
        values
            .filter_map(|value| {
                Some(WrittenValue {
                    resource_type: row.resource_type.clone(),
                    id: row.id.clone(),
                    partner: partner.to_owned(),
                    place: value["place"].as_str()?.to_owned(),
                    digest: Digest::from_base64(value["sha256"].as_str()?)?.0.to_vec(),
                    patient: row.patient.clone(),
                    at: self.clock.instant(),
                })
            })
            .collect()
    }

    /// A partner's statement becomes part of the record, or does not. Of a referral both sides are told by its Task.
    async fn confirmed(&self, row: ResourceRow, (accept, outcome): (bool, &str)) -> Result<Decided, Error> {
        let standing = if accept {
            Standing::Accepted
        } else {
            Standing::Declined
        };
        let waits = row
            .source
            .strip_prefix("partner:")
            .and_then(|rest| rest.strip_suffix("/waiting"));
        let partner = waits.ok_or(Error::Conflict)?.to_owned();
        let source = contribution(&partner, standing);
        let mut form = json::parse(row.body.as_bytes()).map_err(|_| Error::Unavailable)?;
        let mut decided = Decided::default();
        if row.resource_type == "Task" {
            answer_referral(&mut form, (accept, outcome), self.clock.instant());
            decided.changed = ["status", "businessStatus", "statusReason"]
                .map(str::to_owned)
                .to_vec();
            let focus = form["focus"]["reference"]
                .as_str()
                .and_then(|r| r.split_once('/'));
            if let Some((kind, id)) = focus
                && let Some(request) = self.store.resource(kind, id).await?
                && request.source == row.source
            {
                let body = json::parse(request.body.as_bytes()).map_err(|_| Error::Unavailable)?;
                decided.puts.push(put(request, &body, source.clone()));
            }
        }
        decided.puts.push(put(row, &form, source));
        Ok(decided)
    }

    async fn keep_decision(
        &self,
        staff: &StaffMember,
        item: WorkItem,
        decided: Decided,
        ((version, world), accept, request): ((Option<i64>, i64), bool, &str),
    ) -> Result<WorkView, Error> {
        let at = self.clock.instant();
        let shown = view(&item);
        let mut change = Change::at(at);
        let patient = item.patient.clone();
        change.expects = patient.clone().zip(version).into_iter().collect();
        change.expects_world = patient.is_none().then_some(world);
        let written: Vec<String> = decided
            .puts
            .iter()
            .map(|put| format!("{}/{}", put.resource_type, put.id))
            .collect();
        let mut details = vec![("decision", if accept { "accepted" } else { "rejected" })];
        details.extend(written.iter().map(|one| ("written", one.as_str())));
        details.extend(decided.changed.iter().map(|one| ("element", one.as_str())));
        let (about, named) = (
            patient.map(|id| format!("Patient/{id}")).unwrap_or_default(),
            format!("Task/{}", item.id),
        );
        self.with_occasion(at, request, |occasion, salt| {
            let person = audit::Person {
                name: &staff.name,
                id: &staff.id,
            };
            let act = Act {
                patient: &about,
                item: &named,
                details: &details,
                ..Act::of(Kind::WorkSettled, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        change.puts = decided.puts;
        change.written = decided.written;
        change.work = vec![Work {
            expected_state: Some(TAKEN.to_owned()),
            item,
        }];
        self.store.commit(change).await?;
        Ok(WorkView(shown))
    }
}

/// The agency's answer to a referral, as its Task tells it.
fn answer_referral(task: &mut Value, (accept, outcome): (bool, &str), at: Instant) {
    let (status, milestone) = match accept {
        true => ("accepted", Milestone::Accepted),
        false => ("rejected", Milestone::Declined),
    };
    task["status"] = status.into();
    if Milestone::of(task).is_some() {
        let coding = json!({"system": SYSTEM, "code": milestone.code(), "display": milestone.title()});
        task["businessStatus"] = json!({"coding": [coding]});
    }
    if !accept {
        task["statusReason"] = json!({"text": outcome.trim()});
    }
    task["lastModified"] = at.to_fhir().into();
}

fn put(row: ResourceRow, body: &Value, source: String) -> Put {
    Put {
        patient: row.patient.filter(|_| !is_shared(&row.resource_type)),
        resource_type: row.resource_type,
        id: row.id,
        source,
        body: body.to_string(),
        deleted: false,
        identifiers: identifiers(body),
    }
}

fn invalid(place: &str, why: &str) -> Error {
    Error::Invalid(vec![Issue::error(IssueCode::Required, place, why)])
}

fn unprocessable(place: &str, why: &str) -> Error {
    Error::Unprocessable(vec![Issue::error(IssueCode::BusinessRule, place, why)])
}
