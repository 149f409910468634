//! The plan itself: what it says, its goals, its actions by shift phase, its appointments. <https://hl7.org/fhir/R4/careplan.html>

use crate::document::content::{Block, Column, Section, column, paragraphs};
use crate::document::datatype::{chosen, code_of, concepts, date, each, moment, period, plain, text, told};
use crate::document::material::{ACTION_PHASE, Material};
use crate::document::people::{named, who};
use crate::document::words::Phrase;
use crate::fhir::excerpt::Part;

pub fn plan<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let plans = material
        .all("CarePlan")
        .iter()
        .filter(|plan| !Material::is_crisis_plan(**plan));
    plans.fold(Section::new("Plan"), |section, plan| {
        section.with(one_plan(*plan, material))
    })
}

fn one_plan<'a>(plan: Part<'_, 'a>, material: &Material<'_, 'a>) -> Block<'a> {
    let numbers = each(plan, "identifier").map(|one| told(one, "value"));
    let state = match text(plan, "intent") {
        Some("plan") | None => told(plan, "status"),
        Some(intent) => told(plan, "status").say(", intent: ").tell(intent),
    };
    let category = match told(plan, "title").is_empty() {
        true => concepts(plan, "category"),
        false => Phrase::default(),
    };
    Block::facts([
        ("Title", vec![told(plan, "title").strong()]),
        ("Kind", vec![category]),
        ("Summary", vec![told(plan, "description")]),
        (
            "Notes",
            each(plan, "note").map(|note| told(note, "text")).collect(),
        ),
        ("Status", vec![state]),
        (
            "In force",
            vec![plan.member("period").map(period).unwrap_or_default()],
        ),
        (
            "Written",
            vec![date(plan, "created").and_after(", ", named(plan, "author", material))],
        ),
        ("Number", vec![Phrase::joined(numbers, ", ")]),
    ])
}

const GOALS: &[Column] = &[column("Goal", 46), column("Target", 26), column("Progress", 28)];

pub fn goals<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let rows = material
        .all("Goal")
        .iter()
        .map(|one| goal(*one, material))
        .collect();
    Section::new("Goals").with(Block::table("Goals", GOALS, rows))
}

fn goal<'a>(goal: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let notes = each(goal, "note").map(|note| told(note, "text").quiet());
    let said_by = named(goal, "expressedBy", material);
    let said_by = if said_by.is_empty() {
        said_by
    } else {
        Phrase::fixed("expressed by ").and(said_by)
    };
    let targets = each(goal, "target").map(|target| {
        let measured = concepts(target, "measure").and_after(" ", chosen(target, "detail"));
        let due = chosen(target, "due");
        let due = if due.is_empty() {
            due
        } else {
            Phrase::fixed("by ").and(due)
        };
        measured.and_after(", ", due)
    });
    vec![
        paragraphs(
            [concepts(goal, "description").strong(), said_by.quiet()]
                .into_iter()
                .chain(notes),
        ),
        paragraphs(targets),
        paragraphs([
            concepts(goal, "achievementStatus"),
            told(goal, "lifecycleStatus"),
            concepts(goal, "priority").quiet(),
            chosen(goal, "start").quiet(),
        ]),
    ]
}

/// Phases of a shift in the order in which they come.
const PHASES: [(&str, &str); 4] = [
    ("start-of-shift", "At the start of a shift"),
    ("early-sign", "At an early sign"),
    ("escalation", "When it escalates"),
    ("afterwards", "Afterwards"),
];

const ACTIONS: &[Column] = &[
    column("What to do", 52),
    column("Who", 22),
    column("When and why", 26),
];

pub fn actions<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let in_phase =
        |task: &Part<'_, 'a>, phase: &str| code_of(*task, "code", ACTION_PHASE).any(|code| code == phase);
    let tasks = material.all("Task");
    let mut section = Section::new("Actions");
    for (phase, heading) in PHASES {
        let own = tasks.iter().filter(|task| in_phase(task, phase));
        let rows = own.map(|task| action(*task, material)).collect();
        section = section.perhaps(heading, Block::table(heading, ACTIONS, rows));
    }
    let others = tasks
        .iter()
        .filter(|task| !PHASES.iter().any(|(phase, _)| in_phase(task, phase)));
    let rows = others.map(|task| action(*task, material)).collect();
    section.perhaps("At any time", Block::table("Actions at any time", ACTIONS, rows))
}

