//! What a profile must not leave out or misspell: modifiers, required elements, names, what an extension
//! carries. Postern's semantics, sections 1.2 and 1.8 (README.md beside this file);
//! <https://hl7.org/fhir/R4/conformance-rules.html#isModifier>

use super::compile::Compiler;
use super::differential::Named;
use super::plan::{Content, Opened};
use super::problem::{Rule, nearest};
use crate::fhir::element::Element;

impl Compiler<'_> {
    /// A closed element that must not be: a modifier, or something R4 requires.
    pub(super) fn omitted(&mut self, element: &Element, decided: bool, id: &str, extension: bool) {
        if extension || !decided && self.stack.iter().any(|t| element.types.contains(t)) {
            return;
        }
        if element.modifier {
            self.broken(
                Rule::ModifierOmitted,
                id,
                "is a modifier of an element that is released, so it must be too",
            );
        } else if element.min > 0 {
            self.broken(
                Rule::RequiredOmitted,
                id,
                "is required by R4 in an element that is released",
            );
        }
    }

    pub(super) fn check_modifier(&mut self, opened: &Opened, id: &str) {
        if !opened.modifier || opened.is_extension() {
            return;
        }
        let all_types = opened.forms.len() >= opened.element.types.len();
        if !opened.slices.is_empty() || !all_types || opened.max < opened.element.max {
            self.broken(
                Rule::ModifierOmitted,
                id,
                "a modifier passes with all its items and all its types",
            );
        }
    }

    /// An extension slice says what it carries.
    pub(super) fn extension_content(&mut self, e: &Element, slice: &Named, id: &str) {
        let carries = |name: &str| slice.child(name).is_some_and(|c| !c.excluded());
        if e.types == ["Extension"] && !carries("value[x]") && !carries("extension") {
            self.broken(
                Rule::OpenExtension,
                id,
                "name value[x] with its types, or its extensions by url",
            );
        }
    }

    /// Every name below an element is an element of at least one of its types.
    pub(super) fn check_names(&mut self, named: &Named, contents: &[Content], id: &str) {
        for child in &named.children {
            let known = contents.iter().any(|c| match c {
                Content::Complex(t) => t.element(&child.name).is_some(),
                Content::Primitive(_) => child.name == "extension",
            });
            if !known {
                let names = contents.iter().flat_map(|c| match c {
                    Content::Complex(t) => t.elements.as_slice(),
                    Content::Primitive(_) => &[],
                });
                let near = nearest(&child.name, names.map(|e| e.name).chain(["extension"]));
                let hint = near.map(|n| format!("; nearest: {n}")).unwrap_or_default();
                self.broken(
                    Rule::UnknownPath,
                    &format!("{id}.{}", child.name),
                    format!("is not an element of R4{hint}"),
                );
            }
        }
    }
}
