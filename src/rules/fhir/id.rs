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
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let digest = seal(key, &parts);
    let mut id = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        id.push(char::from(HEX[usize::from(byte >> 4)]));
        id.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Ok(id)
}

/// HMAC-SHA-256(key, parts), each part behind its length: what only the holder of the key can make.
pub fn seal(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    mac(key, parts).finalize().into_bytes().into()
}

/// Does `tag` begin the seal of these parts? Compared in constant time; a tag below 128 bits never does.
pub fn is_sealed(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    tag.len() >= 16 && mac(key, parts).verify_truncated_left(tag).is_ok()
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
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

    #[test]
    fn a_seal_is_known_by_its_first_half_and_by_no_less() {
        let parts: [&[u8]; 2] = [b"a", b""];
        let tag = seal(b"key", &parts);
        assert!(is_sealed(b"key", &parts, &tag) && is_sealed(b"key", &parts, &tag[..16]));
        assert!(!is_sealed(b"key", &parts, &tag[..15]) && !is_sealed(b"key", &[b"a"], &tag));
        assert!(!is_sealed(b"other", &parts, &tag));
    }
}
