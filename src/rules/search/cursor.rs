//! Where the next page begins, as a text only this deployment can make and read: bound to the client, its purpose and the
//! query, good for fifteen minutes. It says nothing that was not in the page before, it says it to nobody else, because
//! addresses are written into logs, and it decides nothing: each page is answered from the release as it is then.
//! <https://hl7.org/fhir/R4/http.html#paging>, <https://www.rfc-editor.org/rfc/rfc5297> (a tag that is the nonce as well)

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Query;
use super::sort::{Key, LONGEST_KEY, MOST_SORTS, Position};
use crate::fhir::id::{is_sealed, seal};
use crate::fhir::{Instant, Issue, IssueCode, Now};

/// A `next` link is good for so long.
pub const CURSOR_SECONDS: i64 = 15 * 60;

const TAG: usize = 16;
/// An R4 id has at most 64 characters, a key of the order its sign, its length and its text; what is longer was not made here.
const LONGEST: usize = TAG + 8 + MOST_SORTS * (2 + LONGEST_KEY) + 64;

/// The deployment's key of cursors; every process of it has the same.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// From the deployment's secret.
    pub fn derive(secret: &[u8]) -> CursorKey {
        CursorKey(seal(secret, &[b"postern: page cursors, 2"]))
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
            sorts: query.sort.len(),
            until: now.stamp().plus_seconds(CURSOR_SECONDS),
        }
    }
}

/// Makes and reads the cursors of one query.
#[derive(Clone)]
pub struct Pages {
    key: [u8; 32],
    /// How many keys a place in its order has.
    sorts: usize,
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
        let mut payload = self.until.0.to_be_bytes().to_vec();
        for key in &after.keys {
            write(key, &mut payload);
        }
        payload.extend_from_slice(after.id.as_bytes());
        let mut whole = seal(&self.key, &[&payload])[..TAG].to_vec();
        self.veil(&whole.clone(), &mut payload);
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
        let mut whole = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, payload) = whole.split_at_mut_checked(TAG)?;
        self.veil(tag, payload);
        if !is_sealed(&self.key, &[payload], tag) {
            return None;
        }
        let (until, mut rest) = payload.split_first_chunk::<8>()?;
        if now.reached(Instant(i64::from_be_bytes(*until))) {
            return None;
        }
        let keys = (0..self.sorts).map(|_| read(&mut rest));
        Some(Position {
            keys: keys.collect::<Option<_>>()?,
            id: String::from_utf8(rest.to_vec()).ok()?,
        })
    }

    /// Makes it unreadable without the key, and readable again: it adds the stream that belongs to the tag.
    fn veil(&self, tag: &[u8], payload: &mut [u8]) {
        for (number, block) in payload.chunks_mut(32).enumerate() {
            let stream = seal(&self.key, &[b"veil", tag, &(number as u64).to_be_bytes()]);
            block.iter_mut().zip(stream).for_each(|(byte, add)| *byte ^= add);
        }
    }
}

const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const MISSING: u8 = 3;

fn write(key: &Key<String>, out: &mut Vec<u8>) {
    match key {
        Key::Number(number) => {
            out.push(NUMBER);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Key::Text(text) => {
            out.push(TEXT);
            out.push(u8::try_from(text.len()).expect("keys are cut"));
            out.extend_from_slice(text.as_bytes());
        }
        Key::Missing => out.push(MISSING),
    }
}

fn read(rest: &mut &[u8]) -> Option<Key<String>> {
    let (sign, after) = rest.split_first()?;
    let (key, after) = match *sign {
        NUMBER => {
            let (number, after) = after.split_first_chunk::<8>()?;
            (Key::Number(i64::from_be_bytes(*number)), after)
        }
        TEXT => {
            let (len, after) = after.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*len))?;
            (Key::Text(String::from_utf8(text.to_vec()).ok()?), after)
        }
        MISSING => (Key::Missing, after),
        _ => return None,
    };
    *rest = after;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Setting;

    fn query(pairs: &[(&str, &str)]) -> Query {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let setting = Setting {
            base: "",
            zone: &jiff::tz::TimeZone::UTC,
            now: Instant(0),
            lenient: false,
        };
        Query::parse("Goal", &pairs, &setting).expect("valid")
    }

    fn at(seconds: i64) -> Now {
        Now::new(Instant(1_790_000_000_000_000).plus_seconds(seconds))
    }

    #[test]
    fn a_cursor_leads_on_only_for_whom_and_what_it_was_made_and_not_for_long() {
        let key = CursorKey::derive(b"secret");
        let sort = ("_sort", "-start-date,achievement-status,_lastUpdated");
        let ours = query(&[("patient", "p"), ("_count", "2"), sort]);
        let place = Position {
            keys: vec![Key::Missing, Key::Text("in-progress".to_owned()), Key::Number(5)],
            id: "g1".to_owned(),
        };
        let text = key.pages(&ours, "maple", "TREAT", &at(0)).cursor(&place);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
        let shown = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
        assert!(
            !shown(b"in-progress") && !shown(b"g1"),
            "an address is no place for what a record says"
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
            query(&[("patient", "q"), ("_count", "2"), sort]),
            query(&[("patient", "p"), sort]),
            query(&[("patient", "p"), ("_count", "2")]),
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
