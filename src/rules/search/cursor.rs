//! Where the next page begins, as a text only this deployment can make: bound to the client, its purpose and the query,
//! good for fifteen minutes. It says nothing that was not in the page before, and it decides nothing: each page is
//! answered from the release as it is then.
//! <https://hl7.org/fhir/R4/http.html#paging>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Query;
use crate::fhir::id::{is_sealed, seal};
use crate::fhir::{Instant, Issue, IssueCode, Now};

/// A `next` link is good for so long.
pub const CURSOR_SECONDS: i64 = 15 * 60;

const TAG: usize = 16;
const NUMBER: usize = 8;
/// An R4 id has at most 64 characters; what is longer was not made here.
const LONGEST: usize = TAG + 2 * NUMBER + 64;

/// A place in the default order of a search: when the match last changed, and its id. Both were in the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub changed_at: Instant,
    pub id: String,
}

/// The deployment's key of cursors; every process of it has the same.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// From the deployment's secret.
    pub fn derive(secret: &[u8]) -> CursorKey {
        CursorKey(seal(secret, &[b"postern: page cursors, 1"]))
    }

    /// The pages of one query, asked by one client for one purpose.
    pub(super) fn pages(&self, query: &Query, client: &str, purpose: &str, now: &Now) -> Pages {
        let mut parts: Vec<&[u8]> = vec![
            client.as_bytes(),
            purpose.as_bytes(),
            query.resource_type.as_bytes(),
        ];
        for (name, value) in &query.applied {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
        Pages {
            key: seal(&self.0, &parts),
            until: now.stamp().plus_seconds(CURSOR_SECONDS),
        }
    }
}

/// Makes and reads the cursors of one query.
#[derive(Clone)]
pub struct Pages {
    key: [u8; 32],
    until: Instant,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    /// Letters, digits, `-` and `_` only: it needs no escaping in an address.
    pub(super) fn cursor(&self, after: &Position) -> String {
        let mut payload = Vec::with_capacity(LONGEST);
        payload.extend_from_slice(&self.until.0.to_be_bytes());
        payload.extend_from_slice(&after.changed_at.0.to_be_bytes());
        payload.extend_from_slice(after.id.as_bytes());
        let mut whole = seal(&self.key, &[&payload])[..TAG].to_vec();
        whole.append(&mut payload);
        URL_SAFE_NO_PAD.encode(whole)
    }

    /// Forged, another client's, another query's and expired are one answer.
    pub(super) fn read(&self, cursor: &str, now: &Now) -> Result<Position, Issue> {
        let details =
            "search parameter `_after` is not a page of this search, or too old; begin again without it";
        self.position(cursor, now)
            .ok_or_else(|| Issue::error(IssueCode::Invalid, "", details))
    }

    fn position(&self, cursor: &str, now: &Now) -> Option<Position> {
        if cursor.len() > LONGEST * 2 {
            return None;
        }
        let whole = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, payload) = whole.split_at_checked(TAG)?;
        if !is_sealed(&self.key, &[payload], tag) {
            return None;
        }
        let (until, rest) = payload.split_first_chunk::<NUMBER>()?;
        let (changed_at, id) = rest.split_first_chunk::<NUMBER>()?;
        if now.reached(Instant(i64::from_be_bytes(*until))) {
            return None;
        }
        Some(Position {
            changed_at: Instant(i64::from_be_bytes(*changed_at)),
            id: String::from_utf8(id.to_vec()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Query::parse("Goal", &pairs, "").expect("valid")
    }

    fn at(seconds: i64) -> Now {
        Now::new(Instant(1_790_000_000_000_000).plus_seconds(seconds))
    }

    #[test]
    fn a_cursor_leads_on_only_for_whom_and_what_it_was_made_and_not_for_long() {
        let key = CursorKey::derive(b"secret");
        let ours = query(&[("patient", "p"), ("_count", "2")]);
        let place = Position {
            changed_at: Instant(5),
            id: "g1".to_owned(),
        };
        let text = key.pages(&ours, "maple", "TREAT", &at(0)).cursor(&place);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        let read = |query: &Query, client: &str, purpose: &str, seconds: i64, text: &str| {
            let now = at(seconds);
            key.pages(query, client, purpose, &now).read(text, &now).ok()
        };
        assert_eq!(read(&ours, "maple", "TREAT", 899, &text), Some(place));
        assert_eq!(read(&ours, "maple", "TREAT", 900, &text), None, "too old");
        assert_eq!(read(&ours, "brigid", "TREAT", 0, &text), None, "another client's");
        assert_eq!(read(&ours, "maple", "ETREAT", 0, &text), None, "another purpose");
        for other in [
            query(&[("patient", "q"), ("_count", "2")]),
            query(&[("patient", "p")]),
        ] {
            assert_eq!(read(&other, "maple", "TREAT", 0, &text), None, "another query");
        }
        for (index, _) in text.char_indices() {
            let mut forged = text.clone();
            let other = if &forged[index..=index] == "A" { "B" } else { "A" };
            forged.replace_range(index..=index, other);
            assert_eq!(
                read(&ours, "maple", "TREAT", 0, &forged),
                None,
                "forged at {index}"
            );
        }
        for odd in ["", "x", "1790000000000000.g1", &"A".repeat(5000)] {
            assert_eq!(read(&ours, "maple", "TREAT", 0, odd), None, "{odd}");
        }
    }
}
