//! A client's public keys. <https://www.rfc-editor.org/rfc/rfc7517>
//!
//! What is acceptable comes from the key, never from a token's header: RSA (2048 bits or more) takes RS384 and RS256, P-384
//! ES384, P-256 ES256; a key that states its `alg` takes that one alone. Keys of other uses (`use: enc`, `key_ops` without
//! `verify`, other kinds) are passed over. A set with a private key in it is refused: its owner has just lost it.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::{ALGORITHMS, Algorithm, Family};

/// More keys than this are nobody's rotation.
const MOST_KEYS: usize = 64;
const MOST_KID: usize = 256;
/// An RSA modulus in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// One key, parsed once; it verifies without being read again.
#[derive(Clone, Debug)]
pub struct ClientKey {
    pub kid: String,
    /// What it verifies with each algorithm it takes.
    with: Vec<(Algorithm, ParsedPublicKey)>,
}

impl ClientKey {
    /// `RS384, RS256`: what it takes.
    pub fn algorithms(&self) -> String {
        let names: Vec<&str> = self.with.iter().map(|(algorithm, _)| algorithm.name()).collect();
        names.join(", ")
    }

    pub(super) fn takes(&self, algorithm: Algorithm) -> bool {
        self.with.iter().any(|(one, _)| *one == algorithm)
    }

