//! Codes that imply a label of a released resource as a whole: those of its own elements, not of what repeats below.
//! <https://hl7.org/fhir/R4/security-labels.html>

use super::CodeLists;
use super::walk::Found;
use crate::fhir::excerpt::Part;

/// What `walk` finds at the level of the resource.
pub(super) fn codes<'a>(released: Part<'_, 'a>, lists: &CodeLists) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for element in released.parts() {
        for item in items(element) {
            found.extend(hit(item, element.name(), lists));
            // Inside a CodeableConcept the concept is the element.
            let codings = item.member("coding").into_iter().flat_map(items);
            found.extend(codings.filter_map(|coding| hit(coding, element.name(), lists)));
        }
    }
    found
}

/// A Coding, or a Quantity-like pair of system and code.
fn hit<'a>(object: Part<'_, 'a>, element: &str, lists: &CodeLists) -> Option<Found<'a>> {
    let text = |name: &str| object.member(name).and_then(Part::as_str);
    let (system, code) = (text("system")?, text("code")?);
    let hit = lists.lookup(system, code)?;
    Some(Found {
        path: element.to_owned(),
        level: 0,
        sensitivity: hit.sensitivity,
        line: hit.line,
        system,
        code,
    })
}

/// The items of a list, or what is not a list itself.
fn items<'e, 'a>(part: Part<'e, 'a>) -> impl Iterator<Item = Part<'e, 'a>> {
    let alone = (!part.is_list()).then_some(part);
    let items = part.is_list().then(|| part.parts());
    alone.into_iter().chain(items.into_iter().flatten())
}
