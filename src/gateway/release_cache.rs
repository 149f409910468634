//! Releases kept in memory, weighed in bytes, and each built once when many ask at the same moment.
//!
//! The key holds the versions of record and world: whatever changes, the old entry is not found again. The rules
//! (binary, profiles, policy) are fixed for the life of a process, and so is this cache.
//! An entry also ends at the instant its decision could change (`valid_until`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use postern_rules::disclosure::Release;
use postern_rules::fhir::Instant;
use tokio::sync::OwnedMutexGuard;

/// Bytes of releases kept by default: 16 MiB.
pub const DEFAULT_WEIGHT: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub recipient: String,
    pub purpose: String,
    pub patient: String,
    pub record: i64,
    pub world: i64,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, (Arc<Release>, u64)>,
    building: HashMap<Key, Arc<tokio::sync::Mutex<()>>>,
    weight: usize,
    clock: u64,
}

pub struct ReleaseCache {
    inner: Mutex<Inner>,
    limit: usize,
}

impl ReleaseCache {
    pub fn new(limit: usize) -> ReleaseCache {
        ReleaseCache {
            inner: Mutex::default(),
            limit,
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while holding the lock leaves at worst a lost entry behind.
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An entry that is still valid at `now`.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Arc<Release>> {
        let mut inner = self.inner();
        inner.clock += 1;
        let used = inner.clock;
        let (release, last) = inner.entries.get_mut(key)?;
        if release.about().valid_until <= now {
            return None;
        }
        *last = used;
        Some(Arc::clone(release))
    }

    /// Waits until nobody else builds this key. Ask `get` again once it is held.
    pub async fn build(&self, key: &Key) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.inner().building.entry(key.clone()).or_default());
        lock.lock_owned().await
    }

    /// Keeps a release whose dates are recorded; forgets the least recently used ones beyond the limit, and other
    /// versions of the same one first.
    pub fn keep(&self, key: Key, release: Arc<Release>) {
        let mut inner = self.inner();
        inner.clock += 1;
        let used = inner.clock;
        let same =
            |k: &Key| k.recipient == key.recipient && k.purpose == key.purpose && k.patient == key.patient;
        let old: Vec<Key> = inner
            .entries
            .keys()
            .filter(|k| same(k) && **k != key)
            .cloned()
            .collect();
        old.iter().for_each(|k| inner.forget(k));
        inner.weight += release.weight();
        if let Some((before, _)) = inner.entries.insert(key, (release, used)) {
            inner.weight -= before.weight();
        }
        while inner.weight > self.limit {
            let Some(oldest) = inner
                .entries
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(k, _)| k.clone())
            else {
                break;
            };
            inner.forget(&oldest);
        }
    }

    /// Lets go of build locks nobody waits for.
    pub fn built(&self, key: &Key) {
        let mut inner = self.inner();
        if inner
            .building
            .get(key)
            .is_some_and(|lock| Arc::strong_count(lock) <= 2)
        {
            inner.building.remove(key);
        }
    }
}

impl Inner {
    fn forget(&mut self, key: &Key) {
        if let Some((release, _)) = self.entries.remove(key) {
            self.weight -= release.weight();
        }
    }
}
