//! Who is involved, and how to reach them. <https://hl7.org/fhir/R4/careteam.html>

use std::collections::HashSet;

use crate::document::content::{Block, Column, Section, column, paragraphs};
use crate::document::datatype::{address, concept, concepts, each, period, plain, text, told};
use crate::document::material::Material;
use crate::document::people::{Who, is, who, who_is};
use crate::document::words::Phrase;
use crate::fhir::excerpt::Part;

const TEAM: &[Column] = &[
    column("Role", 22),
    column("Name", 28),
    column("Organization", 24),
    column("Reached at", 26),
];

pub fn team<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let teams = material.all("CareTeam");
    let participants = teams.iter().flat_map(|team| each(*team, "participant"));
    let rows = participants
        .filter_map(|one| participant(one, material))
        .collect();
    let section = Section::new("Care team").with(Block::table("Care team", TEAM, rows));
    let section = teams
        .iter()
        .fold(section, |section, team| section.with(state(*team)));
    section.perhaps(
        "Also named in this document",
        Block::table("Others named", TEAM, others(material)),
    )
}

/// A team that is not in force says so.
fn state<'a>(team: Part<'_, 'a>) -> Block<'a> {
    Block::Paragraph(match text(team, "status") {
        None | Some("active") => Phrase::default(),
        Some(status) => told(team, "name").say(": ").tell(status),
    })
}

/// The person is not listed in their own team.
fn participant<'a>(participant: Part<'_, 'a>, material: &Material<'_, 'a>) -> Option<Vec<Vec<Phrase<'a>>>> {
    let member = participant.member("member")?;
    let target = material.resolve(member);
    if target.is_some_and(|target| text(target, "resourceType") == Some("Patient")) {
        return None;
    }
    let who = who(member, material);
    let role = concepts(participant, "role");
    let time = participant.member("period").map(period).unwrap_or_default();
    let own = if who.role == role {
        Phrase::default()
    } else {
        who.role
    };
    Some(vec![
        paragraphs([role.strong(), own, time.quiet()]),
        paragraphs([who.name]),
        paragraphs([who.organization]),
        who.contacts,
    ])
}

/// People and organisations of the release that no row of the team speaks of: roles stand for their practitioners.
fn others<'a>(material: &Material<'_, 'a>) -> Vec<Vec<Vec<Phrase<'a>>>> {
    let mut told: HashSet<(&str, &str)> = HashSet::new();
    let teams = material.all("CareTeam").iter();
    for participant in teams.flat_map(|team| each(*team, "participant")) {
        told.extend(participant.member("member").and_then(name_of));
    }
    for role in material.all("PractitionerRole") {
        told.extend(role.member("practitioner").and_then(name_of));
    }
    let kinds = [
        "RelatedPerson",
        "PractitionerRole",
        "Practitioner",
        "Organization",
        "HealthcareService",
        "Location",
    ];
    let all = kinds.iter().flat_map(|of| material.all(of));
    let left = all.filter(|one| {
        let name = text(**one, "resourceType").zip(text(**one, "id"));
        name.is_some_and(|name| !told.contains(&name))
    });
    left.map(|one| other(*one, material)).collect()
}

fn name_of<'a>(reference: Part<'_, 'a>) -> Option<(&'a str, &'a str)> {
    text(reference, "reference")?.split_once('/')
}

fn other<'a>(one: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let Who {
        name,
        role,
        organization,
        mut contacts,
    } = who_is(one, material);
    contacts.extend(
        each(one, "address")
            .map(address)
            .filter(|address| !address.is_empty()),
    );
    contacts.extend(
        each(one, "availableTime")
            .map(hours)
            .filter(|hours| !hours.is_empty()),
    );
    let languages = each(one, "communication").filter_map(|one| {
        let language = one.member("language").map(concept)?;
        Some(if is(one, "preferred", true) {
            language.say(" (preferred)")
        } else {
            language
        })
    });
    vec![
        paragraphs([role, Phrase::joined(languages, ", ").quiet()]),
        paragraphs([name]),
        paragraphs([organization]),
        contacts,
    ]
}

fn hours<'a>(time: Part<'_, 'a>) -> Phrase<'a> {
    let days = Phrase::joined(each(time, "daysOfWeek").map(plain), ", ");
    let hours = match is(time, "allDay", true) {
        true => Phrase::fixed("all day"),
        false => told(time, "availableStartTime").and_after(" to ", told(time, "availableEndTime")),
    };
    days.and_after(" ", hours).quiet()
}
