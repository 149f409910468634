//! Labels by the company a resource keeps. An encounter at a Part 2 program, an appointment with its counsellor, a place it runs:
//! none of them need say so itself to give the program away. 42 CFR 2.11, 2.12(a)(1), 2.13(c)
//!
//! A reference to what is labelled goes by itself where the rest can stand without it; the elements below are those where
//! it cannot: who gives the service, who took part, where, and what a record was made from or at.

use std::collections::HashMap;

use serde_json::Value;

use super::source::Stated;
use super::{CodeLists, Ground, HighWater, Labels, NoteKind, Programs, Received, Why, label_codes};
use crate::terminology::Sensitivities;

/// What a resource takes from what it leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// That it is of a Part 2 program, or of a kind of program: it belongs to that record.
    Provenance,
    /// That, and the sensitivities its source states: who is met, and where, says what for.
    Company,
    /// Every label: it is made of it.
    Content,
}

use Takes::{Company as With, Content, Provenance};

/// Type, element, what is taken. `*` stands for every type.
const TIES: &[(&str, &str, Takes)] = &[
    ("*", "encounter", Provenance),
    ("Encounter", "serviceProvider", With),
    ("Encounter", "participant.individual", With),
    ("Encounter", "location.location", With),
    ("Encounter", "basedOn", Provenance),
    ("Encounter", "partOf", Provenance),
    ("Appointment", "participant.actor", With),
    ("Appointment", "basedOn", Provenance),
    ("Communication", "sender", With),
    ("Communication", "recipient", With),
    ("Communication", "about", Provenance),
    ("Communication", "basedOn", Provenance),
    ("Communication", "inResponseTo", Provenance),
    ("Communication", "payload.contentReference", Provenance),
    ("QuestionnaireResponse", "author", With),
    ("QuestionnaireResponse", "source", With),
    ("QuestionnaireResponse", "basedOn", Provenance),
    ("DocumentReference", "author", With),
    ("DocumentReference", "authenticator", With),
    ("DocumentReference", "custodian", With),
    ("DocumentReference", "context.encounter", Provenance),
    ("DocumentReference", "context.related", Provenance),
    ("Observation", "derivedFrom", Content),
    ("Observation", "hasMember", Content),
    ("PractitionerRole", "organization", With),
    ("PractitionerRole", "practitioner", With),
    ("PractitionerRole", "healthcareService", With),
    ("Organization", "partOf", With),
    ("Location", "managingOrganization", With),
    ("Location", "partOf", With),
    ("HealthcareService", "providedBy", With),
    ("HealthcareService", "location", With),
    ("Endpoint", "managingOrganization", With),
];

/// What one resource takes from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    mark: HighWater,
    note_kind: NoteKind,
    programs: Programs,
    received: Option<Received>,
    /// The first element that led to any of it, and where it leads.
    through: Option<(&'static str, String)>,
}

/// What every resource of a record takes from the others, by type and id.
#[derive(Debug, Default)]
pub struct Company<'r>(HashMap<(&'r str, &'r str), Kept>);

struct Tie<'r> {
    from: usize,
    to: usize,
    path: &'static str,
    takes: Takes,
    reference: &'r str,
}

impl<'r> Company<'r> {
    /// Of all resources that a decision is made over, the shared ones among them.
    pub fn of(resources: impl Iterator<Item = &'r Value>, lists: &CodeLists, raised: &[&str]) -> Company<'r> {
        let all: Vec<(&str, &str, &Value)> = resources.filter_map(named).collect();
        let ties = ties(&all);
        let mut own: HashMap<(usize, bool), Kept> = HashMap::new();
        for tie in &ties {
            let content = tie.takes == Content;
            own.entry((tie.to, content))
                .or_insert_with(|| Kept::of(all[tie.to].2, content, lists, raised));
        }
        let mut kept: Vec<Kept> = vec![Kept::default(); all.len()];
        // What is taken only grows, so this ends.
        let mut settled = false;
        while !settled {
            settled = true;
            for tie in &ties {
                let own = own.get(&(tie.to, tie.takes == Content));
                let given = own.map(|own| own.clone().with(&kept[tie.to])).unwrap_or_default();
                settled &= !kept[tie.from].take(&given, tie);
            }
        }
        let kept = all.into_iter().zip(kept);
        let kept = kept.filter(|(_, kept)| *kept != Kept::default());
        Company(kept.map(|((kind, id, _), kept)| ((kind, id), kept)).collect())
    }

    /// What this resource takes; `None`: nothing.
    pub fn kept_by<'k>(&'k self, resource_type: &'k str, id: &'k str) -> Option<&'k Kept> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(resource_type, id))
    }
}

fn named(resource: &Value) -> Option<(&str, &str, &Value)> {
    Some((
        resource["resourceType"].as_str()?,
        resource["id"].as_str()?,
        resource,
    ))
}

