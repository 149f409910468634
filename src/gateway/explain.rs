//! What a partner would be shown of a person and what would be kept back, for staff, as things are or with a consent taken
//! away or added. It discloses nothing; that it was looked at is on the log, with what was supposed. 45 CFR 164.308(a)(1)(ii)(D)

use postern_rules::audit::{self, Act, Kind, Outcome};
use postern_rules::disclosure::{self, Explanation, Grant, Obtainable, Record, Stored};
use postern_rules::fhir::{Instant, Issue, IssueCode, Value, gate};
use postern_rules::log::Digest;
use postern_rules::terminology::{ACT_REASON, is_a, known};

use super::{Error, Gateway, Partner, StaffMember};
use crate::store::{Change, Refused};

/// The purpose of the look itself (v3-ActReason: health compliance).
const LOOKED_FOR: &str = "HCOMPL";

/// A look is taken again when the record moved while it was explained.
const ATTEMPTS: usize = 3;

/// One look, as asked for.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Id, `Patient/id`, or `system|value`.
    pub patient: String,
    /// Id of the partner.
    pub partner: String,
    /// Code of v3-ActReason.
    pub purpose: String,
    /// Consents to leave out: id or reference.
    pub without: Vec<String>,
    /// Consents to add, or to put in place of those with the same id.
    pub with: Vec<Value>,
    /// As if the partner had opened break-glass.
    pub grant: bool,
}

/// A look as it was recorded: for whom, and on which day's data set.
#[derive(Clone, Debug)]
pub struct Looked {
    pub explanation: Explanation,
    /// What staff call the person.
    pub person: String,
    pub partner: Partner,
    /// What was supposed, in words; empty when nothing was.
    pub supposed: Vec<String>,
}

impl Gateway {
    /// Explains the release, once that it was looked at is recorded.
    pub async fn preview(&self, staff: &StaffMember, look: &Look, request: &str) -> Result<Looked, Error> {
        staff.may(super::roles::Door::Preview)?;
        for _ in 1..ATTEMPTS {
            match self.look(staff, look, request).await {
                Err(Error::Conflict) => {}
                other => return other,
            }
        }
        self.look(staff, look, request).await
    }

    async fn look(&self, staff: &StaffMember, look: &Look, request: &str) -> Result<Looked, Error> {
        let now = self.clock.now();
        let at = now.stamp();
        let partner = self.previewed(look).await?;
        let Some(patient) = self.person(&look.patient).await? else {
            self.note_look(staff, Change::at(at), &Noted::nobody(look), request)
                .await?;
            return Err(nobody());
        };
        let mut record = self.load_record(&patient).await?;
        let (version, world) = (record.version, record.world);
        let supposed = suppose(&mut record, look)?;
        let mut recipient = partner.recipient(&self.rules.policy);
        let mut purpose = look.purpose.as_str();
        if look.grant {
            let hours = i64::from(self.rules.policy.break_glass_hours());
            recipient.grant = Some(Grant {
                id: "what-if".to_owned(),
                patient: patient.clone(),
                until: Instant(at.0 + hours * 3_600_000_000),
                consent_obtainable: Obtainable::Unknown,
            });
            if !is_a(ACT_REASON, purpose, "ETREAT") {
                purpose = "ETREAT";
            }
        }
        let told = disclosure::explain(&record, &recipient, purpose, &self.rules, &now, request);
        let mut change = Change::at(at);
        change.expects.push((patient.clone(), version));
        change.expects_world = Some(world);
        change.answers.push(told.digest());
        let noted = Noted {
            patient: format!("Patient/{patient}"),
            look,
            supposed: &supposed,
            failed: "",
        };
        let receipt = self.note_look(staff, change, &noted, request).await?;
        let person = record
            .of_type("Patient")
            .next()
            .map(|one| disclosure::title(&one.body));
        Ok(Looked {
            explanation: told.open(&receipt).map_err(|_| Error::Unavailable)?,
            person: person.unwrap_or_default(),
            partner,
            supposed,
        })
    }

