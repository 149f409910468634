//! What to do in a crisis: early signs, what helps, whom to call, the crisis plan.

use crate::document::content::{Block, Column, Section, column, paragraphs};
use crate::document::datatype::{chosen, code_of, concept, concepts, date, each, has_coding, period, told};
use crate::document::material::{Material, PLAN_CONTENT};
use crate::document::people::{Who, is, who, who_is};
use crate::document::words::Phrase;
use crate::fhir::excerpt::Part;

/// What else an Observation of a plan may say, in the order in which it is read.
const OTHERS: [(&str, &str); 7] = [
    ("communication-support", "How to be understood"),
    ("trigger", "Triggers"),
    ("presentation", "Current presentation"),
    ("recent-incident", "Recent incidents"),
    ("strategy-tried", "Strategies tried"),
    ("protective-factor", "Protective factors"),
    ("post-incident-recovery", "Recovery afterwards"),
];

pub fn crisis<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let said = |code| Block::List(said(code, material));
    let mut section = Section::new("In a crisis")
        .urgent()
        .always("Early warning signs", said("early-warning-sign"))
        .always("What helps", said("de-escalation"))
        .always("Whom to call", call(material));
    for (code, heading) in OTHERS {
        section = section.perhaps(heading, said(code));
    }
    let plans = material
        .all("CarePlan")
        .iter()
        .filter(|plan| Material::is_crisis_plan(**plan));
    let plans: Vec<Phrase<'a>> = plans.flat_map(|plan| plan_words(*plan)).collect();
    section.always("Crisis plan", Block::List(plans))
}

/// Content of one kind; what is not final says so.
fn said<'a>(code: &str, material: &Material<'_, 'a>) -> Vec<Phrase<'a>> {
    let own = material
        .all("Observation")
        .iter()
        .filter(|one| code_of(**one, "code", PLAN_CONTENT).any(|found| found == code));
    paragraphs(own.map(|one| observed(*one)))
}

/// What an Observation says: its value, components and notes, and its state where that is not the usual one.
pub fn observed<'a>(observation: Part<'_, 'a>) -> Phrase<'a> {
    let parts = each(observation, "component").map(|component| {
        let label = component.member("code").map(concept).unwrap_or_default();
        label.and_after(": ", value(component))
    });
    let notes = each(observation, "note").map(|note| told(note, "text"));
    let said = Phrase::joined(
        std::iter::once(value(observation)).chain(parts).chain(notes),
        "; ",
    );
    if said.is_empty() {
        return said;
    }
    match observation.member("status").and_then(Part::as_str) {
        None | Some("final") => said,
        Some(status) => said.say(" (").tell(status).say(")"),
    }
}

fn value<'a>(of: Part<'_, 'a>) -> Phrase<'a> {
    let value = chosen(of, "value");
    match value.is_empty() {
        true => concepts(of, "dataAbsentReason"),
        false => value,
    }
}

fn plan_words<'a>(plan: Part<'_, 'a>) -> Vec<Phrase<'a>> {
    let state = match plan.member("status").and_then(Part::as_str) {
        Some("active") | None => Phrase::default(),
        Some(status) => Phrase::fixed(" (").tell(status).say(")"),
    };
    let written = plan.member("period").map(period).unwrap_or_default();
    let title = told(plan, "title")
        .strong()
        .and(state)
        .and_after(", ", written.quiet());
    let notes = each(plan, "note").map(|note| told(note, "text"));
    paragraphs([title, told(plan, "description")].into_iter().chain(notes))
}

const CALL: &[Column] = &[column("Who", 42), column("Role", 30), column("Reached at", 28)];

/// Whom a crisis plan names; the people the person trusts, emergency contacts first; the agency that answers.
fn call<'a>(material: &Material<'_, 'a>) -> Block<'a> {
    let plans = material
        .all("CarePlan")
        .iter()
        .filter(|plan| Material::is_crisis_plan(**plan));
    let named = plans.flat_map(|plan| each(*plan, "contributor").chain(each(*plan, "author")));
    let mut callees: Vec<Who<'a>> = named.map(|reference| who(reference, material)).collect();
    let mut trusted: Vec<Part<'_, 'a>> = material.all("RelatedPerson").to_vec();
    trusted.retain(|person| !is(*person, "active", false));
    trusted.sort_by_key(|person| !has_coding(*person, "relationship", CONTACT_ROLE, "C"));
    callees.extend(trusted.into_iter().map(|person| who_is(person, material)));
    if let Some(person) = material.person() {
        callees.extend(each(person, "managingOrganization").map(|agency| who(agency, material)));
    }
    let mut rows: Vec<Vec<Vec<Phrase<'a>>>> = Vec::new();
    for callee in callees.into_iter().filter(|callee| !callee.contacts.is_empty()) {
        let row = vec![
            paragraphs([callee.name.strong(), callee.organization]),
            paragraphs([callee.role]),
            callee.contacts,
        ];
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    Block::table("Whom to call in a crisis", CALL, rows)
}

/// <http://terminology.hl7.org/CodeSystem/v2-0131>: C is an emergency contact.
const CONTACT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/v2-0131";

const RISKS: &[Column] = &[
    column("Risk", 34),
    column("Likelihood", 18),
    column("What lowers it", 32),
    column("Assessed", 16),
];

const SCORES: &[Column] = &[column("Instrument", 44), column("Result", 36), column("Date", 20)];

pub fn risks<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let rows = material
        .all("RiskAssessment")
        .iter()
        .map(|one| risk(*one))
        .collect();
    let screened = material
        .all("Observation")
        .iter()
        .filter(|one| code_of(**one, "code", PLAN_CONTENT).next().is_none());
    let scores = screened.map(|one| {
        vec![
            paragraphs([concepts(*one, "code").strong()]),
            paragraphs([observed(*one)]),
            paragraphs([chosen(*one, "effective")]),
        ]
    });
    let section = Section::new("Risks").with(Block::table("Risks and what lowers them", RISKS, rows));
    section.perhaps(
        "Screening",
        Block::table("Results of screening", SCORES, scores.collect()),
    )
}

fn risk<'a>(risk: Part<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let predictions = || each(risk, "prediction");
    let outcomes = predictions().map(|one| concepts(one, "outcome"));
    let likely = predictions().map(|one| {
        let when = chosen(one, "when");
        concepts(one, "qualitativeRisk").strong().and_after(", ", when)
    });
    let rationale = predictions().map(|one| told(one, "rationale").quiet());
    let notes = each(risk, "note").map(|note| told(note, "text").quiet());
    let what = Phrase::joined(outcomes, "; ").strong();
    let kind = concepts(risk, "code");
    let (first, second) = match what.is_empty() {
        true => (kind.strong(), what),
        false => (what, kind.quiet()),
    };
    let state = match risk.member("status").and_then(Part::as_str) {
        None | Some("final") => Phrase::default(),
        Some(status) => Phrase::datum(status).strong(),
    };
    vec![
        paragraphs([first, second].into_iter().chain(rationale).chain(notes)),
        paragraphs(likely),
        paragraphs([told(risk, "mitigation")]),
        paragraphs([date(risk, "occurrenceDateTime"), chosen_period(risk), state]),
    ]
}

fn chosen_period<'a>(risk: Part<'_, 'a>) -> Phrase<'a> {
    risk.member("occurrencePeriod").map(period).unwrap_or_default()
}
