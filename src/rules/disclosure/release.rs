//! A record *as one recipient may see it, for one purpose, now*. Only `decide` makes one.
//!
//! Version and date of a released resource belong to the release: `versionId` is the digest of what is
//! released, `lastUpdated` the moment that digest first appeared for this recipient and purpose. So a hidden
//! change shows in neither (<https://hl7.org/fhir/R4/resource.html#Meta>).

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::explain::Withheld;
use super::relationship::Relationship;
use crate::fhir::{Instant, Now, Value};
use crate::search::{self, Values};

/// What a recipient was shown before: one row of `released`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub resource_type: String,
    pub id: String,
    pub digest: [u8; 32],
    pub changed_at: Instant,
}

/// How `released` moves when a release is built anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// New, or with another digest than before.
    pub shown: Vec<Shown>,
    /// Shown before and not any more: type and id.
    pub gone: Vec<(String, String)>,
}

impl Moved {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.gone.is_empty()
    }
}

/// The decision before it has dates: made by `decide`, turned into a `Release` by `dated`.
#[derive(Debug)]
pub struct Decision {
    pub(super) about: About,
    /// Each with the legal basis it leaves on.
    pub(super) resources: Vec<(Value, Vec<String>)>,
}

/// What a release is about: for whom, why, from which versions, on which basis, and what it keeps back.
#[derive(Debug)]
pub struct About {
    pub recipient: String,
    pub purpose: String,
    pub patient: String,
    pub record: i64,
    pub world: i64,
    pub data_set: String,
    pub relationship: Relationship,
    /// Legal basis of each layer that permitted (`hipaa-treatment`, `part2-consent Consent/x provision[0]`).
    pub basis: Vec<String>,
    pub withheld: Vec<Withheld>,
    /// Leaf elements in the stored resources that were released in part, and how many of them are released.
    pub elements_stored: usize,
    pub elements_released: usize,
    /// Does the release hold content under 42 CFR Part 2?
    pub part2: bool,
    pub valid_until: Instant,
}

/// One resource as released: bytes ready to send, and what searches may ask of it.
#[derive(Debug)]
pub struct Released {
    pub(super) resource_type: String,
    pub(super) id: String,
    pub(super) digest: [u8; 32],
    pub(super) changed_at: Instant,
    pub(super) body: Arc<[u8]>,
    pub(super) values: Values,
    /// Legal basis of each layer that permitted it.
    pub(super) basis: Vec<String>,
}

#[derive(Debug)]
pub struct Release {
    pub(super) about: About,
    /// In the default order of every answer: last changed, then type and id.
    pub(super) resources: Vec<Released>,
    weight: usize,
}

impl Decision {
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Gives each resource its version and date. `before` is what this recipient was last shown of this
    /// person for this purpose; the second result is how that changes.
    pub fn dated(self, before: &[Shown], now: &Now) -> (Release, Moved) {
        let mut moved = Moved::default();
        let mut released: Vec<Released> = Vec::with_capacity(self.resources.len());
        for (resource, basis) in self.resources {
            let (one, change) = date_one(resource, basis, before, now);
            moved.shown.extend(change);
            released.push(one);
        }
        let kept = |s: &&Shown| {
            !released
                .iter()
                .any(|r| r.resource_type == s.resource_type && r.id == s.id)
        };
        moved.gone = before
            .iter()
            .filter(kept)
            .map(|s| (s.resource_type.clone(), s.id.clone()))
            .collect();
        released.sort_by(|a, b| {
            (a.changed_at, &a.resource_type, &a.id).cmp(&(b.changed_at, &b.resource_type, &b.id))
        });
        let weight = 512
            + released
                .iter()
                .map(|r| r.body.len() + r.values.weight() + 256)
                .sum::<usize>();
        (
            Release {
                about: self.about,
                resources: released,
                weight,
            },
            moved,
        )
    }
}

fn date_one(resource: Value, basis: Vec<String>, before: &[Shown], now: &Now) -> (Released, Option<Shown>) {
    let resource_type = resource["resourceType"].as_str().unwrap_or_default().to_owned();
    let id = resource["id"].as_str().unwrap_or_default().to_owned();
    let bytes = serde_json::to_vec(&resource).expect("a JSON tree can be written");
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let known = before
        .iter()
        .find(|s| s.digest == digest && s.resource_type == resource_type && s.id == id);
    let changed_at = known.map_or_else(|| milliseconds(now.stamp()), |s| s.changed_at);
    let values = search::extract(&resource);
    let change = match known {
        Some(_) => None,
        None => Some(Shown {
            resource_type: resource_type.clone(),
            id: id.clone(),
            digest,
            changed_at,
        }),
    };
    let body: Arc<[u8]> = stamped(resource, &bytes, &digest, changed_at).into();
    (
        Released {
            resource_type,
            id,
            digest,
            changed_at,
            body,
            values,
            basis,
        },
        change,
    )
}

