//! Allergies, medications, problems: what a clinician reconciles. Modifiers (status, refuted, not to be given) are always said.

use crate::document::content::{Block, Column, Section, column, paragraphs};
use crate::document::datatype::{
    choice, chosen, codes, concept, concepts, date, each, plain, quantity, ratio, timing, told,
};
use crate::document::material::Material;
use crate::document::people::{is, named, who};
use crate::document::words::Phrase;
use crate::fhir::excerpt::Part;

const ALLERGIES: &[Column] = &[
    column("Allergy or intolerance", 32),
    column("Reaction", 30),
    column("Criticality", 16),
    column("Status", 22),
];

pub fn allergies<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let rows = in_force_first(material.all("AllergyIntolerance"))
        .map(allergy)
        .collect();
    Section::new("Allergies").with(Block::table("Allergies and intolerances", ALLERGIES, rows))
}

fn allergy<'a>(allergy: Part<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let reactions = each(allergy, "reaction").map(|reaction| {
        let severity = told(reaction, "severity");
        concepts(reaction, "manifestation").and_after(", ", severity)
    });
    let category = Phrase::joined(each(allergy, "category").map(plain), ", ");
    let notes = each(allergy, "note").map(|note| told(note, "text").quiet());
    vec![
        paragraphs(
            [
                concepts(allergy, "code").strong(),
                told(allergy, "type").and_after(", ", category).quiet(),
            ]
            .into_iter()
            .chain(notes),
        ),
        paragraphs(reactions),
        paragraphs([told(allergy, "criticality").strong()]),
        state(allergy, [chosen(allergy, "onset"), date(allergy, "recordedDate")]),
    ]
}

const MEDICATIONS: &[Column] = &[
    column("Medication", 32),
    column("How it is taken", 34),
    column("For", 18),
    column("Status", 16),
];

pub fn medications<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let mut all = material.all("MedicationRequest").to_vec();
    all.sort_by_key(|one| one.member("status").and_then(Part::as_str) != Some("active"));
    let rows = all.into_iter().map(|one| medication(one, material)).collect();
    Section::new("Medications").with(Block::table("Medications", MEDICATIONS, rows))
}

fn medication<'a>(order: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let drug = match choice(order, "medication") {
        Some((drug, "CodeableConcept")) => concept(drug),
        Some((reference, _)) => who(reference, material).name,
        None => Phrase::default(),
    };
    let forbidden = match is(order, "doNotPerform", true) {
        true => Phrase::fixed("DO NOT GIVE").strong(),
        false => Phrase::default(),
    };
    let notes = each(order, "note").map(|note| told(note, "text").quiet());
    let prescribed = named(order, "requester", material).quiet();
    let reasons = concepts(order, "reasonCode");
    let reasons_named = each(order, "reasonReference")
        .filter_map(|reference| material.resolve(reference))
        .map(|problem| concepts(problem, "code"));
    vec![
        paragraphs([forbidden, drug.strong(), prescribed].into_iter().chain(notes)),
        paragraphs(
            each(order, "dosageInstruction")
                .flat_map(dosage)
                .chain(supply(order)),
        ),
        paragraphs(std::iter::once(reasons).chain(reasons_named)),
        paragraphs([
            told(order, "status"),
            intent(order),
            reported(order, material),
            since(date(order, "authoredOn")).quiet(),
        ]),
    ]
}

/// Orders are the usual; what is only proposed or planned says so.
fn intent<'a>(order: Part<'_, 'a>) -> Phrase<'a> {
    match order.member("intent").and_then(Part::as_str) {
        Some("order") | None => Phrase::default(),
        Some(intent) => Phrase::fixed("intent: ").tell(intent),
    }
}

fn reported<'a>(order: Part<'_, 'a>, material: &Material<'_, 'a>) -> Phrase<'a> {
    if is(order, "reportedBoolean", true) {
        return Phrase::fixed("as reported");
    }
    match order
        .member("reportedReference")
        .map(|by| who(by, material).in_short())
    {
        Some(by) if !by.is_empty() => Phrase::fixed("as reported by ").and(by),
        _ => Phrase::default(),
    }
}

