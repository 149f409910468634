//! One person's release for one caller: from the cache, or loaded, decided and dated.

use std::collections::BTreeSet;
use std::sync::Arc;

use postern_rules::disclosure::{Moved, Record, Refusal, Release, Shown, Stored, decide};
use postern_rules::fhir::{Instant, Now, Value, json};

use super::release_cache::Key;
use super::{Caller, Error, Gateway};
use crate::store::{self, ResourceRow, Versions};

/// What was found about one person, and what it was decided from.
pub struct Found {
    pub patient: String,
    pub versions: Versions,
    pub release: Result<Arc<Release>, Refusal>,
    /// How `released` moves; nothing when the release came from the cache.
    pub moved: Moved,
    key: Key,
    fresh: bool,
}

/// Types that are shared between people: a record refers to them, it does not contain them.
const SHARED: &[&str] = &[
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "HealthcareService",
    "Endpoint",
];

impl Gateway {
    pub async fn find_release(&self, caller: &Caller, patient: &str, now: &Now) -> Result<Found, Error> {
        let versions = self.store.record_versions(patient).await?;
        let key = Key {
            recipient: caller.recipient.id.clone(),
            purpose: caller.purpose.clone(),
            patient: patient.to_owned(),
            record: versions.record,
            world: versions.world,
        };
        if let Some(release) = self.releases.get(&key, now.stamp()) {
            return Ok(Found::cached(patient, versions, release, key));
        }
        let building = self.releases.build(&key).await;
        let found = match self.releases.get(&key, now.stamp()) {
            Some(release) => Ok(Found::cached(patient, versions, release, key.clone())),
            None => self.build_release(caller, patient, now, key.clone()).await,
        };
        drop(building);
        self.releases.built(&key);
        found
    }

    async fn build_release(
        &self,
        caller: &Caller,
        patient: &str,
        now: &Now,
        mut key: Key,
    ) -> Result<Found, Error> {
        let record = self.load_record(patient).await?;
        let versions = Versions {
            record: record.version,
            world: record.world,
        };
        (key.record, key.world) = (versions.record, versions.world);
        let decided = decide(&record, &caller.recipient, &caller.purpose, &self.rules, now);
        let (release, moved) = match decided {
            Err(refusal) => (Err(refusal), Moved::default()),
            Ok(decision) => {
                let before = self.shown(&caller.recipient.id, &caller.purpose, patient).await?;
                let (release, moved) = decision.dated(&before, now);
                (Ok(Arc::new(release)), moved)
            }
        };
        Ok(Found {
            patient: patient.to_owned(),
            versions,
            release,
            moved,
            key,
            fresh: true,
        })
    }

    /// The person's resources and the shared ones they lead to, with the versions of both.
    pub async fn load_record(&self, patient: &str) -> Result<Record, Error> {
        let (versions, rows) = self.store.load_record(patient).await?;
        let resources = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let directory = self.load_directory(&resources).await?;
        Ok(Record {
            patient: patient.to_owned(),
            version: versions.record,
            world: versions.world,
            resources,
            directory,
        })
    }

    /// Follows references to shared resources; roles lead on to practitioners and organisations.
    async fn load_directory(&self, resources: &[Stored]) -> Result<Vec<Stored>, Error> {
        let mut known: BTreeSet<(String, String)> = BTreeSet::new();
        let mut directory: Vec<Stored> = Vec::new();
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        resources
            .iter()
            .for_each(|stored| shared_references(&stored.body, &mut wanted));
        while !wanted.is_empty() {
            let ask: Vec<(String, String)> = wanted.iter().cloned().collect();
            known.append(&mut wanted);
            for row in self.store.load_shared(&ask).await? {
                let one = stored(&row)?;
                let mut next = BTreeSet::new();
                shared_references(&one.body, &mut next);
                wanted.extend(next.into_iter().filter(|reference| !known.contains(reference)));
                directory.push(one);
            }
        }
        directory.sort_by(|a, b| (&a.resource_type, &a.id).cmp(&(&b.resource_type, &b.id)));
        Ok(directory)
    }

    async fn shown(&self, recipient: &str, purpose: &str, patient: &str) -> Result<Vec<Shown>, Error> {
        let rows = self.store.released(recipient, purpose, patient).await?;
        let shown = rows.into_iter().filter(|row| !row.gone).filter_map(|row| {
            let digest = row.digest.try_into().ok()?;
            // `lastUpdated` is written in milliseconds, and so it stays.
            let changed_at = Instant(row.changed_at.0 - row.changed_at.0.rem_euclid(1000));
            Some(Shown {
                resource_type: row.resource_type,
                id: row.id,
                digest,
                changed_at,
            })
        });
        Ok(shown.collect())
    }
}

impl Found {
    fn cached(patient: &str, versions: Versions, release: Arc<Release>, key: Key) -> Found {
        let release = Ok(release);
        Found {
            patient: patient.to_owned(),
            versions,
            release,
            moved: Moved::default(),
            key,
            fresh: false,
        }
    }

    /// The rows of `released` this release moves.
    pub fn rows(&self, caller: &Caller) -> Vec<store::Released> {
        let row = |resource_type: &str, id: &str, digest: Option<[u8; 32]>| store::Released {
            recipient: caller.recipient.id.clone(),
            purpose: caller.purpose.clone(),
            patient: self.patient.clone(),
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            digest: digest.map(postern_rules::log::Digest),
        };
        let shown = self
            .moved
            .shown
            .iter()
            .map(|s| row(&s.resource_type, &s.id, Some(s.digest)));
        shown
            .chain(self.moved.gone.iter().map(|(t, id)| row(t, id, None)))
            .collect()
    }

    /// Keeps a fresh release, now that its dates are recorded.
    pub fn keep(self, gateway: &Gateway) {
        if let (true, Ok(release)) = (self.fresh, self.release) {
            gateway.releases.keep(self.key, release);
        }
    }
}

fn stored(row: &ResourceRow) -> Result<Stored, Error> {
    let body = json::parse(row.body.as_bytes()).map_err(|_| {
        tracing::error!(
            resource_type = row.resource_type,
            "a stored resource does not parse"
        );
        Error::Unavailable
    })?;
    Stored::new(body, row.version).ok_or(Error::Unavailable)
}

/// `Practitioner/x` and the like, wherever they stand.
fn shared_references(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| shared_references(item, found)),
        Value::Object(object) => {
            for (name, member) in object {
                match member
                    .as_str()
                    .filter(|_| name == "reference")
                    .and_then(|r| r.split_once('/'))
                {
                    Some((kind, id)) if SHARED.contains(&kind) => {
                        found.insert((kind.to_owned(), id.to_owned()));
                    }
                    Some(_) => {}
                    None => shared_references(member, found),
                }
            }
        }
        _ => {}
    }
}
