//! A key pair of Postern's own: for its SMART client, the demo's partners and tests.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Es384,
    Rs384,
}

pub struct KeyPair {
    kind: KeyKind,
    kid: String,
    private: EncodingKey,
    public: Value,
}

/// The cryptography library could not make or use a key.
#[derive(Debug, thiserror::Error)]
#[error("key could not be made or used")]
pub struct KeyError;

impl KeyPair {
    /// A fresh pair (P-384, or RSA of 3072 bits).
    pub fn generate(kind: KeyKind, kid: &str) -> Result<KeyPair, KeyError> {
        match kind {
            KeyKind::Es384 => es384(kid),
            KeyKind::Rs384 => rs384(kid),
        }
    }

    pub fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// A compact JWS with exactly this header and these claims; tests sign defects with it.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let algorithm = match self.kind {
            KeyKind::Es384 => Algorithm::ES384,
            KeyKind::Rs384 => Algorithm::RS384,
        };
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, algorithm).map_err(|_| KeyError)?;
        Ok(format!("{signed}.{signature}"))
    }

    /// The header a client sends.
    pub fn header(&self) -> Value {
        let alg = match self.kind {
            KeyKind::Es384 => "ES384",
            KeyKind::Rs384 => "RS384",
        };
        json!({"alg": alg, "kid": self.kid, "typ": "JWT"})
    }
}

fn es384(kid: &str) -> Result<KeyPair, KeyError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|_| KeyError)?;
    let point = pair.public_key().as_ref();
    // An uncompressed point: 0x04, then x and y of 48 bytes each.
    let (Some(x), Some(y)) = (point.get(1..49), point.get(49..97)) else {
        return Err(KeyError);
    };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = json!({"kty": "EC", "crv": "P-384", "kid": kid, "alg": "ES384", "use": "sig",
        "x": encode(x), "y": encode(y)});
    let private = pair.to_pkcs8v1().map_err(|_| KeyError)?;
    let private = EncodingKey::from_ec_der(private.as_ref());
    Ok(KeyPair {
        kind: KeyKind::Es384,
        kid: kid.to_owned(),
        private,
        public,
    })
}

fn rs384(kid: &str) -> Result<KeyPair, KeyError> {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa3072).map_err(|_| KeyError)?;
    let modulus = pair
        .public_key()
        .modulus()
        .big_endian_without_leading_zero()
        .to_vec();
    let exponent = pair
        .public_key()
        .exponent()
        .big_endian_without_leading_zero()
        .to_vec();
    let public = json!({"kty": "RSA", "kid": kid, "alg": "RS384", "use": "sig",
        "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent)});
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError)?;
    let private = EncodingKey::from_rsa_pem(pem(private.as_ref()).as_bytes()).map_err(|_| KeyError)?;
    Ok(KeyPair {
        kind: KeyKind::Rs384,
        kid: kid.to_owned(),
        private,
        public,
    })
}

/// PKCS #8 as PEM: the form in which the JWT library takes an RSA key of that kind.
fn pem(pkcs8: &[u8]) -> String {
    let body = STANDARD.encode(pkcs8);
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::parse_jwks;

    #[test]
    fn both_kinds_sign_and_register() {
        for kind in [KeyKind::Es384, KeyKind::Rs384] {
            let pair = KeyPair::generate(kind, "k").expect("key");
            assert!(pair.sign(&pair.header(), &json!({"a": 1})).is_ok(), "{kind:?}");
            assert!(
                parse_jwks(&json!({"keys": [pair.public_jwk()]})).is_ok(),
                "{kind:?}"
            );
        }
    }
}
