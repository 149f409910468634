//! Releases kept in memory, weighed in bytes, and each built once when many ask at the same moment.
//!
//! An entry carries the versions of record and world it was decided from. Nobody asks the database whether they still
//! hold: the transaction that records the answer does, and a moved version sends the use case back to decide again.
//! The rules (binary, profiles, policy) are fixed for the life of a process, and so is this cache. An entry also ends
//! at the instant its decision could change (`valid_until`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use postern_rules::disclosure::Release;
use postern_rules::fhir::Instant;
use tokio::sync::OwnedMutexGuard;

use crate::store::Versions;

/// Bytes of releases kept by default: 16 MiB.
pub const DEFAULT_WEIGHT: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub recipient: String,
    pub purpose: String,
    pub patient: String,
}

/// A release with what it was decided from.
#[derive(Clone)]
pub struct Kept {
    pub release: Arc<Release>,
    pub versions: Versions,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, (Kept, u64)>,
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

    /// An entry whose decision still holds at `now`, as far as time goes.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Kept> {
        let mut inner = self.inner();
        inner.clock += 1;
        let used = inner.clock;
        let (kept, last) = inner.entries.get_mut(key)?;
        if kept.release.about().valid_until <= now {
            return None;
        }
        *last = used;
        Some(kept.clone())
    }

    /// Waits until nobody else builds this key. Ask `get` again once it is held.
    pub async fn build(&self, key: &Key) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.inner().building.entry(key.clone()).or_default());
        lock.lock_owned().await
    }

    /// Keeps a release whose dates are recorded; forgets the least recently used ones beyond the limit.
    pub fn keep(&self, key: Key, kept: Kept) {
        let mut inner = self.inner();
        inner.clock += 1;
        let used = inner.clock;
        inner.weight += kept.release.weight();
        if let Some((before, _)) = inner.entries.insert(key, (kept, used)) {
            inner.weight -= before.release.weight();
        }
        while inner.weight > self.limit {
            let oldest = inner.entries.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            if let Some((gone, _)) = inner.entries.remove(&oldest) {
                inner.weight -= gone.release.weight();
            }
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
