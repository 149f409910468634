//! The keys Postern signs with where it is a client itself: files that several processes share, published at an address,
//! rotated with overlap. <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! <https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final> 5.3.4: a cryptoperiod begins and ends
//!
//! A new key is published at once and signs a day later, when everybody who keeps the set for a while has it. The key before
//! it stays published until all it signed has expired. So each algorithm has at most three keys: next, current, previous. What
//! a key is follows from the time alone; no process has to tell another.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::fhir::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::algorithm::{ALGORITHMS, Algorithm};
use super::keypair::{KeyError, KeyPair};
use crate::config::{self, Entropy};

/// A key is published this long before it signs.
const AHEAD_SECONDS: i64 = 24 * 3600;
/// And this long after its last signature: an assertion lives five minutes, and clocks differ.
const AFTER_SECONDS: i64 = 3600;
/// How long others may keep the published set.
pub const PUBLISHED_FOR_SECONDS: i64 = 3600;
/// The files are read again this often.
const READ_EVERY_SECONDS: i64 = 10;

/// As a file holds it: `smart-<kid>.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    kid: String,
    algorithm: String,
    made: String,
    /// From when on it signs.
    signs: String,
    /// The private half, base64.
    pkcs8: String,
}

/// One key and what it is now.
pub struct OwnKey {
    pub pair: KeyPair,
    pub made: Instant,
    pub signs: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Published, and does not sign yet.
    Next,
    Current,
    /// Signs no more; what it signed may still be on its way.
    Previous,
    /// Nobody needs it any more; the next rotation deletes it.
    Ended,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Next => "next",
            Stage::Current => "current",
            Stage::Previous => "previous",
            Stage::Ended => "ended",
        }
    }
}

/// Why keys cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum OwnKeyError {
    #[error("there is no key to sign with: postern keys rotate")]
    None,
    #[error("a new {0} key waits to become the current one; --at-once replaces all of them now")]
    Waiting(&'static str),
    #[error("a key file cannot be read or written: {0}")]
    File(String),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// When the files were read, and what stood in them.
type Held = (Instant, Arc<Vec<OwnKey>>);

/// The keys in the keys folder. Cheap to clone; each process reads the files again by itself.
#[derive(Clone)]
pub struct OwnKeys {
    folder: PathBuf,
    held: Arc<Mutex<Option<Held>>>,
}

impl OwnKeys {
    pub fn in_folder(folder: PathBuf) -> OwnKeys {
        OwnKeys {
            folder,
            held: Arc::default(),
        }
    }

    /// All of them, by algorithm and the time they begin to sign.
    pub fn all(&self, now: Instant) -> Result<Arc<Vec<OwnKey>>, OwnKeyError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, keys)) = held.as_ref()
            && *read <= now
            && now < read.plus_seconds(READ_EVERY_SECONDS)
        {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.read()?);
        *held = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    fn read(&self) -> Result<Vec<OwnKey>, OwnKeyError> {
        let files = config::read_own_keys(&self.folder).map_err(|e| OwnKeyError::File(e.to_string()))?;
        let mut keys = Vec::new();
        for (name, text) in files {
            let key = read_file(&text).ok_or_else(|| OwnKeyError::File(format!("{name}: not a key file")))?;
            keys.push(key);
        }
        keys.sort_by_key(|key| (key.pair.algorithm().name(), key.signs, key.pair.kid().to_owned()));
        Ok(keys)
    }

    /// The current pair of the first of these algorithms that there is a key for; SMART's own are preferred.
    pub fn signing(&self, supported: &[Algorithm], now: Instant) -> Result<SigningPair, OwnKeyError> {
        let keys = self.all(now)?;
        let preferred = [
            Algorithm::Es384,
            Algorithm::Rs384,
            Algorithm::Es256,
            Algorithm::Rs256,
        ];
        let wanted = preferred
            .into_iter()
            .filter(|algorithm| supported.contains(algorithm));
        for algorithm in wanted {
            let current = |at: &usize| {
                keys[*at].pair.algorithm() == algorithm && stage(&keys, *at, now) == Stage::Current
            };
            if let Some(at) = (0..keys.len()).find(current) {
                return Ok(SigningPair { keys, at });
            }
        }
        Err(OwnKeyError::None)
    }

    /// The set others verify by: next, current and previous keys, public halves.
    pub fn published(&self, now: Instant) -> Result<Value, OwnKeyError> {
        let keys = self.all(now)?;
        let shown = (0..keys.len()).filter(|at| stage(&keys, *at, now) != Stage::Ended);
        let jwks: Vec<&Value> = shown.map(|at| keys[at].pair.public_jwk()).collect();
        Ok(json!({ "keys": jwks }))
    }

    /// Makes a new key of this algorithm: published now, signing in a day, or now when there is none yet. `at_once`: it signs
    /// now, and the others of its algorithm are deleted, because somebody else may have them. Comes out with its `kid`.
    pub fn rotate(
        &self,
        algorithm: Algorithm,
        at_once: bool,
        entropy: &Entropy,
        now: Instant,
    ) -> Result<String, OwnKeyError> {
        let keys = self.read()?;
        let own: Vec<usize> = (0..keys.len())
            .filter(|at| keys[*at].pair.algorithm() == algorithm)
            .collect();
        let stages = |wanted: Stage| own.iter().any(|at| stage(&keys, *at, now) == wanted);
        if stages(Stage::Next) && !at_once {
            return Err(OwnKeyError::Waiting(algorithm.name()));
        }
        let begins = match at_once || !stages(Stage::Current) {
            true => now,
            false => now.plus_seconds(AHEAD_SECONDS),
        };
        // Two of one instant are two: pinned randomness would give them one name, and one file.
        let label = format!("own key {} {} {}", algorithm.name(), now.0, keys.len());
        let kid = entropy.id(&label)[..16].to_owned();
        let pair = KeyPair::generate(algorithm, &kid)?;
        let file = KeyFile {
            kid: kid.clone(),
            algorithm: algorithm.name().to_owned(),
            made: now.to_fhir(),
            signs: begins.to_fhir(),
            pkcs8: STANDARD.encode(pair.pkcs8()?),
        };
        let failed = |error: &dyn std::fmt::Display| OwnKeyError::File(error.to_string());
        let text = serde_json::to_string_pretty(&file).map_err(|e| failed(&e))?;
        config::write_own_key(&self.folder, &kid, &text).map_err(|e| failed(&e))?;
        for at in own {
            if at_once || stage(&keys, at, now) == Stage::Ended {
                config::delete_own_key(&self.folder, keys[at].pair.kid()).map_err(|e| failed(&e))?;
            }
        }
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(kid)
    }
}

