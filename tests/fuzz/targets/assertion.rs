//! Client assertions, signed by the registered key and not.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use std::sync::LazyLock;

use postern::auth::{
    Algorithm, ClientKey, Kept, KeyPair, LEEWAY_SECONDS, MAX_LIFETIME_SECONDS, Stated, Unverified, parse_jwks,
};
use postern_rules::fhir::{Value, json};
use serde_json::json;

use super::ground::now;
use super::{MARK, two_parts};

const AUDIENCE: &str = "https://postern.test/auth/token";

struct Client {
    pair: KeyPair,
    keys: Vec<ClientKey>,
}

fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let pair = KeyPair::generate(Algorithm::Es384, "key-1").expect("a key");
        let set = json!({"keys": [pair.public_jwk()]});
        let keys = parse_jwks(&set, Kept::Inline).expect("a key set");
        Client { pair, keys }
    });
    &CLIENT
}

/// Header and claims, one line each, signed here; or, on one line, a JWT that nobody here signed. `{now}` is the present.
pub fn target(data: &[u8]) -> bool {
    let seconds = (now().stamp().0 / 1_000_000).to_string();
    let text = String::from_utf8_lossy(data).replace("{now}", &seconds);
    match two_parts(text.as_bytes()) {
        None => {
            assert!(!is_taken(&text), "nobody signed it: {text}");
            false
        }
        Some((header, claims)) => {
            let parts = (json::parse(header.as_bytes()), json::parse(claims));
            matches!(parts, (Ok(header), Ok(claims)) if signed(&header, &claims))
        }
    }
}

fn signed(header: &Value, claims: &Value) -> bool {
    let Ok(assertion) = client().pair.sign(header, claims) else {
        return false;
    };
    let taken = is_taken(&assertion);
    if taken {
        assert_eq!(
            (&header["alg"], &header["kid"]),
            (&json!("ES384"), &json!("key-1"))
        );
        assert_eq!(claims["aud"], AUDIENCE);
        assert!(claims["iss"].is_string() && claims["iss"] == claims["sub"] && claims["jti"].is_string());
        let (now, expires) = (now().stamp().0 / 1_000_000, claims["exp"].as_f64());
        let ahead = expires.expect("a number") - now as f64;
        let most = (MAX_LIFETIME_SECONDS + LEEWAY_SECONDS) as f64;
        assert!(ahead > -(LEEWAY_SECONDS as f64) && ahead <= most, "{ahead}");
        // Without its last byte, or with another, it is nobody's.
        assert!(!is_taken(&assertion[..assertion.len() - 1]));
    }
    taken
}

/// Takes it apart and through each check.
fn is_taken(assertion: &str) -> bool {
    let Ok(unverified) = Unverified::read(assertion) else {
        return false;
    };
    let _ = (unverified.issuer(), unverified.kid());
    let addressed = unverified.check_key_address(None);
    let checked = unverified.check(AUDIENCE, &now());
    let verified = unverified.verify(&client().keys, AUDIENCE, &now());
    let Ok(taken) = verified else {
        return false;
    };
    assert!(checked.is_ok(), "verified is more than checked");
    if let Err(malformed) = Stated::read(&taken.extensions) {
        assert!(!malformed.0.contains(MARK), "{malformed:?}");
    }
    addressed.is_ok()
}
