//! Bearer secrets: looked up by SHA-256, never stored. <https://www.rfc-editor.org/rfc/rfc6750>

use sha2::{Digest as _, Sha256};

/// A token as it came in. Its text is not printed.
pub struct Bearer(String);

/// The token of an `Authorization: Bearer …` header value; `None` for another scheme, an empty or a huge one.
pub fn bearer(header: Option<&str>) -> Option<Bearer> {
    let (scheme, token) = header?.split_once(' ')?;
    let token = token.trim();
    let usable = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= 512;
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
