//! Who asks in a case: class, role in law, relationship, a grant. `45 CFR 164.514(h)`, `42 CFR 2.51`; `reference/law.md` section 0.

use serde_json::{Value, json};

use super::facts::look_up;
use crate::consent::case::read::{Case, one_or_many};
use crate::disclosure::Rules;
use crate::disclosure::grant::{Grant, Obtainable};
use crate::disclosure::record::{Recipient, Stored};
use crate::fhir::Instant;
use crate::fhir::date::PartialDate;
use crate::profile::Role;

/// By which the recipient's organisation is known in a case.
const SYSTEM: &str = "urn:postern:case";

pub(super) struct Party {
    pub recipient: Recipient,
    /// As the case states it; `None`: whatever its resources show.
    pub related: Option<bool>,
    pub in_care_team: bool,
    /// References that mean the recipient, as the request names it.
    names: Vec<String>,
}

impl Party {
    pub fn read(
        case: &Value,
        read: &Case<'_>,
        patient: &str,
        as_of: Instant,
        rules: &Rules,
    ) -> Result<Party, &'static str> {
        let given = &case["recipient"];
        // Not said is said by its class; whatever is said and is not yes, is no.
        if given.get("registered").is_some_and(|stated| !is_true(stated)) {
            return Err("the recipient is not registered (45 CFR 164.514(h))");
        }
        let facts = &case["facts"];
        let stated = given["role"]
            .as_str()
            .or_else(|| look_up(facts, "role").and_then(Value::as_str));
        let class = given["class"].as_str();
        let known = class.and_then(|class| rules.policy.class(class));
        let role = match (stated, known) {
            (Some(role), _) => role_named(role)?,
            (None, Some(class)) => class.role,
            (None, None) => return Err("the recipient has neither a role nor a class of the policy"),
        };
        let of_role = || rules.policy.classes().iter().find(|own| own.role == role);
        let class = known.or_else(of_role).map(|own| own.name.as_str()).or(class);
        let mut recipient = Recipient::new("recipient", "", class.unwrap_or_default(), role, Vec::new());
        recipient.organization = read.actor.identifiers.clone();
        recipient
            .organization
            .push((SYSTEM.to_owned(), "recipient".to_owned()));
        recipient.organization.extend(identifiers(&given["organization"]));
        recipient.medical_personnel = is_true(&given["medicalPersonnel"])
            || is_true(&given["medical_personnel"])
            || look_up(facts, "medical_personnel").is_some_and(is_true)
            || stated == Some("medical_personnel");
        recipient.grant = grant(case, patient, as_of)?;
        let (related, in_care_team) = relationship(case, as_of, read, role)?;
        let mut names = read.actor.references.clone();
        names.extend(one_or_many(&given["organization"]).iter().filter_map(reference));
        Ok(Party {
            recipient,
            related,
            in_care_team,
            names,
        })
    }

    /// Organisations and roles by which the record knows the recipient: those named by the request, marked as its own.
    pub fn directory(&self, known: &mut Vec<Stored>) -> Vec<Stored> {
        let mut added = vec![organization("case-recipient")];
        for name in &self.names {
            match name.split_once('/') {
                Some(("Organization", id)) => match known.iter().find(|r| r.reference() == *name) {
                    Some(own) => added.push(marked(own)),
                    None => added.push(organization(id)),
                },
                // A person named without a role acts for the recipient; one with roles, for those organisations.
                Some(("Practitioner", _)) => {
                    let roles = known
                        .iter()
                        .filter(|r| r.body["practitioner"]["reference"] == name.as_str());
                    let of_roles: Vec<&str> = roles
                        .filter_map(|r| r.body["organization"]["reference"].as_str())
                        .collect();
                    match of_roles.as_slice() {
                        [] => added.extend(role(name, "Organization/case-recipient")),
                        [one] => added.extend(known.iter().filter(|r| r.reference() == *one).map(marked)),
                        _ => {}
                    }
                }
                Some(("PractitionerRole", _)) => {
                    let own = known.iter().find(|r| r.reference() == *name);
                    let organisation = own.and_then(|r| r.body["organization"]["reference"].as_str());
                    added.extend(
                        known
                            .iter()
                            .filter(|r| Some(r.reference().as_str()) == organisation)
                            .map(marked),
                    );
                }
                _ => {}
            }
        }
        known.retain(|own| !added.iter().any(|new| new.reference() == own.reference()));
        added
    }
}

fn role_named(name: &str) -> Result<Role, &'static str> {
    match name {
        "medical_personnel" => Ok(Role::Provider),
        "individual" | "personal_rep" | "involved_person" => {
            Err("people have no door here: an act of staff (45 CFR 164.524, 164.510(b))")
        }
        _ => Role::named(&name.replace('-', "_")).ok_or("the role of the recipient is not known"),
    }
}

fn organization(id: &str) -> Stored {
    let body = json!({"resourceType": "Organization", "id": id, "identifier": [{"system": SYSTEM, "value": "recipient"}]});
    Stored {
        resource_type: "Organization".to_owned(),
        id: id.to_owned(),
        version: 1,
        body,
        contributed: None,
    }
}

fn marked(own: &Stored) -> Stored {
    let mut own = own.clone();
    let identifier = json!({"system": SYSTEM, "value": "recipient"});
    match own.body["identifier"].as_array_mut() {
        Some(list) => list.push(identifier),
        None => own.body["identifier"] = json!([identifier]),
    }
    own
}