fn action<'a>(task: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let what = told(task, "description");
    let what = if what.is_empty() {
        concepts(task, "code")
    } else {
        what
    };
    let state = match text(task, "status") {
        Some("ready" | "requested" | "accepted" | "in-progress") | None => Phrase::default(),
        Some(status) => Phrase::datum(status).strong(),
    };
    let urgent = match text(task, "priority") {
        None | Some("routine") => Phrase::default(),
        Some(priority) => Phrase::datum(priority).strong(),
    };
    let notes = each(task, "note").map(|note| told(note, "text"));
    let due = task
        .member("restriction")
        .and_then(|one| one.member("period"))
        .map(period);
    let intent = match text(task, "intent") {
        None | Some("order" | "plan" | "unknown") => Phrase::default(),
        Some(intent) => Phrase::fixed("intent: ").tell(intent),
    };
    vec![
        paragraphs([
            urgent,
            what.strong(),
            state,
            concepts(task, "statusReason"),
            intent,
        ]),
        paragraphs([concepts(task, "performerType"), owner(task, material).quiet()]),
        paragraphs(notes.chain([concepts(task, "reasonCode")]).chain([
            due.unwrap_or_default().quiet(),
            told(task, "executionPeriod").quiet(),
        ])),
    ]
}

/// Who answers for an action, where that is not who keeps the record.
fn owner<'a>(task: Part<'_, 'a>, material: &Material<'_, 'a>) -> Phrase<'a> {
    let reference = |of: Part<'_, 'a>, name: &str| of.member(name).and_then(|to| text(to, "reference"));
    let keeper = material
        .person()
        .and_then(|person| reference(person, "managingOrganization"));
    match task.member("owner") {
        Some(owner) if keeper.is_none() || text(owner, "reference") != keeper => {
            who(owner, material).in_short()
        }
        _ => Phrase::default(),
    }
}

const APPOINTMENTS: &[Column] = &[
    column("When", 24),
    column("What", 30),
    column("With", 30),
    column("Status", 16),
];

pub fn appointments<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let mut all = material.all("Appointment").to_vec();
    all.sort_by_key(|one| {
        (
            text(*one, "start").is_none(),
            text(*one, "start"),
            text(*one, "id"),
        )
    });
    let rows = all.into_iter().map(|one| appointment(one, material)).collect();
    Section::new("Appointments").with(Block::table("Appointments", APPOINTMENTS, rows))
}

fn appointment<'a>(appointment: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let is_person = |actor: Part<'_, '_>| {
        let target = material.resolve(actor);
        target.is_some_and(|target| text(target, "resourceType") == Some("Patient"))
    };
    let participants = each(appointment, "participant").filter_map(|one| one.member("actor"));
    let with = participants.filter(|actor| !is_person(*actor)).flat_map(|actor| {
        let mut who = who(actor, material);
        let contacts = std::mem::take(&mut who.contacts);
        std::iter::once(who.in_short()).chain(contacts.into_iter().take(1).map(Phrase::quiet))
    });
    let minutes = appointment
        .member("minutesDuration")
        .map(plain)
        .unwrap_or_default();
    let minutes = if minutes.is_empty() {
        minutes
    } else {
        minutes.say(" min")
    };
    let end = text(appointment, "end").map(moment).unwrap_or_default();
    let end = if end.is_empty() {
        end
    } else {
        Phrase::fixed("until ").and(end)
    };
    let kinds = ["serviceType", "appointmentType", "specialty"].map(|name| concepts(appointment, name));
    vec![
        paragraphs([date(appointment, "start").strong(), end.quiet(), minutes.quiet()]),
        paragraphs(
            [told(appointment, "description")]
                .into_iter()
                .chain(kinds)
                .chain([
                    concepts(appointment, "reasonCode").quiet(),
                    told(appointment, "patientInstruction").quiet(),
                ]),
        ),
        paragraphs(with),
        paragraphs([
            told(appointment, "status"),
            concepts(appointment, "cancelationReason").quiet(),
        ]),
    ]
}
