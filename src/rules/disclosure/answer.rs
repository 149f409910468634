//! What one request gets out of releases. An `Answer` keeps its bytes until a receipt shows that the audit
//! events made from it are durable: `open` is the only way to them.
//!
//! ```compile_fail,E0616
//! // An answer's bytes cannot be read without a receipt: the field is private.
//! fn leak(answer: postern_rules::disclosure::Answer) -> std::sync::Arc<[u8]> {
//!     answer.body
//! }
//! ```
//!
//! ```compile_fail,E0451
//! // A release cannot be made by hand: only `disclosure::decide` makes what becomes one.
//! fn forge(about: postern_rules::disclosure::About) -> postern_rules::disclosure::Release {
//!     postern_rules::disclosure::Release { about, resources: vec![], by_name: vec![], by_type: vec![], weight: 0 }
//! }
//! ```

mod subset;
mod page;
mod permitted;
mod included;
mod bundle;
mod document;
mod selected;
mod closure;
#[cfg(test)]
mod made_up;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod links;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use self::document::{Writing, Written};
use self::included::{MOST_INCLUDED, included};
use self::page::Page;
pub(super) use self::page::Place;
pub use self::page::fills_page;
use self::subset::subset;
use super::Rules;
use super::provenance::{Made, provenance};
use super::release::{Release, version_id};
use crate::fhir::excerpt::write_string;
use crate::fhir::{Instant, Issue, IssueCode, issue::operation_outcome};
use crate::log::{Digest, Durable};
use crate::search::{Query, Values, View};

/// Said with every searchset, identically whether or not anything is hidden.
pub const MAY_BE_INCOMPLETE: &str = "This answer may be incomplete because of the person's consent or the law. \
    In an emergency, use break-glass.";

/// Says of a type and the values of a resource whether a client may see it.
pub type Permits<'a> = dyn Fn(&str, &Values) -> bool + Sync + 'a;

/// What one request is answered with, beside the releases.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub rules: &'a Rules,
    /// The public address without a trailing slash.
    pub base: &'a str,
    /// May this client see a resource of this type, with these values? What it may not see is not there: not found, not
    /// counted, not included.
    pub permits: &'a Permits<'a>,
    /// May it be part of a document that this client gets? What may not keeps the whole document back.
    pub within: &'a Permits<'a>,
    /// Id of the request.
    pub request: &'a str,
}

/// What a read asks for.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub resource_type: &'a str,
    pub id: &'a str,
    /// The version it wants (vread); any other than the present one is not there.
    pub version: Option<&'a str>,
    /// The version the client already has (`If-None-Match`): then 304 without a body.
    pub known: Option<&'a str>,
    pub view: &'a View,
}

/// One resource of an answer.
#[derive(Clone, Debug)]
enum Chosen {
    /// By its place in the release.
    Released(usize),
    /// Made from the release for this answer.
    Made(Arc<Made>),
}

impl Chosen {
    fn is(&self, index: usize) -> bool {
        matches!(self, Chosen::Released(at) if *at == index)
    }
}

/// One person an answer speaks of: the release and which of its resources are in the answer.
#[derive(Debug)]
pub struct Subject {
    release: Arc<Release>,
    chosen: Vec<Chosen>,
}

impl Subject {
    /// Of resources by their places in the release.
    pub(super) fn of(release: Arc<Release>, places: Vec<usize>) -> Subject {
        Subject::shown(release, places.into_iter().map(Chosen::Released).collect())
    }

    /// Of what was chosen, be it in the release or made from it.
    fn shown(release: Arc<Release>, chosen: Vec<Chosen>) -> Subject {
        Subject { release, chosen }
    }

    /// One more resource of a release, beside those already shown of it.
    pub(super) fn add(subjects: &mut Vec<Subject>, release: Arc<Release>, index: usize) {
        match subjects
            .iter_mut()
            .find(|one| Arc::ptr_eq(&one.release, &release))
        {
            Some(one) if one.chosen.iter().any(|known| known.is(index)) => {}
            Some(one) => one.chosen.push(Chosen::Released(index)),
            None => subjects.push(Subject::of(release, vec![index])),
        }
    }

    pub fn release(&self) -> &Release {
        &self.release
    }

