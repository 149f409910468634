//! Logical ids that say nothing: the same record gets the same id, and nobody without the key can guess or link it.
//! <https://hl7.org/fhir/R4/datatypes.html#id>

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The first 128 bits of HMAC-SHA-256(key, parts), as 32 hexadecimal digits.
///
/// `parts` are namespace, type and the identifier's pieces. Each goes in behind its length, so no two different
/// lists meet in one id. No part, an empty part or an empty key is an error.
pub fn resource_id(key: &[u8], parts: &[&str]) -> Result<String, &'static str> {
    if key.is_empty() {
        return Err("the id key is empty");
    }
    if parts.is_empty() || parts.iter().any(|part| part.is_empty()) {
        return Err("an id needs every one of its parts");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let digest = mac.finalize().into_bytes();
    let mut id = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        id.push(char::from(HEX[usize::from(byte >> 4)]));
        id.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_every_part_and_its_limits() {
        let id = |parts: &[&str]| resource_id(b"key", parts).expect("an id");
        assert_eq!(id(&["ns", "Patient", "1"]), id(&["ns", "Patient", "1"]));
        assert_ne!(id(&["ns", "Patient", "1"]), id(&["nsP", "atient", "1"]));
        assert_ne!(id(&["a", "b"]), id(&["ab"]));
        assert_ne!(id(&["a"]), resource_id(b"other", &["a"]).expect("an id"));
        assert!(super::super::primitive::is_id(&id(&["a"])) && id(&["a"]).len() == 32);
        assert!(resource_id(b"key", &["a", ""]).is_err() && resource_id(b"key", &[]).is_err());
        assert!(resource_id(b"", &["a"]).is_err());
    }
}