fn ties<'r>(all: &[(&'r str, &'r str, &'r Value)]) -> Vec<Tie<'r>> {
    let places: HashMap<(&str, &str), usize> = all
        .iter()
        .enumerate()
        .map(|(at, (kind, id, _))| ((*kind, *id), at))
        .collect();
    let mut ties = Vec::new();
    for (from, (kind, _, resource)) in all.iter().enumerate() {
        for (of, path, takes) in TIES.iter().filter(|(of, _, _)| of == kind || *of == "*") {
            let _ = of;
            each_reference(resource, path, &mut |reference| {
                if let Some(to) = target(reference).and_then(|key| places.get(&key)) {
                    let (to, path, takes) = (*to, *path, *takes);
                    ties.push(Tie {
                        from,
                        to,
                        path,
                        takes,
                        reference,
                    });
                }
            });
        }
        if *kind == "DocumentReference" {
            // The other way round: bytes are what the document is that leads to them.
            each_url(resource, &mut |url| {
                if let Some(to) = target(url).and_then(|key| places.get(&key)) {
                    let (path, takes) = ("content.attachment.url", Content);
                    ties.push(Tie {
                        from: *to,
                        to: from,
                        path,
                        takes,
                        reference: url,
                    });
                }
            });
        }
    }
    ties
}

/// `Type/id`, the version aside.
fn target(reference: &str) -> Option<(&str, &str)> {
    let (kind, id) = reference.split_once('/')?;
    Some((kind, id.split('/').next().unwrap_or(id)))
}

fn each_reference<'r>(value: &'r Value, path: &str, see: &mut dyn FnMut(&'r str)) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| each_reference(item, path, see));
    }
    let (name, below) = path.split_once('.').unwrap_or((path, ""));
    match value.get(if name.is_empty() { "reference" } else { name }) {
        Some(Value::String(reference)) if name.is_empty() => see(reference),
        Some(inside) if !name.is_empty() => each_reference(inside, below, see),
        _ => {}
    }
}

fn each_url<'r>(document: &'r Value, see: &mut dyn FnMut(&'r str)) {
    let content = document["content"].as_array().into_iter().flatten();
    content
        .filter_map(|content| content["attachment"]["url"].as_str())
        .for_each(see);
}

impl Kept {
    /// What a resource has to give: what its source states; as content, what its codes and elements imply besides.
    fn of(resource: &Value, content: bool, lists: &CodeLists, raised: &[&str]) -> Kept {
        if content {
            let mut labels = label_codes(resource, lists, raised);
            HighWater::default().raise(&mut labels);
            return Kept {
                mark: HighWater::of(&labels),
                note_kind: labels.note_kind,
                programs: labels.provenance.programs,
                received: labels.provenance.received,
                through: None,
            };
        }
        let stated = Stated::of_meta(resource);
        Kept {
            mark: HighWater {
                sensitivity: stated.sensitivity,
                confidentiality: None,
                part2: stated.part2,
            },
            note_kind: NoteKind::General,
            programs: stated.provenance.programs,
            received: stated.provenance.received,
            through: None,
        }
    }

    fn with(mut self, other: &Kept) -> Kept {
        self.mark = self.mark.with(other.mark);
        self.note_kind = self.note_kind.max(other.note_kind);
        self.programs = self.programs.with(other.programs);
        self.received = self.received.max(other.received);
        self
    }

    /// Takes what a tie gives; `false` when that is nothing new.
    fn take(&mut self, given: &Kept, tie: &Tie<'_>) -> bool {
        let mut given = given.clone();
        if tie.takes == Provenance {
            given.mark.sensitivity = Sensitivities::NONE;
            given.mark.confidentiality = None;
        }
        if tie.takes != Content {
            given.note_kind = NoteKind::General;
        }
        let through = self.through.take();
        let more = self.clone().with(&given);
        let grows = more != *self;
        *self = more;
        self.through = match grows {
            true => through.or_else(|| Some((tie.path, tie.reference.to_owned()))),
            false => through,
        };
        grows
    }

    /// What of it travels with what is released.
    pub fn mark(&self) -> HighWater {
        self.mark
    }

    /// Adds it to the labels the resource has of its own, and to those of its elements: they stand in the same record.
    pub fn raise(&self, labels: &mut Labels) {
        let before = labels.confidentiality;
        let elements = std::mem::take(&mut labels.elements);
        self.mark.raise(labels);
        if labels.confidentiality > before {
            labels.confidentiality_basis = super::ConfidentialityBasis::Rule;
        }
        labels.to_permit = labels.to_permit.with(self.mark.sensitivity);
        labels.note_kind = labels.note_kind.max(self.note_kind);
        let provenance = &mut labels.provenance;
        provenance.programs = provenance.programs.with(self.programs);
        provenance.received = provenance.received.max(self.received);
        labels.elements = elements;
    }

