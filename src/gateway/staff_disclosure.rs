//! Disclosures that staff make by hand: the facts are judged, the resources chosen, and what the law wants on record is on the log
//! before the bytes are made. Legal process takes two persons: the first opens a work item, the second releases.
//! 45 CFR 164.512(c), (e), (j), 164.510(b), 164.528; 42 CFR 2.61 to 2.67

use std::sync::Arc;

use postern_rules::audit::{self, ByStaff, Outcome};
use postern_rules::disclosure::{Answer, Opened, StaffAct, by_staff, purpose_of};
use postern_rules::fhir::{Instant, Issue, Value};
use postern_rules::law::staff_act::{Ground, Stated};
use postern_rules::log::Digest;
use serde_json::json;

use super::roles::Door;
use super::staff_request::{StaffRequest, read};
use super::work::OPEN;
use super::{Error, Gateway, StaffMember};
use crate::store::{Change, Work, WorkItem};

/// Kind of the work item that waits for a second person.
pub const LEGAL_RELEASE: &str = "legal-release";

/// What came of it.
#[derive(Clone, Debug)]
pub enum Made {
    /// The Bundle, recorded.
    Released(Opened),
    /// It waits for a second person: the work item and what is next.
    Waits(Value),
}

/// Who released it with whom.
struct Persons<'a> {
    first: (&'a str, &'a str),
    second: Option<&'a StaffMember>,
    /// The work item that ends with it.
    item: Option<WorkItem>,
}

impl Gateway {
    /// Judges and makes one disclosure; or, for legal process, opens the work item of the second person.
    pub async fn disclose(&self, staff: &StaffMember, asked: &Value, request: &str) -> Result<Made, Error> {
        staff.may(Door::Disclose)?;
        let asked = match read(asked, &staff.name) {
            Ok(asked) => asked,
            Err(problems) => return self.refuse(staff, "", "HLEGAL", problems, request).await,
        };
        let legal = matches!(asked.ground, Ground::LegalProcess(_));
        if legal {
            staff.may(Door::Order)?;
        }
        let Some(patient) = self.person(&asked.patient).await? else {
            let nobody = vec![Issue::error(
                postern_rules::fhir::IssueCode::NotFound,
                "patient",
                "nobody here has this id or identifier",
            )];
            return self
                .refuse(staff, "", purpose_of(&asked.ground), nobody, request)
                .await;
        };
        if legal {
            return self.prepare(staff, asked, &patient, request).await;
        }
        let persons = Persons {
            first: (&staff.id, &staff.name),
            second: None,
            item: None,
        };
        self.release(staff, &asked, &patient, persons, request).await
    }

    /// The second person releases what the first prepared: another member of staff, with the same role.
    pub async fn approve_disclosure(
        &self,
        staff: &StaffMember,
        id: &str,
        request: &str,
    ) -> Result<Made, Error> {
        staff.may(Door::Order)?;
        let item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        let open = item.kind == LEGAL_RELEASE && item.closed.is_none();
        let patient = item.patient.clone().filter(|_| open).ok_or(Error::Conflict)?;
        let body: Value = serde_json::from_str(&item.body).map_err(|_| Error::Unavailable)?;
        let text = |key: &str| body["openedBy"][key].as_str().unwrap_or_default().to_owned();
        let (first, first_name) = (text("id"), text("name"));
        if first == staff.id || item.owner.as_deref().is_some_and(|owner| owner != staff.id) {
            return Err(Error::Conflict);
        }
        let mut asked = read(&body["asked"], &first_name).map_err(Error::Invalid)?;
        if let Ground::LegalProcess(process) = &mut asked.ground {
            process.second_person.clone_from(&staff.name);
            if process.second_person == asked.stated.decider {
                // Two people of one name: their ids tell them apart.
                process.second_person = format!("{} ({})", staff.name, staff.id);
            }
        }
        let persons = Persons {
            first: (&first, &first_name),
            second: Some(staff),
            item: Some(item),
        };
        self.release(staff, &asked, &patient, persons, request).await
    }

    /// Everything that can be judged now is judged now; what is missing is said to the first person, not to the second.
    async fn prepare(
        &self,
        staff: &StaffMember,
        mut asked: StaffRequest,
        patient: &str,
        request: &str,
    ) -> Result<Made, Error> {
        if let Ground::LegalProcess(process) = &mut asked.ground {
            "awaited".clone_into(&mut process.second_person);
        }
        let record = self.load_record(patient).await?;
        let now = self.clock.now();
        if let Err(problems) = by_staff(&record, &asked.act(), &self.rules, &now) {
            return self
                .refuse(staff, patient, purpose_of(&asked.ground), problems, request)
                .await;
        }
        let at = now.stamp();
        let id = self.entropy.id(&format!("{LEGAL_RELEASE} {request}"));
        let body = json!({
            "what": "a disclosure under legal process waits for a second person",
            "openedBy": {"id": staff.id, "name": staff.name},
            "asked": asked.whole,
        });
        let item = WorkItem {
            id: id.clone(),
            kind: LEGAL_RELEASE.to_owned(),
            patient: Some(patient.to_owned()),
            state: OPEN.to_owned(),
            owner: None,
            due: None,
            opened: at,
            closed: None,
            body: body.to_string(),
        };
        let work = vec![Work {
            expected_state: None,
            item,
        }];
        let details = asked.details();
        let details: Vec<(&str, &str)> = details.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let about = format!("Patient/{patient}");
        self.record_act(
            staff,
            audit::Kind::WorkOpened,
            &id,
            &about,
            &details,
            request,
            work,
        )
        .await?;
        Ok(Made::Waits(json!({
            "work": id,
            "kind": LEGAL_RELEASE,
            "next": "a second member of staff with the role compliance releases it: POST /staff/disclosures/{work}/approve",
        })))
    }

