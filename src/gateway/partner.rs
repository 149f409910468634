//! Partners: who they are, what they may ask for, and the keys of their clients, as registered by an operator.
//! `45 CFR 164.514(h)`: identity and authority are verified at registration.

use postern_rules::disclosure::Recipient;
pub use postern_rules::fhir::is_npi;
use postern_rules::profile::{Policy, Role};
use serde::{Deserialize, Serialize};

use crate::auth::Scopes;

/// What is registered about a partner; kept as JSON in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Short name, unique here: letters, digits, hyphens.
    pub id: String,
    pub name: String,
    /// Class of recipient, one of `profiles/policy.json`.
    pub class: String,
    /// Identifiers of its organisation: by them records name it.
    pub organization: Vec<Identifier>,
    /// Purposes of use it may ask for (codes of v3-ActReason); the first is its default.
    pub purposes: Vec<String>,
    /// Scopes its clients may be granted.
    pub scopes: String,
    /// What it is in law (`provider`, `health_plan`, `non_covered`, …), when it is not what its class usually is.
    #[serde(default)]
    pub role: Option<String>,
    /// Registered as medical personnel (42 CFR 2.51): a break-glass grant may open Part 2 content to it.
    #[serde(default)]
    pub medical_personnel: bool,
    /// Where staff call when something has to be said by voice.
    #[serde(default)]
    pub phone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    pub system: String,
    pub value: String,
}

/// The national provider identifier's naming system.
pub const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

impl Partner {
    /// As the rules see it. What it is in law comes from its registration, else from its class.
    pub fn recipient(&self, policy: &Policy) -> Recipient {
        let of_class = policy.class(&self.class);
        let stated = self.role.as_deref().and_then(Role::named);
        let role = stated
            .or(of_class.map(|class| class.role))
            .unwrap_or(Role::NonCovered);
        let organization = self
            .organization
            .iter()
            .map(|i| (i.system.clone(), i.value.clone()));
        Recipient {
            medical_personnel: self.medical_personnel
                && of_class.is_some_and(|class| class.medical_personnel),
            ..Recipient::new(&self.id, &self.name, &self.class, role, organization.collect())
        }
    }

    /// Everything wrong with a registration, in sentences for the person who typed it. `classes` are the policy's,
    /// `serves` tells whether some data set serves this class for a purpose.
    pub fn problems(&self, classes: &[String], serves: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > 40 || !self.id.chars().all(plain) {
            problems.push("id: 1 to 40 lower-case letters, digits and hyphens".to_owned());
        }
        if self.name.trim().is_empty() {
            problems.push("name: missing".to_owned());
        }
        if !classes.contains(&self.class) {
            problems.push(format!("class: unknown; known: {}", classes.join(", ")));
        }
        if self
            .role
            .as_deref()
            .is_some_and(|role| Role::named(role).is_none())
        {
            problems.push("role: unknown; for example provider, health_plan, non_covered".to_owned());
        }
        if self.organization.is_empty() {
            problems.push("organization: at least one identifier (usually its NPI)".to_owned());
        }
        let npis = self.organization.iter().filter(|i| i.system == NPI);
        problems.extend(
            npis.filter(|i| !is_npi(&i.value))
                .map(|_| "npi: ten digits with a valid check digit".to_owned()),
        );
        if self.purposes.is_empty() {
            problems.push("purposes: at least one".to_owned());
        }
        let unserved = self.purposes.iter().filter(|p| !serves(p));
        problems.extend(unserved.map(|p| format!("purposes: {p} is not served for this class")));
        match Scopes::parse(&self.scopes) {
            Ok(scopes) if !scopes.is_empty() => {}
            Ok(_) => problems.push("scopes: for example system/*.rs".to_owned()),
            Err(error) => problems.push(format!("scopes: {error}")),
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_npi_has_a_check_digit() {
        assert!(is_npi("1234567893"));
        assert!(!is_npi("1234567890") && !is_npi("123") && !is_npi("12345678x3"));
    }
}
