//! Who is meant by a reference, and how to reach them.

use super::datatype::{concepts, contacts, each, human_name, names, text, told};
use super::material::Material;
use super::words::Phrase;
use crate::fhir::Value;
use crate::fhir::excerpt::Part;

/// Somebody a resource refers to, as far as the release says who that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    pub name: Phrase<'a>,
    /// What they do, or what they are to the person.
    pub role: Phrase<'a>,
    pub organization: Phrase<'a>,
    pub contacts: Vec<Phrase<'a>>,
}

impl<'a> Who<'a> {
    /// Name, role and organisation on one line.
    pub fn in_short(self) -> Phrase<'a> {
        self.name
            .and_after(", ", self.role)
            .and_after(", ", self.organization)
    }
}

/// Whom a Reference means; its `display` when what it leads to is not there.
pub fn who<'a>(reference: Part<'_, 'a>, material: &Material<'_, 'a>) -> Who<'a> {
    match material.resolve(reference) {
        Some(resource) => who_is(resource, material),
        None => Who {
            name: told(reference, "display"),
            ..Who::default()
        },
    }
}

pub fn who_is<'a>(resource: Part<'_, 'a>, material: &Material<'_, 'a>) -> Who<'a> {
    let mut who = match resource.member("resourceType").and_then(Part::as_str) {
        Some("PractitionerRole") => role(resource, material),
        Some("HealthcareService") => Who {
            name: told(resource, "name"),
            organization: who_as(resource, "providedBy", "Organization", material).name,
            ..Who::default()
        },
        Some("Organization" | "Location") => Who {
            name: told(resource, "name"),
            ..Who::default()
        },
        Some("RelatedPerson") => Who {
            role: concepts(resource, "relationship"),
            name: own_name(resource),
            ..Who::default()
        },
        _ => Who {
            name: own_name(resource),
            ..Who::default()
        },
    };
    let own = contacts(resource);
    if !own.is_empty() {
        who.contacts = own;
    }
    if is(resource, "active", false) {
        who.name = who.name.and_after(" ", Phrase::fixed("(no longer active)"));
    }
    who
}

/// A role is its practitioner at its organisation; it is reached as itself, else as either.
fn role<'a>(role: Part<'_, 'a>, material: &Material<'_, 'a>) -> Who<'a> {
    let practitioner = who_as(role, "practitioner", "Practitioner", material);
    let organization = who_as(role, "organization", "Organization", material);
    let reached = [&practitioner, &organization]
        .into_iter()
        .find(|who| !who.contacts.is_empty());
    Who {
        contacts: reached.map(|who| who.contacts.clone()).unwrap_or_default(),
        name: practitioner.name,
        role: concepts(role, "code").and_after(", ", concepts(role, "specialty")),
        organization: organization.name,
    }
}

/// Whom an element refers to, where that is a resource of this type: nothing goes round in circles.
fn who_as<'a>(resource: Part<'_, 'a>, name: &str, of: &str, material: &Material<'_, 'a>) -> Who<'a> {
    let Some(reference) = resource.member(name) else {
        return Who::default();
    };
    match material.resolve(reference) {
        Some(target) if text(target, "resourceType") == Some(of) => who_is(target, material),
        _ => Who {
            name: told(reference, "display"),
            ..Who::default()
        },
    }
}

pub fn organization<'a>(resource: Part<'_, 'a>, name: &str, material: &Material<'_, 'a>) -> Phrase<'a> {
    let all = each(resource, name).map(|reference| who(reference, material).name);
    Phrase::joined(all, ", ")
}

/// Everybody an element refers to, in short.
pub fn named<'a>(resource: Part<'_, 'a>, name: &str, material: &Material<'_, 'a>) -> Phrase<'a> {
    Phrase::joined(
        each(resource, name).map(|reference| who(reference, material).in_short()),
        "; ",
    )
}

fn own_name<'a>(resource: Part<'_, 'a>) -> Phrase<'a> {
    names(resource).0.map(human_name).unwrap_or_default()
}

/// Does this element say exactly this?
pub fn is(resource: Part<'_, '_>, name: &str, value: bool) -> bool {
    resource.member(name).and_then(Part::scalar) == Some(&Value::Bool(value))
}

/// Who answers for a document, by type and id.
pub fn who_answers<'a>((of, id): (&str, &str), material: &Material<'_, 'a>) -> Who<'a> {
    let found = material.named(of, id);
    found.map(|one| who_is(one, material)).unwrap_or_default()
}
