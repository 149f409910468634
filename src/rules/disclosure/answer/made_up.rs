//! Releases made up of resources without a record behind them, and what is asked of them: for the tests beside this file.
//! <https://hl7.org/fhir/R4/search.html>

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::disclosure::relationship::{Basis, Relationship};
use crate::disclosure::release::{About, Decision, Shown, Undated};
use crate::fhir::excerpt::Excerpt;
use crate::fhir::{Now, json as door};
use crate::label::CodeLists;
use crate::law::StateLaw;
use crate::profile::shipped;
use crate::search::by_hand::{setting, specimen};
use crate::search::{CursorKey, Extractor};

pub(super) const BASE: &str = "https://here.test/fhir";
pub(super) const NOW: Instant = Instant(1_795_262_400_000_000);

/// Loaded once.
pub(super) fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(shipped_rules);
    &RULES
}

pub(super) fn shipped_rules() -> Rules {
    let sets = shipped::data_sets().expect("shipped sets").into_iter();
    Rules {
        policy: shipped::policy().expect("the shipped policy"),
        data_sets: sets.map(|set| (set.name().to_owned(), set)).collect(),
        lists: CodeLists::shipped(),
        state: StateLaw::neutral(),
        states: Default::default(),
        zone: TimeZone::UTC,
        agency: None,
        base: BASE.to_owned(),
        digest: [0; 32],
    }
}

pub(super) fn undated(resource: &Value, zone: &TimeZone) -> Undated {
    let mut excerpt = Excerpt::default();
    excerpt.value("", resource);
    let root = excerpt.root().expect("a resource");
    let text = |name: &str| resource[name].as_str().expect("a text").to_owned();
    let head = format!(
        "{{\"resourceType\":\"{}\",\"id\":\"{}\",\"meta\":{{",
        text("resourceType"),
        text("id")
    );
    let mut bytes = head.clone().into_bytes();
    bytes.extend_from_slice(
        b"\"security\":[{\"system\":\"s\",\"code\":\"R\"}]},\"text\":{\"status\":\"generated\",",
    );
    bytes.extend_from_slice(b"\"div\":\"<div><p><b>x</b></p><p>keep this to yourself</p></div>\"}");
    for part in root
        .parts()
        .filter(|p| !matches!(p.name(), "resourceType" | "id"))
    {
        bytes.push(b',');
        part.write_name(&mut bytes);
        part.write(&mut bytes);
    }
    bytes.push(b'}');
    Undated {
        resource_type: text("resourceType"),
        id: text("id"),
        digest: Sha256::digest(&bytes).into(),
        bytes: bytes.as_slice().into(),
        stamp_at: head.len(),
        security_at: head.len()..head.len(),
        values: Extractor::new(zone).extract(root),
        basis: vec!["hipaa-treatment".to_owned()],
        says_its_date: false,
        in_document: false,
    }
}

/// A release of these resources, each of which changed at its hour.
pub(super) fn release(resources: &[(Value, i64)]) -> Arc<Release> {
    let zone = TimeZone::get("America/Chicago").expect("a zone");
    let undated: Vec<Undated> = resources.iter().map(|(one, _)| undated(one, &zone)).collect();
    let shown: Vec<Shown> = undated
        .iter()
        .zip(resources)
        .map(|(one, (_, hour))| Shown {
            resource_type: one.resource_type.clone(),
            id: one.id.clone(),
            digest: one.digest,
            changed_at: NOW.plus_seconds(-3600 * hour),
        })
        .collect();
    let about = About {
        recipient: "maple".to_owned(),
        purpose: "TREAT".to_owned(),
        patient: "a1".to_owned(),
        record: 1,
        world: 1,
        data_set: "primary-care".to_owned(),
        relationship: Relationship {
            basis: Basis::Referral,
            evidence: String::new(),
        },
        basis: Vec::new(),
        withheld: Vec::new(),
        elements_stored: 0,
        elements_released: 0,
        part2: false,
        grant: None,
        document: None,
        valid_until: Instant::MAX,
    };
    let decision = Decision {
        about,
        resources: undated,
    };
    Arc::new(decision.dated(&shown, &Now::new(NOW)).0)
}

/// A dozen of one type.
pub(super) fn specimens(of: &'static str, seed: usize) -> Vec<(Value, i64)> {
    let hour = |number: usize| (number * 7 + seed) as i64 % 5;
    (0..12)
        .map(|number| (specimen(of, number), hour(number)))
        .collect()
}

pub(super) fn everything(_: &str, _: &Values) -> bool {
    true
}

pub(super) fn asking<'a>(rules: &'a Rules, permits: &'a Permits<'a>) -> Asking<'a> {
    Asking {
        rules,
        base: BASE,
        permits,
        within: &everything,
        request: "request",
    }
}

pub(super) fn query(of: &'static str, pairs: &[(String, String)], cursor: Option<&str>) -> Query {
    let mut pairs = pairs.to_vec();
    pairs.extend(cursor.map(|cursor| ("_after".to_owned(), cursor.to_owned())));
    let zone = TimeZone::get("America/Chicago").expect("a zone");
    let query = Query::parse(of, &pairs, &setting(&zone)).expect("a query");
    let key = CursorKey::derive(b"secret");
    query
        .bound(&key, "maple", "TREAT", &Now::new(NOW))
        .expect("a page")
}

pub(super) fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = list.iter();
    all.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

/// The Bundle, and the cursor of its next page.
pub(super) fn bundle(
    releases: &[Arc<Release>],
    query: &Query,
    asking: &Asking<'_>,
) -> (Value, Option<String>) {
    let answer = Answer::search(releases.to_vec(), query, asking);
    let bundle = door::parse(&answer.body).expect("JSON");
    let said: BTreeSet<String> = answer
        .subjects
        .iter()
        .flat_map(|subject| {
            subject
                .resources()
                .map(|(reference, _)| reference)
                .collect::<Vec<_>>()
        })
        .collect();
    let shown: BTreeSet<String> = ["match", "include"]
        .iter()
        .flat_map(|mode| names(&bundle, mode))
        .collect();
    assert_eq!(said, shown, "the log hears of exactly what is in the Bundle");
    let next = bundle["link"][1]["url"].as_str();
    let cursor = next
        .and_then(|url| url.split_once("_after="))
        .map(|(_, cursor)| cursor.to_owned());
    (bundle, cursor)
}

pub(super) fn names(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let those = entries.filter(|entry| entry["search"]["mode"] == mode);
    those
        .map(|entry| {
            let text = |name: &str| entry["resource"][name].as_str().unwrap_or_default();
            format!("{}/{}", text("resourceType"), text("id"))
        })
        .collect()
}

/// All pages of a search, each with its total.
pub(super) fn pages(
    releases: &[Arc<Release>],
    of: &'static str,
    asked: &[(String, String)],
    rules: &Rules,
) -> Vec<(Vec<String>, Value)> {
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let query = query(of, asked, cursor.as_deref());
        let (bundle, next) = bundle(releases, &query, &asking(rules, &everything));
        all.push((names(&bundle, "match"), bundle["total"].clone()));
        assert!(all.len() < 50, "pages end");
        match next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}
