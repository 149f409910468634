//! Is a resource valid: by R4, and by any profiles whose packages are loaded?
//! <https://hl7.org/fhir/R4/validation.html>, <https://hl7.org/fhir/R4/profiling.html>
//!
//! `Definitions` holds packages; `Definitions::validate` lists what is wrong with a resource. `README.md` says what is
//! checked and what is not.

mod bound;
mod build;
mod bundle;
mod canonical;
mod code_list;
mod coverage;
mod definitions;
mod extension;
mod hold;
mod invariant;
mod membership;
mod package;
mod reference;
mod resource;
mod rule;
mod slices;
mod spot;
mod structure;
mod told;
mod tree;
mod walk;
mod work;

#[cfg(test)]
pub(crate) mod tests;

pub use coverage::Coverage;
pub use definitions::Definitions;
pub use package::{Package, PackageProblem, PackageReader};

use serde_json::Value;

use crate::fhir::{Issue, IssueCode, gate};
use spot::Spot;
use walk::{Place, Walk};

/// What a profile that is kept elsewhere says of a resource; `None` where it is not known there either. Paths begin with
/// the type.
pub type Elsewhere<'e> = dyn Fn(&str, &Value) -> Option<Vec<Issue>> + 'e;

impl Definitions {
    /// Everything wrong with a resource, by R4, by the profiles it claims and by these; and as information, what could not
    /// be checked. Errors make it invalid, warnings do not. A profile that is not loaded is an information.
    pub fn validate(&self, resource: &Value, profiles: &[&str]) -> Vec<Issue> {
        self.validate_beside(resource, profiles, &|_, _| None)
    }

    /// The same, with profiles that are kept elsewhere for those that are not loaded.
    pub fn validate_beside(
        &self,
        resource: &Value,
        profiles: &[&str],
        elsewhere: &Elsewhere<'_>,
    ) -> Vec<Issue> {
        let mut issues = gate::check(resource);
        let Some(spot) = Spot::resource(resource) else {
            return issues;
        };
        let mut walk = Walk::new(self, resource);
        walk.elsewhere = Some(elsewhere);
        walk.places.push(Place::Name(spot.type_name));
        walk.resource(spot);
        for (at, url) in profiles.iter().enumerate() {
            match self.find(url) {
                Some(at) => walk.hold(at, spot),
                None if canonical::core_type(url) == Some(spot.type_name) => {}
                None if walk.held_elsewhere(url, spot) => {}
                None => walk.note(
                    IssueCode::NotFound,
                    format_args!(
                        "is not checked by profile {} of those asked for: it is not loaded",
                        at + 1
                    ),
                ),
            }
        }
        issues.extend(walk.finish());
        issues
    }
}
