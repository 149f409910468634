//! One person's release for one caller: from the cache, or loaded, decided and dated.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use postern_rules::disclosure::{
    Grant, Moved, Recipient, Record, Refusal, Release, Released, Shown, Standing, Stored, WrittenValues,
    decide,
};
use postern_rules::fhir::{Instant, Now, Value, is_shared, json};
use postern_rules::search::Keys;

use super::release_cache::{Building, Kept, Key};
use super::{Caller, Error, Gateway};
use crate::store::{self, ReleasedRow, ResourceRow, Versions, WrittenValue};

/// What was found about one person, and what it was decided from.
pub struct Found {
    pub patient: String,
    pub versions: Versions,
    pub release: Result<Arc<Release>, Refusal>,
    /// How `released` moves; nothing when the release came from the cache.
    pub moved: Moved,
    /// When the grant ends under which it was decided; such a release is never kept.
    pub ends: Option<Instant>,
    key: Key,
    /// Not from the cache.
    built: bool,
    /// Held from building to recording: who waits for the same release finds it in the cache then.
    building: Option<Building>,
}

/// May what is in memory be relied on until the recording transaction says otherwise?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Memory,
    Database,
}

/// Role → organisation → the organisation it is part of: as far as shared resources usually lead.
const STEPS: usize = 3;

impl Gateway {
    pub async fn find_release(
        &self,
        caller: &Caller,
        patient: &str,
        trust: Trust,
        now: &Now,
    ) -> Result<Found, Error> {
        let key = Key {
            recipient: caller.recipient.id.clone(),
            purpose: caller.purpose.clone(),
            patient: patient.to_owned(),
        };
        // Asked each time: a grant is never remembered, and what it opens is never kept.
        if let Some(grant) = self.grant_in_force(caller, patient, now).await? {
            let building = self.releases.build(&key).await;
            return self.build_release(caller, Some(grant), key, building, now).await;
        }
        if let Some(found) = self.remembered(&key, trust, now).await? {
            return Ok(found);
        }
        let building = self.releases.build(&key).await;
        match self.remembered(&key, Trust::Database, now).await? {
            Some(found) => Ok(found),
            None => self.build_release(caller, None, key, building, now).await,
        }
    }

    /// What the cache has, when it may be relied on.
    async fn remembered(&self, key: &Key, trust: Trust, now: &Now) -> Result<Option<Found>, Error> {
        let Some(kept) = self.releases.get(key, now.stamp()) else {
            return Ok(None);
        };
        let holds =
            trust == Trust::Memory || self.store.record_versions(&key.patient).await? == kept.versions;
        Ok(holds.then(|| Found {
            patient: key.patient.clone(),
            versions: kept.versions,
            release: Ok(kept.release),
            moved: Moved::default(),
            ends: None,
            key: key.clone(),
            built: false,
            building: None,
        }))
    }

    async fn build_release(
        &self,
        caller: &Caller,
        grant: Option<Grant>,
        key: Key,
        building: Building,
        now: &Now,
    ) -> Result<Found, Error> {
        let record = self.load_record(&key.patient).await?;
        let before = self.shown(&key).await?;
        let versions = Versions {
            record: record.version,
            world: record.world,
        };
        let ends = grant.as_ref().map(|grant| grant.until);
        let under_grant = grant.map(|grant| Recipient {
            grant: Some(grant),
            ..caller.recipient.clone()
        });
        let recipient = under_grant.as_ref().unwrap_or(&caller.recipient);
        let decided = decide(&record, recipient, &caller.purpose, &self.rules, now);
        let (release, moved) = match decided {
            Err(refusal) => (Err(refusal), Moved::default()),
            Ok(decision) => {
                let (release, moved) = decision.dated(&before, now);
                (Ok(Arc::new(release)), moved)
            }
        };
        let patient = key.patient.clone();
        Ok(Found {
            patient,
            versions,
            release,
            moved,
            ends,
            key,
            built: true,
            building: Some(building),
        })
    }

    /// The reads of a build about nobody: what a miss costs when nothing has to be built.
    pub async fn read_as_if_building(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let key = Key {
            recipient: caller.recipient.id.clone(),
            purpose: caller.purpose.clone(),
            patient: id.to_owned(),
        };
        self.load_record(&key.patient).await?;
        self.shown(&key).await?;
        Ok(())
    }

    /// The person's resources and the shared ones they lead to, with the versions of both.
    pub async fn load_record(&self, patient: &str) -> Result<Record, Error> {
        let (versions, rows) = self.store.load_record(patient).await?;
        let resources = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let directory = self.load_directory(&resources).await?;
        // After the resources: a review that comes in between moved the version, and the recording transaction notices.
        let reviewed = self.store.reviewed_texts(patient).await?;
        let reviewed = super::label_review::gathered(&reviewed);
        let written = self.store.written_values(patient).await?;
        Ok(Record {
            patient: patient.to_owned(),
            version: versions.record,
            world: versions.world,
            resources,
            directory,
            reviewed,
            written: gathered(&written),
        })
    }