    async fn release(
        &self,
        staff: &StaffMember,
        asked: &StaffRequest,
        patient: &str,
        persons: Persons<'_>,
        request: &str,
    ) -> Result<Made, Error> {
        let record = self.load_record(patient).await?;
        let now = self.clock.now();
        let at = now.stamp();
        let purpose = purpose_of(&asked.ground);
        let decision = match by_staff(&record, &asked.act(), &self.rules, &now) {
            Ok(decision) => decision,
            Err(problems) => return self.refuse(staff, patient, purpose, problems, request).await,
        };
        let (release, _) = decision.dated(&[], &now);
        let answer = Answer::collection(Arc::new(release), &self.config.base(), at, request);
        let mut change = Change::at(at);
        change.expects.push((patient.to_owned(), record.version));
        change.expects_world = Some(record.world);
        change.answers.push(answer.digest());
        change
            .work
            .extend(persons.item.clone().map(|item| settled(item, staff, at)));
        self.note_act(&mut change, asked, &answer, patient, &persons, request);
        let receipt = self.store.commit(change).await?;
        let opened = answer.open(&receipt).map_err(|_| Error::Unavailable)?;
        Ok(Made::Released(opened))
    }

    fn note_act(
        &self,
        change: &mut Change,
        asked: &StaffRequest,
        answer: &Answer,
        patient: &str,
        persons: &Persons<'_>,
        request: &str,
    ) {
        let patient = format!("Patient/{patient}");
        let Some(subject) = answer.subjects().first() else {
            return;
        };
        let about = subject.release().about();
        let resources: Vec<(String, String)> = subject.resources().collect();
        let released: Vec<audit::Released<'_>> = resources
            .iter()
            .map(|(reference, version)| audit::Released { reference, version })
            .collect();
        let withheld: Vec<audit::Withheld<'_>> = about
            .withheld
            .iter()
            .map(|kept| audit::Withheld {
                path: &kept.path,
                rule: kept.rule.code(),
                label: kept.label.as_deref().unwrap_or(""),
            })
            .collect();
        let basis = about.basis.first().and_then(|basis| basis.split(' ').next());
        let details = asked.details();
        let details: Vec<(&str, &str)> = details.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (id, name) = persons.first;
        self.with_occasion(change.now, request, |occasion, salt| {
            let event = ByStaff {
                staff: audit::Person { name, id },
                second: persons.second.map(StaffMember::person),
                recipient: asked.recipient(),
                address: &asked.address,
                purpose: &about.purpose,
                patient: &patient,
                released: &released,
                withheld: &withheld,
                data_set: &about.data_set,
                profiles: &self.rules_version,
                basis: basis.unwrap_or_default(),
                details: &details,
            };
            change.audit.push(event.event(occasion, salt));
        });
    }

    /// Nothing is disclosed and nothing kept but that it was refused.
    async fn refuse<T>(
        &self,
        staff: &StaffMember,
        patient: &str,
        purpose: &str,
        problems: Vec<Issue>,
        request: &str,
    ) -> Result<T, Error> {
        let mut change = Change::at(self.clock.instant());
        let about = match patient {
            "" => String::new(),
            id => format!("Patient/{id}"),
        };
        self.with_occasion(change.now, request, |occasion, salt| {
            let caller = audit::Caller {
                client_id: "",
                organisation: audit::Party::default(),
                address: "staff",
                person: Some(staff.person()),
            };
            let refusal = audit::Refusal {
                caller: &caller,
                purpose,
                patient: &about,
                interaction: "operation",
                query: b"",
                reason: "a disclosure by hand lacks a fact or is barred",
                outcome: Outcome::MinorFailure,
            };
            change.audit.push(refusal.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Err(Error::Invalid(problems))
    }
}

fn settled(mut item: WorkItem, staff: &StaffMember, at: Instant) -> Work {
    let before = std::mem::replace(&mut item.state, super::work::SETTLED.to_owned());
    item.owner = Some(staff.id.clone());
    item.closed = Some(at);
    let mut body: Value = serde_json::from_str(&item.body).unwrap_or_else(|_| json!({}));
    body["outcome"] = "released".into();
    item.body = body.to_string();
    Work {
        expected_state: Some(before),
        item,
    }
}

impl StaffRequest {
    pub(super) fn act(&self) -> StaffAct<'_> {
        StaffAct {
            stated: &self.stated,
            ground: &self.ground,
            chosen: &self.chosen,
            data_set: &self.data_set,
        }
    }

    pub(super) fn recipient(&self) -> audit::Party<'_> {
        audit::Party {
            name: &self.stated.recipient,
            system: "",
            identifier: "",
        }
    }

    /// What the law wants on record for this ground.
    pub(super) fn details(&self) -> Vec<(&'static str, String)> {
        let Stated { decider, basis, .. } = &self.stated;
        let mut told = vec![
            ("ground", self.ground.cite().to_owned()),
            ("decider", decider.clone()),
            ("facts", basis.clone()),
            ("stated", self.facts.join(", ")),
        ];
        if !self.informed.is_empty() {
            told.push(("informed", self.informed.clone()));
        }
        for (name, bytes) in [("order", &self.order), ("subpoena", &self.subpoena)] {
            if let Some(bytes) = bytes {
                told.push((name, format!("sha256 {}", Digest::of(bytes).hex())));
            }
        }
        told
    }
}
