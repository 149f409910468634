//! One record is about one person, who stands in it; and each resource about a person names that one.
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>, 45 CFR 164.312(c)(1)

use super::super::problem::Rule;
use super::Task;
use super::pieces::Piece;
use super::taken::person_element;
use crate::fhir::is_shared;
use serde_json::Value;

/// The person of a record.
pub(super) struct Person {
    /// The source's id.
    pub own: String,
    /// `Patient/` and the id of ours.
    pub reference: String,
}

/// The one Patient of the record; nothing where there is none.
pub(super) fn the_one(task: &mut Task<'_>, pieces: &mut [Piece<'_>]) -> Option<Person> {
    let mut people = pieces.iter_mut().filter(|piece| piece.kind == "Patient");
    let (first, second) = (people.next()?, people.next());
    let at = task.rules.line_of("Patient");
    if let Some(second) = second {
        let told = "a second person: one record is about one, so export each person by themselves";
        task.problem(at, Rule::Person, "Patient", &second.place, told);
    }
    // Other numbers of the same person are other people's to the reader; that this number is no more in use is not.
    let links = first.body.shift_remove("link");
    let links = links
        .as_ref()
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    links.iter().for_each(|_| task.leave_out("Patient.link"));
    if links.iter().any(|link| link["type"] == "replaced-by") {
        let source = format!("{}.link", first.place);
        let told = "this Patient was replaced by another: export that one";
        task.problem(at, Rule::Person, "Patient.link", &source, told);
    }
    Some(Person {
        own: first.own.to_owned(),
        reference: first.reference(),
    })
}

/// Every piece about a person is about this one.
pub(super) fn each_names(task: &mut Task<'_>, person: Option<&Person>, pieces: &[Piece<'_>]) {
    for piece in pieces.iter().filter(|piece| !is_shared(piece.kind)) {
        let Some(element) = person_element(piece.kind) else {
            continue;
        };
        let told = match person {
            None => "the record has no Patient, and this is about a person",
            Some(person) if !names(piece, element).contains(&person.reference.as_str()) => {
                "it does not name the person of the record"
            }
            Some(_) => continue,
        };
        let at = task.rules.line_of(piece.kind);
        let (target, source) = (
            format!("{}.{element}", piece.kind),
            format!("{}.{element}", piece.place),
        );
        task.problem(at, Rule::Person, &target, &source, told);
    }
}

/// The references of the element that says whom it is about; of an appointment, all who take part.
fn names<'p>(piece: &'p Piece<'_>, element: &str) -> Vec<&'p str> {
    let value = piece.body.get(element).unwrap_or(&Value::Null);
    match value.as_array() {
        Some(list) => list
            .iter()
            .filter_map(|one| one["actor"]["reference"].as_str())
            .collect(),
        None => value["reference"].as_str().into_iter().collect(),
    }
}
