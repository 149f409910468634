//! Search queries, and what a release makes of them. <https://hl7.org/fhir/R4/search.html>

use postern_rules::fhir::element::table;
use postern_rules::search::{Query, Setting, View};

use super::ground::{BASE, ground, now};
use super::told;

/// `Type?name=value&…`; an unknown type stands for CarePlan.
pub fn target(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let (kind, query) = text.split_once('?').unwrap_or(("CarePlan", text));
    let kind = table().resource_types().find(|known| *known == kind);
    let kind = kind.unwrap_or("CarePlan");
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut taken = false;
    for lenient in [false, true] {
        if let Err(issues) = View::parse(kind, &pairs, lenient) {
            told(&issues);
        }
        match read(kind, &pairs, lenient) {
            Err(issues) => told(&issues),
            Ok(query) => {
                understood(kind, &query);
                taken = true;
            }
        }
    }
    taken
}

pub fn read(
    kind: &'static str,
    pairs: &[(String, String)],
    lenient: bool,
) -> Result<Query, Vec<postern_rules::fhir::Issue>> {
    let setting = Setting {
        base: BASE,
        zone: &ground().rules.zone,
        now: now().stamp(),
        lenient,
    };
    Query::parse(kind, pairs, &setting)
}

/// The `self` link tells the truth, and the release can be asked.
fn understood(kind: &'static str, query: &Query) {
    let again = read(kind, &query.applied, false);
    let again = again.expect("its own self link is understood");
    let release = &ground().release;
    assert_eq!(query.applied, again.applied);
    assert_eq!(release.matching(query), release.matching(&again));
}
