//! The labels a FHIR source does not state itself: the mapping's defaults, and 42 CFR Part 2 wherever a resource names a program.
//! 42 CFR 2.11, 2.12(a)(1), 2.13(c): that somebody has to do with a program says what for.

use super::Task;
use super::header::Program;
use super::pieces::{Piece, own_id};
use crate::fhir::is_shared;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const INLINE: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

/// Elements by which something shared belongs to an organisation.
const OF_AN_ORGANIZATION: [&str; 6] = [
    "partOf",
    "organization",
    "managingOrganization",
    "providedBy",
    "location",
    "healthcareService",
];

/// What is of a program is about substance use, and under its law.
const OF_A_PROGRAM: [&str; 2] = ["42CFRPart2", "SUD"];

pub(super) fn mark(task: &mut Task<'_>, pieces: &mut [Piece<'_>]) {
    for piece in pieces.iter_mut().filter(|piece| !is_shared(piece.kind)) {
        for (_, label) in &task.rules.labels {
            piece.add_label(label, None);
        }
    }
    if task.rules.programs.is_empty() {
        return;
    }
    let mut programs = Programs::of(task, pieces);
    // A visit at a program, and whatever belongs to the visit.
    let visits: Vec<String> = pieces
        .iter()
        .filter(|piece| piece.kind == "Encounter" && programs.is_named_in(&piece.body))
        .map(Piece::reference)
        .collect();
    programs.references.extend(visits);
    for piece in pieces.iter_mut() {
        label(piece, &programs);
    }
}

/// A whole resource; of Patient and CareTeam only what names the program, for the rest of them says nothing of it.
fn label(piece: &mut Piece<'_>, programs: &Programs) {
    let whole = programs.references.contains(&piece.reference());
    if !whole && !programs.is_named_in(&piece.body) {
        return;
    }
    let parts = ["Patient", "CareTeam"].contains(&piece.kind);
    let codes: &[&str] = if parts {
        &["PROCESSINLINELABEL"]
    } else {
        &OF_A_PROGRAM
    };
    for code in codes {
        piece.add_label(&json!({"system": ACT_CODE, "code": code}), None);
    }
    if parts {
        piece
            .body
            .values_mut()
            .for_each(|value| label_items(value, programs));
    }
}

/// Puts the inline label on each item of a list, or single element, of the top that names a program.
fn label_items(value: &mut Value, programs: &Programs) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| label_items(item, programs)),
        Value::Object(map) if programs.is_named_in(map) => {
            let labels = OF_A_PROGRAM
                .map(|code| json!({"url": INLINE, "valueCoding": {"system": ACT_CODE, "code": code}}));
            match map.get_mut("extension").and_then(Value::as_array_mut) {
                Some(list) => list.extend(labels),
                None => drop(map.insert("extension".to_owned(), json!(labels))),
            }
        }
        _ => {}
    }
}

/// The programs of a record: by identifier, and every resource of theirs by reference.
struct Programs {
    identifiers: HashSet<(String, String)>,
    references: HashSet<String>,
}

impl Programs {
    /// The organisations, what is part of them, and their roles, places, services and addresses; last the people who have
    /// no role elsewhere.
    fn of(task: &mut Task<'_>, pieces: &[Piece<'_>]) -> Programs {
        let mut programs = Programs {
            identifiers: HashSet::new(),
            references: HashSet::new(),
        };
        for (_, program) in &task.rules.programs.clone() {
            match program {
                Program::Identifier { system, value } => {
                    programs.identifiers.insert((system.clone(), value.clone()));
                }
                Program::Id(id) => {
                    let id = own_id(task, "Organization", &[id], "");
                    programs
                        .references
                        .extend(id.map(|id| format!("Organization/{id}")));
                }
            }
        }
        let shared = || pieces.iter().filter(|piece| is_shared(piece.kind));
        loop {
            let before = programs.references.len();
            let found: Vec<String> = shared()
                .filter(|piece| programs.holds(piece))
                .map(Piece::reference)
                .collect();
            programs.references.extend(found);
            if programs.references.len() == before {
                break;
            }
        }
        let roles = || shared().filter(|piece| piece.kind == "PractitionerRole");
        let who = |role: &Piece<'_>| Some(role.body.get("practitioner")?["reference"].as_str()?.to_owned());
        let is_own = |role: &&Piece<'_>| programs.references.contains(&role.reference());
        let elsewhere: HashSet<String> = roles().filter(|role| !is_own(role)).filter_map(who).collect();
        let own: Vec<String> = roles().filter(is_own).filter_map(who).collect();
        programs
            .references
            .extend(own.into_iter().filter(|person| !elsewhere.contains(person)));
        programs
    }

    fn is_called_so(&self, body: &Map<String, Value>) -> bool {
        let list = body.get("identifier").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| self.is_identifier(one)))
    }

    fn is_identifier(&self, identifier: &Value) -> bool {
        let (Some(system), Some(value)) = (identifier["system"].as_str(), identifier["value"].as_str())
        else {
            return false;
        };
        self.identifiers.contains(&(system.to_owned(), value.to_owned()))
    }

    /// Does a reference in it, literal or by identifier, lead to a program?
    fn is_named_in(&self, map: &Map<String, Value>) -> bool {
        let literal = map.get("reference").and_then(Value::as_str);
        let by_identifier = map.get("identifier").filter(|identifier| identifier.is_object());
        literal.is_some_and(|text| self.references.contains(text))
            || by_identifier.is_some_and(|identifier| self.is_identifier(identifier))
            || map.values().any(|value| self.is_named_below(value))
    }

    fn is_named_below(&self, value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| self.is_named_below(item)),
            Value::Object(map) => self.is_named_in(map),
            _ => false,
        }
    }

    /// Is this shared resource part of a program, or where it works? An address of one does not make it its own.
    fn holds(&self, piece: &Piece<'_>) -> bool {
        let belongs = OF_AN_ORGANIZATION
            .iter()
            .filter_map(|element| piece.body.get(*element));
        self.is_called_so(&piece.body) || belongs.into_iter().any(|value| self.is_named_below(value))
    }
}
