//! A condition of a granular scope: a token search parameter and the values one of which must be there.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>

use std::fmt;

use postern_rules::search::{Kind, Values, parameters};

use super::ScopeError;

/// More values than this are refused.
const MOST_VALUES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    parameter: String,
    /// `code`, `system|code`, `system|` or `|code`; in order.
    any: Vec<String>,
}

impl Condition {
    /// Reads `name=a,b` as it stands in a scope on this type.
    pub(super) fn parse(pair: &str, resource_type: &str) -> Result<Condition, ScopeError> {
        let (name, value) = pair.split_once('=').ok_or(ScopeError::Granular)?;
        let mut served = parameters(resource_type).iter();
        if !served.any(|p| p.code == name && p.kind == Kind::Token) {
            return Err(ScopeError::Granular);
        }
        let decoded = decode(value).ok_or(ScopeError::Granular)?;
        let mut any: Vec<String> = decoded.split(',').map(str::to_owned).collect();
        any.sort();
        any.dedup();
        if any.len() > MOST_VALUES || any.iter().any(|one| one.is_empty() || one == "|") {
            return Err(ScopeError::Granular);
        }
        Ok(Condition {
            parameter: name.to_owned(),
            any,
        })
    }

    /// Does a released resource with these search values have one of them?
    pub(super) fn holds(&self, values: &Values) -> bool {
        self.any.iter().any(|wanted| match wanted.split_once('|') {
            Some((system, code)) => values.has_token(&self.parameter, Some(system), code),
            None => values.has_token(&self.parameter, None, wanted),
        })
    }
}

/// `%xx` decoded; `None` when that is no text. A `+` is a plus: a scope is no form.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = after else {
            return None;
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Condition {
    /// What a scope cannot hold as it is (RFC 6749 3.3) and what would end the value are `%xx`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.parameter)?;
        for (number, value) in self.any.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            for byte in value.bytes() {
                let plain = byte.is_ascii_graphic() && !b"\"\\%&#".contains(&byte);
                match plain {
                    true => write!(f, "{}", char::from(byte))?,
                    false => write!(f, "%{byte:02X}")?,
                }
            }
        }
        Ok(())
    }
}
