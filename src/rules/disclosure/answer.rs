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

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::release::{Release, version_id};
use crate::fhir::excerpt::write_string;
use crate::fhir::{Instant, Issue, IssueCode, issue::operation_outcome};
use crate::log::{Digest, Durable};
use crate::search::{Position, Query};

/// Said with every searchset, identically whether or not anything is hidden.
pub const MAY_BE_INCOMPLETE: &str = "This answer may be incomplete because of the person's consent or the law. \
    In an emergency, use break-glass.";

/// One person an answer speaks of: the release and which of its resources are in the answer.
#[derive(Debug)]
pub struct Subject {
    release: Arc<Release>,
    chosen: Vec<usize>,
}

impl Subject {
    pub(super) fn of(release: Arc<Release>, chosen: Vec<usize>) -> Subject {
        Subject { release, chosen }
    }

    /// One more resource of a release, beside those already shown of it.
    pub(super) fn add(subjects: &mut Vec<Subject>, release: Arc<Release>, index: usize) {
        match subjects
            .iter_mut()
            .find(|one| Arc::ptr_eq(&one.release, &release))
        {
            Some(one) if one.chosen.contains(&index) => {}
            Some(one) => one.chosen.push(index),
            None => subjects.push(Subject::of(release, vec![index])),
        }
    }

    pub fn release(&self) -> &Release {
        &self.release
    }

    /// `Type/id` and version of each resource in the answer.
    pub fn resources(&self) -> impl Iterator<Item = (String, String)> {
        let chosen = self
            .chosen
            .iter()
            .filter_map(|index| self.release.resources.get(*index));
        chosen.map(|r| (r.reference(), version_id(&r.digest)))
    }

    /// The bases on which what is in the answer leaves; those of the rest of the release are not among them.
    pub fn basis(&self) -> BTreeSet<&str> {
        let chosen = self
            .chosen
            .iter()
            .filter_map(|index| self.release.resources.get(*index));
        chosen.flat_map(|r| r.basis.iter().map(String::as_str)).collect()
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
    /// `read` of one resource (<https://hl7.org/fhir/R4/http.html#read>); absent and withheld are the same 404.
    /// `known` is the version the client already has (`If-None-Match`): then 304 without a body.
    pub fn read(
        release: Option<Arc<Release>>,
        resource_type: &str,
        id: &str,
        known: Option<&str>,
        request: &str,
    ) -> Answer {
        let Some(release) = release else {
            return Answer::not_found(request);
        };
        let Some(index) = release.find(resource_type, id) else {
            #[cfg(debug_assertions)]
            if super::planted::keeps_back(&release.about, resource_type, id) {
                return Answer::new(403, None, None, Vec::new(), Arc::from(*b"{}"), request);
            }
            return Answer::not_found(request);
        };
        let one = &release.resources[index];
        let version = version_id(&one.digest);
        let unchanged = known.is_some_and(|k| k.split(',').any(|tag| etag_names(tag, &version)));
        let body = if unchanged {
            Arc::from([])
        } else {
            Arc::clone(&one.body)
        };
        let (etag, last_modified) = (Some(format!("W/\"{version}\"")), Some(one.changed_at));
        let status = if unchanged { 304 } else { 200 };
        let subjects = vec![Subject {
            release,
            chosen: vec![index],
        }];
        Answer::new(status, etag, last_modified, subjects, body, request)
    }

    /// `search-type` (<https://hl7.org/fhir/R4/http.html#search>) over the releases of the people it may concern.
    /// `base` is the public address without a trailing slash. Total, order and links come from the releases.
    pub fn search(releases: Vec<Arc<Release>>, query: &Query, base: &str, request: &str) -> Answer {
        let page = Page::of(&releases, query);
        #[cfg(debug_assertions)]
        let page = Page {
            total: page.total + super::planted::uncounted(&releases, query),
            places: super::planted::reordered(&releases, page.places),
            ..page
        };
        let body = searchset(&releases, &page, query, base);
        let subjects: Vec<Subject> = releases
            .into_iter()
            .enumerate()
            .map(|(index, release)| Subject {
                release,
                chosen: page.chosen_of(index),
            })
            .filter(|subject| !subject.chosen.is_empty())
            .collect();
        Answer::new(200, None, None, subjects, body.into(), request)
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
        let chosen = (0..release.resources.len()).collect();
        let subjects = vec![Subject::of(release, chosen)];
        Answer::new(200, None, None, subjects, out.into(), request)
    }

    /// The one answer for absent, foreign and withheld.
    pub fn not_found(request: &str) -> Answer {
        let issue = Issue::error(IssueCode::NotFound, "", "no such resource");
        let body = operation_outcome(&[issue]).to_string().into_bytes();
        Answer::new(404, None, None, Vec::new(), body.into(), request)
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
        subject
            .chosen
            .iter()
            .for_each(|index| hasher.update(subject.release.resources[*index].digest));
    }
    Digest(hasher.finalize().into())
}

/// The matches of one page, by release and place in it, in the default order: last changed, then id.
struct Page {
    places: Vec<(usize, usize)>,
    total: usize,
    /// Where the next page begins.
    next: Option<Position>,
}

impl Page {
    fn of(releases: &[Arc<Release>], query: &Query) -> Page {
        match releases {
            [one] => Page::of_one(one, query),
            _ => Page::of_several(releases, query),
        }
    }

