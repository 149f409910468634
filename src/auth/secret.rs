//! Secrets of 256 random bits: bearer tokens and, where a deployment allows them, client secrets. Looked up or compared by
//! their SHA-256, never stored. <https://www.rfc-editor.org/rfc/rfc6750>,
//! <https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1>

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Longer ones are not ours.
const MOST: usize = 512;

/// A token as it came in. Its text is not printed.
pub struct Bearer(String);

/// The token of an `Authorization: Bearer …` header value; `None` for another scheme, an empty or a huge one.
pub fn bearer(header: Option<&str>) -> Option<Bearer> {
    let (scheme, token) = header?.split_once(' ')?;
    let token = token.trim();
    let usable = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MOST;
    usable.then(|| Bearer(token.to_owned()))
}

impl Bearer {
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// SHA-256 of a secret of 256 random bits: fast is right here, there is nothing to guess.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Client id and secret as they came in. Neither is printed.
pub struct ClientSecret {
    pub client: String,
    secret: String,
}

impl ClientSecret {
    /// `client_secret_post`: as form fields.
    pub fn posted(client: &str, secret: &str) -> ClientSecret {
        ClientSecret {
            client: client.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// `client_secret_basic`: the value of an `Authorization: Basic …` header, whose two parts are form-encoded.
    pub fn basic(header: &str) -> Option<ClientSecret> {
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 4 * MOST {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (client, secret) = text.split_once(':')?;
        Some(ClientSecret {
            client: form_decoded(client),
            secret: form_decoded(secret),
        })
    }

    /// Is it the secret with this SHA-256? Takes as long whatever differs.
    pub fn is(&self, registered: &[u8]) -> bool {
        verify_slices_are_equal(&hash(&self.secret), registered).is_ok()
    }
}

fn form_decoded(text: &str) -> String {
    let pair = format!("v={text}");
    // A text with a bare `&` was not encoded by its sender: then it is taken as it stands.
    match form_urlencoded::parse(pair.as_bytes())
        .collect::<Vec<_>>()
        .as_slice()
    {
        [(_, decoded)] => decoded.clone().into_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_read_as_the_framework_writes_it() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let read = ClientSecret::basic(&header("maple%3Astreet:s%2Fe+c%26r")).expect("readable");
        assert_eq!(read.client, "maple:street");
        assert!(read.is(&hash("s/e c&r")) && !read.is(&hash("s/e c&r ")) && !read.is(b"short"));
        assert!(
            ClientSecret::basic(&header("a:b:c"))
                .expect("readable")
                .is(&hash("b:c"))
        );
        for wrong in ["Basic", "Bearer x", "Basic ?", &header("no colon")] {
            assert!(ClientSecret::basic(wrong).is_none(), "{wrong}");
        }
    }
}
