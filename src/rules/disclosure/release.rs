//! A record *as one recipient may see it, for one purpose, now*. Only `decide` makes one.
//!
//! Version and date of a released resource belong to the release: `versionId` is the digest of what is
//! released, `lastUpdated` the moment that digest first appeared for this recipient and purpose. So a hidden
//! change shows in neither (<https://hl7.org/fhir/R4/resource.html#Meta>).

use std::collections::HashMap;
use std::sync::Arc;

use super::explain::Withheld;
use super::plan_document::{PlanDocument, UNDATED};
use super::relationship::Relationship;
use crate::fhir::{Instant, Now, Value, json};
use crate::search::{Keys, Query, Values};

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
    pub(super) resources: Vec<Undated>,
}

/// One resource as released, before it has a date.
#[derive(Debug)]
pub(super) struct Undated {
    pub resource_type: String,
    pub id: String,
    /// Of `bytes`.
    pub digest: [u8; 32],
    /// The resource without version and date, which belong at `stamp_at`, before other members of its `meta`.
    pub bytes: Box<[u8]>,
    pub stamp_at: usize,
    /// Where in `bytes` the list of its labels stands.
    pub security_at: std::ops::Range<usize>,
    pub values: Values,
    /// Legal basis of each layer that permitted it.
    pub basis: Vec<String>,
    /// The date of the version stands in the resource too, wherever `UNDATED` does.
    pub says_its_date: bool,
    /// Is it part of the released plan as a document?
    pub in_document: bool,
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
    /// The break-glass grant that took part (`Grant/…`): each disclosure under it names it (`42 CFR 2.51(c)`).
    pub grant: Option<String>,
    /// The released plan as a document, when there is one.
    pub document: Option<PlanDocument>,
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
    /// Is it part of the released plan as a document?
    pub(super) in_document: bool,
}

#[derive(Debug)]
pub struct Release {
    pub(super) about: About,
    /// In the default order of every answer: last changed, then type and id.
    pub(super) resources: Vec<Released>,
    /// Places in `resources` by type and id.
    by_name: Vec<u32>,
    /// Places in `resources` by type, and within a type in the default order.
    by_type: Vec<u32>,
    weight: usize,
}

impl Decision {
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Gives each resource its version and date. `before` is what this recipient was last shown of this
    /// person for this purpose; the second result is how that changes.
    pub fn dated(self, before: &[Shown], now: &Now) -> (Release, Moved) {
        let (shown, gone) = shown_before(&self.resources, before);
        let mut moved = Moved {
            shown: Vec::new(),
            gone,
        };
        let mut stamps = Stamps::default();
        let mut released: Vec<Released> = Vec::with_capacity(self.resources.len());
        for (resource, shown) in self.resources.into_iter().zip(shown) {
            #[cfg(debug_assertions)]
            let resource = super::planted::version(resource, &self.about);
            let same = shown.filter(|shown| shown.digest == resource.digest);
            // What is kept is what is written.
            let changed_at = same.map_or_else(|| now.stamp().milliseconds(), |shown| shown.changed_at);
            #[cfg(debug_assertions)]
            let changed_at = super::planted::date(changed_at, &self.about);
            if same.is_none() {
                moved.shown.push(resource.shown(changed_at));
            }
            released.push(resource.dated(changed_at, &mut stamps));
        }
        released.sort_by(|a, b| {
            (a.changed_at, &a.resource_type, &a.id).cmp(&(b.changed_at, &b.resource_type, &b.id))
        });
        (Release::new(self.about, released), moved)
    }
}

/// What was shown of each resource before, and which ones (type and id) were shown and are not released any more.
fn shown_before<'b>(
    resources: &[Undated],
    before: &'b [Shown],
) -> (Vec<Option<&'b Shown>>, Vec<(String, String)>) {
    let name = |s: &'b Shown| (s.resource_type.as_str(), s.id.as_str());
    let mut known: HashMap<(&str, &str), &Shown> = before.iter().map(|s| (name(s), s)).collect();
    let shown = resources
        .iter()
        .map(|r| known.remove(&(r.resource_type.as_str(), r.id.as_str())));
    let shown = shown.collect();
    // In the order in which they were handed in, whatever the map's.
    let left = before.iter().filter(|s| known.remove(&name(s)).is_some());
    let gone = left.map(|s| (s.resource_type.clone(), s.id.clone()));
    (shown, gone.collect())
}

impl Undated {
    fn shown(&self, changed_at: Instant) -> Shown {
        Shown {
            resource_type: self.resource_type.clone(),
            id: self.id.clone(),
            digest: self.digest,
            changed_at,
        }
    }

    fn dated(self, changed_at: Instant, stamps: &mut Stamps) -> Released {
        let (head, rest) = self.bytes.split_at(self.stamp_at);
        let version = version_id(&self.digest);
        let date = stamps.of(changed_at);
        let parts: [&[u8]; 6] = [
            head,
            b"\"versionId\":\"",
            version.as_bytes(),
            b"\",\"lastUpdated\":\"",
            date.as_bytes(),
            b"\",",
        ];
        let mut body = Vec::with_capacity(self.bytes.len() + 96);
        parts.iter().for_each(|part| body.extend_from_slice(part));
        body.extend_from_slice(rest);
        let mut values = self.values;
        if self.says_its_date {
            dated_within(&mut body, date);
            values.becomes_dated("date", changed_at);
        }
        Released {
            resource_type: self.resource_type,
            id: self.id,
            digest: self.digest,
            changed_at,
            body: body.into(),
            values,
            basis: self.basis,
            in_document: self.in_document,
        }
    }
}

