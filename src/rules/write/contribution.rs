//! What a partner states itself: kept as its word, under its name, until staff make it part of the record. Who says so is
//! set from the registration, never believed from the body. <https://hl7.org/fhir/R4/http.html#create>,
//! <http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server>

use serde_json::{Map, Value, json};

use super::own::is_referral;
use super::reference::{NOT_SEEN, OURS, make_relative, problems};
use super::refused::Refused;
use super::writer::Writer;
use crate::fhir::element::table;
use crate::fhir::{Issue, IssueCode, gate};
use crate::profile::Role;
use crate::referral::{self, By};
use crate::terminology::ACT_CODE;

/// A type of resource that partners may state.
pub struct Kind {
    pub resource_type: &'static str,
    /// The element that names the person.
    subject: &'static str,
    /// The element that names who says so; it takes several.
    author: Option<(&'static str, bool)>,
    pub purpose: Purpose,
}

/// What staff do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Read it, and make it part of the record or not.
    Statement,
    /// Answer it: somebody is referred to the agency.
    Referral,
}

const fn kind(resource_type: &'static str, subject: &'static str, author: (&'static str, bool)) -> Kind {
    Kind {
        resource_type,
        subject,
        author: Some(author),
        purpose: Purpose::Statement,
    }
}

/// What partners may create. <https://hl7.org/fhir/R4/resourcelist.html>
pub static KINDS: [Kind; 10] = [
    kind("AllergyIntolerance", "patient", ("recorder", false)),
    Kind {
        resource_type: "Appointment",
        subject: "participant",
        author: None,
        purpose: Purpose::Statement,
    },
    kind("Communication", "subject", ("sender", false)),
    kind("Condition", "subject", ("recorder", false)),
    kind("DocumentReference", "subject", ("author", true)),
    kind("MedicationRequest", "subject", ("requester", false)),
    kind("Observation", "subject", ("performer", true)),
    kind("QuestionnaireResponse", "subject", ("author", false)),
    Kind {
        purpose: Purpose::Referral,
        ..kind("ServiceRequest", "subject", ("requester", false))
    },
    Kind {
        purpose: Purpose::Referral,
        ..kind("Task", "for", ("requester", false))
    },
];

impl Kind {
    pub fn of(resource_type: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.resource_type == resource_type)
    }

    /// The id of the person a body is about; `None` when it names none, or not on this server.
    pub fn person(&self, body: &Value, base: &str) -> Option<String> {
        let listed = body[self.subject].as_array().into_iter().flatten();
        let actors = listed.map(|one| &one["actor"]);
        let mut named = actors.chain(std::iter::once(&body[self.subject]));
        named.find_map(|reference| {
            let target = reference["reference"].as_str()?;
            let target = target
                .strip_prefix(base)
                .map_or(target, |rest| rest.trim_start_matches('/'));
            target.strip_prefix("Patient/").map(str::to_owned)
        })
    }
}

/// Said where a statement names nobody, or nobody that is released to the writer: one problem, whoever is here.
pub fn nobody_named(body: &Value) -> Refused {
    let kind = body["resourceType"].as_str().and_then(Kind::of);
    let Some(kind) = kind else {
        return Refused::NotSupported;
    };
    let mut issues = gate::check(body);
    issues.extend(not_taken(body, &Value::Null));
    let place = format!("{}.{}", kind.resource_type, kind.subject);
    issues.push(Issue::error(IssueCode::Value, place, NOT_SEEN));
    Refused::Unprocessable(issues)
}

/// A statement of the writer's as it is stored under `id`, or everything wrong with it. The caller has seen that the person
/// it names is released to the writer.
pub fn contribute(writer: &Writer<'_>, body: &Value, id: &str) -> Result<Value, Refused> {
    let kind = body["resourceType"].as_str().and_then(Kind::of);
    let kind = kind.ok_or(Refused::NotSupported)?;
    let of = table()
        .resource(kind.resource_type)
        .ok_or(Refused::NotSupported)?;
    let mut issues = gate::check(body);
    issues.extend(not_taken(body, &Value::Null));
    let mut body = body.clone();
    make_relative(&mut body, writer.base);
    if issues.is_empty() {
        let members = body.as_object().cloned().unwrap_or_default();
        issues.extend(problems(writer, of, &members, &|_| false));
    }
    if !issues.is_empty() {
        return Err(Refused::Unprocessable(issues));
    }
    let mut stated = Map::new();
    stated.insert("resourceType".to_owned(), kind.resource_type.into());
    stated.insert("id".to_owned(), id.into());
    stated.insert("meta".to_owned(), meta(writer, &body["meta"]));
    let members = body.as_object().into_iter().flatten();
    let members = members.filter(|(name, _)| {
        !matches!(
            name.as_str(),
            "resourceType" | "id" | "meta" | "text" | "_text" | "_id"
        )
    });
    stated.extend(members.map(|(name, value)| (name.clone(), value.clone())));
    let mut stated = Value::Object(stated);
    if kind.resource_type == "Task" {
        begins(&stated)?;
    }
    restate(writer, &mut stated)?;
    Ok(stated)
}

/// What holds of every form of a statement: to whom a referral is addressed, and who says so.
pub(super) fn restate(writer: &Writer<'_>, body: &mut Value) -> Result<(), Refused> {
    let kind = body["resourceType"].as_str().and_then(Kind::of);
    if kind.is_some_and(|kind| kind.purpose == Purpose::Referral) {
        address(writer, body)?;
    }
    state_author(writer, body)
}

fn begins(task: &Value) -> Result<(), Refused> {
    let by = By {
        owner: false,
        requester: true,
    };
    referral::check(None, task, by)
        .map_err(|refused| Refused::unprocessable(IssueCode::BusinessRule, "Task.status", &refused.why))
}

