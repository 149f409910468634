//! Who the person is, and under which plan they are covered. <https://hl7.org/fhir/R4/patient.html>

use crate::document::content::{Block, Column, Section, column, paragraphs};
use crate::document::datatype::{
    address, chosen, concept, concepts, contacts, date, each, human_name, names, period, plain, text, told,
};
use crate::document::material::Material;
use crate::document::people::{is, named, organization};
use crate::document::words::Phrase;
use crate::fhir::excerpt::Part;

pub fn person<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let section = Section::new("Person");
    let Some(person) = material.person() else {
        return section;
    };
    let (first, others) = names(person);
    let others = others.into_iter().map(|name| {
        let kind = match text(name, "use") {
            Some("nickname") => " (called)",
            Some("old" | "maiden") => " (formerly)",
            _ => "",
        };
        human_name(name).say(kind)
    });
    section.with(Block::facts([
        ("Name", vec![first.map(human_name).unwrap_or_default().strong()]),
        ("Also known as", vec![Phrase::joined(others, ", ")]),
        ("Born", vec![date(person, "birthDate").strong()]),
        ("Deceased", vec![deceased(person)]),
        ("Gender", vec![told(person, "gender")]),
        ("Identifiers", identifiers(person)),
        ("Speaks", vec![languages(person)]),
        ("Reached at", contacts(person)),
        ("Address", each(person, "address").map(address).collect()),
        (
            "Record kept by",
            vec![organization(person, "managingOrganization", material)],
        ),
        (
            "General practitioner",
            vec![named(person, "generalPractitioner", material)],
        ),
        (
            "Record",
            vec![match is(person, "active", false) {
                true => Phrase::fixed("not active"),
                false => Phrase::default(),
            }],
        ),
        ("See also", vec![links(person)]),
    ]))
}

/// One line for the head of each page: name, birth date, first number.
pub fn in_short<'a>(material: &Material<'_, 'a>) -> Phrase<'a> {
    let Some(person) = material.person() else {
        return Phrase::default();
    };
    let born = date(person, "birthDate");
    let born = if born.is_empty() {
        born
    } else {
        Phrase::fixed("born ").and(born)
    };
    let number = each(person, "identifier")
        .filter(|one| !matches!(text(*one, "use"), Some("old" | "temp")))
        .map(|one| told(one, "value"))
        .find(|number| !number.is_empty());
    let parts = [name(material), born, number.unwrap_or_default()];
    Phrase::joined(parts, " · ")
}

/// Family name first, as records are filed.
pub fn name<'a>(material: &Material<'_, 'a>) -> Phrase<'a> {
    let Some(name) = material.person().and_then(|person| names(person).0) else {
        return Phrase::default();
    };
    let given = Phrase::joined(
        each(name, "given").filter_map(Part::as_str).map(Phrase::datum),
        " ",
    );
    let suffix = Phrase::joined(each(name, "suffix").map(plain), ", ");
    match told(name, "family") {
        family if family.is_empty() || given.is_empty() => human_name(name),
        family => family.say(", ").and(given).and_after(", ", suffix),
    }
}

fn deceased<'a>(person: Part<'_, 'a>) -> Phrase<'a> {
    if is(person, "deceasedBoolean", false) {
        return Phrase::default();
    }
    chosen(person, "deceased").strong()
}

/// Each number with what it is.
fn identifiers<'a>(person: Part<'_, 'a>) -> Vec<Phrase<'a>> {
    let one = |identifier: Part<'_, 'a>| {
        let value = told(identifier, "value");
        if value.is_empty() {
            return value;
        }
        let kind = kind(identifier);
        let kind = if kind.is_empty() {
            told(identifier, "system")
        } else {
            kind
        };
        let old = if text(identifier, "use") == Some("old") {
            " (old)"
        } else {
            ""
        };
        value.and_after(" ", kind.quiet()).say(old)
    };
    paragraphs(each(person, "identifier").map(one))
}

/// <http://terminology.hl7.org/CodeSystem/v2-0203>
fn kind<'a>(identifier: Part<'_, 'a>) -> Phrase<'a> {
    let codings = each(identifier, "type").flat_map(|concept| each(concept, "coding"));
    let known = codings
        .filter_map(|coding| text(coding, "code"))
        .find_map(|code| match code {
            "MR" => Some("medical record number"),
            "MA" => Some("Medicaid number"),
            "MC" => Some("Medicare number"),
            "MB" => Some("member number"),
            "SS" => Some("social security number"),
            "DL" => Some("driver's license"),
            "AN" => Some("account number"),
            _ => None,
        });
    match known {
        Some(kind) => Phrase::fixed(kind),
        None => identifier.member("type").map(concept).unwrap_or_default(),
    }
}

fn languages<'a>(person: Part<'_, 'a>) -> Phrase<'a> {
    let one = |communication: Part<'_, 'a>| {
        let language = communication.member("language").map(concept).unwrap_or_default();
        match is(communication, "preferred", true) && !language.is_empty() {
            true => language.strong().say(" (preferred)"),
            false => language,
        }
    };
    Phrase::joined(each(person, "communication").map(one), ", ")
}

/// `link` is a modifier: another record of the same person, perhaps the one that counts.
fn links<'a>(person: Part<'_, 'a>) -> Phrase<'a> {
    let one = |link: Part<'_, 'a>| {
        let other = link.member("other");
        let other = other.map(|other| told(other, "display").and_after(" ", told(other, "reference")));
        told(link, "type").and_after(" ", other.unwrap_or_default())
    };
    Phrase::joined(each(person, "link").map(one), ", ")
}

const COVERAGE: &[Column] = &[
    column("Plan", 34),
    column("Member", 30),
    column("Period", 22),
    column("Status", 14),
];

pub fn coverage<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let row = |coverage: &Part<'_, 'a>| {
        let classes = each(*coverage, "class").map(|class| {
            concepts(class, "type")
                .and_after(" ", told(class, "value"))
                .and_after(" ", told(class, "name"))
        });
        let dependent = told(*coverage, "dependent");
        let dependent = if dependent.is_empty() {
            dependent
        } else {
            Phrase::fixed("dependent ").and(dependent)
        };
        vec![
            paragraphs([
                organization(*coverage, "payor", material).strong(),
                concepts(*coverage, "type"),
                Phrase::joined(classes, ", ").quiet(),
            ]),
            paragraphs([
                told(*coverage, "subscriberId"),
                dependent,
                concepts(*coverage, "relationship").quiet(),
                Phrase::joined(each(*coverage, "identifier").map(|one| told(one, "value")), ", ").quiet(),
            ]),
            paragraphs([coverage.member("period").map(period).unwrap_or_default()]),
            paragraphs([told(*coverage, "status")]),
        ]
    };
    let rows = material.all("Coverage").iter().map(row).collect();
    Section::new("Coverage").with(Block::table("Insurance of the person", COVERAGE, rows))
}
