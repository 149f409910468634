//! A key pair of Postern's own: for its SMART client, the demo's partners and tests.
//! <https://www.rfc-editor.org/rfc/rfc7518#section-6>

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::algorithm::{Algorithm, Curve, Family};

/// A pair that signs with one algorithm. Nothing prints its private half.
pub struct KeyPair {
    algorithm: Algorithm,
    kid: String,
    private: Private,
    public: Value,
}

enum Private {
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
}

/// The cryptography library could not make or use a key.
#[derive(Debug, thiserror::Error)]
#[error("key could not be made or used")]
pub struct KeyError;

impl KeyPair {
    /// A fresh pair: of the algorithm's curve, or RSA of 3072 bits.
    pub fn generate(algorithm: Algorithm, kid: &str) -> Result<KeyPair, KeyError> {
        let private = match algorithm.family() {
            Family::Rsa(_) => {
                Private::Rsa(aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa3072).map_err(|_| KeyError)?)
            }
            Family::Curve(curve) => {
                Private::Curve(EcdsaKeyPair::generate(curve.signing).map_err(|_| KeyError)?)
            }
        };
        KeyPair::of(algorithm, kid, private)
    }

    /// The pair that `private_pem` or `pkcs8` was written from.
    pub fn from_pkcs8(algorithm: Algorithm, kid: &str, pkcs8: &[u8]) -> Result<KeyPair, KeyError> {
        let private = match algorithm.family() {
            Family::Rsa(_) => Private::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError)?),
            Family::Curve(curve) => {
                Private::Curve(EcdsaKeyPair::from_pkcs8(curve.signing, pkcs8).map_err(|_| KeyError)?)
            }
        };
        KeyPair::of(algorithm, kid, private)
    }

    fn of(algorithm: Algorithm, kid: &str, private: Private) -> Result<KeyPair, KeyError> {
        let mut public = match (&private, algorithm.family()) {
            (Private::Rsa(pair), Family::Rsa(_)) => rsa_jwk(pair),
            (Private::Curve(pair), Family::Curve(curve)) => curve_jwk(pair, &curve)?,
            _ => return Err(KeyError),
        };
        public["kid"] = kid.into();
        public["alg"] = algorithm.name().into();
        public["use"] = "sig".into();
        Ok(KeyPair {
            algorithm,
            kid: kid.to_owned(),
            private,
            public,
        })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// The private half as PKCS #8 (RFC 5208).
    pub fn pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        match &self.private {
            Private::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError)?;
                Ok(der.as_ref().to_vec())
            }
            Private::Curve(pair) => Ok(pair.to_pkcs8v1().map_err(|_| KeyError)?.as_ref().to_vec()),
        }
    }

    /// The private half as `openssl` and stock clients read it.
    pub fn private_pem(&self) -> Result<String, KeyError> {
        let body = STANDARD.encode(self.pkcs8()?);
        let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in body.as_bytes().chunks(64) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        Ok(text)
    }

    /// A compact JWS with exactly this header and these claims; tests sign defects with it.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.signature(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match (&self.private, self.algorithm.family()) {
            (Private::Curve(pair), _) => {
                let signature = pair.sign(&random, message).map_err(|_| KeyError)?;
                Ok(signature.as_ref().to_vec())
            }
            (Private::Rsa(pair), Family::Rsa(rsa)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa.signing, &random, message, &mut signature)
                    .map_err(|_| KeyError)?;
                Ok(signature)
            }
            (Private::Rsa(_), Family::Curve(_)) => Err(KeyError),
        }
    }

    /// The header a client sends.
    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm.name(), "kid": self.kid, "typ": "JWT"})
    }
}

fn rsa_jwk(pair: &RsaKeyPair) -> Value {
    let public = pair.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
    let exponent = public.exponent().big_endian_without_leading_zero().to_vec();
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent)})
}

fn curve_jwk(pair: &EcdsaKeyPair, curve: &Curve) -> Result<Value, KeyError> {
    // An uncompressed point: 0x04, then x and y.
    let point = pair.public_key().as_ref().get(1..).ok_or(KeyError)?;
    if point.len() != 2 * curve.coordinate {
        return Err(KeyError);
    }
    let (x, y) = point.split_at(curve.coordinate);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(json!({"kty": "EC", "crv": curve.crv, "x": encode(x), "y": encode(y)}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::algorithm::ALGORITHMS;
    use crate::auth::{Kept, parse_jwks};

    #[test]
    fn each_kind_signs_registers_and_comes_back_from_what_is_kept_of_it() {
        for algorithm in ALGORITHMS {
            let pair = KeyPair::generate(algorithm, "k").expect("key");
            let keys = parse_jwks(&json!({"keys": [pair.public_jwk()]}), Kept::Inline).expect("registers");
            let kept = pair.pkcs8().expect("kept");
            let again = KeyPair::from_pkcs8(algorithm, "k", &kept).expect("read again");
            assert_eq!(again.public_jwk(), pair.public_jwk());
            let token = again.sign(&again.header(), &json!({"a": 1})).expect("signed");
            let (signed, signature) = token.rsplit_once('.').expect("a JWS");
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            assert!(
                keys[0].verifies(algorithm, signed.as_bytes(), &signature),
                "{algorithm:?}"
            );
            assert!(
                !keys[0].verifies(algorithm, b"something else", &signature),
                "{algorithm:?}"
            );
        }
    }
}
