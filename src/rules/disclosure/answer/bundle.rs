//! A searchset Bundle, written by splicing the released bytes; nothing is parsed again unless a part of it was asked for.
//! <https://hl7.org/fhir/R4/bundle.html#searchset>

use std::borrow::Cow;
use std::sync::Arc;

use super::subset::subset;
use super::{Chosen, MAY_BE_INCOMPLETE};
use crate::disclosure::release::Release;
use crate::fhir::excerpt::write_string;
use crate::search::{Position, Query, Summary, View};

/// What one page shows: matches in order, and what goes with them.
pub(super) struct Searchset<'a> {
    /// Where it is asked, below the base.
    pub path: &'a str,
    pub releases: &'a [Arc<Release>],
    pub matches: &'a [(usize, Chosen)],
    pub with: &'a [(usize, Chosen)],
    pub total: usize,
    pub next: Option<&'a Position>,
}

/// One entry's resource.
struct Shown<'a> {
    resource_type: &'a str,
    id: Cow<'a, str>,
    body: &'a [u8],
}

impl<'a> Searchset<'a> {
    pub fn write(&self, query: &Query, base: &str) -> Vec<u8> {
        let all = || self.matches.iter().chain(self.with);
        let size: usize = all().map(|one| self.shown(one).body.len() + 256).sum();
        let mut out = Vec::with_capacity(size + 1024);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",");
        // Who only counts gets the number.
        if query.total || query.view.summary == Summary::Count {
            out.extend_from_slice(b"\"total\":");
            out.extend_from_slice(self.total.to_string().as_bytes());
            out.push(b',');
        }
        out.extend_from_slice(b"\"link\":[{\"relation\":\"self\",\"url\":");
        write_string(&link(query, (base, self.path), query.cursor.as_deref()), &mut out);
        if let Some(cursor) = self.next.and_then(|next| query.cursor_after(next)) {
            out.extend_from_slice(b"},{\"relation\":\"next\",\"url\":");
            write_string(&link(query, (base, self.path), Some(&cursor)), &mut out);
        }
        out.extend_from_slice(b"}],\"entry\":[");
        let mut url = String::with_capacity(base.len() + 100);
        for one in self.matches {
            write_entry(&self.shown(one), &query.view, (base, &mut url), MATCH, &mut out);
        }
        let view = query.view.of_included();
        for one in self.with {
            write_entry(&self.shown(one), &view, (base, &mut url), INCLUDE, &mut out);
        }
        out.extend_from_slice(OUTCOME);
        write_string(MAY_BE_INCOMPLETE, &mut out);
        if query.left_out {
            out.extend_from_slice(LEFT_OUT);
            write_string(SOMETHING_LEFT_OUT, &mut out);
        }
        out.extend_from_slice(b"}]},\"search\":{\"mode\":\"outcome\"}}]}");
        out
    }

    fn shown(&self, (release, chosen): &'a (usize, Chosen)) -> Shown<'a> {
        match chosen {
            Chosen::Released(at) => {
                let one = &self.releases[*release].resources[*at];
                Shown {
                    resource_type: &one.resource_type,
                    id: Cow::Borrowed(&one.id),
                    body: &one.body,
                }
            }
            Chosen::Made(made) => Shown {
                resource_type: made.resource_type,
                id: Cow::Borrowed(&made.id),
                body: &made.body,
            },
        }
    }
}

const MATCH: &[u8] = b",\"search\":{\"mode\":\"match\"}},";
const INCLUDE: &[u8] = b",\"search\":{\"mode\":\"include\"}},";

fn write_entry(
    one: &Shown<'_>,
    view: &View,
    (base, url): (&str, &mut String),
    mode: &[u8],
    out: &mut Vec<u8>,
) {
    url.clear();
    for part in [base, "/", one.resource_type, "/", &one.id] {
        url.push_str(part);
    }
    out.extend_from_slice(b"{\"fullUrl\":");
    write_string(url, out);
    out.extend_from_slice(b",\"resource\":");
    match view.is_whole() {
        true => out.extend_from_slice(one.body),
        false => out.extend_from_slice(&subset(one.body, one.resource_type, view)),
    }
    out.extend_from_slice(mode);
}

/// Opens the entry that ends every searchset; its sentence follows.
const OUTCOME: &[u8] =
    b"{\"resource\":{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"information\",\
\"code\":\"informational\",\"diagnostics\":";

/// A second issue in it; its sentence follows.
const LEFT_OUT: &[u8] = b"},{\"severity\":\"warning\",\"code\":\"not-supported\",\"diagnostics\":";

/// Said with handling=lenient.
const SOMETHING_LEFT_OUT: &str = "Some parameter of this search is not served and was left out. The self link shows \
    the search that was made.";

/// The query as understood, percent-encoded to unreserved characters.
fn link(query: &Query, (base, path): (&str, &str), after: Option<&str>) -> String {
    let mut url = format!("{base}/{path}");
    // What begins with `$` says which operation it is of; the path says that too.
    let applied: Vec<_> = query
        .applied
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .collect();
    for (index, (name, value)) in applied.iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        encode(name, &mut url);
        url.push('=');
        encode(value, &mut url);
    }
    if let Some(after) = after {
        url.push(if applied.is_empty() { '?' } else { '&' });
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
