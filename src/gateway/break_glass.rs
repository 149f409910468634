//! A partner breaks the glass: find the person, decide what the grant would open, record grant, review, notices and
//! event in one transaction, answer. Never refused for who asks how often; each call is on the log.
//! 42 CFR 2.51, 2.13(c), 45 CFR 164.312(a)(2)(ii)
//!
//! Nobody, several, and a person who may not be acknowledged to this recipient are one answer. The person is decided
//! upon with the grant in hand before it is given, so that a grant that would open nothing acknowledges nobody.

use postern_rules::audit::{self, Kind, Outcome};
use postern_rules::disclosure::{Answer, Grant, Granted, Recipient, Record, Refusal, decide};
use postern_rules::fhir::{Instant, Now, Value};
use postern_rules::identity::{How, agreement, only};
use postern_rules::terminology::{ACT_REASON, is_a};
use serde_json::json;

use super::emergency::Emergency;
use super::events::caller_of;
use super::find_person::to_load;
use super::pull::{Reply, TRIES};
use super::work::OPEN;
use super::{Call, Error, Gateway, Partner};
use crate::store::{Change, GrantRow, Lane, Notice, Refused, Work, WorkItem};

/// Kind of the work item that reviews a grant.
pub const REVIEW: &str = "break-glass-review";
/// State of a notice that has not been sent.
pub const QUEUED: &str = "queued";

/// What became of one who agrees with what was stated.
struct Considered {
    patient: String,
    version: i64,
    world: i64,
    how: How,
    /// May this recipient be told, under the grant, that the person is here?
    refusal: Option<Refusal>,
}

/// Ids and times of one grant that may be given.
struct Opening {
    grant: String,
    review: String,
    opened: Instant,
    until: Instant,
}

/// The purpose of use a token needs for what a grant opens: the first emergency the partner is registered for.
pub fn emergency_purpose(partner: &Partner) -> Option<&str> {
    partner
        .purposes
        .iter()
        .map(String::as_str)
        .find(|purpose| is_emergency(purpose))
}

/// `ETREAT` and what is below it.
pub fn is_emergency(purpose: &str) -> bool {
    is_a(ACT_REASON, purpose, "ETREAT")
}

impl Gateway {
    /// `POST /fhir/Patient/$break-glass`. Only for partners registered for an emergency purpose.
    pub async fn break_glass(&self, call: &Call, body: &Value) -> Result<Reply, Error> {
        self.may_look_for_people(call)?;
        if emergency_purpose(&call.caller.partner).is_none() {
            return Err(Error::OutOfScope);
        }
        let emergency = Emergency::read(body).map_err(Error::Invalid)?;
        let mut call = call.clone();
        for _ in 0..TRIES {
            let now = self.clock.now();
            let opening = self.opening(&call, now.stamp());
            let considered = self.consider(&call, &emergency, &opening, &now).await?;
            if considered.iter().all(|one| one.world == call.caller.world)
                && let Some(reply) = self.record_call(&call, &emergency, &opening, considered).await?
            {
                return Ok(reply);
            }
            call = self.again(&call).await?;
        }
        Err(Error::Unavailable)
    }

    fn opening(&self, call: &Call, opened: Instant) -> Opening {
        let hours = i64::from(self.rules.policy.break_glass_hours());
        Opening {
            grant: self.entropy.id(&format!("grant {}", call.request)),
            review: self.entropy.id(&format!("review {}", call.request)),
            opened,
            until: opened.plus_seconds(hours * 3600),
        }
    }

    /// Everyone who agrees with what is stated, each decided upon as if the grant were given.
    async fn consider(
        &self,
        call: &Call,
        emergency: &Emergency,
        opening: &Opening,
        now: &Now,
    ) -> Result<Vec<Considered>, Error> {
        let candidates = self.candidates(&emergency.stated).await?;
        let mut considered = Vec::new();
        for patient in to_load(&candidates) {
            let record = self.load_record(patient).await?;
            // Judged on what the decision is made from: the index may have been read before a change.
            let own = record
                .resources
                .iter()
                .find(|r| r.resource_type == "Patient" && r.id == patient);
            let Some(how) = own.and_then(|own| agreement(&emergency.stated, &own.body)) else {
                continue;
            };
            let refusal = self.would_open(call, emergency, opening, &record, now).err();
            considered.push(Considered {
                patient: patient.to_owned(),
                version: record.version,
                world: record.world,
                how,
                refusal,
            });
        }
        Ok(considered)
    }

