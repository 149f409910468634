//! SMART scopes of systems, versions 1 and 2, granular ones too: `system/Goal.rs`, `system/*.read`,
//! `system/Condition.rs?category=…|problem-list-item`. Scopes cap what a token may ask; policy decides further.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>
//!
//! Scopes add up: what one of them permits is permitted. A condition is held against the search values of what is
//! *released*, so that a scope can never tell what was withheld.

mod condition;
mod permission;
mod text;

use postern_rules::search::Values;

pub use permission::Permission;

use condition::Condition;
use permission::Permissions;

/// More scopes than this are refused; so is a longer list.
const MOST_SCOPES: usize = 128;
const MOST_BYTES: usize = 8 * 1024;

/// One scope: permissions for a type (or `*`), under conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    of: String,
    only: Vec<Condition>,
    may: Permissions,
    /// Asked for in the words of version 1, and answered in them.
    first_version: bool,
}

/// What is granted: in order, nothing twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

/// Why a list of scopes is refused; the caller is told.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.told())]
pub enum ScopeError {
    /// Not written as a scope.
    Form,
    /// Of a flow in which somebody signs in.
    Context,
    /// With a condition that could not be held.
    Granular,
    Many,
}

impl ScopeError {
    pub fn told(self) -> &'static str {
        match self {
            ScopeError::Form => {
                "scopes are written system/Type.rs (v1: system/Type.read), letters in the order cruds"
            }
            ScopeError::Context => {
                "only system/ scopes are granted here: nobody signs in, so there is no patient/, user/, launch or openid"
            }
            ScopeError::Granular => {
                "a granular scope names one type and token search parameters of it: system/Condition.rs?category=system|code"
            }
            ScopeError::Many => "more than 128 scopes, or more than 8192 bytes of them",
        }
    }
}

impl Scopes {
    /// Reads a space-separated list.
    pub fn parse(text: &str) -> Result<Scopes, ScopeError> {
        if text.len() > MOST_BYTES || text.split_ascii_whitespace().count() > MOST_SCOPES {
            return Err(ScopeError::Many);
        }
        let scopes = text.split_ascii_whitespace().map(Scope::parse);
        Ok(Scopes::of(scopes.collect::<Result<_, _>>()?))
    }

    /// Joins scopes of one type under the same conditions, and drops what another scope permits anyway.
    fn of(mut scopes: Vec<Scope>) -> Scopes {
        scopes.sort();
        let mut joined: Vec<Scope> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            match joined.last_mut() {
                Some(last) if last.of == scope.of && last.only == scope.only => last.join(&scope),
                _ => joined.push(scope),
            }
        }
        joined.retain(|scope| !scope.may.is_empty());
        let needless = |at: usize| {
            let others = joined.iter().enumerate().filter(|(other, _)| *other != at);
            others
                .map(|(_, other)| other)
                .any(|other| other.covers(&joined[at]))
        };
        let needed: Vec<bool> = (0..joined.len()).map(|at| !needless(at)).collect();
        let mut needed = needed.into_iter();
        joined.retain(|_| needed.next().unwrap_or(true));
        Scopes(joined)
    }

    /// What is both asked for and registered: of a granular scope and a plain one the granular, of two granular ones both
    /// conditions.
    pub fn narrowed_to(&self, registered: &Scopes) -> Scopes {
        let pairs = self
            .0
            .iter()
            .flat_map(|asked| registered.0.iter().filter_map(|known| asked.narrowed_to(known)));
        Scopes::of(pairs.collect())
    }

    /// Without permissions to write what nobody may write here.
    pub fn writing_only(mut self, types: &[&str]) -> Scopes {
        for scope in &mut self.0 {
            if scope.of != "*" && !types.contains(&scope.of.as_str()) {
                scope.may = scope.may.and(Permissions::READING);
            }
        }
        Scopes::of(self.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does some scope let its holder read resources of this type, perhaps not all of them?
    pub fn may_read(&self, resource_type: &str) -> bool {
        self.may(Permission::Read, resource_type)
    }

    /// Does some scope let its holder search this type, and find perhaps not all of it?
    pub fn may_search(&self, resource_type: &str) -> bool {
        self.may(Permission::Search, resource_type)
    }

    pub fn may_create(&self, resource_type: &str) -> bool {
        self.may(Permission::Create, resource_type)
    }

    /// Update and patch.
    pub fn may_update(&self, resource_type: &str) -> bool {
        self.may(Permission::Update, resource_type)
    }

    pub fn may_delete(&self, resource_type: &str) -> bool {
        self.may(Permission::Delete, resource_type)
    }

    /// Is this permitted for every resource of the type, whatever is in it?
    pub fn may_all(&self, permission: Permission, resource_type: &str) -> bool {
        self.with(permission, resource_type)
            .any(|scope| scope.only.is_empty())
    }

    /// Is this permitted for a released resource of the type with these search values? Reads, matches of a search and
    /// included resources are each asked about.
    pub fn permits(&self, permission: Permission, resource_type: &str, values: &Values) -> bool {
        self.with(permission, resource_type)
            .any(|scope| scope.only.iter().all(|condition| condition.holds(values)))
    }

    /// Is this of a type that is read under conditions alone, none of which it meets? Of a type that no scope names nothing is
    /// left out: it is not there anyway, but where a document says of it.
    pub fn leaves_out(&self, resource_type: &str, values: &Values) -> bool {
        let reads = |scope: &&Scope| !scope.may.and(Permissions::READING).is_empty();
        let on_type = |scope: &&Scope| scope.of == "*" || scope.of == resource_type;
        let mut reading = self.0.iter().filter(on_type).filter(reads).peekable();
        reading.peek().is_some()
            && !reading.any(|scope| scope.only.iter().all(|condition| condition.holds(values)))
    }

    fn may(&self, permission: Permission, resource_type: &str) -> bool {
        self.with(permission, resource_type).next().is_some()
    }

    fn with<'s>(&'s self, permission: Permission, resource_type: &'s str) -> impl Iterator<Item = &'s Scope> {
        let fits = move |scope: &&Scope| {
            (scope.of == "*" || scope.of == resource_type) && scope.may.allows(permission)
        };
        self.0.iter().filter(fits)
    }
}

impl Scope {
    fn join(&mut self, other: &Scope) {
        self.may = self.may.or(other.may);
        self.first_version &= other.first_version;
    }

    fn covers(&self, other: &Scope) -> bool {
        (self.of == "*" || self.of == other.of)
            && self.may.and(other.may) == other.may
            && self.only.iter().all(|condition| other.only.contains(condition))
    }

    fn narrowed_to(&self, registered: &Scope) -> Option<Scope> {
        let of = match (self.of.as_str(), registered.of.as_str()) {
            ("*", of) | (of, "*") => of,
            (asked, known) if asked == known => asked,
            _ => return None,
        };
        let mut only = self.only.clone();
        only.extend(registered.only.iter().cloned());
        only.sort();
        only.dedup();
        Some(Scope {
            of: of.to_owned(),
            only,
            may: self.may.and(registered.may),
            first_version: self.first_version,
        })
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, scope) in self.0.iter().enumerate() {
            write!(f, "{}{scope}", if number == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
