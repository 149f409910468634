//! One scope as text, read and written. <https://www.rfc-editor.org/rfc/rfc6749#section-3.3>

use std::fmt;

use super::condition::Condition;
use super::permission::Permissions;
use super::{Scope, ScopeError};

/// Scopes of other flows. Nobody signs in here, so there is nothing they could stand for.
const OTHER_CONTEXTS: &[&str] = &[
    "patient/",
    "user/",
    "launch",
    "openid",
    "fhirUser",
    "profile",
    "offline_access",
    "online_access",
];

impl Scope {
    pub(super) fn parse(text: &str) -> Result<Scope, ScopeError> {
        if OTHER_CONTEXTS.iter().any(|other| text.starts_with(other)) {
            return Err(ScopeError::Context);
        }
        let rest = text.strip_prefix("system/").ok_or(ScopeError::Form)?;
        let (plain, conditions) = match rest.split_once('?') {
            None => (rest, None),
            Some((plain, conditions)) => (plain, Some(conditions)),
        };
        let (of, letters) = plain.split_once('.').ok_or(ScopeError::Form)?;
        let named =
            of.starts_with(|c: char| c.is_ascii_uppercase()) && of.bytes().all(|b| b.is_ascii_alphabetic());
        if of != "*" && !named {
            return Err(ScopeError::Form);
        }
        let (may, first_version) = match letters {
            "read" => (Permissions::READING, true),
            "write" => (Permissions::WRITING, true),
            "*" => (Permissions::ALL, true),
            _ => (Permissions::parse(letters).ok_or(ScopeError::Form)?, false),
        };
        let only = match conditions {
            None => Vec::new(),
            Some(_) if of == "*" || first_version => return Err(ScopeError::Granular),
            Some(text) => conditions_of(text, of)?,
        };
        Ok(Scope {
            of: of.to_owned(),
            only,
            may,
            first_version,
        })
    }
}

fn conditions_of(text: &str, of: &str) -> Result<Vec<Condition>, ScopeError> {
    let conditions = text.split('&').map(|pair| Condition::parse(pair, of));
    let mut conditions = conditions.collect::<Result<Vec<_>, _>>()?;
    conditions.sort();
    conditions.dedup();
    Ok(conditions)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = match self.may {
            Permissions::READING if self.first_version => "read".to_owned(),
            Permissions::WRITING if self.first_version => "write".to_owned(),
            Permissions::ALL if self.first_version => "*".to_owned(),
            other => other.letters(),
        };
        write!(f, "system/{}.{letters}", self.of)?;
        for (number, condition) in self.only.iter().enumerate() {
            write!(f, "{}{condition}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
