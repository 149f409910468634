//! SMART scopes of systems: `system/Type.rs`, `system/*.read`. Scopes cap what a token may ask; policy decides
//! further. <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use std::collections::BTreeMap;

/// Type (or `*`) → may read, may search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeMap<String, (bool, bool)>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a scope is written `system/Type.rs` (v1: `system/Type.read`)")]
pub struct ScopeError;

impl Scopes {
    /// Reads a space-separated list. Permissions other than read and search are understood and not granted;
    /// a granular scope (`?category=…`) is refused rather than granted too widely.
    pub fn parse(text: &str) -> Result<Scopes, ScopeError> {
        let mut scopes = Scopes::default();
        for one in text.split_whitespace() {
            let (name, (read, search)) = parse_one(one)?;
            let entry = scopes.0.entry(name).or_default();
            *entry = (entry.0 | read, entry.1 | search);
        }
        Ok(scopes)
    }

    /// What is both asked for and registered.
    pub fn narrowed_to(&self, registered: &Scopes) -> Scopes {
        let mut granted = BTreeMap::new();
        let names = self.0.keys().chain(registered.0.keys());
        for name in names {
            let read = self.may_read(name) && registered.may_read(name);
            let search = self.may_search(name) && registered.may_search(name);
            if read || search {
                granted.insert(name.clone(), (read, search));
            }
        }
        Scopes(granted)
    }

    pub fn is_empty(&self) -> bool {
        !self.0.values().any(|(read, search)| *read || *search)
    }

    pub fn may_read(&self, resource_type: &str) -> bool {
        self.get(resource_type).0
    }

    pub fn may_search(&self, resource_type: &str) -> bool {
        self.get(resource_type).1
    }

    fn get(&self, resource_type: &str) -> (bool, bool) {
        let any = self.0.get("*").copied().unwrap_or_default();
        let own = self.0.get(resource_type).copied().unwrap_or_default();
        (any.0 | own.0, any.1 | own.1)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut first = true;
        for (name, (read, search)) in &self.0 {
            let permissions = match (read, search) {
                (true, true) => "rs",
                (true, false) => "r",
                (false, true) => "s",
                (false, false) => continue,
            };
            write!(f, "{}system/{name}.{permissions}", if first { "" } else { " " })?;
            first = false;
        }
        Ok(())
    }
}

fn parse_one(text: &str) -> Result<(String, (bool, bool)), ScopeError> {
    let (name, permissions) = text
        .strip_prefix("system/")
        .and_then(|t| t.split_once('.'))
        .ok_or(ScopeError)?;
    if name != "*" && (name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphabetic())) {
        return Err(ScopeError);
    }
    let granted = match permissions {
        "read" => (true, true),
        "write" => (false, false),
        "*" => (true, true),
        _ => v2(permissions).ok_or(ScopeError)?,
    };
    Ok((name.to_owned(), granted))
}

/// A non-empty subsequence of `cruds`, in that order.
fn v2(permissions: &str) -> Option<(bool, bool)> {
    let mut rest = "cruds";
    for letter in permissions.chars() {
        rest = &rest[rest.find(letter)? + 1..];
    }
    (!permissions.is_empty()).then(|| (permissions.contains('r'), permissions.contains('s')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_written_as_version_two() {
        let scopes = Scopes::parse("system/CarePlan.read system/Goal.r system/Task.cruds").expect("valid");
        assert_eq!(
            scopes.to_string(),
            "system/CarePlan.rs system/Goal.r system/Task.rs"
        );
        assert!(scopes.may_search("CarePlan") && !scopes.may_search("Goal") && !scopes.may_read("Patient"));
    }

    #[test]
    fn disorder_granularity_and_foreign_contexts_are_refused() {
        for text in [
            "system/CarePlan.sr",
            "system/CarePlan.rs?category=x",
            "patient/*.rs",
            "system/.rs",
            "system/*.",
        ] {
            assert_eq!(Scopes::parse(text), Err(ScopeError), "{text}");
        }
    }

    #[test]
    fn what_is_granted_is_asked_and_registered() {
        let all = Scopes::parse("system/*.rs").expect("valid");
        let some = Scopes::parse("system/CarePlan.rs system/Goal.s").expect("valid");
        assert_eq!(all.narrowed_to(&some), some);
        assert_eq!(some.narrowed_to(&all), some);
        assert!(
            Scopes::parse("system/Patient.rs")
                .expect("valid")
                .narrowed_to(&some)
                .is_empty()
        );
    }
}