    /// `Type/id` and version of each resource in the answer; none where they were only counted.
    pub fn resources(&self) -> impl Iterator<Item = (String, String)> {
        self.chosen.iter().filter_map(|chosen| match chosen {
            Chosen::Released(at) => {
                let one = self.release.resources.get(*at)?;
                Some((one.reference(), version_id(&one.digest)))
            }
            Chosen::Made(made) => Some((made.reference(), version_id(&made.digest))),
        })
    }

    /// The bases on which what is in the answer leaves; those of the rest of the release are not among them.
    pub fn basis(&self) -> BTreeSet<&str> {
        let chosen = self.chosen.iter().filter_map(|chosen| match chosen {
            Chosen::Released(at) => self.release.resources.get(*at),
            Chosen::Made(made) => self.release.resources.get(made.of),
        });
        chosen.flat_map(|r| r.basis.iter().map(String::as_str)).collect()
    }

    fn digests(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.chosen.iter().map(|chosen| match chosen {
            Chosen::Released(at) => &self.release.resources[*at].digest,
            Chosen::Made(made) => &made.digest,
        })
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub last_modified: Option<Instant>,
    subjects: Vec<Subject>,
    body: Arc<[u8]>,
    digest: Digest,
}

/// The bytes of an answer whose events are durable.
#[derive(Clone, Debug)]
pub struct Opened(pub Arc<[u8]>);

/// The receipt does not cover this answer: nothing may leave.
#[derive(Debug, thiserror::Error)]
#[error("the receipt does not cover this answer")]
pub struct NotRecorded;

impl Answer {
    /// `read` and `vread` of one resource (<https://hl7.org/fhir/R4/http.html#read>); absent and withheld are the same 404.
    pub fn read(release: Option<Arc<Release>>, reading: &Reading<'_>, asking: &Asking<'_>) -> Answer {
        let Some(release) = release else {
            return Answer::not_found(asking.request);
        };
        let Some(place) = release.place(reading.resource_type, reading.id, asking) else {
            #[cfg(debug_assertions)]
            if super::planted::keeps_back(&release.about, reading.resource_type, reading.id) {
                return Answer::new(403, None, None, Vec::new(), Arc::from(*b"{}"), asking.request);
            }
            return Answer::not_found(asking.request);
        };
        let Some(chosen) = chosen(&release, place, asking) else {
            return Answer::not_found(asking.request);
        };
        let (changed_at, digest, body) = match &chosen {
            Chosen::Released(at) => {
                let one = &release.resources[*at];
                (one.changed_at, one.digest, &one.body)
            }
            Chosen::Made(made) => (made.changed_at, made.digest, &made.body),
        };
        let version = version_id(&digest);
        if reading.version.is_some_and(|wanted| wanted != version) {
            return Answer::not_found(asking.request);
        }
        let unchanged = reading
            .known
            .is_some_and(|k| k.split(',').any(|tag| etag_names(tag, &version)));
        let body = match (unchanged, reading.view.is_whole()) {
            (true, _) => Arc::from([]),
            (false, true) => Arc::clone(body),
            (false, false) => subset(body, reading.resource_type, reading.view).into(),
        };
        let (etag, last_modified) = (Some(format!("W/\"{version}\"")), Some(changed_at));
        let status = if unchanged { 304 } else { 200 };
        let chosen = vec![chosen];
        let subjects = vec![Subject { release, chosen }];
        Answer::new(status, etag, last_modified, subjects, body, asking.request)
    }

    /// `search-type` (<https://hl7.org/fhir/R4/http.html#search>) over the releases of the people it may concern. Total, order,
    /// links and what is included come from the releases.
    pub fn search(releases: Vec<Arc<Release>>, query: &Query, asking: &Asking<'_>) -> Answer {
        let mut count = query.count;
        let (page, with) = loop {
            let page = Page::of(&releases, query, count, asking);
            let with = included(&releases, &page.places, query, asking);
            if with.len() <= MOST_INCLUDED {
                break (page, with);
            }
            // A page with less on it: the next link leads to the rest.
            if page.places.len() < 2 {
                return Answer::too_much(asking.request);
            }
            count = page.places.len() / 2;
        };
        #[cfg(debug_assertions)]
        let page = Page {
            total: page.total + super::planted::uncounted(&releases, query),
            places: super::planted::reordered(&releases, page.places),
            ..page
        };
        #[cfg(debug_assertions)]
        let with = {
            let mut with = with;
            super::planted::crowded_out(&releases, &mut with);
            with
        };
        let choose = |places: Vec<Place>| -> Vec<(usize, Chosen)> {
            let all = places.into_iter();
            all.filter_map(|place| Some((place.release, chosen(&releases[place.release], place, asking)?)))
                .collect()
        };
        let (matches, with) = (choose(page.places), choose(with));
        let searchset = bundle::Searchset {
            path: query.resource_type,
            releases: &releases,
            matches: &matches,
            with: &with,
            total: page.total,
            next: page.next.as_ref(),
        };
        let body = searchset.write(query, asking.base);
        let mut chosen: Vec<Vec<Chosen>> = releases.iter().map(|_| Vec::new()).collect();
        for (release, one) in matches.into_iter().chain(with) {
            chosen[release].push(one);
        }
        let subjects = releases.into_iter().zip(chosen).enumerate();
        let subjects = subjects
            .filter(|(at, (_, chosen))| !chosen.is_empty() || page.counted.contains(at))
            .map(|(_, (release, chosen))| Subject { release, chosen });
        Answer::new(200, None, None, subjects.collect(), body.into(), asking.request)
    }