/// Puts the date wherever the resource says it.
fn dated_within(body: &mut [u8], date: &str) {
    let (undated, date) = (UNDATED.as_bytes(), date.as_bytes());
    if date.len() != undated.len() {
        return;
    }
    let places: Vec<usize> = (0..body.len())
        .filter(|at| body[*at..].starts_with(undated))
        .collect();
    places
        .into_iter()
        .for_each(|at| body[at..at + undated.len()].copy_from_slice(date));
}

/// The last date written: most resources of a release have the same one.
#[derive(Default)]
struct Stamps(Option<(Instant, String)>);

impl Stamps {
    fn of(&mut self, t: Instant) -> &str {
        if self.0.as_ref().is_none_or(|(last, _)| *last != t) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (t, t.to_fhir())).1
    }
}

/// The first 64 bits of the digest, in hexadecimal: short enough for an ETag.
pub fn version_id(digest: &[u8; 32]) -> String {
    let digits = digest[..8].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

impl Release {
    /// `resources` in the default order.
    fn new(about: About, resources: Vec<Released>) -> Release {
        let weights = resources
            .iter()
            .map(|r| r.body.len() + r.values.weight() + r.basis_weight() + 256);
        let weight =
            512 + weights.sum::<usize>() + about.withheld.iter().map(Withheld::weight).sum::<usize>();
        let places = || (0u32..).take(resources.len()).collect::<Vec<u32>>();
        let (mut by_name, mut by_type) = (places(), places());
        by_name.sort_unstable_by_key(|at| resources[*at as usize].name());
        by_type.sort_by_key(|at| resources[*at as usize].resource_type.as_str());
        Release {
            about,
            resources,
            by_name,
            by_type,
            weight,
        }
    }

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

    /// Everything released, in order: for what is kept beside `released`. It opens nothing.
    pub fn resources(&self) -> impl Iterator<Item = &Released> {
        self.resources.iter()
    }

    pub fn holds(&self, resource_type: &str, id: &str) -> bool {
        self.find(resource_type, id).is_some()
    }

    /// The version this recipient has of a resource; `None` when it has none.
    pub fn version(&self, resource_type: &str, id: &str) -> Option<String> {
        let at = self.find(resource_type, id)?;
        Some(version_id(&self.resources[at].digest))
    }

    /// What a released resource is found by.
    pub fn values(&self, resource_type: &str, id: &str) -> Option<&Values> {
        self.find(resource_type, id).map(|at| &self.resources[at].values)
    }

    /// Ids of the resources that a query fits, in the default order.
    pub fn matching(&self, query: &Query) -> Vec<&str> {
        let of_type = self.of_type(query.resource_type).map(|at| &self.resources[at]);
        of_type
            .filter(|one| query.matches(&one.id, one.changed_at, &one.values))
            .map(|one| one.id.as_str())
            .collect()
    }

    /// A resource as it is sent: for rules that compare with it; nothing of it leaves this way.
    pub(crate) fn tree(&self, resource_type: &str, id: &str) -> Option<Value> {
        json::parse(&self.resources[self.find(resource_type, id)?].body).ok()
    }

    /// Those of one type.
    pub(crate) fn trees(&self, resource_type: &str) -> Vec<Value> {
        let bodies = self.of_type(resource_type).map(|at| &self.resources[at].body);
        bodies.filter_map(|body| json::parse(body).ok()).collect()
    }

    pub(super) fn find(&self, resource_type: &str, id: &str) -> Option<usize> {
        let name = |at: &u32| self.resources[*at as usize].name();
        let at = self
            .by_name
            .binary_search_by(|at| name(at).cmp(&(resource_type, id)))
            .ok()?;
        Some(self.by_name[at] as usize)
    }

    /// Places of the resources of one type, in the default order.
    pub(super) fn of_type(&self, resource_type: &str) -> impl Iterator<Item = usize> {
        let type_at = |at: &u32| self.resources[*at as usize].resource_type.as_str();
        let first = self.by_type.partition_point(|at| type_at(at) < resource_type);
        let rest = &self.by_type[first..];
        let those = rest.partition_point(|at| type_at(at) == resource_type);
        rest[..those].iter().map(|at| *at as usize)
    }
}

impl Released {
    /// Type and id.
    pub fn name(&self) -> (&str, &str) {
        (&self.resource_type, &self.id)
    }

    /// SHA-256 of the released form.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What it is found by across people.
    pub fn keys(&self) -> Keys {
        self.values.keys()
    }

    fn basis_weight(&self) -> usize {
        self.basis.iter().map(|basis| basis.len() + 24).sum()
    }

    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_date_stand_at_the_head_of_meta_and_not_in_the_digest() {
        let now = Instant::parse("2026-11-21T10:00:00.123Z").expect("an instant");
        let bytes = br#"{"resourceType":"Goal","meta":{"profile":["p"]},"text":{"div":"\"meta\":{"}}"#
            .as_slice()
            .into();
        let undated = Undated {
            resource_type: "Goal".to_owned(),
            id: "g".to_owned(),
            digest: [0x0a; 32],
            stamp_at: 31,
            security_at: 31..31,
            says_its_date: false,
            in_document: false,
            bytes,
            values: Values::default(),
            basis: Vec::new(),
        };
        let released = undated.dated(now, &mut Stamps::default());
        assert_eq!(
            std::str::from_utf8(&released.body).expect("UTF-8"),
            r#"{"resourceType":"Goal","meta":{"versionId":"0a0a0a0a0a0a0a0a","lastUpdated":"2026-11-21T10:00:00.123Z","profile":["p"]},"text":{"div":"\"meta\":{"}}"#
        );
    }
}
