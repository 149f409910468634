//! Signed notes: a text followed by lines with the name of a key and its Ed25519 signature.
//! <https://c2sp.org/signed-note>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::digest::hex;

/// The identifier byte of plain Ed25519 signatures over the note text.
const ED25519: u8 = 1;
/// Longest note looked at, in bytes; a checkpoint with a hundred signatures is far below it.
const MAX_NOTE: usize = 64 * 1024;

/// Why a note or a key was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("is not a signed note")]
    Malformed,
    #[error("is not signed by a known key")]
    UnknownKey,
    #[error("has a signature that does not match its text")]
    BadSignature,
    #[error("key names are not empty and hold neither spaces nor '+'")]
    KeyName,
    #[error("is not a verifier key (name+hash+base64)")]
    VerifierKey,
}

/// A private key with its name. It never prints its seed.
pub struct Signer {
    name: String,
    key: SigningKey,
    id: [u8; 4],
}

impl Signer {
    /// `name` is public and should be a schema-less URL; `seed` is the 32-byte Ed25519 private key of RFC 8032.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Signer, NoteError> {
        valid_name(name).then_some(()).ok_or(NoteError::KeyName)?;
        let key = SigningKey::from_bytes(seed);
        let id = key_id(name, &key.verifying_key());
        Ok(Signer {
            name: name.to_owned(),
            key,
            id,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half, to give away.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
            id: self.id,
        }
    }

    fn signature_line(&self, text: &str) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("— {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

/// A public key with its name. `Display` and `parse` use the form `name+hash+base64` of notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
    id: [u8; 4],
}

impl VerifierKey {
    /// Reads `name+hash+base64`; the hash has to be that of the key.
    pub fn parse(text: &str) -> Result<VerifierKey, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::VerifierKey)?;
        let key = match bytes.split_first() {
            Some((&ED25519, rest)) => rest
                .try_into()
                .ok()
                .and_then(|key| VerifyingKey::from_bytes(key).ok()),
            _ => None,
        };
        let key = key.ok_or(NoteError::VerifierKey)?;
        let id = key_id(name, &key);
        if !valid_name(name) || hex(&id) != hash {
            return Err(NoteError::VerifierKey);
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            key,
            id,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex(&self.id), STANDARD.encode(bytes))
    }
}

/// `text` (ending in a newline) with one signature line for each signer; two of them while a key is replaced.
pub fn sign(text: &str, signers: &[&Signer]) -> String {
    let lines: String = signers.iter().map(|signer| signer.signature_line(text)).collect();
    format!("{text}\n{lines}")
}

/// The text of a note, unchecked. Trust it only after `verify`.
pub fn text(note: &str) -> Result<&str, NoteError> {
    split(note).map(|(text, _)| text)
}

/// The text of a note that at least one of `keys` signed. Signatures of other keys are ignored; a wrong one of a
/// known key refuses the note.
pub fn verify<'n>(note: &'n str, keys: &[VerifierKey]) -> Result<&'n str, NoteError> {
    let (text, lines) = split(note)?;
    let mut signed = false;
    for line in lines.lines() {
        let (name, id, signature) = signature_parts(line).ok_or(NoteError::Malformed)?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == id) else {
            continue;
        };
        let signature = Signature::from_slice(&signature).map_err(|_| NoteError::BadSignature)?;
        key.key
            .verify_strict(text.as_bytes(), &signature)
            .map_err(|_| NoteError::BadSignature)?;
        signed = true;
    }
    if signed {
        Ok(text)
    } else {
        Err(NoteError::UnknownKey)
    }
}

/// Text with its final newline, and the signature lines after the last blank line.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let strange = |c: char| c < ' ' && c != '\n';
    if note.len() > MAX_NOTE || note.contains(strange) || !note.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let lines = &note[blank + 2..];
    let parsed = lines.lines().all(|line| signature_parts(line).is_some());
    if lines.is_empty() || !parsed {
        Err(NoteError::Malformed)
    } else {
        Ok((&note[..=blank], lines))
    }
}

fn signature_parts(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (valid_name(name) && !signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name.as_bytes())
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note.
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_note_of_the_go_documentation_verifies() {
        let key = VerifierKey::parse(VKEY).expect("valid key");
        assert_eq!(key.to_string(), VKEY);
        let note = format!("{TEXT}\n{LINE}");
        assert_eq!(verify(&note, &[key]), Ok(TEXT));
    }

    #[test]
    fn a_seed_signs_what_its_verifier_accepts() {
        let (old, new) = (signer(1), signer(2));
        let note = sign(TEXT, &[&old, &new]);
        for key in [old.verifier(), new.verifier()] {
            let key = VerifierKey::parse(&key.to_string()).expect("own form");
            assert_eq!(verify(&note, &[key]), Ok(TEXT));
        }
        assert_eq!(verify(&note, &[signer(3).verifier()]), Err(NoteError::UnknownKey));
        assert_eq!(verify(&note, &[]), Err(NoteError::UnknownKey));
        let changed = note.replacen("answer", "Answer", 1);
        assert_eq!(verify(&changed, &[old.verifier()]), Err(NoteError::BadSignature));
        assert_eq!(format!("{old:?}"), "Signer(log.example/1)");
    }

    #[test]
    fn names_and_keys_of_another_form_are_refused() {
        for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
            assert_eq!(
                Signer::new(name, &[0; 32]).err(),
                Some(NoteError::KeyName),
                "{name:?}"
            );
        }
        for key in [
            "",
            "x",
            "x+y",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "a+00000000+AQ==",
        ] {
            assert_eq!(VerifierKey::parse(key), Err(NoteError::VerifierKey), "{key}");
        }
    }

    #[test]
    fn other_text_is_not_a_note() {
        for note in [
            "",
            "\n",
            "text\n",
            "text\n\n",
            "text\n\n— a",
            "text\n\nx a AAAA\n",
            "t\r\n\n— a AAAAAAA=\n",
            "— a AAAAAAA=\n",
        ] {
            assert_eq!(text(note), Err(NoteError::Malformed), "{note:?}");
        }
    }

    fn signer(n: u8) -> Signer {
        Signer::new(&format!("log.example/{n}"), &[n; 32]).expect("valid name")
    }
}
