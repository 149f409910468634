//! What of a release a client may see: what its scopes permit, and documents only with all that is in them.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>
//!
//! A scope names types, a granular one some resources of a type; a document is of one type and says what others hold. It is there
//! whole or not at all, so what a condition leaves out keeps back each document that says it, its bytes and its reference alike.

use super::Asking;
use crate::disclosure::release::{Release, Released};
use crate::fhir::{Value, json as door};

impl Release {
    /// May the client see the resource at this place?
    pub(in crate::disclosure) fn sees(&self, at: usize, asking: &Asking<'_>) -> bool {
        let one = &self.resources[at];
        let permitted = (asking.permits)(&one.resource_type, &one.values);
        permitted
            && match one.resource_type.as_str() {
                "DocumentReference" => !self.is_document(one) || self.document_fits(asking),
                "Binary" => !self.is_of_what_is_left_out(&one.id, asking),
                _ => true,
            }
    }

    /// Is this the reference of the document that is made of the release?
    fn is_document(&self, one: &Released) -> bool {
        self.about
            .document
            .as_ref()
            .is_some_and(|document| document.id == one.id)
    }

    /// May all that is in the document made of the release be in a document of this client?
    pub(super) fn document_fits(&self, asking: &Asking<'_>) -> bool {
        let mut members = self.resources.iter().filter(|one| one.in_document);
        members.all(|one| (asking.within)(&one.resource_type, &one.values))
    }

    /// Are these the bytes of a document of a source that is left out?
    fn is_of_what_is_left_out(&self, binary: &str, asking: &Asking<'_>) -> bool {
        let documents = self.of_type("DocumentReference").map(|at| &self.resources[at]);
        let mut left_out = documents.filter(|one| !(asking.within)(&one.resource_type, &one.values));
        left_out.any(|one| has_bytes(one, binary))
    }
}

/// Does the document have these bytes? What cannot be read might.
fn has_bytes(document: &Released, binary: &str) -> bool {
    let Ok(resource) = door::parse(&document.body) else {
        return true;
    };
    let contents = resource["content"].as_array().map_or(&[][..], Vec::as_slice);
    let leads_there = |content: &Value| {
        let url = content["attachment"]["url"].as_str().unwrap_or_default();
        url.rsplit_once('/').is_some_and(|(_, id)| id == binary)
    };
    contents.iter().any(leads_there)
}
