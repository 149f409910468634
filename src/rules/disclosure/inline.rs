//! What the labels of released elements add to the labels of their resource, in exactly what is released: an element
//! outside the data set adds nothing, or its label would tell of it. <https://hl7.org/fhir/uv/security-label-ds4p/>

use std::collections::HashSet;
use std::ptr;

use serde_json::Value;

use super::record::Stored;
use crate::fhir::excerpt::Excerpt;
use crate::label::{HighWater, at};

/// The high-water mark of those labelled elements that are in `excerpt`: some value of theirs is, and it is borrowed from the
/// place where the stored resource has it.
pub(super) fn released(stored: &Stored, labelled: &[(String, HighWater)], excerpt: &Excerpt<'_>) -> HighWater {
    let says_something = |mark: &HighWater| *mark != HighWater::default();
    if !labelled.iter().any(|(_, mark)| says_something(mark)) {
        return HighWater::default();
    }
    let there: HashSet<*const Value> = excerpt.scalars().map(ptr::from_ref).collect();
    let released = labelled.iter().filter(|(path, mark)| {
        let mut values = at(&stored.body, path).into_iter();
        says_something(mark) && values.any(|value| is_there(value, &there))
    });
    released.fold(HighWater::default(), |all, (_, mark)| all.with(*mark))
}

fn is_there(value: &Value, there: &HashSet<*const Value>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| is_there(item, there)),
        Value::Object(members) => members.values().any(|member| is_there(member, there)),
        scalar => there.contains(&ptr::from_ref(scalar)),
    }
}