/// Parts of a body that this server takes from nobody; what was released with the resource may come back.
pub(super) fn not_taken(body: &Value, released: &Value) -> Vec<Issue> {
    let kind = body["resourceType"].as_str().unwrap_or_default();
    let refused = [
        (
            "contained",
            "a contained resource is not taken: write it as one of its own, in a transaction",
        ),
        (
            "modifierExtension",
            "an extension that changes what the rest means is not taken",
        ),
        (
            "implicitRules",
            "rules that change what the resource means are not taken",
        ),
        (
            "_implicitRules",
            "rules that change what the resource means are not taken",
        ),
    ];
    let there = refused
        .into_iter()
        .filter(|(name, _)| body.get(*name).is_some() && body.get(*name) != released.get(*name));
    there
        .map(|(name, why)| Issue::error(IssueCode::NotSupported, format!("{kind}.{name}"), why))
        .collect()
}

/// Who says so: the partner, as registered. A name beside it may stay; somebody whom the registration does not know may not.
fn state_author(writer: &Writer<'_>, body: &mut Value) -> Result<(), Refused> {
    let kind = body["resourceType"].as_str().and_then(Kind::of);
    let Some((kind, (name, several))) = kind.and_then(|kind| Some((kind, kind.author?))) else {
        return Ok(());
    };
    let foreign = || {
        let why = "this names somebody whom your registration does not: leave it out and your organisation is stated";
        let place = format!("{}.{name}", kind.resource_type);
        Err(Refused::unprocessable(IssueCode::BusinessRule, &place, why))
    };
    let names_nobody = |one: &Value| one["reference"].is_null() && one["identifier"].is_null();
    let may_stand = |one: &Value| names_nobody(one) || writer.is_self(one) || is_person(writer, one);
    let stated: Vec<Value> = match &body[name] {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    if !stated.iter().all(may_stand) {
        return foreign();
    }
    let partner = partner(writer);
    if several {
        if !stated.iter().any(|one| writer.is_self(one)) {
            body[name] = std::iter::once(partner).chain(stated).collect();
        }
    } else if stated.first().is_none_or(names_nobody) {
        let mut author = partner;
        if let Some(display) = stated.first().and_then(|one| one["display"].as_str()) {
            author["display"] = display.into();
        }
        body[name] = author;
    } else if kind.purpose == Purpose::Referral && stated.iter().any(|one| !writer.is_self(one)) {
        return foreign();
    }
    Ok(())
}

/// The person the record is about may say something of themselves.
fn is_person(writer: &Writer<'_>, reference: &Value) -> bool {
    reference["reference"]
        .as_str()
        .and_then(|r| r.strip_prefix("Patient/"))
        == Some(&writer.record.patient)
}

/// The partner's organisation, by its number and name as registered.
fn partner(writer: &Writer<'_>) -> Value {
    let mut reference = json!({"display": writer.recipient.name});
    if let Some((system, value)) = writer.recipient.organization.first() {
        reference["identifier"] = json!({"system": system, "value": value});
    }
    reference
}

/// Labels as stated, without what only the gateway says; content under 42 CFR Part 2 was received, on no wider basis than
/// a consent that names us.
fn meta(writer: &Writer<'_>, stated: &Value) -> Value {
    let codings = stated["security"].as_array().into_iter().flatten();
    let is_ours = |coding: &&Value| {
        coding["system"]
            .as_str()
            .is_some_and(|system| system.starts_with(OURS))
    };
    let mut security: Vec<Value> = codings.filter(|coding| !is_ours(coding)).cloned().collect();
    let is_part2 = |coding: &Value| coding["code"] == "42CFRPart2";
    if writer.recipient.role == Role::Part2Program && !security.iter().any(is_part2) {
        security.push(json!({"system": ACT_CODE, "code": "42CFRPart2"}));
    }
    if security.iter().any(is_part2) {
        security.push(json!({"system": PART2_BASIS, "code": "received-specific"}));
    }
    let mut meta = json!({"source": format!("{OURS}partner/{}", writer.recipient.id)});
    if let Some(profiles) = stated["profile"].as_array() {
        meta["profile"] = profiles.clone().into();
    }
    if !security.is_empty() {
        meta["security"] = Value::Array(security);
    }
    meta
}

const PART2_BASIS: &str = "https://postern.example/fhir/CodeSystem/part2-basis";

/// A partner refers to the agency, and to nobody else: nobody comes to know a person by a partner's word.
fn address(writer: &Writer<'_>, body: &mut Value) -> Result<(), Refused> {
    let Some(agency) = &writer.rules.agency else {
        return Err(Refused::NotSupported);
    };
    let here = json!({"reference": agency.reference()});
    let elsewhere = |place: &str| {
        let why =
            "a referral is taken for this agency alone: leave it out, or name the agency that answers here";
        Err(Refused::unprocessable(IssueCode::BusinessRule, place, why))
    };
    if body["resourceType"] == "ServiceRequest" {
        match body["performer"].as_array() {
            None => body["performer"] = json!([here]),
            Some(list) if list.iter().all(|one| writer.is_agency(one)) => {}
            Some(_) => return elsewhere("ServiceRequest.performer"),
        }
        return Ok(());
    }
    if !is_referral(body) || !body["focus"]["reference"].is_string() {
        let why = "a Task is taken as the state of a referral: code fulfill (http://hl7.org/fhir/CodeSystem/task-code), \
                   focus on its ServiceRequest";
        return Err(Refused::unprocessable(IssueCode::BusinessRule, "Task", why));
    }
    match &body["owner"] {
        Value::Null => body["owner"] = here,
        owner if writer.is_agency(owner) => {}
        _ => return elsewhere("Task.owner"),
    }
    Ok(())
}