fn since(date: Phrase<'_>) -> Phrase<'_> {
    match date.is_empty() {
        true => date,
        false => Phrase::fixed("since ").and(date),
    }
}

/// The source's words; else dose, route, timing and bounds, as coded. <https://hl7.org/fhir/R4/dosage.html>
fn dosage<'a>(dosage: Part<'_, 'a>) -> Vec<Phrase<'a>> {
    let instructions = [
        told(dosage, "patientInstruction"),
        concepts(dosage, "additionalInstruction"),
    ];
    let needed = match choice(dosage, "asNeeded") {
        Some((_, "Boolean")) if is(dosage, "asNeededBoolean", true) => Phrase::fixed("as needed"),
        Some((reason, "CodeableConcept")) => Phrase::fixed("as needed for ").and(concept(reason)),
        _ => Phrase::default(),
    };
    let text = told(dosage, "text");
    if !text.is_empty() {
        return [text, needed].into_iter().chain(instructions).collect();
    }
    let doses = each(dosage, "doseAndRate").map(|one| {
        let rate = chosen(one, "rate");
        let rate = if rate.is_empty() {
            rate
        } else {
            Phrase::fixed("at ").and(rate)
        };
        chosen(one, "dose").and_after(" ", rate)
    });
    let most = |label: &'static str, bound: Phrase<'a>| match bound.is_empty() {
        true => bound,
        false => Phrase::fixed(label).and(bound),
    };
    let part =
        |name: &str, of: fn(Part<'_, 'a>) -> Phrase<'a>| dosage.member(name).map(of).unwrap_or_default();
    let coded = [
        Phrase::joined(doses, ", "),
        concepts(dosage, "route"),
        concepts(dosage, "method"),
        concepts(dosage, "site"),
        part("timing", timing),
        needed,
        most("at most ", part("maxDosePerPeriod", ratio)),
        most(
            "at most per administration ",
            part("maxDosePerAdministration", quantity),
        ),
        most("at most in a lifetime ", part("maxDosePerLifetime", quantity)),
    ];
    std::iter::once(Phrase::joined(coded, ", "))
        .chain(instructions)
        .collect()
}

fn supply<'a>(order: Part<'_, 'a>) -> Option<Phrase<'a>> {
    let request = order.member("dispenseRequest")?;
    let amount = request.member("quantity").map(quantity).unwrap_or_default();
    let amount = if amount.is_empty() {
        amount
    } else {
        Phrase::fixed("dispensed: ").and(amount)
    };
    let repeats = request
        .member("numberOfRepeatsAllowed")
        .map(plain)
        .unwrap_or_default();
    let repeats = if repeats.is_empty() {
        repeats
    } else {
        Phrase::fixed("repeats: ").and(repeats)
    };
    Some(amount.and_after(", ", repeats).quiet())
}

const PROBLEMS: &[Column] = &[
    column("Problem", 48),
    column("Since", 20),
    column("Severity", 12),
    column("Status", 20),
];

pub fn problems<'a>(material: &Material<'_, 'a>) -> Section<'a> {
    let rows = in_force_first(material.all("Condition"))
        .map(|one| problem(one, material))
        .collect();
    Section::new("Problems").with(Block::table("Problems", PROBLEMS, rows))
}

fn problem<'a>(problem: Part<'_, 'a>, material: &Material<'_, 'a>) -> Vec<Vec<Phrase<'a>>> {
    let notes = each(problem, "note").map(|note| told(note, "text").quiet());
    let recorder = named(problem, "recorder", material).quiet();
    let ended = chosen(problem, "abatement");
    let ended = if ended.is_empty() {
        ended
    } else {
        Phrase::fixed("until ").and(ended)
    };
    vec![
        paragraphs(
            [
                concepts(problem, "code").strong(),
                codes(problem, "code").quiet(),
                recorder,
            ]
            .into_iter()
            .chain(notes),
        ),
        paragraphs([chosen(problem, "onset"), ended]),
        paragraphs([concepts(problem, "severity")]),
        state(problem, [date(problem, "recordedDate"), Phrase::default()]),
    ]
}

/// Clinical and verification status: refuted and entered in error are said in strong words.
fn state<'a>(resource: Part<'_, 'a>, dates: [Phrase<'a>; 2]) -> Vec<Phrase<'a>> {
    let verified = concepts(resource, "verificationStatus");
    let verified = match code(resource, "verificationStatus") {
        Some("confirmed") => verified.quiet(),
        _ => verified.strong(),
    };
    let dates = dates.into_iter().map(Phrase::quiet);
    paragraphs(
        [concepts(resource, "clinicalStatus"), verified]
            .into_iter()
            .chain(dates),
    )
}

fn code<'a>(resource: Part<'_, 'a>, name: &str) -> Option<&'a str> {
    let coding = each(resource, name)
        .flat_map(|concept| each(concept, "coding"))
        .next()?;
    coding.member("code").and_then(Part::as_str)
}

/// Active ones before those that ended.
fn in_force_first<'e, 'a>(all: &[Part<'e, 'a>]) -> impl Iterator<Item = Part<'e, 'a>> {
    let mut all = all.to_vec();
    all.sort_by_key(|one| {
        matches!(
            code(*one, "clinicalStatus"),
            Some("inactive" | "resolved" | "remission")
        )
    });
    all.into_iter()
}
