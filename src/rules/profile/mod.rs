//! Minimum necessary as FHIR profiles: a StructureDefinition whose differential is an allow-list is checked,
//! closed and compiled; resources are projected by it and validated against what it became.
//! Postern's semantics, section 1 (README.md beside this file); <https://hl7.org/fhir/R4/profiling.html>

mod problem;
mod pattern;
mod differential;
mod free_text;
mod plan;
mod slicing;
mod reach;
mod compile;
mod checks;
mod closed;
mod project;
mod complete;
mod claims;
mod validate;
mod data_set;
mod policy_keys;
mod policy;
mod policy_law;
mod whole;
pub mod shipped;

use std::sync::OnceLock;

use serde_json::Value;

pub use data_set::{DataSet, Sufficient};
pub use free_text::free_text;
pub use policy::{Class, DefaultRelease, Policy, Role};
pub use policy_law::{AgencyPolicy, InQuestion};
pub use problem::Rule;
pub use project::{LeadsNowhere, Projected, Withheld};
pub use whole::whole_data_set;

use crate::fhir::Issue;
use crate::fhir::element::table;
use crate::fhir::excerpt::Part;
use claims::Claim;
use complete::Absent;
use plan::Plan;
use validate::Closed;

/// One loaded allow-list.
#[derive(Debug)]
pub struct Profile {
    url: String,
    resource_type: &'static str,
    plan: Plan,
    absent: Vec<Absent>,
    claims: Vec<Claim>,
    closed: Value,
    closed_rules: OnceLock<Closed>,
}

impl Profile {
    /// Reads, checks and compiles a StructureDefinition. `Err` lists every broken rule, each starting with
    /// its name (`Rule::name`); the expression is the element definition's id.
    pub fn load(sd: &Value) -> Result<Profile, Vec<Issue>> {
        let mut problems = Vec::new();
        let text = |key: &str| sd.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(root) = table().resource(text("type")) else {
            return Err(vec![Rule::Header.broken("type", "is not an R4 resource type")]);
        };
        check_header(sd, root.name, &mut problems);
        let named = differential::read(sd, root.name, &mut problems);
        let plan = compile::compile(root, &named, &mut problems);
        let claims = claims::read(sd, root, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let closed = closed::close(sd, &plan);
        let url = text("url").to_owned();
        let absent = complete::absent(&plan);
        Ok(Profile {
            url,
            resource_type: root.name,
            plan,
            absent,
            claims,
            closed,
            closed_rules: OnceLock::new(),
        })
    }

    /// Canonical, for `meta.profile`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn resource_type(&self) -> &str {
        self.resource_type
    }

    /// The StructureDefinition as it is served: every element that does not pass has `max: "0"`.
    pub fn closed(&self) -> &Value {
        &self.closed
    }

    /// The part of `resource` that passes, without `meta` and `text` (computed later), or `None` when it is
    /// withheld whole. Borrowed: nothing is cloned.
    pub fn excerpt<'a>(&'a self, resource: &'a Value, withheld: Withheld<'_>) -> Option<Projected<'a>> {
        project::project(&self.plan, resource, withheld)
    }

    /// The same as a tree of its own. `withheld` is asked for each opened element and list item by its path in the given
    /// resource: JSON names and indexes, `CarePlan.activity[2].detail`, `Observation.valueQuantity`.
    pub fn project(&self, resource: &Value, withheld: &dyn Fn(&str) -> bool) -> Option<Value> {
        let element = Some(withheld);
        self.tree(resource, Withheld { element, link: None })
    }

    /// The same where nothing is withheld beyond the profile.
    pub fn project_all(&self, resource: &Value) -> Option<Value> {
        self.tree(resource, Withheld::default())
    }

    fn tree(&self, resource: &Value, withheld: Withheld<'_>) -> Option<Value> {
        Some(self.excerpt(resource, withheld)?.excerpt.root()?.to_value())
    }

    /// What says *unknown* of each element that US Core requires and `released` does not have, with its name: to be put
    /// after everything that is there, when nothing more is taken out.
    pub fn unknown<'a>(&'a self, released: Part<'_, 'a>) -> impl Iterator<Item = (&'a str, &'a Value)> {
        complete::unknown(&self.absent, released)
    }

    /// Addresses of the other profiles that `released` conforms to, each once: to be asked when nothing more is put in or taken out.
    pub fn claims(&self, released: Part<'_, '_>) -> Vec<&str> {
        let mut claimed: Vec<&str> = Vec::with_capacity(self.claims.len());
        for profile in self.claims.iter().filter_map(|claim| claim.of(released)) {
            if !claimed.contains(&profile) {
                claimed.push(profile);
            }
        }
        claimed
    }

    /// Every way in which a released resource differs from R4 or from the closed profile; empty is valid.
    pub fn validate(&self, released: &Value) -> Vec<Issue> {
        let closed = self.closed_rules.get_or_init(|| Closed::read(&self.closed));
        let mut issues = crate::fhir::gate::check(released);
        issues.extend(closed.check(released, self.resource_type));
        issues
    }
}

fn check_header(sd: &Value, resource_type: &str, problems: &mut Vec<Issue>) {
    let text = |key: &str| sd.get(key).and_then(Value::as_str).unwrap_or_default();
    let base = format!("http://hl7.org/fhir/StructureDefinition/{resource_type}");
    let wanted = [
        ("resourceType", "StructureDefinition"),
        ("kind", "resource"),
        ("derivation", "constraint"),
        ("baseDefinition", base.as_str()),
        ("fhirVersion", "4.0.1"),
    ];
    for (key, value) in wanted.into_iter().filter(|(key, value)| text(key) != *value) {
        problems.push(Rule::Header.broken(key, format!("must be {value}")));
    }
    if !text("url").starts_with("http") {
        problems.push(Rule::Header.broken("url", "must be the profile's canonical address"));
    }
    for key in ["name", "status"].into_iter().filter(|key| text(key).is_empty()) {
        problems.push(Rule::Header.broken(key, "is required"));
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
