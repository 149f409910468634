//! The client assertion of SMART Backend Services, verified against the keys registered for its client.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>
//!
//! Every defect is the same `invalid_client` to the caller; the reason goes to the operator's log only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_rules::fhir::{Instant, Now, json};
use serde_json::Value;

use super::jwks::ClientKey;

/// A token may live five minutes.
pub const MAX_LIFETIME_SECONDS: i64 = 300;
/// Clocks differ: stock clients sign exactly now + 300 s.
pub const LEEWAY_SECONDS: i64 = 60;

const MAX_BYTES: usize = 16 * 1024;

/// What a verified assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub client: String,
    pub jti: String,
    /// Until when the `jti` must be remembered.
    pub remember_until: Instant,
    /// `purpose_of_use` of the `hl7-b2b` extension, as sent.
    pub purposes: Vec<String>,
    pub subject_name: Option<String>,
    pub subject_id: Option<String>,
    pub subject_role: Option<String>,
}

/// Why an assertion is refused: for the operator's log, never for the caller.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("client assertion refused: {0}")]
pub struct Refused(pub &'static str);

struct Parts {
    header: Value,
    claims: Value,
    signed: String,
    signature: String,
}

/// The `iss` of an assertion not yet verified: whose keys to look up.
pub fn claimed_client(assertion: &str) -> Result<String, Refused> {
    let parts = split(assertion)?;
    parts.claims["iss"]
        .as_str()
        .map(str::to_owned)
        .ok_or(Refused("no `iss`"))
}

/// Verifies signature and claims. `audience` is the token endpoint's public address.
pub fn verify(assertion: &str, keys: &[ClientKey], audience: &str, now: &Now) -> Result<Assertion, Refused> {
    let parts = split(assertion)?;
    let key = find_key(&parts.header, keys)?;
    let valid =
        jsonwebtoken::crypto::verify(&parts.signature, parts.signed.as_bytes(), &key.key, key.algorithm);
    if !valid.unwrap_or(false) {
        return Err(Refused("signature does not verify"));
    }
    check_claims(&parts.claims, audience, now)
}

fn split(assertion: &str) -> Result<Parts, Refused> {
    if assertion.len() > MAX_BYTES {
        return Err(Refused("too long"));
    }
    let (signed, signature) = assertion.rsplit_once('.').ok_or(Refused("not a JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or(Refused("not a JWT"))?;
    let parse = |part: &str| {
        let bytes = URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| Refused("not base64url"))?;
        json::parse(&bytes).map_err(|_| Refused("not the JSON of a JWT"))
    };
    Ok(Parts {
        header: parse(header)?,
        claims: parse(claims)?,
        signed: signed.to_owned(),
        signature: signature.to_owned(),
    })
}

/// The one registered key with this `kid`, whose own algorithm the header must name.
fn find_key<'k>(header: &Value, keys: &'k [ClientKey]) -> Result<&'k ClientKey, Refused> {
    if !header["crit"].is_null() {
        return Err(Refused("`crit` names an extension nobody here knows"));
    }
    if !header["jku"].is_null() {
        return Err(Refused("`jku` given, but the keys are registered inline"));
    }
    if header["typ"]
        .as_str()
        .is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT"))
    {
        return Err(Refused("`typ` is not JWT"));
    }
    let kid = header["kid"].as_str().ok_or(Refused("no `kid`"))?;
    let mut matching = keys.iter().filter(|key| key.kid == kid);
    let key = matching.next().ok_or(Refused("unknown `kid`"))?;
    if matching.next().is_some() {
        return Err(Refused("`kid` is not unique"));
    }
    if header["alg"].as_str() == Some(key.algorithm()) {
        Ok(key)
    } else {
        Err(Refused("`alg` is not the key's"))
    }
}

