//! What a search promises: it finds what filtering by hand finds, pages joined are one page, the total is what they hold, and no
//! match is lost or doubled while the release changes. <https://hl7.org/fhir/R4/search.html>

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::made_up::{asking, bundle, everything, names, pages, pairs, query, release, rules, specimens};
use crate::search::by_hand::{asked, holds, specimen};
use crate::search::{parameters, searched_types};

/// Some order of this type.
fn order(of: &str, seed: usize) -> String {
    let sorted: Vec<&str> = parameters(of)
        .iter()
        .filter(|p| crate::search::is_sorted(p))
        .map(|p| p.code)
        .chain(["_id", "_lastUpdated"])
        .collect();
    let one = |n: usize| {
        format!(
            "{}{}",
            if n.is_multiple_of(3) { "-" } else { "" },
            sorted[n % sorted.len()]
        )
    };
    format!("{},{}", one(seed), one(seed / 7 + 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Up to three filters at once over everything released.
    #[test]
    fn a_search_finds_what_filtering_by_hand_finds(of in 0..26_usize, seed in 0..100_000_usize, filters in 0..4_usize) {
        let of = searched_types().filter(|of| *of != "Provenance").nth(of % 25).expect("a type");
        let resources = specimens(of, seed);
        let parameter = |n: usize| &parameters(of)[(seed / 3 + n * 5) % parameters(of).len()];
        let chosen: Vec<_> = (0..filters).map(|n| (parameter(n), asked(parameter(n), seed + n))).collect();
        let chosen: Vec<_> = chosen.into_iter().filter(|(p, (name, _))| p.code != "patient" || name.contains(":missing")).collect();
        let query_pairs: Vec<(String, String)> = chosen.iter().map(|(_, pair)| pair.clone()).collect();
        let rules = rules();
        let (bundle, _) = bundle(&[release(&resources)], &query(of, &query_pairs, None), &asking(rules, &everything));
        let by_hand: BTreeSet<String> = resources
            .iter()
            .filter(|(one, _)| chosen.iter().all(|(p, (name, value))| {
                holds(p, name.split_once(':').map_or("", |(_, m)| m), value, one)
            }))
            .map(|(one, _)| format!("{of}/{}", one["id"].as_str().unwrap_or_default()))
            .collect();
        let found = names(&bundle, "match");
        prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), by_hand, "{}?{:?}", of, query_pairs);
        prop_assert_eq!(&bundle["total"], &json!(found.len()));
    }

    /// Whatever the order and the size of a page.
    #[test]
    fn pages_joined_are_one_page(of in 0..26_usize, seed in 0..100_000_usize, count in 1..7_usize) {
        let of = searched_types().nth(of).expect("a type");
        let rules = rules();
        let (held, others) = match of {
            "Provenance" => ("Goal", "Task"),
            _ => (of, "Goal"),
        };
        let releases = [release(&specimens(held, seed)), release(&specimens(others, seed))];
        let releases = &releases[..1 + seed % 2];
        let sort = ("_sort".to_owned(), order(of, seed));
        let sorted = if seed.is_multiple_of(5) { vec![] } else { vec![sort] };
        let whole = pages(releases, of, &sorted, rules);
        prop_assert_eq!(whole.len(), 1);
        let mut small = sorted.clone();
        small.push(("_count".to_owned(), count.to_string()));
        let pages = pages(releases, of, &small, rules);
        let joined: Vec<String> = pages.iter().flat_map(|(names, _)| names.clone()).collect();
        prop_assert_eq!(&joined, &whole[0].0, "{}?{:?}", of, small);
        for (number, (names, total)) in pages.iter().enumerate() {
            prop_assert_eq!(total, &json!(joined.len()));
            prop_assert!(names.len() == count || number + 1 == pages.len(), "pages before the last are full");
        }
    }

    /// Between two pages some resources go and others come: those that were there all the time are found once.
    #[test]
    fn no_match_is_lost_or_doubled_while_the_release_changes(seed in 0..100_000_usize, gone in 0..12_usize) {
        let rules = rules();
        let before = specimens("Condition", seed);
        let pairs = pairs(&[("_sort", &order("Condition", seed)), ("_count", "4")]);
        let ask = asking(rules, &everything);
        let (first, cursor) = bundle(&[release(&before)], &query("Condition", &pairs, None), &ask);
        let first = names(&first, "match");
        let boundary = first.last().cloned().expect("a match");
        let mut after: Vec<(Value, i64)> = before
            .iter()
            .enumerate()
            .filter(|(n, (one, _))| *n != gone || boundary.ends_with(one["id"].as_str().unwrap_or_default()))
            .map(|(_, one)| one.clone())
            .collect();
        after.extend((12..15).map(|n| (specimen("Condition", n), seed as i64 % 5)));
        let stayed: BTreeSet<String> = after.iter().map(|(one, _)| format!("Condition/{}", one["id"].as_str().unwrap_or_default()))
            .filter(|name| before.iter().any(|(one, _)| name.ends_with(&format!("/{}", one["id"].as_str().unwrap_or_default()))))
            .collect();
        let (mut found, mut next) = (first, cursor);
        while let Some(cursor) = next {
            let (page, following) = bundle(&[release(&after)], &query("Condition", &pairs, Some(&cursor)), &ask);
            found.extend(names(&page, "match"));
            next = following;
        }
        let mut times: BTreeMap<&String, usize> = BTreeMap::new();
        found.iter().for_each(|name| *times.entry(name).or_default() += 1);
        prop_assert!(times.values().all(|n| *n == 1), "{:?}", times);
        for name in &stayed {
            prop_assert!(times.contains_key(name), "{} is lost", name);
        }
    }
}
