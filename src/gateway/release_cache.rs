//! Releases kept in memory, weighed in bytes, and each built once when many ask at the same moment.
//!
//! An entry carries the versions of record and world it was decided from. Nobody asks the database whether they still
//! hold: the transaction that records the answer does, and a moved version sends the use case back to decide again.
//! The rules (binary, profiles, policy) are fixed for the life of a process, and so is this cache. An entry also ends
//! at the instant its decision could change (`valid_until`). <https://hl7.org/fhir/R4/http.html#read>

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

pub struct ReleaseCache {
    entries: Mutex<Entries<Kept>>,
    building: Locks,
}

/// Held by the one who builds a release; the others wait for it.
type Locks = Arc<Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>>;

/// The right to build one key, until it is dropped. The last one takes the lock away.
pub struct Building {
    key: Key,
    held: Option<OwnedMutexGuard<()>>,
    locks: Locks,
}

impl ReleaseCache {
    pub fn new(limit: usize) -> ReleaseCache {
        ReleaseCache {
            entries: Mutex::new(Entries::new(limit)),
            building: Locks::default(),
        }
    }

    /// An entry whose decision still holds at `now`, as far as time goes.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Kept> {
        let mut entries = lock(&self.entries);
        let kept = entries.get(key)?;
        (kept.release.about().valid_until > now).then(|| kept.clone())
    }

    /// Waits until nobody else builds this key. Ask `get` again once it is held.
    pub async fn build(&self, key: &Key) -> Building {
        let own = Arc::clone(lock(&self.building).entry(key.clone()).or_default());
        let mut building = Building {
            key: key.clone(),
            held: None,
            locks: Arc::clone(&self.building),
        };
        building.held = Some(own.lock_owned().await);
        building
    }

    /// Keeps a release whose dates are recorded; one that is heavier than the whole cache is not kept.
    pub fn keep(&self, key: Key, kept: Kept) {
        let weight = kept.release.weight();
        lock(&self.entries).keep(key, kept, weight);
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.held = None;
        let mut locks = lock(&self.locks);
        // Who waits for it holds it too.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
    }
}

/// A panic while holding the lock leaves at worst a lost entry behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is kept, each with its weight and when it was last used.
struct Entries<V> {
    by_key: HashMap<Key, Entry<V>>,
    weight: usize,
    limit: usize,
    clock: u64,
}

struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<V> Entries<V> {
    fn new(limit: usize) -> Entries<V> {
        Entries {
            by_key: HashMap::new(),
            weight: 0,
            limit,
            clock: 0,
        }
    }

    fn get(&mut self, key: &Key) -> Option<&V> {
        self.clock += 1;
        let entry = self.by_key.get_mut(key)?;
        entry.used = self.clock;
        Some(&entry.value)
    }

    fn keep(&mut self, key: Key, value: V, weight: usize) {
        self.forget(&key);
        if weight > self.limit {
            return;
        }
        self.clock += 1;
        self.weight += weight;
        let used = self.clock;
        self.by_key.insert(key, Entry { value, weight, used });
        if self.weight > self.limit {
            self.make_room();
        }
    }

    /// Forgets the least recently used until an eighth is free, so that not each new entry has to look for the oldest.
    fn make_room(&mut self) {
        let newest = self.clock;
        let mut oldest: Vec<(u64, Key)> = self.by_key.iter().map(|(key, e)| (e.used, key.clone())).collect();
        oldest.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in oldest.into_iter().filter(|(used, _)| *used != newest) {
            if self.weight <= self.limit - self.limit / 8 {
                break;
            }
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(gone) = self.by_key.remove(key) {
            self.weight -= gone.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(patient: usize) -> Key {
        Key {
            recipient: "maple-street".to_owned(),
            purpose: "TREAT".to_owned(),
            patient: patient.to_string(),
        }
    }

    #[test]
    fn the_weight_stays_within_the_limit_and_the_least_used_go_first() {
        let mut entries = Entries::new(1000);
        for patient in 0..50 {
            entries.keep(key(patient), patient, 90);
            entries.get(&key(0));
            assert!(entries.weight <= 1000);
            let held: usize = entries.by_key.values().map(|e| e.weight).sum();
            assert_eq!(entries.weight, held);
        }
        assert!(entries.get(&key(0)).is_some() && entries.get(&key(49)).is_some());
        assert!(entries.get(&key(1)).is_none());
    }

    #[test]
    fn what_outweighs_the_cache_is_not_kept_and_drives_nobody_out() {
        let mut entries = Entries::new(1000);
        entries.keep(key(1), 1, 600);
        entries.keep(key(2), 2, 1001);
        assert_eq!((entries.weight, entries.by_key.len()), (600, 1));
        // what was kept before under this key is not the newest any more
        entries.keep(key(1), 1, 2000);
        assert_eq!((entries.weight, entries.by_key.len()), (0, 0));
        entries.keep(key(3), 3, 1000);
        entries.keep(key(4), 4, 950);
        assert_eq!(entries.weight, 950);
    }

    #[tokio::test]
    async fn one_builds_the_others_wait_and_no_lock_is_left() {
        let cache = Arc::new(ReleaseCache::new(1000));
        let inside = Arc::new(Mutex::new(0));
        let tasks = (0..20).map(|n| {
            let (cache, inside) = (Arc::clone(&cache), Arc::clone(&inside));
            async move {
                let _building = cache.build(&key(n % 2)).await;
                *lock(&inside) += 1;
                tokio::task::yield_now().await;
            }
        });
        let mut set = tokio::task::JoinSet::new();
        for task in tasks {
            set.spawn(task);
        }
        let held = cache.build(&key(0)).await;
        drop(held);
        while set.join_next().await.is_some() {}
        assert_eq!(*lock(&inside), 20);
        assert!(lock(&cache.building).is_empty());
    }
}