    fn would_open(
        &self,
        call: &Call,
        emergency: &Emergency,
        opening: &Opening,
        record: &Record,
        now: &Now,
    ) -> Result<(), Refusal> {
        let recipient = Recipient {
            grant: Some(Grant {
                id: opening.grant.clone(),
                patient: record.patient.clone(),
                until: opening.until,
                consent_obtainable: emergency.obtainable,
            }),
            ..call.caller.recipient.clone()
        };
        let purpose = emergency_purpose(&call.caller.partner).ok_or(Refusal::PurposeNotServed)?;
        decide(record, &recipient, purpose, &self.rules, now).map(|_| ())
    }

    /// Grant or not, what was asked and what became of it: one change, and the answer it opens.
    async fn record_call(
        &self,
        call: &Call,
        emergency: &Emergency,
        opening: &Opening,
        considered: Vec<Considered>,
    ) -> Result<Option<Reply>, Error> {
        let mut change = Change::at(opening.opened);
        change.expects = considered
            .iter()
            .map(|one| (one.patient.clone(), one.version))
            .collect();
        call.caller.bind(&mut change);
        let withheld: Vec<String> = considered
            .iter()
            .filter(|one| one.refusal.is_some())
            .map(|one| one.patient.clone())
            .collect();
        let told = considered.into_iter().filter(|one| one.refusal.is_none());
        let agreeing: Vec<(String, How)> = told.map(|one| (one.patient, one.how)).collect();
        let several = agreeing.len() > 1;
        let meant = only(agreeing);
        let answer = match &meant {
            Some((patient, _)) => Answer::granted(
                &Granted {
                    patient,
                    grant: &opening.grant,
                    until: opening.until,
                    how: &how_to_use(&call.caller.partner),
                },
                &call.request,
            ),
            None => Answer::nobody_meant(&call.request),
        };
        // Whom it is about, for the log and for staff; a partner is told of nobody but the one who is meant.
        let (about, reason) = match (&meant, withheld.as_slice()) {
            (Some((patient, _)), _) => (Some(patient.as_str()), ""),
            (None, _) if several => (None, "several people are meant"),
            (None, [one]) => (Some(one.as_str()), "the person may not be acknowledged"),
            (None, []) => (None, "nobody is meant"),
            (None, _) => (None, "people may not be acknowledged"),
        };
        if let Some((patient, _)) = &meant {
            change.touches.push(patient.clone());
            change
                .grants
                .push(self.grant_row(call, emergency, opening, patient));
        }
        if let Some(patient) = about {
            let given = meant.is_some();
            change
                .work
                .push(self.review(call, emergency, opening, patient, given));
            change.notices = self.notices_of(call, opening, patient, given);
        }
        let how = meant.as_ref().map_or("", |(_, how)| how.code());
        self.add_event(&mut change, call, emergency, opening, (about, how, reason));
        change.answers = vec![answer.digest()];
        let status = answer.status;
        // An emergency does not wait behind routine traffic.
        let receipt = match self.store.commit_in(Lane::Urgent, change).await {
            Ok(receipt) => receipt,
            Err(Refused::Stale) => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        let opened = answer.open(&receipt).map_err(|_| Error::Unavailable)?;
        Ok(Some(Reply {
            status,
            etag: None,
            last_modified: None,
            body: opened.0,
        }))
    }

    fn grant_row(&self, call: &Call, emergency: &Emergency, opening: &Opening, patient: &str) -> GrantRow {
        GrantRow {
            id: opening.grant.clone(),
            recipient: call.caller.recipient.id.clone(),
            patient: patient.to_owned(),
            personnel: emergency.requester.clone(),
            affiliation: emergency.affiliation.clone(),
            role: emergency.role.clone(),
            discloser: self.discloser(),
            opened: opening.opened,
            nature: emergency.nature.clone(),
            consent_obtainable: emergency.obtainable.code().to_owned(),
            narrative: emergency.narrative.clone(),
            until: opening.until,
            ended: None,
        }
    }

    /// 42 CFR 2.51(c)(2): the policy that discloses by itself, and the person who answers for it.
    fn discloser(&self) -> String {
        let agency = &self.config.agency;
        let person = match agency.responsible.trim() {
            "" => format!("the privacy official of {}", agency.name),
            named => named.to_owned(),
        };
        format!("{person} (policy {})", self.rules.policy.version())
    }

    fn review(
        &self,
        call: &Call,
        emergency: &Emergency,
        opening: &Opening,
        patient: &str,
        given: bool,
    ) -> Work {
        let partner = &call.caller.partner;
        let body = json!({
            "what": if given { "break-glass: was it right?" } else { "break-glass: nothing was opened; call them back?" },
            "grant": given.then_some(&opening.grant),
            "partner": partner.id,
            "partnerName": partner.name,
            "phone": partner.phone,
            "personnel": emergency.requester,
            "affiliation": emergency.affiliation,
            "role": emergency.role,
            "nature": emergency.nature,
            "consentObtainable": emergency.obtainable.code(),
            "narrative": emergency.narrative,
            "discloser": self.discloser(),
            "opened": opening.opened.to_fhir(),
            "until": given.then(|| opening.until.to_fhir()),
            "request": call.request,
            "readSince": format!("postern audit list --patient {patient}"),
        });
        let hours = i64::from(self.rules.policy.review_hours());
        Work {
            expected_state: None,
            item: WorkItem {
                id: opening.review.clone(),
                kind: REVIEW.to_owned(),
                patient: Some(patient.to_owned()),
                state: OPEN.to_owned(),
                owner: None,
                due: Some(opening.opened.plus_seconds(hours * 3600)),
                opened: opening.opened,
                closed: None,
                body: body.to_string(),
            },
        }
    }

    fn notices_of(&self, call: &Call, opening: &Opening, patient: &str, given: bool) -> Vec<Notice> {
        let partner = &call.caller.partner;
        let body = json!({"work": opening.review, "partner": partner.id, "partnerName": partner.name, "opened": given})
            .to_string();
        let addressees = self.config.agency.notify.iter().enumerate();
        let notice = |(index, addressee): (usize, &String)| Notice {
            id: self.entropy.id(&format!("notice {index} {}", call.request)),
            kind: "break-glass".to_owned(),
            addressee: addressee.clone(),
            patient: Some(patient.to_owned()),
            state: QUEUED.to_owned(),
            queued: opening.opened,
            settled: None,
            body: body.clone(),
        };
        addressees.map(notice).collect()
    }

    /// The four items of 42 CFR 2.51(c) stand in every such event, whatever became of the call.
    fn add_event(
        &self,
        change: &mut Change,
        call: &Call,
        emergency: &Emergency,
        opening: &Opening,
        (about, found_by, reason): (Option<&str>, &str, &str),
    ) {
        let given = reason.is_empty();
        let requester = (emergency.requester.clone(), String::new());
        let caller = caller_of(
            &call.caller.client,
            &call.caller.partner,
            &call.address,
            Some(&requester),
        );
        let (opened, until) = (opening.opened.to_fhir(), opening.until.to_fhir());
        let discloser = self.discloser();
        let token_person = call
            .caller
            .person
            .as_ref()
            .map(|(name, id)| format!("{name} {id}"))
            .unwrap_or_default();
        let details = [
            ("personnel", emergency.requester.as_str()),
            ("affiliation", &emergency.affiliation),
            ("role", &emergency.role),
            ("discloser", &discloser),
            ("date-and-time", &opened),
            ("nature", &emergency.nature),
            ("consent-obtainable", emergency.obtainable.code()),
            (
                "narrative-stated",
                if emergency.narrative.is_some() {
                    "yes"
                } else {
                    "no"
                },
            ),
            ("token-person", &token_person),
            ("found-by", found_by),
            ("grant", if given { &opening.grant } else { "" }),
            ("until", if given { &until } else { "" }),
            ("review", if about.is_some() { &opening.review } else { "" }),
        ];
        let patient = about.map(|id| format!("Patient/{id}")).unwrap_or_default();
        self.with_occasion(opening.opened, &call.request, |occasion, salt| {
            let event = audit::Operation {
                kind: Kind::BreakGlass,
                caller: &caller,
                purpose: emergency_purpose(&call.caller.partner).unwrap_or_default(),
                patient: &patient,
                details: &details,
                outcome: if given {
                    Outcome::Success
                } else {
                    Outcome::MinorFailure
                },
                reason,
            };
            change.audit.push(event.event(occasion, salt));
        });
    }
}

/// The same for every grant of a partner.
fn how_to_use(partner: &Partner) -> String {
    let purpose = emergency_purpose(partner).unwrap_or("ETREAT");
    format!(
        "Until then, tokens of your organisation with purpose of use {purpose} open this person: request one, then read and \
         search as usual. Other purposes open what they opened before. A new call gives a new grant. What is read is \
         recorded and reviewed."
    )
}