/// A pair that signs now, held while it is used.
pub struct SigningPair {
    keys: Arc<Vec<OwnKey>>,
    at: usize,
}

impl std::ops::Deref for SigningPair {
    type Target = KeyPair;

    fn deref(&self) -> &KeyPair {
        &self.keys[self.at].pair
    }
}

/// What the key at this place is now. `keys` are in order; the next one of the same algorithm ends this one.
pub fn stage(keys: &[OwnKey], at: usize, now: Instant) -> Stage {
    let key = &keys[at];
    let successor = keys[at + 1..]
        .iter()
        .find(|other| other.pair.algorithm() == key.pair.algorithm());
    match successor {
        _ if now < key.signs => Stage::Next,
        Some(next) if now >= next.signs.plus_seconds(AFTER_SECONDS) => Stage::Ended,
        Some(next) if now >= next.signs => Stage::Previous,
        _ => Stage::Current,
    }
}

fn read_file(text: &str) -> Option<OwnKey> {
    let file: KeyFile = serde_json::from_str(text).ok()?;
    let algorithm = ALGORITHMS.into_iter().find(|one| one.name() == file.algorithm)?;
    let pkcs8 = STANDARD.decode(&file.pkcs8).ok()?;
    Some(OwnKey {
        pair: KeyPair::from_pkcs8(algorithm, &file.kid, &pkcs8).ok()?,
        made: Instant::parse(&file.made)?,
        signs: Instant::parse(&file.signs)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;
    const ES384: &[Algorithm] = &[Algorithm::Es384];

    fn kids(published: &Value) -> Vec<String> {
        let keys = published["keys"].as_array().cloned().unwrap_or_default();
        keys.iter()
            .filter_map(|key| key["kid"].as_str().map(str::to_owned))
            .collect()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_until_what_it_signed_has_expired() {
        let folder = config::temporary_folder(&Entropy::System).expect("a folder");
        let (mine, other) = (
            OwnKeys::in_folder(folder.path().to_owned()),
            // Another process: it learns from the files alone.
            OwnKeys::in_folder(folder.path().to_owned()),
        );
        let begin = Instant(1_800_000_000_000_000);
        let at = |seconds: i64| begin.plus_seconds(seconds);
        let rotate = |seconds: i64| mine.rotate(Algorithm::Es384, false, &Entropy::System, at(seconds));
        let signs = |seconds: i64| {
            other
                .signing(ES384, at(seconds))
                .map(|pair| pair.kid().to_owned())
                .ok()
        };
        let published = |seconds: i64| kids(&other.published(at(seconds)).expect("readable"));
        assert_eq!((signs(0), published(0).len()), (None, 0));
        let first = rotate(1).expect("made");
        assert_eq!(signs(20), Some(first.clone()), "the first one signs at once");
        let second = rotate(100).expect("made");
        assert!(matches!(rotate(200), Err(OwnKeyError::Waiting("ES384"))));
        for seconds in [120, DAY + 99] {
            assert_eq!(signs(seconds), Some(first.clone()));
            assert_eq!(published(seconds), [first.clone(), second.clone()]);
        }
        assert_eq!(signs(DAY + 100), Some(second.clone()));
        assert_eq!(published(DAY + 100 + 3599), [first.clone(), second.clone()]);
        assert_eq!(published(DAY + 100 + 3600), std::slice::from_ref(&second));
        // The next rotation deletes what ended.
        let third = rotate(2 * DAY).expect("made");
        assert_eq!(config::read_own_keys(folder.path()).expect("readable").len(), 2);
        assert_eq!(published(2 * DAY + 10), [second, third]);
    }

    #[test]
    fn what_somebody_else_may_have_is_gone_at_once_and_algorithms_stand_beside_each_other() {
        let folder = config::temporary_folder(&Entropy::System).expect("a folder");
        let keys = OwnKeys::in_folder(folder.path().to_owned());
        let now = Instant(1_800_000_000_000_000);
        let made = |algorithm, at_once| {
            keys.rotate(algorithm, at_once, &Entropy::System, now)
                .expect("made")
        };
        let (es, es256) = (made(Algorithm::Es384, false), made(Algorithm::Es256, false));
        made(Algorithm::Es384, false);
        let replaced = made(Algorithm::Es384, true);
        assert_eq!(
            kids(&keys.published(now).expect("readable")),
            [es256.clone(), replaced.clone()]
        );
        assert_ne!(es, replaced);
        let signs = |supported: &[Algorithm]| keys.signing(supported, now).map(|p| p.kid().to_owned()).ok();
        assert_eq!(signs(&[Algorithm::Es256, Algorithm::Es384]), Some(replaced));
        assert_eq!(signs(&[Algorithm::Es256]), Some(es256));
        assert_eq!(signs(&[Algorithm::Rs384]), None);
    }
}