    /// A disclosure by hand: everything in the release, as one collection Bundle (<https://hl7.org/fhir/R4/bundle.html>).
    pub fn collection(release: Arc<Release>, base: &str, at: Instant, request: &str) -> Answer {
        let mut out = Vec::with_capacity(1024 + release.weight());
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"timestamp\":");
        write_string(&at.to_fhir(), &mut out);
        out.extend_from_slice(b",\"entry\":[");
        for (number, one) in release.resources.iter().enumerate() {
            out.extend_from_slice(if number == 0 {
                b"{\"fullUrl\":"
            } else {
                b",{\"fullUrl\":"
            });
            write_string(&format!("{base}/{}", one.reference()), &mut out);
            out.extend_from_slice(b",\"resource\":");
            out.extend_from_slice(&one.body);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        let places = (0..release.resources.len()).collect();
        let subjects = vec![Subject::of(release, places)];
        Answer::new(200, None, None, subjects, out.into(), request)
    }

    /// The one answer for absent, foreign and withheld.
    pub fn not_found(request: &str) -> Answer {
        let issue = Issue::error(IssueCode::NotFound, "", "no such resource");
        let body = operation_outcome(&[issue]).to_string().into_bytes();
        Answer::new(404, None, None, Vec::new(), body.into(), request)
    }

    /// One match alone would bring more with it than an answer holds.
    fn too_much(request: &str) -> Answer {
        let details =
            "this would include more resources than one answer holds; search for them by themselves";
        let issue = Issue::error(IssueCode::TooCostly, "", details);
        let body = operation_outcome(&[issue]).to_string().into_bytes();
        Answer::new(400, None, None, Vec::new(), body.into(), request)
    }

    pub(super) fn new(
        status: u16,
        etag: Option<String>,
        last_modified: Option<Instant>,
        subjects: Vec<Subject>,
        body: Arc<[u8]>,
        request: &str,
    ) -> Answer {
        let digest = digest(status, &subjects, request);
        Answer {
            status,
            etag,
            last_modified,
            subjects,
            body,
            digest,
        }
    }

    /// Whom the answer speaks of; empty for a 404 and for an empty searchset.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Names what would leave: the status, the request, and each resource by the digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes, once the events are durable.
    pub fn open(self, receipt: &impl Durable) -> Result<Opened, NotRecorded> {
        if receipt.covers(&self.digest) {
            Ok(Opened(self.body))
        } else {
            Err(NotRecorded)
        }
    }
}

fn etag_names(tag: &str, version: &str) -> bool {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == version
}

fn digest(status: u16, subjects: &[Subject], request: &str) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(status.to_be_bytes());
    hasher.update((request.len() as u64).to_be_bytes());
    hasher.update(request.as_bytes());
    for subject in subjects {
        hasher.update((subject.release.about.patient.len() as u64).to_be_bytes());
        hasher.update(subject.release.about.patient.as_bytes());
        hasher.update((subject.chosen.len() as u64).to_be_bytes());
        subject.digests().for_each(|digest| hasher.update(digest));
    }
    Digest(hasher.finalize().into())
}

/// What stands at a place; a Provenance is made now.
fn chosen(release: &Release, place: Place, asking: &Asking<'_>) -> Option<Chosen> {
    if place.provenance {
        return provenance(release, place.at, asking.rules).map(|made| Chosen::Made(Arc::new(made)));
    }
    Some(Chosen::Released(place.at))
}