fn role(practitioner: &str, organization: &str) -> Option<Stored> {
    let body = json!({"resourceType": "PractitionerRole", "id": "case-recipient-role", "active": true,
        "practitioner": {"reference": practitioner}, "organization": {"reference": organization}});
    Stored::new(body, 1)
}

fn identifiers(organization: &Value) -> Vec<(String, String)> {
    let read = |item: &Value| {
        let own = if item["identifier"].is_null() {
            item
        } else {
            &item["identifier"]
        };
        let value = one_or_many(own).first()?;
        Some((
            value["system"].as_str()?.to_owned(),
            value["value"].as_str()?.to_owned(),
        ))
    };
    one_or_many(organization).iter().filter_map(read).collect()
}

fn reference(item: &Value) -> Option<String> {
    item.as_str().or(item["reference"].as_str()).map(str::to_owned)
}

/// Stated as true or false, as its basis, or with a period; and whether it is a place in the care team.
fn relationship(
    case: &Value,
    as_of: Instant,
    read: &Case<'_>,
    role: Role,
) -> Result<(Option<bool>, bool), &'static str> {
    let facts = &case["facts"];
    let of_facts = [
        "had_relationship",
        "had_relationship(patient)",
        "relationship",
        "treating_relationship",
    ];
    let stated = match &case["recipient"]["relationship"] {
        Value::Null => of_facts.iter().find_map(|name| look_up(facts, name)),
        stated => Some(stated),
    };
    let team =
        is_true(&case["recipient"]["care_team"]) || look_up(facts, "in_care_team").is_some_and(is_true);
    let related = match stated {
        None => team.then_some(true),
        Some(Value::Bool(stated)) => Some(*stated),
        Some(Value::String(basis)) => Some(!matches!(
            basis.to_ascii_lowercase().as_str(),
            "none" | "no" | "false" | "never" | "ended" | "over" | "former" | "inactive" | "past" | ""
        )),
        Some(Value::Object(stated)) => {
            let says = ["value", "exists", "active", "had", "has", "had_relationship"]
                .iter()
                .filter_map(|name| stated.get(*name))
                .all(is_true);
            let bound = |name: &str| {
                stated
                    .get("period")
                    .and_then(|p| p.get(name))
                    .or_else(|| stated.get(name))
            };
            let end = bound("end");
            let started = bound("start").and_then(Value::as_str).is_none_or(|start| {
                PartialDate::parse(start).is_some_and(|start| start.bounds(&read.zone).0 <= as_of)
            });
            let over = end.and_then(Value::as_str).is_some_and(|end| {
                PartialDate::parse(end).is_none_or(|end| end.bounds(&read.zone).1 <= as_of)
            });
            // "Has or had a relationship": what a plan paid for stays its business (45 CFR 164.506(c)(4)).
            Some(says && started && (!over || role == Role::HealthPlan))
        }
        Some(_) => return Err("the relationship of the case cannot be read"),
    };
    let basis = stated
        .and_then(|s| s.as_str().or(s["basis"].as_str()))
        .unwrap_or_default();
    Ok((
        related,
        team || matches!(basis, "care-team" | "care_team" | "team"),
    ))
}

/// `grant`, `recipient.grant`, or the fact whether consent could be had: a grant of an hour, in force.
fn grant(case: &Value, patient: &str, as_of: Instant) -> Result<Option<Grant>, &'static str> {
    let facts = &case["facts"];
    let stated = [&case["grant"], &case["recipient"]["grant"]]
        .into_iter()
        .find(|v| !v.is_null());
    let stated = stated.or_else(|| {
        ["grant", "break_glass"]
            .iter()
            .find_map(|name| look_up(facts, name))
    });
    let obtainable = stated
        .and_then(|grant| look_up(grant, "consent_obtainable"))
        .or_else(|| look_up(facts, "consent_obtainable"));
    if stated.is_some_and(|grant| !grant.is_object() && !is_true(grant)) {
        return Ok(None);
    }
    if stated.is_none() && obtainable.is_none() {
        return Ok(None);
    }
    let consent_obtainable = match obtainable {
        None => Obtainable::Unknown,
        Some(Value::Bool(false)) => Obtainable::No,
        Some(Value::Bool(true)) => Obtainable::Refused,
        Some(Value::String(code)) if code == "yes" => Obtainable::Refused,
        Some(code) => code
            .as_str()
            .and_then(Obtainable::named)
            .ok_or("consent-obtainable is no, refused or unknown")?,
    };
    // An end that cannot be read has passed; a grant for somebody else is none.
    let end = stated.and_then(|grant| {
        let ends = [&grant["until"], &grant["expires"], &grant["period"]["end"]];
        ends.into_iter().find(|end| !end.is_null())
    });
    let until = match end {
        None => None,
        Some(end) => {
            let day = |text| PartialDate::parse(text).map(|day| day.bounds(&jiff::tz::TimeZone::UTC).1);
            match end
                .as_str()
                .and_then(|text| Instant::parse(text).or_else(|| day(text)))
            {
                None => return Ok(None),
                until => until,
            }
        }
    };
    let of_another = |named: &str| named.strip_prefix("Patient/").unwrap_or(named) != patient;
    let named = stated.map(|grant| &grant["patient"]);
    let named = named.and_then(|p| p.as_str().or(p["reference"].as_str()));
    if named.is_some_and(of_another) {
        return Ok(None);
    }
    Ok(Some(Grant {
        id: "case".to_owned(),
        patient: patient.to_owned(),
        until: until.unwrap_or(as_of.plus_seconds(3600)),
        consent_obtainable,
    }))
}

pub(super) fn is_true(value: &Value) -> bool {
    *value == true || value == "true" || value == "yes"
}
