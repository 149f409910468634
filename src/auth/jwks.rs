//! A partner's public keys, as registered. <https://www.rfc-editor.org/rfc/rfc7517>
//!
//! The algorithm comes from the registered key, never from a token's header: RSA (2048 bits or more) is RS384,
//! P-384 is ES384. A key set with a private key in it is refused: its owner has just lost it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

#[derive(Clone)]
pub struct ClientKey {
    pub kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl ClientKey {
    /// `RS384` or `ES384`.
    pub fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::RS384 => "RS384",
            _ => "ES384",
        }
    }
}

/// Why a key set cannot be registered; one sentence for the person who sent it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct JwksError(pub String);

/// Reads `{"keys": […]}`. Every key needs a `kid` of its own.
pub fn parse_jwks(jwks: &Value) -> Result<Vec<ClientKey>, JwksError> {
    let refuse = |why: &str| JwksError(why.to_owned());
    let keys = jwks["keys"]
        .as_array()
        .ok_or_else(|| refuse("a JWKS is an object with a list `keys`"))?;
    let mut known: Vec<ClientKey> = Vec::with_capacity(keys.len());
    for (index, jwk) in keys.iter().enumerate() {
        let key = parse_key(jwk).map_err(|why| JwksError(format!("keys[{index}]: {why}")))?;
        if known.iter().any(|k| k.kid == key.kid) {
            return Err(JwksError(format!("keys[{index}]: two keys share a `kid`")));
        }
        known.push(key);
    }
    if known.is_empty() {
        Err(refuse("the key set is empty"))
    } else {
        Ok(known)
    }
}

fn parse_key(jwk: &Value) -> Result<ClientKey, &'static str> {
    let text = |name: &str| jwk[name].as_str().filter(|t| !t.is_empty());
    if ["d", "p", "q", "k"].iter().any(|name| !jwk[name].is_null()) {
        return Err("this is a private key; register the public part only, and make a new pair");
    }
    let kid = text("kid").ok_or("`kid` is missing")?.to_owned();
    let part = |name| text(name).ok_or("a key component is missing");
    let (algorithm, key) = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => {
            let modulus = part("n")?;
            if URL_SAFE_NO_PAD.decode(modulus).map_or(0, |n| n.len()) < 256 {
                return Err("an RSA key needs 2048 bits or more");
            }
            (
                Algorithm::RS384,
                DecodingKey::from_rsa_components(modulus, part("e")?),
            )
        }
        (Some("EC"), Some("P-384")) => (
            Algorithm::ES384,
            DecodingKey::from_ec_components(part("x")?, part("y")?),
        ),
        _ => return Err("supported keys: RSA (RS384) and EC with crv P-384 (ES384)"),
    };
    let key = key.map_err(|_| "the key components do not decode")?;
    Ok(ClientKey { kid, algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn private_short_nameless_and_foreign_keys_are_refused() {
        for (jwk, why) in [
            (
                json!({"kty": "EC", "crv": "P-384", "kid": "a", "x": "AA", "y": "AA", "d": "AA"}),
                "private",
            ),
            (json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}), "kid"),
            (
                json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}),
                "2048",
            ),
            (json!({"kty": "oct", "kid": "a"}), "supported"),
        ] {
            let Err(error) = parse_jwks(&json!({"keys": [jwk]})) else {
                unreachable!("refused")
            };
            assert!(error.0.contains(why), "{error}");
        }
        assert!(parse_jwks(&json!({"keys": []})).is_err());
        assert!(parse_jwks(&json!([])).is_err());
    }
}
