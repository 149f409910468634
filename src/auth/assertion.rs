//! The client assertion of SMART Backend Services, verified against the keys registered for its client.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! <https://www.rfc-editor.org/rfc/rfc7523#section-3>
//!
//! Every defect is the same `invalid_client` to the caller; the reason goes to the operator's log only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_rules::fhir::{Instant, Now, json};
use serde_json::Value;

use super::algorithm::Algorithm;
use super::jwks::ClientKey;

/// A token may live five minutes.
pub const MAX_LIFETIME_SECONDS: i64 = 300;
/// Clocks differ: stock clients sign exactly now + 300 s.
pub const LEEWAY_SECONDS: i64 = 60;

const MAX_BYTES: usize = 16 * 1024;
const MOST_JTI: usize = 256;

/// An assertion as it came, taken apart. Nothing in it is known to be true.
pub struct Unverified<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: &'a str,
}

/// What a verified assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub client: String,
    pub jti: String,
    /// Until when the `jti` must be remembered: as long as this assertion would be taken.
    pub remember_until: Instant,
    /// The claim `extensions`, as sent; null without one.
    pub extensions: Value,
}

/// Why an assertion is refused: for the operator's log, never for the caller.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("client assertion refused: {0}")]
pub struct Refused(pub &'static str);

/// No registered key has this `kid`: worth a look whether the client has new ones.
pub const UNKNOWN_KID: Refused = Refused("unknown `kid`");

impl<'a> Unverified<'a> {
    /// Takes a compact JWS apart. A header or claims that are not JSON, or that name something twice, are refused.
    pub fn read(assertion: &'a str) -> Result<Unverified<'a>, Refused> {
        if assertion.len() > MAX_BYTES {
            return Err(Refused("too long"));
        }
        let (signed, signature) = assertion.rsplit_once('.').ok_or(Refused("not a JWT"))?;
        let (header, claims) = signed.split_once('.').ok_or(Refused("not a JWT"))?;
        let parse = |part: &str| {
            let bytes = decode(part)?;
            json::parse(&bytes).map_err(|_| Refused("not the JSON of a JWT"))
        };
        Ok(Unverified {
            header: parse(header)?,
            claims: parse(claims)?,
            signed,
            signature,
        })
    }

    /// Whose keys to look up.
    pub fn issuer(&self) -> Result<&str, Refused> {
        self.claims["iss"].as_str().ok_or(Refused("no `iss`"))
    }

    /// The address of its keys, where the header states one, must be the registered one.
    pub fn check_key_address(&self, registered: Option<&str>) -> Result<(), Refused> {
        match &self.header["jku"] {
            Value::Null => Ok(()),
            Value::String(stated) if registered == Some(stated) => Ok(()),
            _ => Err(Refused("`jku` is not the registered address of the keys")),
        }
    }

    /// Which key it says signed it.
    pub fn kid(&self) -> Result<&str, Refused> {
        self.header["kid"].as_str().ok_or(Refused("no `kid`"))
    }

    /// The claims alone: what is wrong in them needs no keys to be seen.
    pub fn check(&self, audience: &str, now: &Now) -> Result<(), Refused> {
        check_claims(&self.claims, audience, now).map(|_| ())
    }

    /// Verifies signature and claims. `audience` is the token endpoint's public address.
    pub fn verify(&self, keys: &[ClientKey], audience: &str, now: &Now) -> Result<Assertion, Refused> {
        let (key, algorithm) = self.find_key(keys)?;
        let assertion = check_claims(&self.claims, audience, now)?;
        let signature = decode(self.signature)?;
        if key.verifies(algorithm, self.signed.as_bytes(), &signature) {
            Ok(assertion)
        } else {
            Err(Refused("signature does not verify"))
        }
    }

    /// The one key with this `kid` that takes the algorithm the header names.
    fn find_key<'k>(&self, keys: &'k [ClientKey]) -> Result<(&'k ClientKey, Algorithm), Refused> {
        let header = &self.header;
        if !header["crit"].is_null() {
            return Err(Refused("`crit` names an extension nobody here knows"));
        }
        let typ = &header["typ"];
        let jwt = typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT"));
        if !(typ.is_null() || jwt) {
            return Err(Refused("`typ` is not JWT"));
        }
        let algorithm = header["alg"].as_str().and_then(Algorithm::named);
        let algorithm = algorithm.ok_or(Refused("`alg` is none of ours"))?;
        let kid = self.kid()?;
        let named: Vec<&ClientKey> = keys.iter().filter(|key| key.kid == kid).collect();
        let mut fitting = named.iter().filter(|key| key.takes(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok((*key, algorithm)),
            (Some(_), Some(_)) => Err(Refused("`kid` is not unique")),
            (None, _) if named.is_empty() => Err(UNKNOWN_KID),
            (None, _) => Err(Refused("`alg` is not the key's")),
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused("not base64url"))
}

fn check_claims(claims: &Value, audience: &str, now: &Now) -> Result<Assertion, Refused> {
    let text = |name: &str| claims[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let client = text("iss").ok_or(Refused("no `iss`"))?;
    if text("sub").as_ref() != Some(&client) {
        return Err(Refused("`sub` is not `iss`"));
    }
    if !is_audience(&claims["aud"], audience) {
        return Err(Refused("`aud` is not the token endpoint"));
    }
    let jti = text("jti")
        .filter(|jti| jti.len() <= MOST_JTI)
        .ok_or(Refused("no usable `jti`"))?;
    let expires = seconds(&claims["exp"]).ok_or(Refused("no `exp`"))?;
    let remember_until = expires.plus_seconds(LEEWAY_SECONDS);
    if now.reached(remember_until) {
        return Err(Refused("expired"));
    }
    // `exp` may lie at most five minutes, plus the clocks' difference, ahead.
    if !now.reached(expires.plus_seconds(-MAX_LIFETIME_SECONDS - LEEWAY_SECONDS)) {
        return Err(Refused("`exp` is more than five minutes ahead"));
    }
    for name in ["nbf", "iat"] {
        let given = !claims[name].is_null();
        let begun = seconds(&claims[name]).is_some_and(|t| now.reached(t.plus_seconds(-LEEWAY_SECONDS)));
        if given && !begun {
            return Err(Refused("`nbf` or `iat` lies in the future"));
        }
    }
    Ok(Assertion {
        client,
        jti,
        remember_until,
        extensions: claims["extensions"].clone(),
    })
}

/// Ours alone: an assertion that is also meant for somebody else could be used here by that one.
fn is_audience(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(many) => matches!(many.as_slice(), [one] if one == audience),
        _ => false,
    }
}

/// NumericDate; a fraction is cut off. What stands beyond what a clock can show is no date.
fn seconds(value: &Value) -> Option<Instant> {
    let number = value.as_number()?.to_string();
    let whole = number.split('.').next()?.parse::<i64>().ok()?;
    (0..100_000_000_000)
        .contains(&whole)
        .then(|| Instant(whole * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Kept, KeyPair, parse_jwks};
    use serde_json::json;

    const AUD: &str = "https://postern.test/auth/token";
    const AT: i64 = 1_800_000_000;

    fn claims(change: &dyn Fn(&mut Value)) -> Value {
        let mut claims = json!({"iss": "c", "sub": "c", "aud": AUD, "exp": AT + 300, "jti": "1"});
        change(&mut claims);
        claims
    }

    fn keys(pairs: &[&KeyPair]) -> Vec<ClientKey> {
        let jwks: Vec<&Value> = pairs.iter().map(|pair| pair.public_jwk()).collect();
        parse_jwks(&json!({ "keys": jwks }), Kept::AtUrl).expect("keys")
    }

    fn verified(token: &str, keys: &[ClientKey]) -> Result<Assertion, Refused> {
        let now = Now::new(Instant(AT * 1_000_000));
        Unverified::read(token)?.verify(keys, AUD, &now)
    }

    fn refusal(header: Value, claims: &Value) -> Option<&'static str> {
        let pair = KeyPair::generate(Algorithm::Es384, "k1").expect("key");
        let token = pair.sign(&header, claims).expect("signed");
        verified(&token, &keys(&[&pair])).err().map(|r| r.0)
    }

    fn header() -> Value {
        json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})
    }

    #[test]
    fn a_right_assertion_passes_also_when_signed_for_exactly_five_minutes() {
        assert_eq!(refusal(header(), &claims(&|_| ())), None);
        assert_eq!(refusal(header(), &claims(&|c| c["exp"] = json!(AT + 360))), None);
        assert_eq!(refusal(header(), &claims(&|c| c["aud"] = json!([AUD]))), None);
    }

    #[test]
    fn every_defect_of_the_claims_is_refused() {
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(Change<'_>, &str); 14] = [
            (&|c| c["sub"] = json!("other"), "`sub` is not `iss`"),
            (
                &|c| c["aud"] = json!("https://elsewhere"),
                "`aud` is not the token endpoint",
            ),
            (
                &|c| c["aud"] = json!([AUD, "https://elsewhere"]),
                "`aud` is not the token endpoint",
            ),
            (&|c| c["aud"] = json!([]), "`aud` is not the token endpoint"),
            (&|c| c["exp"] = json!(AT - 60), "expired"),
            (
                &|c| c["exp"] = json!(AT + 3600),
                "`exp` is more than five minutes ahead",
            ),
            (&|c| c["exp"] = json!("soon"), "no `exp`"),
            (&|c| c["exp"] = json!(9_000_000_000_000_000_i64), "no `exp`"),
            (&|c| c["exp"] = json!(-1), "no `exp`"),
            (&|c| c["jti"] = json!(""), "no usable `jti`"),
            (
                &|c| c["nbf"] = json!(AT + 120),
                "`nbf` or `iat` lies in the future",
            ),
            (
                &|c| c["iat"] = json!("yesterday"),
                "`nbf` or `iat` lies in the future",
            ),
            (&|c| c["iss"] = json!(1), "no `iss`"),
            (&|c| c["iss"] = json!(""), "no `iss`"),
        ];
        for (change, why) in cases {
            assert_eq!(refusal(header(), &claims(change)), Some(why));
        }
    }

    #[test]
    fn every_defect_of_the_header_is_refused() {
        let cases = [
            (json!({"alg": "ES384", "typ": "JWT"}), "no `kid`"),
            (json!({"alg": "ES384", "kid": "other"}), "unknown `kid`"),
            (json!({"alg": "ES384", "kid": "../k1"}), "unknown `kid`"),
            (json!({"alg": "ES384", "kid": "k1' OR '1'='1"}), "unknown `kid`"),
            (json!({"alg": "ES384", "kid": ["k1"]}), "no `kid`"),
            (json!({"alg": "none", "kid": "k1"}), "`alg` is none of ours"),
            (json!({"alg": "HS256", "kid": "k1"}), "`alg` is none of ours"),
            (json!({"kid": "k1"}), "`alg` is none of ours"),
            (json!({"alg": "RS384", "kid": "k1"}), "`alg` is not the key's"),
            (json!({"alg": "ES256", "kid": "k1"}), "`alg` is not the key's"),
            (
                json!({"alg": "ES384", "kid": "k1", "typ": "at+jwt"}),
                "`typ` is not JWT",
            ),
            (
                json!({"alg": "ES384", "kid": "k1", "typ": ["JWT"]}),
                "`typ` is not JWT",
            ),
            (
                json!({"alg": "ES384", "kid": "k1", "crit": []}),
                "`crit` names an extension nobody here knows",
            ),
        ];
        for (header, why) in cases {
            assert_eq!(refusal(header, &claims(&|_| ())), Some(why));
        }
    }

    #[test]
    fn the_address_of_the_keys_is_the_registered_one_or_not_stated() {
        let pair = KeyPair::generate(Algorithm::Es384, "k1").expect("key");
        let of = |jku: Value| {
            let mut header = header();
            header["jku"] = jku;
            pair.sign(&header, &claims(&|_| ())).expect("signed")
        };
        let address = |jku: Value, registered| {
            let token = of(jku);
            let unverified = Unverified::read(&token).expect("a JWS");
            unverified.check_key_address(registered).is_ok()
        };
        let at = "https://keys.test/jwks";
        assert!(address(json!(at), Some(at)) && address(Value::Null, Some(at)) && address(Value::Null, None));
        assert!(!address(json!(at), None) && !address(json!("https://keys.test/jwks/"), Some(at)));
        assert!(!address(json!([at]), Some(at)) && !address(json!(""), None));
    }

    #[test]
    fn another_key_with_the_same_kid_does_not_verify_and_two_with_one_kid_verify_nothing() {
        let registered = KeyPair::generate(Algorithm::Es384, "k1").expect("key");
        let other = KeyPair::generate(Algorithm::Es384, "k1").expect("key");
        let token = other.sign(&header(), &claims(&|_| ())).expect("signed");
        assert_eq!(
            verified(&token, &keys(&[&registered])),
            Err(Refused("signature does not verify"))
        );
        assert_eq!(
            verified(&token, &keys(&[&registered, &other])),
            Err(Refused("`kid` is not unique"))
        );
        // Of another kind, it is another key (SMART: consistent `kty`).
        let rsa = KeyPair::generate(Algorithm::Rs384, "k1").expect("key");
        assert!(verified(&token, &keys(&[&rsa, &other])).is_ok());
    }

    #[test]
    fn what_states_something_twice_is_no_assertion() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let twice = format!(
            "{}.{}.AA",
            encode("{\"alg\":\"ES384\",\"alg\":\"none\"}"),
            encode("{}")
        );
        for token in [twice.as_str(), "", "a", "a.b", "..", "e30.e30", "e30=.e30.AA"] {
            assert!(Unverified::read(token).is_err(), "{token}");
        }
        assert!(Unverified::read(&"e".repeat(MAX_BYTES + 1)).is_err());
    }
}