fn check_claims(claims: &Value, audience: &str, now: &Now) -> Result<Assertion, Refused> {
    let text = |name: &str| claims[name].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let client = text("iss").ok_or(Refused("no `iss`"))?;
    if text("sub").as_ref() != Some(&client) {
        return Err(Refused("`sub` is not `iss`"));
    }
    if !names_audience(&claims["aud"], audience) {
        return Err(Refused("`aud` is not the token endpoint"));
    }
    let jti = text("jti")
        .filter(|jti| jti.len() <= 256)
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
    let b2b = &claims["extensions"]["hl7-b2b"];
    let from_b2b = |name: &str| {
        b2b[name]
            .as_str()
            .filter(|t| !t.is_empty() && t.len() <= 256)
            .map(str::to_owned)
    };
    Ok(Assertion {
        client,
        jti,
        remember_until,
        purposes: purposes(&b2b["purpose_of_use"]),
        subject_name: from_b2b("subject_name"),
        subject_id: from_b2b("subject_id"),
        subject_role: from_b2b("subject_role"),
    })
}

fn names_audience(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|one| one == audience),
        _ => false,
    }
}

fn purposes(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// NumericDate; a fraction is cut off.
fn seconds(value: &Value) -> Option<Instant> {
    let number = value.as_number()?.to_string();
    let whole = number.split('.').next()?.parse::<i64>().ok()?;
    whole.checked_mul(1_000_000).map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{KeyKind, KeyPair, parse_jwks};
    use serde_json::json;

    const AUD: &str = "https://postern.test/auth/token";
    const AT: i64 = 1_800_000_000;

    fn claims(change: &dyn Fn(&mut Value)) -> Value {
        let mut claims = json!({"iss": "c", "sub": "c", "aud": AUD, "exp": AT + 300, "jti": "1"});
        change(&mut claims);
        claims
    }

    fn refusal(header: Value, claims: &Value) -> Option<&'static str> {
        let pair = KeyPair::generate(KeyKind::Es384, "k1").expect("key");
        let keys = parse_jwks(&json!({"keys": [pair.public_jwk()]})).expect("keys");
        let token = pair.sign(&header, claims).expect("signed");
        let now = Now::new(Instant(AT * 1_000_000));
        verify(&token, &keys, AUD, &now).err().map(|r| r.0)
    }

    fn header() -> Value {
        json!({"alg": "ES384", "kid": "k1", "typ": "JWT"})
    }

    #[test]
    fn a_right_assertion_passes_also_when_signed_for_exactly_five_minutes() {
        assert_eq!(refusal(header(), &claims(&|_| ())), None);
        assert_eq!(refusal(header(), &claims(&|c| c["exp"] = json!(AT + 360))), None);
    }

    #[test]
    fn every_defect_of_the_claims_is_refused() {
        type Change<'a> = &'a dyn Fn(&mut Value);
        let cases: [(Change<'_>, &str); 9] = [
            (&|c| c["sub"] = json!("other"), "`sub` is not `iss`"),
            (
                &|c| c["aud"] = json!("https://elsewhere"),
                "`aud` is not the token endpoint",
            ),
            (&|c| c["exp"] = json!(AT - 61), "expired"),
            (
                &|c| c["exp"] = json!(AT + 3600),
                "`exp` is more than five minutes ahead",
            ),
            (&|c| c["exp"] = json!("soon"), "no `exp`"),
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
            (json!({"alg": "none", "kid": "k1"}), "`alg` is not the key's"),
            (json!({"alg": "HS256", "kid": "k1"}), "`alg` is not the key's"),
            (json!({"alg": "RS384", "kid": "k1"}), "`alg` is not the key's"),
            (
                json!({"alg": "ES384", "kid": "k1", "jku": "https://evil"}),
                "`jku` given, but the keys are registered inline",
            ),
            (
                json!({"alg": "ES384", "kid": "k1", "crit": ["x"]}),
                "`crit` names an extension nobody here knows",
            ),
        ];
        for (header, why) in cases {
            assert_eq!(refusal(header, &claims(&|_| ())), Some(why));
        }
    }

    #[test]
    fn another_key_with_the_same_kid_does_not_verify() {
        let registered = KeyPair::generate(KeyKind::Es384, "k1").expect("key");
        let other = KeyPair::generate(KeyKind::Es384, "k1").expect("key");
        let keys = parse_jwks(&json!({"keys": [registered.public_jwk()]})).expect("keys");
        let token = other.sign(&header(), &claims(&|_| ())).expect("signed");
        let now = Now::new(Instant(AT * 1_000_000));
        assert_eq!(
            verify(&token, &keys, AUD, &now),
            Err(Refused("signature does not verify"))
        );
    }
}
