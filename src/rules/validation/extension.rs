//! Extensions: known by their url, held to their definition, standing where it lets them.
//! <https://hl7.org/fhir/R4/extensibility.html>, <https://hl7.org/fhir/R4/defining-extensions.html#context>

use super::canonical::{core_type, split};
use super::spot::Spot;
use super::structure::Context;
use super::walk::{Place, Walk};
use crate::fhir::constraint::ancestor;
use crate::fhir::element::{Child, Type};
use crate::fhir::{IssueCode, Severity};

impl<'v> Walk<'v> {
    /// An extension of `of`. Inside another extension a url without a scheme names a part of that one.
    pub(super) fn extension(
        &mut self,
        of: &'static Type,
        holder: Option<Child>,
        modifies: bool,
        spot: Spot<'v>,
    ) {
        let Some(url) = spot.text("url") else { return };
        if of.name == "Extension" && !url.contains(':') {
            return;
        }
        if !url.contains(':') {
            return self.error(IssueCode::Invalid, format_args!("must have an absolute url"));
        }
        let definitions = self.definitions;
        let found = definitions
            .find(url)
            .filter(|at| definitions.structure(*at).of == "Extension");
        let Some(at) = found else {
            return match modifies {
                true => {
                    let what =
                        format_args!("modifies its element, and no definition of it is loaded: not checked");
                    self.report(Severity::Warning, IssueCode::Extension, what);
                }
                false => self.note(
                    IssueCode::Extension,
                    format_args!("is not checked: no definition of it is loaded"),
                ),
            };
        };
        let structure = definitions.structure(at);
        if structure.is_modifier != modifies {
            let what = if modifies {
                "must not be a modifierExtension"
            } else {
                "must be a modifierExtension"
            };
            self.error(IssueCode::Extension, format_args!("{what} by its definition"));
        }
        let stands = structure
            .contexts
            .iter()
            .any(|context| self.stands(of, holder, context));
        if !stands && !structure.contexts.is_empty() {
            self.error(
                IssueCode::Extension,
                format_args!("must not stand here by its definition"),
            );
        }
        self.hold(at, spot);
    }

    fn stands(&self, of: &'static Type, holder: Option<Child>, context: &Context) -> bool {
        match context {
            Context::Expression => true,
            Context::Extension(_) => of.name == "Extension",
            Context::Element(stated) => {
                let stated = core_type(stated).unwrap_or(stated);
                let stated = stated.split(':').next().unwrap_or_default();
                let is_resource = self.places.len() == self.frame.depth + 1 + usize::from(self.in_list());
                let element = holder.map(|child| child.element.path);
                stated == of.name
                    || stated == "Element"
                    || is_resource && matches!(stated, "Resource" | "DomainResource")
                    || ancestor(of.name) == Some(stated)
                    || element == Some(stated)
                    || holder.is_some_and(|child| child.type_name == stated)
                    || self.element_path() == stated
            }
        }
    }

    fn in_list(&self) -> bool {
        matches!(self.places.last(), Some(Place::Index(_)))
    }

    /// Path of the element that holds the extension, within its resource: `Patient.name.given`.
    fn element_path(&self) -> String {
        let above = self.places.len().saturating_sub(1 + usize::from(self.in_list()));
        let kind = self.frame.resource.get("resourceType").and_then(|t| t.as_str());
        let mut path = kind.unwrap_or_default().to_owned();
        for place in self.places.iter().take(above).skip(self.frame.depth) {
            if let Place::Name(name) = place {
                crate::fhir::path::push_name(&mut path, name);
            }
        }
        path
    }

    /// A profile's rule for an extension: its definition. What is loaded under its url is held once, above; here what
    /// matters is that it is that extension.
    pub(super) fn extension_profile(&mut self, profiles: &[&str], spot: Spot<'v>) {
        if profiles.is_empty() {
            return;
        }
        let url = spot.text("url").unwrap_or_default();
        match profiles.iter().find(|profile| split(profile).0 == url) {
            Some(profile) => {
                if let Some(at) = self.definitions.find(profile) {
                    self.hold(at, spot);
                }
            }
            None => {
                let list = profiles.join(", ");
                self.error(IssueCode::Extension, format_args!("must be the extension {list}"));
            }
        }
    }
}
