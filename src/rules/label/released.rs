//! Codes in a released resource that imply labels: of the resource, and of elements below it.
//! <https://hl7.org/fhir/R4/security-labels.html>

use super::CodeLists;
use super::walk::Found;
use crate::fhir::excerpt::Part;

/// What `walk` finds by codes: at the level of the resource, and below it.
pub(super) fn codes<'a>(released: Part<'_, 'a>, lists: &CodeLists) -> (Vec<Found<'a>>, Vec<Found<'a>>) {
    let mut found = Vec::new();
    released
        .parts()
        .for_each(|element| look(element, element.name(), 0, lists, &mut found));
    let form = released.member("questionnaire").and_then(Part::as_str);
    found.extend(form.and_then(|form| Found::form(form, "", lists)));
    found.into_iter().partition(|found| found.level == 0)
}

/// A Coding, or a Quantity-like pair of system and code, and what is below. `name` is that of the element or of the list it
/// stands in, `level` counts the objects above.
fn look<'a>(part: Part<'_, 'a>, name: &str, level: usize, lists: &CodeLists, found: &mut Vec<Found<'a>>) {
    if part.is_list() {
        return part
            .parts()
            .for_each(|item| look(item, name, level, lists, found));
    }
    let text = |name: &str| part.member(name).and_then(Part::as_str);
    if let (Some(system), Some(code)) = (text("system"), text("code"))
        && let Some(hit) = lists.lookup(system, code)
    {
        // Inside a CodeableConcept the concept is the element.
        let inside = usize::from(name == "coding");
        found.push(Found {
            path: String::new(),
            level: level.saturating_sub(inside),
            sensitivity: hit.sensitivity,
            line: hit.line,
            system,
            code,
        });
    }
    part.parts()
        .for_each(|member| look(member, member.name(), level + 1, lists, found));
}