/// `lastUpdated` is written in milliseconds; what is kept is what was written.
fn milliseconds(t: Instant) -> Instant {
    Instant(t.0 - t.0.rem_euclid(1000))
}

/// How `meta` begins in what is written. In a string its quotes would be escaped, so where it first stands it is one.
const META: &[u8] = b"\"meta\":{";

/// The resource as bytes with version and date at the head of its `meta`. `bytes` is the resource without them: they
/// are spliced in, so that it is written once.
fn stamped(resource: Value, bytes: &[u8], digest: &[u8; 32], changed_at: Instant) -> Vec<u8> {
    let stamp = format!(
        "\"versionId\":\"{}\",\"lastUpdated\":\"{}\"",
        version_id(digest),
        changed_at.to_fhir()
    );
    let top = resource
        .as_object()
        .and_then(|object| object.get("meta"))
        .and_then(Value::as_object);
    let mut before = resource
        .as_object()
        .into_iter()
        .flatten()
        .take_while(|(name, _)| *name != "meta");
    let leads = before.all(|(_, value)| value.is_string());
    let found = bytes.windows(META.len()).position(|window| window == META);
    match (top, found) {
        (Some(meta), Some(at)) if leads => {
            let (head, rest) = bytes.split_at(at + META.len());
            let comma: &[u8] = if meta.is_empty() { b"" } else { b"," };
            [head, stamp.as_bytes(), comma, rest].concat()
        }
        _ => written_out(resource, digest, changed_at),
    }
}

/// The same for a resource whose `meta` is absent or does not stand at its head.
fn written_out(mut resource: Value, digest: &[u8; 32], changed_at: Instant) -> Vec<u8> {
    let mut meta = serde_json::Map::new();
    meta.insert("versionId".to_owned(), version_id(digest).into());
    meta.insert("lastUpdated".to_owned(), changed_at.to_fhir().into());
    if let Some(Value::Object(rest)) = resource.get_mut("meta").map(Value::take) {
        meta.extend(rest);
    }
    resource["meta"] = Value::Object(meta);
    resource.to_string().into_bytes()
}

/// The first 64 bits of the digest, in hexadecimal: short enough for an ETag.
pub fn version_id(digest: &[u8; 32]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Release {
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Bytes held: what a cache weighs.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// `Type/id` of everything released, in order. For staff views and tests; it opens nothing.
    pub fn references(&self) -> Vec<String> {
        self.resources.iter().map(Released::reference).collect()
    }

    pub fn holds(&self, resource_type: &str, id: &str) -> bool {
        self.find(resource_type, id).is_some()
    }

    pub(super) fn find(&self, resource_type: &str, id: &str) -> Option<usize> {
        self.resources
            .iter()
            .position(|r| r.resource_type == resource_type && r.id == id)
    }
}

impl Released {
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn splicing_the_version_in_gives_the_bytes_of_writing_it_out() {
        let now = Instant::parse("2026-11-21T10:00:00.123Z").expect("an instant");
        for resource in [
            json!({"resourceType": "Goal", "id": "g", "meta": {"profile": ["p"]}, "text": {"div": "\"meta\":{"}}),
            json!({"resourceType": "Goal", "meta": {}, "note": [{"meta": {}}]}),
            json!({"resourceType": "Goal", "id": "\"meta\":{", "meta": {"security": []}}),
            json!({"resourceType": "Goal", "id": "g", "a": {"meta": {}}, "meta": {"profile": ["p"]}}),
            json!({"resourceType": "Goal", "id": "g"}),
        ] {
            let bytes = serde_json::to_vec(&resource).expect("JSON");
            let spliced = stamped(resource.clone(), &bytes, &[7; 32], now);
            let parsed: Value = serde_json::from_slice(&spliced).expect("JSON");
            assert_eq!(
                spliced,
                written_out(resource.clone(), &[7; 32], now),
                "{resource}"
            );
            assert_eq!(parsed["meta"]["versionId"], version_id(&[7; 32]), "{resource}");
        }
    }
}