    /// Did the owner of this key sign `message`?
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.with
            .iter()
            .find(|(one, _)| *one == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

/// Why a key set cannot be used; one sentence for the person who sent it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct JwksError(pub String);

/// Where a set stands says what else must hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Registered here: each signing key has a `kid` of its own, so that a mistake is found before it matters.
    Inline,
    /// Read from its owner's address: a key without a usable `kid` is passed over; of two with one `kid` neither verifies.
    AtUrl,
}

/// Reads `{"keys": […]}`: its signing keys.
pub fn parse_jwks(jwks: &Value, kept: Kept) -> Result<Vec<ClientKey>, JwksError> {
    let refuse = |why: &str| JwksError(why.to_owned());
    let keys = jwks["keys"]
        .as_array()
        .ok_or_else(|| refuse("a JWKS is an object with a list `keys`"))?;
    if keys.len() > MOST_KEYS {
        return Err(refuse("more than 64 keys"));
    }
    let mut known: Vec<ClientKey> = Vec::with_capacity(keys.len());
    let mut passed_over = None;
    for (index, jwk) in keys.iter().enumerate() {
        let at = |why: &str| JwksError(format!("keys[{index}]: {why}"));
        match read(jwk) {
            Ok(key) if kept == Kept::Inline && known.iter().any(|k| k.kid == key.kid) => {
                return Err(at("two keys share a `kid`"));
            }
            Ok(key) => known.push(key),
            Err(Unusable::Private) => return Err(at(PRIVATE)),
            Err(Unusable::Wrong(why)) if kept == Kept::Inline => return Err(at(why)),
            Err(Unusable::Wrong(why) | Unusable::OtherUse(why)) => {
                passed_over.get_or_insert_with(|| at(why));
            }
        }
    }
    match (known.is_empty(), passed_over) {
        (false, _) => Ok(known),
        (true, Some(why)) => Err(why),
        (true, None) => Err(refuse("the key set is empty")),
    }
}

const PRIVATE: &str = "this is a private key; give the public part only, and make a new pair";

enum Unusable {
    Private,
    /// A key of another kind or use: no mistake.
    OtherUse(&'static str),
    /// Meant to be a signing key.
    Wrong(&'static str),
}

fn read(jwk: &Value) -> Result<ClientKey, Unusable> {
    let text = |name: &str| jwk[name].as_str().filter(|t| !t.is_empty());
    if ["d", "p", "q", "dp", "dq", "qi", "k"]
        .iter()
        .any(|name| !jwk[name].is_null())
    {
        return Err(Unusable::Private);
    }
    for_signatures(jwk)?;
    let with = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => rsa(jwk)?,
        (Some("EC"), Some(crv)) => curve(jwk, crv)?,
        _ => return Err(Unusable::OtherUse(SUPPORTED)),
    };
    let with = match text("alg") {
        None => with,
        Some(alg) => with.into_iter().filter(|(one, _)| one.name() == alg).collect(),
    };
    if with.is_empty() {
        return Err(Unusable::OtherUse(
            "its `alg` is none of RS384, ES384, RS256, ES256, or not of its kind",
        ));
    }
    let kid = text("kid").filter(|kid| kid.len() <= MOST_KID);
    let kid = kid.ok_or(Unusable::Wrong("`kid` is missing, or longer than 256 bytes"))?;
    Ok(ClientKey {
        kid: kid.to_owned(),
        with,
    })
}

const SUPPORTED: &str = "supported keys: RSA (RS384, RS256) and EC with crv P-384 (ES384) or P-256 (ES256)";

/// `use` and `key_ops`, where stated, say that it verifies.
fn for_signatures(jwk: &Value) -> Result<(), Unusable> {
    let (stated, ops) = (&jwk["use"], &jwk["key_ops"]);
    let verifies = ops
        .as_array()
        .is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    if (stated.is_null() || stated == "sig") && (ops.is_null() || verifies) {
        Ok(())
    } else {
        Err(Unusable::OtherUse(
            "`use` or `key_ops` says it is not for signatures",
        ))
    }
}

fn part(jwk: &Value, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = jwk[name].as_str().filter(|text| !text.is_empty());
    let text = text.ok_or(Unusable::Wrong("a key component is missing"))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Unusable::Wrong("a key component is not base64url"))
}

type With = Vec<(Algorithm, ParsedPublicKey)>;

fn rsa(jwk: &Value) -> Result<With, Unusable> {
    let (n, e) = (part(jwk, "n")?, part(jwk, "e")?);
    if !MODULUS.contains(&n.len()) {
        return Err(Unusable::Wrong("an RSA key has 2048 to 8192 bits"));
    }
    let components = PublicKeyComponents { n: &n, e: &e };
    let mut with = With::new();
    for algorithm in ALGORITHMS {
        if let Family::Rsa(rsa) = algorithm.family() {
            let parsed = components.to_parsed_public_key(rsa.verifying);
            with.push((
                algorithm,
                parsed.map_err(|_| Unusable::Wrong("the key does not parse"))?,
            ));
        }
    }
    Ok(with)
}

fn curve(jwk: &Value, crv: &str) -> Result<With, Unusable> {
    for algorithm in ALGORITHMS {
        let Family::Curve(curve) = algorithm.family() else {
            continue;
        };
        if curve.crv != crv {
            continue;
        }
        let (x, y) = (part(jwk, "x")?, part(jwk, "y")?);
        if x.len() != curve.coordinate || y.len() != curve.coordinate {
            return Err(Unusable::Wrong("a coordinate has not the length of its curve"));
        }
        // An uncompressed point.
        let point = [&[4][..], &x, &y].concat();
        let parsed = ParsedPublicKey::new(curve.verifying, point);
        let key = parsed.map_err(|_| Unusable::Wrong("the point is not on its curve"))?;
        return Ok(vec![(algorithm, key)]);
    }
    Err(Unusable::OtherUse(SUPPORTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyPair;
    use serde_json::json;

    fn jwk(algorithm: Algorithm, change: &dyn Fn(&mut Value)) -> Value {
        let mut jwk = KeyPair::generate(algorithm, "k")
            .expect("key")
            .public_jwk()
            .clone();
        change(&mut jwk);
        jwk
    }

    fn why(jwk: Value) -> String {
        match parse_jwks(&json!({"keys": [jwk]}), Kept::Inline) {
            Err(error) => error.0,
            Ok(keys) => keys[0].algorithms(),
        }
    }

    #[test]
    fn the_key_says_what_it_takes() {
        let nameless = |jwk: &mut Value| {
            jwk.as_object_mut().expect("an object").remove("alg");
        };
        for (algorithm, takes) in [
            (Algorithm::Rs384, "RS384, RS256"),
            (Algorithm::Es384, "ES384"),
            (Algorithm::Es256, "ES256"),
        ] {
            assert_eq!(why(jwk(algorithm, &nameless)), takes);
        }
        assert_eq!(why(jwk(Algorithm::Rs256, &|_| ())), "RS256", "it states one");
        assert!(why(jwk(Algorithm::Es384, &|k| k["alg"] = "ES256".into())).contains("`alg`"));
    }

    #[test]
    fn private_short_nameless_foreign_and_broken_keys_are_refused() {
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(Algorithm, Change<'_>, &str); 10] = [
            (Algorithm::Es384, &|k| k["d"] = "AA".into(), "private"),
            (Algorithm::Rs384, &|k| k["dp"] = "AA".into(), "private"),
            (Algorithm::Es384, &|k| k["kid"] = Value::Null, "kid"),
            (Algorithm::Rs384, &|k| k["n"] = "AQAB".into(), "2048"),
            (Algorithm::Es384, &|k| k["x"] = k["y"].clone(), "curve"),
            (Algorithm::Es384, &|k| k["x"] = "AA".into(), "length"),
            (Algorithm::Es384, &|k| k["x"] = "*".into(), "base64url"),
            (Algorithm::Es384, &|k| k["crv"] = "P-521".into(), "supported"),
            (Algorithm::Es384, &|k| k["use"] = "enc".into(), "signatures"),
            (
                Algorithm::Es384,
                &|k| k["key_ops"] = json!(["sign"]),
                "signatures",
            ),
        ];
        for (algorithm, change, expected) in cases {
            let said = why(jwk(algorithm, change));
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(why(json!({"kty": "oct", "kid": "a"})).contains("supported"));
        for set in [json!({"keys": []}), json!([])] {
            assert!(parse_jwks(&set, Kept::Inline).is_err());
        }
    }

    #[test]
    fn keys_of_other_uses_stand_beside_a_signing_key_and_a_fetched_set_forgives_more() {
        let signing = jwk(Algorithm::Es384, &|_| ());
        let sealing = jwk(Algorithm::Rs384, &|k| {
            (k["use"], k["kid"]) = ("enc".into(), "e".into())
        });
        let nameless = jwk(Algorithm::Es384, &|k| k["kid"] = Value::Null);
        let set = |keys: &[&Value]| json!({"keys": keys});
        assert_eq!(
            parse_jwks(&set(&[&sealing, &signing]), Kept::Inline).map(|k| k.len()),
            Ok(1)
        );
        assert!(parse_jwks(&set(&[&signing, &nameless]), Kept::Inline).is_err());
        assert!(parse_jwks(&set(&[&signing, &signing]), Kept::Inline).is_err());
        let at_url = |keys: &[&Value]| parse_jwks(&set(keys), Kept::AtUrl).map(|keys| keys.len());
        assert_eq!(at_url(&[&signing, &nameless]), Ok(1));
        assert_eq!(at_url(&[&signing, &signing]), Ok(2), "and then neither verifies");
    }
}