    /// Follows references to shared resources; roles lead on to practitioners and organisations. The first steps are
    /// made whether or not they lead anywhere: how far a record leads is not to be seen in the number of reads.
    async fn load_directory(&self, resources: &[Stored]) -> Result<Vec<Stored>, Error> {
        let mut known: BTreeSet<(String, String)> = BTreeSet::new();
        let mut directory: Vec<Stored> = Vec::new();
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        resources
            .iter()
            .for_each(|stored| shared_references(&stored.body, &mut wanted));
        let mut steps = 0;
        while !wanted.is_empty() || steps < STEPS {
            steps += 1;
            let nobody = || vec![(String::new(), String::new())];
            let ask: Vec<(String, String)> = match wanted.is_empty() {
                true => nobody(),
                false => wanted.iter().cloned().collect(),
            };
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

    async fn shown(&self, key: &Key) -> Result<Vec<Shown>, Error> {
        let rows = self
            .store
            .released(&key.recipient, &key.purpose, &key.patient)
            .await?;
        Ok(rows.iter().filter_map(shown).collect())
    }
}

impl Found {
    /// Was it loaded for this request?
    pub fn was_built(&self) -> bool {
        self.built
    }

    /// The rows of `released` this release moves.
    pub fn rows(&self, caller: &Caller) -> Vec<store::Released> {
        let whose = (caller.recipient.id.as_str(), caller.purpose.as_str());
        let release = self.release.as_deref().ok();
        moved_rows(whose, &self.patient, (release, &self.moved))
    }

    /// Lets others build it meanwhile: for who looks at people in no order of theirs, and would wait for builds with one in hand.
    pub fn let_go(mut self) -> Found {
        self.building = None;
        self
    }

    /// Keeps a fresh release, now that its dates are recorded, and lets go of who waits for it.
    pub fn keep(self, gateway: &Gateway) {
        if let (true, Ok(release), None) = (self.built, self.release, self.ends) {
            let kept = Kept {
                release,
                versions: self.versions,
            };
            gateway.releases.keep(self.key, kept);
        }
        drop(self.building);
    }
}

/// The rows of `released` that a release moves, of this recipient and purpose.
pub(super) fn moved_rows(
    whose: (&str, &str),
    patient: &str,
    (release, moved): (Option<&Release>, &Moved),
) -> Vec<store::Released> {
    let shown: HashSet<(&str, &str)> = moved
        .shown
        .iter()
        .map(|s| (s.resource_type.as_str(), s.id.as_str()))
        .collect();
    let release = release.filter(|_| !shown.is_empty());
    let held = release.into_iter().flat_map(Release::resources);
    let held = held.filter(|one| shown.contains(&one.name()));
    rows(whose, patient, held, &moved.gone)
}

/// Rows of `released` of this recipient and purpose: these of its release, with their keys, and what is gone.
pub(super) fn rows<'r>(
    (recipient, purpose): (&str, &str),
    patient: &str,
    held: impl Iterator<Item = &'r Released>,
    gone: &[(String, String)],
) -> Vec<store::Released> {
    let row = |(resource_type, id): (&str, &str), digest: Option<[u8; 32]>, keys: Keys| store::Released {
        recipient: recipient.to_owned(),
        purpose: purpose.to_owned(),
        patient: patient.to_owned(),
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        digest: digest.map(postern_rules::log::Digest),
        keys,
    };
    let held = held.map(|one| row(one.name(), Some(one.digest()), one.keys()));
    let gone = gone.iter().map(|(t, id)| row((t, id), None, Keys::default()));
    held.chain(gone).collect()
}

/// What a row of `released` says the recipient can see; of what is gone no digest is kept.
pub(super) fn shown(row: &ReleasedRow) -> Option<Shown> {
    let digest = row.digest.as_slice().try_into().ok()?;
    Some(Shown {
        resource_type: row.resource_type.clone(),
        id: row.id.clone(),
        digest,
        changed_at: row.changed_at,
    })
}

fn stored(row: &ResourceRow) -> Result<Stored, Error> {
    let body = json::parse(row.body.as_bytes()).map_err(|_| {
        tracing::error!(
            resource_type = row.resource_type,
            "a stored resource does not parse"
        );
        Error::Unavailable
    })?;
    let stored = Stored::new(body, row.version).ok_or(Error::Unavailable)?;
    Ok(as_stated(stored, &row.source))
}

/// With who stated it, by the source of its form.
pub(super) fn as_stated(stored: Stored, source: &str) -> Stored {
    match contributed(source) {
        Some((partner, standing)) => stored.contributed(partner, standing),
        None => stored,
    }
}

/// Source of what a partner stated: `partner:maple/waiting`.
pub(super) fn contribution(partner: &str, standing: Standing) -> String {
    format!("partner:{partner}/{}", standing.code())
}

pub(super) fn contributed(source: &str) -> Option<(&str, Standing)> {
    let (partner, standing) = source.strip_prefix("partner:")?.rsplit_once('/')?;
    Some((partner, Standing::named(standing)?))
}

/// What partners wrote, as a decision over the record takes it.
fn gathered(rows: &[WrittenValue]) -> WrittenValues {
    let mut written = WrittenValues::default();
    for row in rows {
        if let Ok(digest) = <[u8; 32]>::try_from(row.digest.as_slice()) {
            let reference = format!("{}/{}", row.resource_type, row.id);
            written.insert(&row.partner, &reference, &row.place, digest);
        }
    }
    written
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
                    Some((kind, id)) if is_shared(kind) => {
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
