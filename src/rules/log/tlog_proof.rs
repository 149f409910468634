//! One event proved in one text file: index, audit path and checkpoint; checked offline with the log's key alone.
//! <https://c2sp.org/tlog-proof>

use super::checkpoint::{Checkpoint, CheckpointError, decimal};
use super::digest::{Digest, leaf_hash};
use super::note::VerifierKey;
use super::proof::verify_inclusion;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof does not prove.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    #[error("the file is not a c2sp.org/tlog-proof@v1")]
    Malformed,
    #[error("the checkpoint {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the event is not the one that was logged")]
    NotIncluded,
}

/// The content of a `.tlog-proof` file. Extra data, which nothing authenticates, is skipped when read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    pub index: u64,
    pub path: Vec<Digest>,
    /// The signed note, as it was.
    pub checkpoint: String,
}

impl TlogProof {
    pub fn to_text(&self) -> String {
        let path: String = self.path.iter().map(|hash| hash.base64() + "\n").collect();
        format!("{HEADER}\nindex {}\n{path}\n{}", self.index, self.checkpoint)
    }

    pub fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::Malformed)?;
        let mut lines = head.split('\n');
        (lines.next() == Some(HEADER))
            .then_some(())
            .ok_or(TlogProofError::Malformed)?;
        let mut line = lines.next();
        if line.is_some_and(|line| line.starts_with("extra ")) {
            line = lines.next();
        }
        let index = line
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal);
        let path: Option<Vec<Digest>> = lines.take(65).map(Digest::from_base64).collect();
        let (Some(index), Some(path)) = (index, path.filter(|path| path.len() <= 64)) else {
            return Err(TlogProofError::Malformed);
        };
        Ok(TlogProof {
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Proves that `entry` (the exact bytes of the event) is in the log `origin`; returns the checkpoint it is under.
    pub fn verify(
        &self,
        entry: &[u8],
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, origin, keys)?;
        let leaf = leaf_hash(entry);
        if verify_inclusion(&leaf, self.index, checkpoint.size, &self.path, &checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(TlogProofError::NotIncluded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::proof::tests::stored;
    use crate::log::{Signer, inclusion, root_at};
    use proptest::prelude::*;

    const ORIGIN: &str = "log.example/hearthstone";

    fn proof(index: u64, size: u64) -> (TlogProof, VerifierKey) {
        let leaves: Vec<Digest> = (0..size).map(|seq| leaf_hash(&seq.to_be_bytes())).collect();
        let nodes = stored(&leaves);
        let signer = Signer::new(ORIGIN, &[7; 32]).expect("valid name");
        let root = root_at(&nodes, size).expect("stored");
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root,
        }
        .sign(&[&signer]);
        (
            TlogProof {
                index,
                path: inclusion(&nodes, index, size).expect("stored"),
                checkpoint,
            },
            signer.verifier(),
        )
    }

    #[test]
    fn a_proof_survives_its_text_form() {
        for (index, size) in [(0, 1), (3, 7), (6, 7), (11, 100)] {
            let (proof, key) = proof(index, size);
            let read = TlogProof::parse(&proof.to_text()).expect("own text");
            assert_eq!(read, proof);
            let checkpoint = read
                .verify(&index.to_be_bytes(), ORIGIN, &[key])
                .expect("included");
            assert_eq!(checkpoint.size, size);
        }
    }

    #[test]
    fn extra_data_is_skipped_and_other_events_are_refused() {
        let (proof, key) = proof(3, 7);
        let text = proof.to_text().replacen("index", "extra QUJD\nindex", 1);
        assert_eq!(TlogProof::parse(&text), Ok(proof.clone()));
        let other = proof.verify(&4u64.to_be_bytes(), ORIGIN, std::slice::from_ref(&key));
        assert_eq!(other, Err(TlogProofError::NotIncluded));
        assert!(
            proof
                .verify(&3u64.to_be_bytes(), "log.example/other", &[key])
                .is_err()
        );
        for bad in [
            "",
            HEADER,
            "c2sp.org/tlog-proof@v1\nindex 01\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
        ] {
            assert_eq!(TlogProof::parse(bad), Err(TlogProofError::Malformed), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_bit_flip_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (proof, key) = proof(3, 7);
            let mut bytes = proof.to_text().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            let proved = TlogProof::parse(&changed).map(|proof| proof.verify(&3u64.to_be_bytes(), ORIGIN, &[key]));
            prop_assert!(!matches!(proved, Ok(Ok(_))), "{}", changed);
        }
    }
}
