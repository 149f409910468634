//! The released plan of one person as one readable document, for who files documents only: released resources in, HTML or PDF
//! out, with the same content in the same order. What is not released is simply not there: the document knows of nothing else.
//! SEMANTICS 1.9, 1.10
//!
//! The same resources and the same request give the same bytes: no clock, no random number.

pub mod content;
mod datatype;
mod html;
mod material;
mod pdf;
mod people;
mod section;
pub mod words;

#[cfg(test)]
mod tests;

pub use content::Document;
pub use html::html;
pub use material::{Material, takes_in};
pub use pdf::{Unwritable, pdf};

use crate::fhir::Instant;
use words::Phrase;

/// Said on every page, identically whether or not anything is hidden.
pub const MAY_BE_INCOMPLETE: &str = "This document may be incomplete because of the person's consent or the law. \
    In an emergency, use break-glass.";

/// What it is called, wherever it is listed.
pub const TITLE: &str = "Shared plan of care";

/// Changes when the same resources are written in another way: part of every version.
pub const FORM: &str = "1";

/// What a document needs beside the resources.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Resource types of the data set: they fix which sections there are.
    pub types: &'a [&'a str],
    /// For whom the data set is, for people: "Crisis team".
    pub audience: &'a str,
    /// Statements that must go with what is in it (42 CFR 2.32 and the like).
    pub statements: &'a [String],
    /// Type and id of the Organization that answers for it.
    pub source: (&'a str, &'a str),
    /// Names the document, whatever its version.
    pub identifier: &'a str,
    /// Names this version.
    pub version: &'a str,
    /// When its content last changed for its reader: as R4 writes an instant, and as a number.
    pub date: &'a str,
    pub at: Instant,
}

/// The document of these resources.
pub fn compose<'a>(material: &Material<'_, 'a>, request: &Request<'a>) -> Document<'a> {
    let source = || people::who_answers(request.source, material);
    let date = || datatype::moment(request.date);
    Document {
        title: TITLE,
        source: source().name,
        person: section::name(material),
        person_in_short: section::in_short(material),
        date: date(),
        sections: section::sections(material, request, (reached(source()), date())),
        constant: MAY_BE_INCOMPLETE,
        version: Phrase::datum(request.version),
        at: request.at,
    }
}

fn reached(who: people::Who<'_>) -> Phrase<'_> {
    Phrase::joined(std::iter::once(who.name).chain(who.contacts), ", ")
}
