//! Cursors of pages: only the one that was made here opens, and only to whom it was given. <https://hl7.org/fhir/R4/http.html#paging>

use std::sync::LazyLock;

use postern_rules::fhir::Issue;
use postern_rules::search::{CursorKey, Key, Position, Query};

use super::ground::now;
use super::search::read;
use super::told;

struct Made {
    key: CursorKey,
    /// The one right cursor of this client, purpose and query.
    right: String,
}

fn made() -> &'static Made {
    static MADE: LazyLock<Made> = LazyLock::new(|| {
        let key = CursorKey::derive(b"of the fuzz targets");
        let query = query("10", None).expect("a right query");
        let bound = query.bound(&key, "client", "TREAT", &now());
        let place = Position {
            keys: vec![Key::Number(7)],
            id: "a-place".to_owned(),
        };
        let right = bound.expect("no cursor yet").cursor_after(&place);
        let right = right.expect("a query of somebody has pages");
        Made { key, right }
    });
    &MADE
}

fn query(count: &str, cursor: Option<&str>) -> Result<Query, Vec<Issue>> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = vec![pair("patient", "somebody"), pair("_count", count)];
    pairs.extend(cursor.map(|cursor| pair("_after", cursor)));
    read("CarePlan", &pairs, false)
}

/// A cursor; or, after `~`, pairs of a place and what is added to the right one's byte there.
pub fn target(data: &[u8]) -> bool {
    let made = made();
    let presented = match data.strip_prefix(b"~") {
        Some(changes) => changed(&made.right, changes),
        None => data.to_vec(),
    };
    let Ok(presented) = std::str::from_utf8(&presented) else {
        return false;
    };
    let asks = |count: &str, client: &str, purpose: &str| {
        let asked = query(count, Some(presented));
        let bound = asked.and_then(|query| {
            let bound = query.bound(&made.key, client, purpose, &now());
            bound.map_err(|issue| vec![issue])
        });
        bound.map_err(|issues| told(&issues)).is_ok()
    };
    assert_eq!(
        asks("10", "client", "TREAT"),
        presented == made.right,
        "{presented}"
    );
    for (count, client, purpose) in [
        ("11", "client", "TREAT"),
        ("10", "other", "TREAT"),
        ("10", "client", "ETREAT"),
    ] {
        assert!(!asks(count, client, purpose), "{presented}");
    }
    presented == made.right
}

fn changed(right: &str, changes: &[u8]) -> Vec<u8> {
    let mut bytes = right.as_bytes().to_vec();
    for change in changes.chunks_exact(2) {
        let at = usize::from(change[0]) % bytes.len();
        bytes[at] = bytes[at].wrapping_add(change[1]) & 0x7f;
    }
    bytes
}
