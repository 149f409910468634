//! Randomness: the one home of unpredictable bytes. Tests pin it, so that two worlds can be compared byte by byte.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

#[derive(Clone, Debug)]
pub enum Entropy {
    System,
    /// Every value is derived from the seed and what it is for; the caller names the request in the label.
    Pinned(u64),
}

impl Entropy {
    /// 32 bytes. `label` says what for and for which request; only pinned entropy uses it.
    pub fn bytes(&self, label: &str) -> [u8; 32] {
        let mut out = [0; 32];
        match self {
            Entropy::System => {
                SystemRandom::new()
                    .fill(&mut out)
                    .expect("the operating system gives random bytes");
            }
            Entropy::Pinned(seed) => {
                let mut hasher = Sha256::new();
                hasher.update(seed.to_be_bytes());
                hasher.update(label.as_bytes());
                out.copy_from_slice(&hasher.finalize());
            }
        }
        out
    }

    /// A bearer secret of 256 bits, base64url.
    pub fn token(&self, label: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(label))
    }

    /// An identifier of 128 bits, hexadecimal.
    pub fn id(&self, label: &str) -> String {
        self.bytes(label)[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub fn salt(&self, label: &str) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&self.bytes(label)[..16]);
        out
    }
}