    /// The partner and the purpose, both known; every problem at once.
    async fn previewed(&self, look: &Look) -> Result<Partner, Error> {
        let mut problems = Vec::new();
        let mut wrong = |at: &str, why: String| problems.push(Issue::error(IssueCode::Value, at, why));
        if known(ACT_REASON, &look.purpose) != Some(true) {
            wrong("purpose", "no code of v3-ActReason; for example TREAT".to_owned());
        }
        let found = self.store.partner(&look.partner).await?;
        if found.is_none() {
            let names: Vec<String> = self
                .store
                .partners()
                .await?
                .into_iter()
                .map(|(_, p)| p.id)
                .collect();
            wrong("as", format!("no such partner; registered: {}", names.join(", ")));
        }
        match found {
            Some((_, partner)) if problems.is_empty() => {
                serde_json::from_str(&partner.body).map_err(|_| Error::Unavailable)
            }
            _ => Err(Error::Invalid(problems)),
        }
    }

    /// The person meant by an id, a reference or a source's identifier.
    pub(super) async fn person(&self, text: &str) -> Result<Option<String>, Error> {
        if let Some((system, value)) = text.split_once('|') {
            let found = self.store.find_identifier(system, value).await?;
            let mut people: Vec<String> = found
                .into_iter()
                .filter(|(name, ..)| name == "Patient")
                .filter_map(|(_, _, patient)| patient)
                .collect();
            people.sort();
            people.dedup();
            return match people.as_slice() {
                [] => Ok(None),
                [one] => Ok(Some(one.clone())),
                _ => Err(Error::Invalid(vec![Issue::error(
                    IssueCode::Value,
                    "patient",
                    "several people carry this identifier: give an id",
                )])),
            };
        }
        let id = text.strip_prefix("Patient/").unwrap_or(text);
        let found = self.store.resource("Patient", id).await?;
        Ok(found.filter(|row| !row.deleted).and_then(|row| row.patient))
    }

