//! How much of a named element passes: only what is named below it, or the whole datatype.
//! Postern's semantics, section 1.2 (README.md beside this file).

use super::differential::Named;
use super::free_text::is_free_text;
use super::plan::Content;
use crate::fhir::element::{Element, Type, is_primitive, table};

/// How much of an element passes beside what is named below it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reach {
    /// Only what is named.
    Named,
    /// The datatype, without free text and extensions.
    Whole,
    /// The datatype with its text: an Annotation that was itself named.
    WholeWithText,
}

/// A named datatype is whole when nothing below it is named but free text, exclusions and extensions.
pub(super) fn reach_of(e: &Element, type_name: &str, child: &Named, above: Reach) -> Reach {
    if is_primitive(type_name) || e.types == ["BackboneElement"] || type_name == "Extension" {
        return Reach::Named;
    }
    let Some(t) = (if e.types == ["Element"] {
        e.children()
    } else {
        table().datatype(type_name)
    }) else {
        return Reach::Named;
    };
    match (&child.def, above) {
        (Some(_), _) if type_name == "Annotation" && only_adds(child, t) => Reach::WholeWithText,
        (Some(_), _) if only_adds(child, t) => Reach::Whole,
        (None, Reach::Whole | Reach::WholeWithText) if only_adds(child, t) => Reach::Whole,
        _ => Reach::Named,
    }
}

/// Is all that is named below free text, an exclusion or an extension?
fn only_adds(named: &Named, content: &'static Type) -> bool {
    named.slices.is_empty()
        && named.children.iter().all(|child| {
            let Some(element) = content.element(&child.name) else {
                return true;
            };
            let free = element.types.iter().all(|t| is_free_text(element, t));
            let primitive = element.types.iter().all(|t| is_primitive(t));
            let inside = || {
                let below = element
                    .children()
                    .or_else(|| table().datatype(element.types.first().copied()?));
                child.def.is_none() && (primitive || below.is_some_and(|t| only_adds(child, t)))
            };
            child.excluded() || matches!(element.name, "extension" | "modifierExtension") || free || inside()
        })
}

pub(super) fn content(e: &'static Element, type_name: &str) -> Option<Content> {
    if let Some(t) = e.children() {
        return Some(Content::Complex(t));
    }
    let name = e.types.iter().copied().find(|t| *t == type_name)?;
    if is_primitive(name) {
        let name = if points(e, name) { name } else { "uri" };
        return Some(Content::Primitive(name));
    }
    table().datatype(name).map(Content::Complex)
}

/// Does a canonical or url here lead to something that may be withheld? Which form was filled in is what a response says, and
/// its address is what an Endpoint says; no release holds either.
fn points(e: &Element, primitive: &str) -> bool {
    match primitive {
        "canonical" => e.targets != ["Questionnaire"],
        "url" => e.path != "Endpoint.address",
        _ => true,
    }
}
