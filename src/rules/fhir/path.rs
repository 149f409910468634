//! Places in a record, written as FHIRPath. <https://hl7.org/fhir/R4/fhirpath.html>
//!
//! Names in a path may come from outside, and a name that is no element name could be anything, a person's name
//! even; such a name is written `?`.

use std::fmt::Write as _;

/// Appends `.name`.
pub(crate) fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(if is_element_name(name) { name } else { "?" });
}

/// Appends `[index]`.
pub(crate) fn push_index(path: &mut String, index: usize) {
    write!(path, "[{index}]").expect("writing to a String succeeds");
}

/// The element a place belongs to: `CarePlan.activity[2].detail` → `CarePlan.activity.detail`.
pub fn without_indexes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// Could it be the name of an element or resource, `_` before a primitive's and `[x]` after a choice's included?
fn is_element_name(name: &str) -> bool {
    let name = name.strip_suffix("[x]").unwrap_or(name);
    let word = name.strip_prefix('_').unwrap_or(name);
    (1..=48).contains(&word.len())
        && word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_element_names_are_repeated() {
        let mut path = String::new();
        for name in [
            "Patient",
            "name",
            "Mary Synthetic",
            "_given",
            "value[x]",
            "1984",
            "é",
        ] {
            push_name(&mut path, name);
        }
        push_index(&mut path, 3);
        assert_eq!(path, "Patient.name.?._given.value[x].?.?[3]");
    }
}
