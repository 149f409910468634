//! The labels of one resource or element, and why it carries them: which flag of the source, which code on which list and
//! version, which term. <https://hl7.org/fhir/R4/security-labels.html>

use super::missing::holds;
use crate::disclosure::{Rules, Stored};
use crate::label::{Company, Ground, Labels, NoteKind, TextReviews, Why, basis, label_reviewed};
use crate::terminology::{Confidentiality, Sensitivities};

/// What a consent would have to cover, and why.
pub(super) struct Labelled {
    /// Codes of confidentiality and sensitivity that a permit has to cover.
    pub codes: Vec<String>,
    /// Sensitivities by which a deny may mean it.
    pub denied_by: Vec<&'static str>,
    pub part2: bool,
    pub note_kind: NoteKind,
    /// A sentence sounds sensitive and carries no label.
    pub suspected: bool,
    pub basis: Vec<String>,
}

pub(super) fn labels_of(
    stored: &Stored,
    element: Option<&str>,
    rules: &Rules,
    (reviews, company): (Option<&TextReviews>, &Company<'_>),
) -> Labelled {
    let raised: Vec<&str> = rules.policy.raised().iter().map(String::as_str).collect();
    let mut whole = label_reviewed(&stored.body, rules.lists, &raised, reviews);
    let mut grounds = basis(&stored.body, rules.lists, &raised, reviews);
    if let Some(kept) = company.kept_by(&stored.resource_type, &stored.id) {
        kept.raise(&mut whole);
        grounds.extend(kept.grounds(&stored.resource_type));
    }
    let Some(element) = element else {
        // A label that an element has of its own, and a suspicion, do not make the resource what it is.
        let of_element = |ground: &Ground| {
            matches!(ground.why, Why::Term { .. } | Why::Unread)
                || whole.elements.iter().any(|(path, _)| holds(path, &ground.path))
        };
        let told = grounds
            .iter()
            .filter(|ground| !of_element(ground))
            .map(in_words)
            .collect();
        return labelled(&whole, Sensitivities::NONE, told);
    };
    let around = grounds
        .iter()
        .filter(|ground| holds(&ground.path, element) || holds(element, &ground.path));
    let mut told: Vec<String> = around.map(in_words).collect();
    told.dedup();
    if let Some((_, own)) = whole.elements.iter().find(|(path, _)| path == element) {
        return labelled(own, Sensitivities::NONE, told);
    }
    let suspicion = whole
        .suspicions
        .iter()
        .find(|suspicion| suspicion.path == element);
    labelled(
        &whole,
        suspicion.map_or(Sensitivities::NONE, |found| found.sensitivity),
        told,
    )
}

fn in_words(ground: &Ground) -> String {
    let Ground { path, label, why } = ground;
    match why {
        Why::Source if label == "42CFRPart2" => {
            format!("{label}: the source states it is the record of a Part 2 program")
        }
        Why::Source => format!("{label}: the source states it"),
        Why::Code { code, line, list, .. } => {
            // The line begins with its file, which the list names already.
            let reason = line.splitn(3, ':').nth(2).map_or(line.as_str(), str::trim);
            format!(
                "{label}: code {code} at {path} ({} {}: {reason})",
                list.name, list.version
            )
        }
        Why::Term { term, list } => format!(
            "{label}: suspected, `{term}` sounds in the text at {path} ({} {})",
            list.name, list.version
        ),
        Why::Unread => format!("anything: nobody has labelled or read the document at {path}"),
        Why::Company { path, from } => {
            format!("{label}: by its company, `{path}` leads to {from}, which carries it")
        }
        Why::Review => format!("{label}: staff read the text at {path} and said so"),
        Why::Rule => format!("{label}: follows from its other labels"),
    }
}

fn labelled(labels: &Labels, suspected: Sensitivities, basis: Vec<String>) -> Labelled {
    let confidentiality = match suspected.is_empty() {
        true => labels.confidentiality,
        false => labels.confidentiality.max(Confidentiality::Restricted),
    };
    let mut codes = vec![confidentiality.code().to_owned()];
    let mut to_permit = labels.to_permit.with(suspected);
    if labels.part2 {
        // A permit of Part 2 content covers what it says of substance use.
        codes.push("42CFRPart2".to_owned());
        let substance_use = ["SUD", "ETH"].iter().filter_map(|code| Sensitivities::of(code));
        to_permit = to_permit.without(
            substance_use
                .fold(Sensitivities::NONE, Sensitivities::with)
                .and_below(),
        );
    }
    codes.extend(to_permit.codes().map(str::to_owned));
    Labelled {
        codes,
        denied_by: labels.sensitivity.with(suspected).codes().collect(),
        part2: labels.part2,
        note_kind: labels.note_kind,
        suspected: !suspected.is_empty(),
        basis,
    }
}
