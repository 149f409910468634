//! Work items for staff: list, show, take, settle. Each act is on the log, under the name of who did it.

use postern_rules::audit::{self, Act, Kind};
use postern_rules::fhir::{Issue, IssueCode};
use serde_json::{Value, json};

use super::break_glass::REVIEW;
use super::caller::ACTIVE;
use super::label_review::LABEL_SENTENCE;
use super::roles::Door;
use super::staff_disclosure::LEGAL_RELEASE;
use super::write::{CONTRIBUTION, PROPOSAL, PUT_ASIDE, REFERRAL_RECEIVED, is_decided};
use super::{Error, Gateway};
use crate::auth::Bearer;
use crate::store::{Change, Work, WorkFilter, WorkItem};

/// A member of staff who authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffMember {
    pub id: String,
    pub name: String,
    /// One of `roles::ROLES`.
    pub role: String,
}

/// One work item as staff see it.
#[derive(Clone, Debug)]
pub struct WorkView(pub Value);

/// A list longer than this is cut; nobody works through more at once.
const MOST_LISTED: i64 = 1000;

pub const OPEN: &str = "open";
pub const TAKEN: &str = "taken";
pub const SETTLED: &str = "settled";

/// Some items hold what not every role may read or decide: a sentence of a record, an order and what it names.
pub(super) fn may_open(staff: &StaffMember, item: &WorkItem) -> Result<(), Error> {
    match item.kind.as_str() {
        LABEL_SENTENCE => staff.may(Door::Label),
        LEGAL_RELEASE => staff.may(Door::Order),
        PROPOSAL | CONTRIBUTION | PUT_ASIDE => staff.may(Door::Write),
        REFERRAL_RECEIVED => staff.may(Door::Referral),
        _ => Ok(()),
    }
}

impl Gateway {
    pub async fn staff(&self, bearer: Option<Bearer>) -> Result<StaffMember, Error> {
        let hash = bearer.ok_or(Error::Unauthenticated)?.hash();
        let found = self
            .store
            .staff_by_token(&hash)
            .await?
            .filter(|s| s.state == ACTIVE);
        let staff = found.ok_or(Error::Unauthenticated)?;
        Ok(StaffMember {
            id: staff.id,
            name: staff.name,
            role: staff.role,
        })
    }

    /// Open and taken items, the earliest due first; settled ones only when asked for by state.
    pub async fn work_list(
        &self,
        staff: &StaffMember,
        state: Option<&str>,
        request: &str,
    ) -> Result<Value, Error> {
        let filter = WorkFilter {
            state: state.map(str::to_owned),
            ..WorkFilter::default()
        };
        let mut items = self.store.work_items(&filter, MOST_LISTED).await?;
        items.retain(|item| state.is_some() || item.state != SETTLED);
        let listed: Vec<Value> = items.iter().map(view).collect();
        let count = listed.len().to_string();
        self.record_act(
            staff,
            Kind::StaffRead,
            "",
            "",
            &[("listed", &count)],
            request,
            Vec::new(),
        )
        .await?;
        Ok(json!({ "work": listed }))
    }

    pub async fn work_show(&self, staff: &StaffMember, id: &str, request: &str) -> Result<WorkView, Error> {
        let item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        may_open(staff, &item)?;
        let patient = patient_of(&item);
        self.record_act(
            staff,
            Kind::StaffRead,
            id,
            &patient,
            &[("kind", &item.kind)],
            request,
            Vec::new(),
        )
        .await?;
        let mut shown = view(&item);
        if item.kind == LABEL_SENTENCE {
            shown["text"] = json!(self.sentence_of(&item).await?);
        }
        if item.kind == REVIEW {
            shown["read"] = self.read_under(&patient, &shown["about"]["grant"]).await?;
        }
        if [CONTRIBUTION, REFERRAL_RECEIVED].contains(&item.kind.as_str()) {
            shown["content"] = self.content_of(&item).await?;
        }
        Ok(WorkView(shown))
    }

    /// What a partner states, as it is stored now.
    async fn content_of(&self, item: &WorkItem) -> Result<Value, Error> {
        let body: Value = serde_json::from_str(&item.body).unwrap_or(Value::Null);
        let reference = body["resource"]
            .as_str()
            .and_then(|reference| reference.split_once('/'));
        let (kind, id) = reference.ok_or(Error::Unavailable)?;
        let row = self.store.resource(kind, id).await?.filter(|row| !row.deleted);
        Ok(row.map_or(Value::Null, |row| {
            serde_json::from_str(&row.body).unwrap_or(Value::Null)
        }))
    }

