//! Checkpoints: size and root of the log, signed. They hold nothing about a person, so they may be given away, and
//! a copy outside the database is what shows a log that was cut short or replaced.
//! <https://c2sp.org/tlog-checkpoint>

use super::digest::Digest;
use super::note::{self, NoteError, Signer, VerifierKey};

/// Why a checkpoint was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("is not a checkpoint (origin, size, root)")]
    Malformed,
    #[error("belongs to another log")]
    Origin,
}

/// The log `origin` had `size` entries under `root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: not empty, one line; should be the signer's name.
    pub origin: String,
    pub size: u64,
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.base64())
    }

    /// The whole note. The caller must have made sure that this tree extends every tree it signed before.
    pub fn sign(&self, signers: &[&Signer]) -> String {
        note::sign(&self.text(), signers)
    }

    /// What a note claims, whoever signed it.
    pub fn parse(note: &str) -> Result<Checkpoint, CheckpointError> {
        from_text(note::text(note)?)
    }

    /// What a note claims, if one of `keys` signed it and it speaks of the log `origin`.
    pub fn verify(note: &str, origin: &str, keys: &[VerifierKey]) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = from_text(note::verify(note, keys)?)?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin)
        }
    }
}

/// Extension lines after the third are opaque and ignored.
fn from_text(text: &str) -> Result<Checkpoint, CheckpointError> {
    let mut lines = text.lines();
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(CheckpointError::Malformed);
    };
    let (size, root) = (decimal(size), Digest::from_base64(root));
    let (Some(size), Some(root), false, true) =
        (size, root, origin.is_empty(), lines.all(|line| !line.is_empty()))
    else {
        return Err(CheckpointError::Malformed);
    };
    Ok(Checkpoint {
        origin: origin.to_owned(),
        size,
        root,
    })
}

/// ASCII decimal without sign or leading zero.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0')))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf_hash;
    use proptest::prelude::*;

    fn signed() -> (Checkpoint, String, VerifierKey) {
        let signer = Signer::new("log.example/hearthstone", &[7; 32]).expect("valid name");
        let checkpoint = Checkpoint {
            origin: signer.name().to_owned(),
            size: 20_852_163,
            root: leaf_hash(b"root"),
        };
        let note = checkpoint.sign(&[&signer]);
        (checkpoint, note, signer.verifier())
    }

    #[test]
    fn the_text_has_the_form_of_the_specification() {
        let (checkpoint, note, key) = signed();
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[..2], ["log.example/hearthstone", "20852163"]);
        assert_eq!((lines[2].len(), lines[3]), (44, ""));
        assert!(lines[4].starts_with("— log.example/hearthstone ") && lines.len() == 5);
        assert_eq!(Checkpoint::parse(&note), Ok(checkpoint.clone()));
        assert_eq!(
            Checkpoint::verify(&note, "log.example/hearthstone", &[key]),
            Ok(checkpoint)
        );
    }

    #[test]
    fn another_log_and_other_sizes_are_refused() {
        let (_, note, key) = signed();
        assert_eq!(
            Checkpoint::verify(&note, "log.example/other", &[key]),
            Err(CheckpointError::Origin)
        );
        for size in ["", "-1", "+1", "01", "1 ", "18446744073709551616", "x"] {
            let note = note.replacen("20852163", size, 1);
            assert!(Checkpoint::parse(&note).is_err(), "{size:?}");
        }
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal("0"), Some(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_bit_flip_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (_, note, key) = signed();
            let mut bytes = note.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            prop_assert!(Checkpoint::verify(&changed, "log.example/hearthstone", &[key]).is_err());
        }
    }
}
