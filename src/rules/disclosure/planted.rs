//! Leaks planted on purpose, one of each kind, at the place where it would happen: so that the tests of two worlds can show
//! that they would see it. Compiled only where debug assertions are, never in a release build; nothing but a test can turn one
//! on, and it counts for the thread it is planted on.
//! <https://hl7.org/fhir/R4/security-labels.html>

use std::cell::Cell;
use std::sync::Arc;

use super::answer::Place;
use super::release::{About, Release, Undated};
use crate::fhir::excerpt::Excerpt;
use crate::fhir::{Instant, Value};
use crate::label::{CodeLists, Labels, label_codes};
use crate::search::Query;

/// A kind of leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// The total counts what is withheld.
    Total,
    /// The order follows from what is withheld.
    Order,
    /// A withheld resource is refused in other words than an absent one.
    ErrorText,
    /// The version follows from the stored record.
    ETag,
    /// The date follows from the stored record.
    LastUpdated,
    /// The narrative is written from the stored resource.
    Narrative,
    /// A reference that went leaves its `display` behind.
    Display,
    /// Labels are those of the stored resource.
    Label,
    /// `_x` stays where `x` went.
    Sibling,
    /// A contained resource stays.
    Contained,
    /// What is included follows from what is withheld.
    Include,
}

thread_local! {
    static PLANTED: Cell<Option<Leak>> = const { Cell::new(None) };
}

/// From now on this thread leaks so.
pub fn plant(leak: Option<Leak>) {
    PLANTED.set(leak);
}

pub(super) fn planted(leak: Leak) -> bool {
    PLANTED.get() == Some(leak)
}

/// How many resources of this type the releases keep back.
pub(super) fn uncounted(releases: &[Arc<Release>], query: &Query) -> usize {
    let begins = format!("{}/", query.resource_type);
    let withheld = releases.iter().flat_map(|release| &release.about.withheld);
    let of_type = withheld.filter(|one| one.path.starts_with(&begins) && !one.path.contains('#'));
    if planted(Leak::Total) { of_type.count() } else { 0 }
}

pub(super) fn reordered(releases: &[Arc<Release>], mut places: Vec<Place>) -> Vec<Place> {
    let withheld: usize = releases.iter().map(|release| release.about.withheld.len()).sum();
    if planted(Leak::Order) && !places.is_empty() {
        let by = withheld % places.len();
        places.rotate_left(by);
    }
    places
}

/// A link to what is withheld takes the place of one that is not.
pub(super) fn crowded_out(releases: &[Arc<Release>], with: &mut Vec<Place>) {
    let withheld: usize = releases.iter().map(|release| release.about.withheld.len()).sum();
    if planted(Leak::Include) {
        with.truncate(with.len() - with.len().min(withheld % 3));
    }
}

/// Is it one of those the release keeps back?
pub(super) fn keeps_back(about: &About, resource_type: &str, id: &str) -> bool {
    let name = format!("{resource_type}/{id}");
    planted(Leak::ErrorText) && about.withheld.iter().any(|one| one.path == name)
}

pub(super) fn version(mut resource: Undated, about: &About) -> Undated {
    if planted(Leak::ETag) {
        resource.digest[0] ^= about.elements_stored.to_le_bytes()[0];
    }
    resource
}

pub(super) fn date(changed_at: Instant, about: &About) -> Instant {
    match planted(Leak::LastUpdated) {
        true => Instant(changed_at.0 + 1000 * about.withheld.len() as i64),
        false => changed_at,
    }
}

pub(super) fn labels(stored: &Value, lists: &CodeLists, raised: &[&str], mut seen: Labels) -> Labels {
    if !planted(Leak::Label) {
        return seen;
    }
    let whole = label_codes(stored, lists, raised);
    for (_, element) in &whole.elements {
        seen.sensitivity = seen.sensitivity.with(element.sensitivity);
        seen.confidentiality = seen.confidentiality.max(element.confidentiality);
    }
    seen
}

/// Adds what the projection left out.
pub(super) fn members<'a>(stored: &'a Value, excerpt: &mut Excerpt<'a>) {
    for (name, value) in stored.as_object().into_iter().flatten() {
        let sibling = name.starts_with('_') && planted(Leak::Sibling);
        if sibling || name == "contained" && planted(Leak::Contained) {
            excerpt.value(name, value);
        }
    }
}

/// How a narrative ends when it has just been written.
const END: &[u8] = b"</div>\"}";

/// Adds to the narrative what the stored resource says.
pub(super) fn narrative(stored: &Value, out: &mut Vec<u8>) {
    let mut said = Vec::new();
    texts(stored, &mut said);
    if said.is_empty() || !out.ends_with(END) {
        return;
    }
    out.truncate(out.len() - END.len());
    for text in said {
        let plain: String = text
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == ' ')
            .collect();
        out.extend_from_slice(format!("<p>{plain}</p>").as_bytes());
    }
    out.extend_from_slice(END);
}

fn texts<'a>(value: &'a Value, said: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, said)),
        Value::Object(object) => {
            let reference = object.contains_key("reference");
            for (name, member) in object {
                let display = reference && name == "display" && planted(Leak::Display);
                if let Some(text) = member.as_str().filter(|_| display || planted(Leak::Narrative)) {
                    said.push(text);
                }
                texts(member, said);
            }
        }
        _ => {}
    }
}