    /// Makes the item this person's own. One that somebody else has is a conflict.
    pub async fn work_take(&self, staff: &StaffMember, id: &str, request: &str) -> Result<WorkView, Error> {
        let mut item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        may_open(staff, &item)?;
        if item.state != OPEN {
            return Err(Error::Conflict);
        }
        item.state = TAKEN.to_owned();
        item.owner = Some(staff.id.clone());
        self.move_item(staff, Kind::WorkTaken, OPEN, item, "", request)
            .await
    }

    /// Closes an item this person has taken, with what was decided.
    pub async fn work_settle(
        &self,
        staff: &StaffMember,
        id: &str,
        outcome: &str,
        request: &str,
    ) -> Result<WorkView, Error> {
        if outcome.trim().is_empty() || outcome.len() > 2000 {
            let issue = Issue::error(
                IssueCode::Required,
                "outcome",
                "say in 1 to 2000 characters what was decided",
            );
            return Err(Error::Invalid(vec![issue]));
        }
        let mut item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        may_open(staff, &item)?;
        if item.kind == LABEL_SENTENCE {
            let details = "say which labels the sentence gets, or that it gets none";
            return Err(Error::Invalid(vec![Issue::error(
                IssueCode::Required,
                "labels",
                details,
            )]));
        }
        if is_decided(&item.kind) {
            let details = "say whether it is accepted: true, or false with the reason as outcome";
            return Err(Error::Invalid(vec![Issue::error(
                IssueCode::Required,
                "accept",
                details,
            )]));
        }
        if item.state != TAKEN || item.owner.as_deref() != Some(&staff.id) {
            return Err(Error::Conflict);
        }
        let mut body: Value = serde_json::from_str(&item.body).unwrap_or_else(|_| json!({}));
        body["outcome"] = outcome.into();
        item.body = body.to_string();
        item.state = SETTLED.to_owned();
        item.closed = Some(self.clock.instant());
        self.move_item(staff, Kind::WorkSettled, TAKEN, item, outcome, request)
            .await
    }

    async fn move_item(
        &self,
        staff: &StaffMember,
        kind: Kind,
        expected: &str,
        item: WorkItem,
        outcome: &str,
        request: &str,
    ) -> Result<WorkView, Error> {
        let shown = view(&item);
        let (id, patient) = (item.id.clone(), patient_of(&item));
        let work = vec![Work {
            expected_state: Some(expected.to_owned()),
            item,
        }];
        // What was decided may speak of the person: the log notes that something was, the item says what.
        let noted = if outcome.is_empty() { "no" } else { "yes" };
        self.record_act(
            staff,
            kind,
            &id,
            &patient,
            &[("outcome-stated", noted)],
            request,
            work,
        )
        .await?;
        Ok(WorkView(shown))
    }

    /// One act of staff and what it changes, in one transaction.
    #[expect(
        clippy::too_many_arguments,
        reason = "the facts of one event, each named at the call"
    )]
    pub(super) async fn record_act(
        &self,
        staff: &StaffMember,
        kind: Kind,
        item: &str,
        patient: &str,
        details: &[(&str, &str)],
        request: &str,
        work: Vec<Work>,
    ) -> Result<(), Error> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        change.work = work;
        let item = if item.is_empty() {
            String::new()
        } else {
            format!("Task/{item}")
        };
        self.with_occasion(at, request, |occasion, salt| {
            let person = audit::Person {
                name: &staff.name,
                id: &staff.id,
            };
            let act = Act {
                patient,
                item: &item,
                details,
                ..Act::of(kind, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Ok(())
    }
}

fn patient_of(item: &WorkItem) -> String {
    item.patient
        .as_ref()
        .map(|id| format!("Patient/{id}"))
        .unwrap_or_default()
}

pub(super) fn view(item: &WorkItem) -> Value {
    json!({
        "id": item.id,
        "kind": item.kind,
        "patient": item.patient,
        "state": item.state,
        "owner": item.owner,
        "opened": item.opened.to_fhir(),
        "due": item.due.map(|t| t.to_fhir()),
        "closed": item.closed.map(|t| t.to_fhir()),
        "about": serde_json::from_str::<Value>(&item.body).unwrap_or(Value::Null),
    })
}