    /// The same as reasons that staff read.
    pub fn grounds(&self, resource_type: &str) -> Vec<Ground> {
        let Some((path, from)) = &self.through else {
            return Vec::new();
        };
        let part2 = self.mark.part2.then_some("42CFRPart2");
        let labels = self.mark.sensitivity.codes().chain(part2);
        let ground = |label: &str| Ground {
            path: resource_type.to_owned(),
            label: label.to_owned(),
            why: Why::Company {
                path,
                from: from.clone(),
            },
        };
        labels.map(ground).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{RAISED, label};
    use crate::terminology::{ACT_CODE, Confidentiality};
    use serde_json::json;

    fn labelled(code: &str) -> Value {
        json!({"security": [{"system": ACT_CODE, "code": code}]})
    }

    fn labels_of(all: &[Value], at: usize) -> Labels {
        let lists = CodeLists::shipped();
        let company = Company::of(all.iter(), lists, &RAISED);
        let mut labels = label(&all[at], lists, &RAISED);
        let (kind, id, _) = named(&all[at]).expect("named");
        if let Some(kept) = company.kept_by(kind, id) {
            kept.raise(&mut labels);
        }
        labels
    }

    #[test]
    fn a_program_is_not_given_away_by_the_company_it_keeps() {
        let all = [
            json!({"resourceType": "Organization", "id": "harbor", "meta": labelled("42CFRPart2")}),
            json!({"resourceType": "PractitionerRole", "id": "r", "organization": {"reference": "Organization/harbor"}}),
            json!({"resourceType": "Location", "id": "l", "managingOrganization": {"reference": "Organization/harbor"}}),
            json!({"resourceType": "Encounter", "id": "at", "location": [{"location": {"reference": "Location/l"}}]}),
            json!({"resourceType": "Encounter", "id": "with", "participant": [{"individual": {"reference": "PractitionerRole/r"}}]}),
            json!({"resourceType": "Appointment", "id": "a", "participant": [{"actor": {"reference": "PractitionerRole/r/_history/2"}}]}),
            json!({"resourceType": "Communication", "id": "c", "about": [{"reference": "Appointment/a"}]}),
            json!({"resourceType": "Condition", "id": "d", "encounter": {"reference": "Encounter/at"}}),
            json!({"resourceType": "Encounter", "id": "else", "serviceProvider": {"reference": "Organization/hearthstone"}}),
            json!({"resourceType": "Organization", "id": "hearthstone"}),
        ];
        for at in 1..8 {
            let labels = labels_of(&all, at);
            assert!(labels.part2, "{}", all[at]);
            assert_eq!(labels.confidentiality, Confidentiality::Restricted, "{}", all[at]);
        }
        for at in 8..10 {
            assert!(!labels_of(&all, at).part2, "{}", all[at]);
        }
    }

    #[test]
    fn what_is_made_of_a_record_has_its_labels_and_what_only_stands_beside_it_has_not() {
        let all = [
            json!({"resourceType": "QuestionnaireResponse", "id": "q", "meta": labelled("PSYTHPN"),
                "questionnaire": "http://loinc.org/q/44249-1"}),
            json!({"resourceType": "Observation", "id": "o", "derivedFrom": [{"reference": "QuestionnaireResponse/q"}]}),
            json!({"resourceType": "Encounter", "id": "e", "meta": labelled("SDV")}),
            json!({"resourceType": "Condition", "id": "c", "encounter": {"reference": "Encounter/e"}}),
        ];
        let score = labels_of(&all, 1);
        assert_eq!(score.note_kind, NoteKind::Psychotherapy);
        assert!(
            score
                .sensitivity
                .intersects(Sensitivities::of("PSY").expect("a code"))
        );
        assert!(
            labels_of(&all, 3).sensitivity.is_empty(),
            "a problem recorded at a visit is not the visit"
        );
    }

    #[test]
    fn bytes_are_what_the_document_is_that_leads_to_them() {
        let all = [
            json!({"resourceType": "DocumentReference", "id": "d", "meta": labelled("HIV"),
                "content": [{"attachment": {"url": "Binary/b"}}]}),
            json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain"}),
        ];
        let labels = labels_of(&all, 1);
        assert!(
            labels
                .sensitivity
                .intersects(Sensitivities::of("HIV").expect("a code"))
        );
        assert_eq!(labels.confidentiality, Confidentiality::Restricted);
    }

    #[test]
    fn circles_end() {
        let all = [
            json!({"resourceType": "Location", "id": "a", "partOf": {"reference": "Location/b"}}),
            json!({"resourceType": "Location", "id": "b", "partOf": {"reference": "Location/a"}, "meta": labelled("SUD")}),
        ];
        assert!(
            labels_of(&all, 0)
                .sensitivity
                .intersects(Sensitivities::of("SUD").expect("a code"))
        );
    }
}
