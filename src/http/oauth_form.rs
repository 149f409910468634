//! The form of an OAuth request: each field at most once. <https://www.rfc-editor.org/rfc/rfc6749#section-3.2>

use std::collections::BTreeMap;

use axum::http::header;

use super::request::Facts;
use crate::auth::Thumbprint;
use crate::gateway::{AboutToken, ClientForm};

/// An assertion has at most 16 KiB, a list of scopes 8.
const MOST_BYTES: usize = 64 * 1024;
const MOST_FIELDS: usize = 32;

/// Fields by name; a field without a value is not there (RFC 6749 3.1).
#[cfg_attr(test, derive(Debug))]
pub struct OauthForm {
    fields: BTreeMap<String, String>,
    authorization: Option<String>,
    certificate: Option<Thumbprint>,
}

/// Why a body is no form; the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAForm {
    Media,
    Large,
    Repeats,
}

impl NotAForm {
    pub fn told(self) -> &'static str {
        match self {
            NotAForm::Media => "send a form: application/x-www-form-urlencoded",
            NotAForm::Large => "the form is too large",
            NotAForm::Repeats => "the form repeats a field",
        }
    }
}

pub fn read(facts: &Facts, body: &[u8]) -> Result<OauthForm, NotAForm> {
    let media = facts.header(header::CONTENT_TYPE).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(NotAForm::Media);
    }
    let authorization = facts.header(header::AUTHORIZATION).map(str::to_owned);
    let form = OauthForm::parse(body, authorization)?;
    Ok(OauthForm {
        certificate: facts.certificate,
        ..form
    })
}

impl OauthForm {
    fn parse(body: &[u8], authorization: Option<String>) -> Result<OauthForm, NotAForm> {
        if body.len() > MOST_BYTES {
            return Err(NotAForm::Large);
        }
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body).into_owned() {
            if fields.len() == MOST_FIELDS {
                return Err(NotAForm::Large);
            }
            if fields.insert(name, value).is_some() {
                return Err(NotAForm::Repeats);
            }
        }
        fields.retain(|_, value| !value.is_empty());
        Ok(OauthForm {
            fields,
            authorization,
            certificate: None,
        })
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.fields.get(name).cloned()
    }

    /// What it states of the client.
    pub fn client(&self) -> ClientForm {
        ClientForm {
            client_assertion_type: self.get("client_assertion_type"),
            client_assertion: self.get("client_assertion"),
            client_id: self.get("client_id"),
            client_secret: self.get("client_secret"),
            authorization: self.authorization.clone(),
            certificate: self.certificate,
        }
    }

    /// Of which token it speaks, and who sends it.
    pub fn about_token(&self) -> AboutToken {
        AboutToken {
            token: self.get("token"),
            client: self.client(),
        }
    }

    /// What `WWW-Authenticate` says to whoever used the header and was refused.
    pub fn scheme(&self) -> Option<&'static str> {
        let header = self.authorization.as_deref()?;
        match header.split(' ').next()?.to_ascii_lowercase().as_str() {
            "basic" => Some("Basic realm=\"token\""),
            "bearer" => Some("Bearer"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_stands_once_and_an_empty_one_not_at_all() {
        let read = |body: &str| OauthForm::parse(body.as_bytes(), None);
        let form = read("grant_type=client_credentials&scope=&x=%41+b").expect("a form");
        assert_eq!(form.get("x").as_deref(), Some("A b"));
        assert_eq!(form.get("scope"), None);
        assert_eq!(read("a=1&a=1").err(), Some(NotAForm::Repeats));
        assert_eq!(read("scope=&scope=").err(), Some(NotAForm::Repeats));
        let many: Vec<String> = (0..40).map(|n| format!("f{n}=1")).collect();
        assert_eq!(read(&many.join("&")).err(), Some(NotAForm::Large));
        assert_eq!(read(&"a".repeat(MOST_BYTES + 1)).err(), Some(NotAForm::Large));
    }
}
