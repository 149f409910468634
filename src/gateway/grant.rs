//! Grants in force, and what staff do with them: list, end. Notices that wait are listed here too.
//! 42 CFR 2.51, 45 CFR 164.308(a)(1)(ii)(D)

use postern_rules::audit::{Act, Kind, Party, Person};
use postern_rules::disclosure::{Grant, Obtainable};
use postern_rules::fhir::Now;
use serde_json::{Value, json};

use super::break_glass::{QUEUED, is_emergency};
use super::work::StaffMember;
use super::{Caller, Error, Gateway};
use crate::store::{Change, EndedGrant, GrantRow};

const MOST_LISTED: i64 = 1000;
/// Grants are listed for this long after their end.
const LISTED_SECONDS: i64 = 30 * 24 * 3600;

impl Gateway {
    /// The grant this caller has for this person now. Asked of the database for every request whose token is for an
    /// emergency, whoever the person is, and for no other; never remembered.
    pub async fn grant_in_force(
        &self,
        caller: &Caller,
        patient: &str,
        now: &Now,
    ) -> Result<Option<Grant>, Error> {
        if !is_emergency(&caller.purpose) {
            return Ok(None);
        }
        let recipient = &caller.recipient.id;
        let rows = self
            .store
            .grants_in_force(recipient, patient, now.stamp())
            .await?;
        Ok(as_one(&rows, now))
    }

    /// Grants of the last thirty days, the newest first; that they were looked at is on the log.
    pub async fn grants(&self, staff: &StaffMember, request: &str) -> Result<Value, Error> {
        let now = self.clock.now();
        let since = now.stamp().plus_seconds(-LISTED_SECONDS);
        let rows = self.store.grants(since, MOST_LISTED).await?;
        let listed: Vec<Value> = rows.iter().map(|row| view(row, &now)).collect();
        self.note_listed(staff, listed.len(), request).await?;
        Ok(json!({ "grants": listed }))
    }

    /// Ends a grant: from the next request on it opens nothing. One that has ended already is a conflict.
    pub async fn end_grant(&self, staff: &StaffMember, id: &str, request: &str) -> Result<Value, Error> {
        let row = self.store.grant(id).await?.ok_or(Error::NotFound)?;
        let now = self.clock.now();
        if row.ended.is_some() || now.reached(row.until) {
            return Err(Error::Conflict);
        }
        let mut change = Change::at(now.stamp());
        change.ended_grants.push(EndedGrant {
            id: id.to_owned(),
            by: staff.id.clone(),
        });
        change.touches.push(row.patient.clone());
        let patient = format!("Patient/{}", row.patient);
        self.with_occasion(now.stamp(), request, |occasion, salt| {
            let person = Person {
                name: &staff.name,
                id: &staff.id,
            };
            let partner = Party {
                identifier: &row.recipient,
                ..Party::default()
            };
            let act = Act {
                partner: Some(&partner),
                patient: &patient,
                details: &[("grant", id)],
                ..Act::of(Kind::GrantEnded, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        let ended = self.store.grant(id).await?.ok_or(Error::NotFound)?;
        Ok(view(&ended, &now))
    }

    /// Notices that wait to be sent, the oldest first.
    pub async fn notices(&self, staff: &StaffMember, request: &str) -> Result<Value, Error> {
        let rows = self.store.notices(QUEUED, MOST_LISTED).await?;
        let listed: Vec<Value> = rows
            .iter()
            .map(|n| {
                json!({"id": n.id, "kind": n.kind, "for": n.addressee, "patient": n.patient, "state": n.state,
                    "queued": n.queued.to_fhir(),
                    "about": serde_json::from_str::<Value>(&n.body).unwrap_or(Value::Null)})
            })
            .collect();
        self.note_listed(staff, listed.len(), request).await?;
        Ok(json!({ "notices": listed }))
    }

    /// What left under this grant, from the log: when, and how many resources.
    pub(super) async fn read_under(&self, patient: &str, grant: &Value) -> Result<Value, Error> {
        let Some(grant) = grant.as_str() else {
            return Ok(json!([]));
        };
        let (basis, mut read, mut next) = (format!("Grant/{grant}"), Vec::new(), 0);
        loop {
            let page = self.store.audit_of(patient, next, MOST_LISTED).await?;
            let Some(last) = page.last() else {
                return Ok(Value::Array(read));
            };
            next = last.seq + 1;
            let under = page
                .iter()
                .filter(|e| e.columns.basis.as_deref().is_some_and(|b| b.contains(&basis)));
            read.extend(under.map(|e| {
                json!({"at": e.columns.recorded.to_fhir(), "event": e.columns.id, "resources": e.columns.released_count})
            }));
        }
    }

    async fn note_listed(&self, staff: &StaffMember, listed: usize, request: &str) -> Result<(), Error> {
        let count = listed.to_string();
        let details = [("listed", count.as_str())];
        self.record_act(staff, Kind::StaffRead, "", "", &details, request, Vec::new())
            .await
    }
}

/// Several grants in force count as one: the latest end, the strictest statement about consent, the newest id.
fn as_one(rows: &[GrantRow], now: &Now) -> Option<Grant> {
    let mut merged: Option<Grant> = None;
    for row in rows.iter().filter(|row| !now.reached(row.until)) {
        // What cannot be read is what closes most.
        let stated = Obtainable::named(&row.consent_obtainable).unwrap_or(Obtainable::Refused);
        let one = merged.get_or_insert_with(|| Grant {
            id: row.id.clone(),
            patient: row.patient.clone(),
            until: row.until,
            consent_obtainable: stated,
        });
        one.until = one.until.max(row.until);
        one.consent_obtainable = one.consent_obtainable.stricter(stated);
    }
    merged
}

fn view(row: &GrantRow, now: &Now) -> Value {
    let state = match &row.ended {
        Some(_) => "ended",
        None if now.reached(row.until) => "over",
        None => "in force",
    };
    json!({
        "id": row.id, "partner": row.recipient, "patient": row.patient, "state": state,
        "personnel": row.personnel, "affiliation": row.affiliation, "role": row.role,
        "discloser": row.discloser, "nature": row.nature, "consentObtainable": row.consent_obtainable,
        "narrative": row.narrative, "opened": row.opened.to_fhir(), "until": row.until.to_fhir(),
        "ended": row.ended.as_ref().map(|(at, by)| json!({"at": at.to_fhir(), "by": by})),
    })
}