    async fn note_look(
        &self,
        staff: &StaffMember,
        mut change: Change,
        noted: &Noted<'_>,
        request: &str,
    ) -> Result<crate::store::Receipt, Error> {
        let at = change.now;
        self.with_occasion(at, request, |occasion, salt| {
            let mut details = vec![
                ("preview-for", noted.look.partner.as_str()),
                ("preview-purpose", noted.look.purpose.as_str()),
            ];
            details.extend(noted.supposed.iter().map(|what| ("supposed", what.as_str())));
            let failed = !noted.failed.is_empty();
            let act = Act {
                patient: &noted.patient,
                purpose: LOOKED_FOR,
                details: &details,
                outcome: if failed {
                    Outcome::MinorFailure
                } else {
                    Outcome::Success
                },
                reason: noted.failed,
                ..Act::of(Kind::StaffRead, staff.person())
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await.map_err(|refused| match refused {
            Refused::Stale => Error::Conflict,
            other => other.into(),
        })
    }
}

impl Looked {
    /// As the staff door gives it.
    pub fn to_json(&self) -> Value {
        let mut told = self.explanation.to_json();
        told["person"] = self.person.as_str().into();
        told["recipientClass"] = self.partner.class.as_str().into();
        told["supposed"] = self.supposed.clone().into();
        told
    }
}

impl StaffMember {
    pub(super) fn person(&self) -> audit::Person<'_> {
        audit::Person {
            name: &self.name,
            id: &self.id,
        }
    }

    /// Whoever runs this command line on the agency's own machine: they hold database and keys already.
    pub fn operator(name: &str) -> StaffMember {
        StaffMember {
            id: name.to_owned(),
            name: name.to_owned(),
            role: super::roles::OPERATOR.to_owned(),
        }
    }
}

/// What the log says of one look.
struct Noted<'a> {
    patient: String,
    look: &'a Look,
    supposed: &'a [String],
    failed: &'a str,
}

impl<'a> Noted<'a> {
    fn nobody(look: &'a Look) -> Noted<'a> {
        Noted {
            patient: String::new(),
            look,
            supposed: &[],
            failed: "no such person",
        }
    }
}

fn nobody() -> Error {
    Error::Invalid(vec![Issue::error(
        IssueCode::NotFound,
        "patient",
        "nobody here has this id or identifier (give an id, Patient/id, or system|value)",
    )])
}

/// Makes the record what it would be; says in words what was supposed.
fn suppose(record: &mut Record, look: &Look) -> Result<Vec<String>, Error> {
    let mut problems = Vec::new();
    let mut supposed = Vec::new();
    for (number, consent) in look.with.iter().enumerate() {
        match added(record, consent, number) {
            Ok(consent) => {
                let digest = Digest::of(consent.to_string().as_bytes()).hex();
                let id = consent["id"].as_str().unwrap_or_default().to_owned();
                let known = record
                    .resources
                    .iter()
                    .any(|one| one.resource_type == "Consent" && one.id == id);
                record
                    .resources
                    .retain(|one| one.resource_type != "Consent" || one.id != id);
                record.resources.extend(Stored::new(consent, 1));
                let how = if known { "changed" } else { "added" };
                supposed.push(format!("Consent/{id} {how} (sha256 {})", &digest[..16]));
            }
            Err(found) => problems.extend(found),
        }
    }
    for named in &look.without {
        let id = named.strip_prefix("Consent/").unwrap_or(named);
        let before = record.resources.len();
        record
            .resources
            .retain(|one| one.resource_type != "Consent" || one.id != id);
        if record.resources.len() == before {
            let consents: Vec<String> = record.of_type("Consent").map(Stored::reference).collect();
            let why = match consents.is_empty() {
                true => "the person has no consent".to_owned(),
                false => format!(
                    "no such consent of this person; there are {}",
                    consents.join(", ")
                ),
            };
            problems.push(Issue::error(IssueCode::Value, "without", why));
        } else {
            supposed.push(format!("Consent/{id} taken away"));
        }
    }
    if look.grant {
        supposed.push("break-glass opened".to_owned());
    }
    if problems.is_empty() {
        Ok(supposed)
    } else {
        Err(Error::Invalid(problems))
    }
}

/// A Consent as it would be stored: valid R4, and this person's.
fn added(record: &Record, consent: &Value, number: usize) -> Result<Value, Vec<Issue>> {
    let at = |path: &str| format!("with[{number}]{path}");
    if consent["resourceType"] != "Consent" {
        return Err(vec![Issue::error(
            IssueCode::Structure,
            at(""),
            "is not a Consent resource",
        )]);
    }
    let mut issues = gate::check(consent);
    for issue in &mut issues {
        issue.expression = format!("{}: {}", at(""), issue.expression);
    }
    let own = format!("Patient/{}", record.patient);
    let mut consent = consent.clone();
    let reference = consent["patient"]["reference"].as_str();
    let identifier = &consent["patient"]["identifier"];
    let by_identifier = identifier["value"].is_string()
        && record.of_type("Patient").any(|patient| {
            let list = patient.body["identifier"].as_array().into_iter().flatten();
            list.into_iter()
                .any(|i| i["system"] == identifier["system"] && i["value"] == identifier["value"])
        });
    match reference {
        Some(reference) if reference == own => {}
        None if by_identifier => consent["patient"]["reference"] = own.into(),
        _ => issues.push(Issue::error(
            IssueCode::Value,
            at(".patient"),
            "is not this person: the reference or an identifier of their record is expected",
        )),
    }
    if !consent["id"].is_string() {
        consent["id"] = format!("what-if-{}", number + 1).into();
    }
    if issues.is_empty() {
        Ok(consent)
    } else {
        Err(issues)
    }
}