    /// One person's release holds its matches in order: nothing is kept of those on other pages.
    fn of_one(release: &Release, query: &Query) -> Page {
        let fits = |at: &usize| {
            let one = &release.resources[*at];
            query.matches(&one.id, &one.values)
        };
        let mut page = Filling::new(query);
        for at in release.of_type(query.resource_type).filter(fits) {
            let one = &release.resources[at];
            page.take(one.changed_at, &one.id, (0, at));
        }
        page.page
    }

    fn of_several(releases: &[Arc<Release>], query: &Query) -> Page {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut matches: Vec<(Instant, &str, (usize, usize))> = Vec::new();
        for (at, release) in releases.iter().enumerate() {
            for index in release.of_type(query.resource_type) {
                let one = &release.resources[index];
                // A shared resource can stand in the releases of several people; it is one match.
                if query.matches(&one.id, &one.values) && seen.insert(&one.id) {
                    matches.push((one.changed_at, &one.id, (at, index)));
                }
            }
        }
        matches.sort_unstable();
        let mut page = Filling::new(query);
        matches
            .into_iter()
            .for_each(|(changed_at, id, place)| page.take(changed_at, id, place));
        page.page
    }

    fn chosen_of(&self, release: usize) -> Vec<usize> {
        self.places
            .iter()
            .filter(|(at, _)| *at == release)
            .map(|(_, index)| *index)
            .collect()
    }
}

/// A page while its matches come in, in order.
struct Filling<'q> {
    query: &'q Query,
    page: Page,
    last: Option<Position>,
}

impl<'q> Filling<'q> {
    fn new(query: &'q Query) -> Filling<'q> {
        let places = Vec::with_capacity(query.count.min(64));
        Filling {
            query,
            page: Page {
                places,
                total: 0,
                next: None,
            },
            last: None,
        }
    }

    fn take(&mut self, changed_at: Instant, id: &str, place: (usize, usize)) {
        self.page.total += 1;
        let after = self.query.after.as_ref();
        let begun = after.is_none_or(|after| (changed_at, id) > (after.changed_at, after.id.as_str()));
        if !begun {
            return;
        }
        if self.page.places.len() < self.query.count {
            self.page.places.push(place);
            if self.page.places.len() == self.query.count {
                let id = id.to_owned();
                self.last = Some(Position { changed_at, id });
            }
        } else if self.page.next.is_none() {
            // There is more: the next page begins after the last match of this one.
            self.page.next = self.last.take();
        }
    }
}

/// A searchset Bundle written by splicing the released bytes; nothing is parsed again.
fn searchset(releases: &[Arc<Release>], page: &Page, query: &Query, base: &str) -> Vec<u8> {
    let matches = || {
        page.places
            .iter()
            .map(|(at, index)| &releases[*at].resources[*index])
    };
    let size: usize = matches().map(|one| one.body.len() + 256).sum();
    let mut out = Vec::with_capacity(size + 1024);
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":");
    out.extend_from_slice(page.total.to_string().as_bytes());
    out.extend_from_slice(b",\"link\":[{\"relation\":\"self\",\"url\":");
    write_string(&link(query, base, query.cursor.as_deref()), &mut out);
    if let Some(cursor) = page.next.as_ref().and_then(|next| query.cursor_after(next)) {
        out.extend_from_slice(b"},{\"relation\":\"next\",\"url\":");
        write_string(&link(query, base, Some(&cursor)), &mut out);
    }
    out.extend_from_slice(b"}],\"entry\":[");
    let mut url = String::with_capacity(base.len() + 100);
    for one in matches() {
        url.clear();
        for part in [base, "/", &one.resource_type, "/", &one.id] {
            url.push_str(part);
        }
        out.extend_from_slice(b"{\"fullUrl\":");
        write_string(&url, &mut out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&one.body);
        out.extend_from_slice(b",\"search\":{\"mode\":\"match\"}},");
    }
    out.extend_from_slice(OUTCOME);
    write_string(MAY_BE_INCOMPLETE, &mut out);
    out.extend_from_slice(b"}]},\"search\":{\"mode\":\"outcome\"}}]}");
    out
}

/// Opens the entry that ends every searchset; its sentence follows.
const OUTCOME: &[u8] =
    b"{\"resource\":{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"information\",\
\"code\":\"informational\",\"diagnostics\":";

/// The query as understood, percent-encoded to unreserved characters.
fn link(query: &Query, base: &str, after: Option<&str>) -> String {
    let mut url = format!("{base}/{}", query.resource_type);
    for (index, (name, value)) in query.applied.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        encode(name, &mut url);
        url.push('=');
        encode(value, &mut url);
    }
    if let Some(after) = after {
        url.push(if query.applied.is_empty() { '?' } else { '&' });
        url.push_str(&format!("_after={after}"));
    }
    url
}

fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
}
