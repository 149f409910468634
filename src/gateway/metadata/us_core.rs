//! Tests: what US Core 6.1.0 asks of a server, as Inferno has it (`../shared/requirements/us-core-6.1.0-metadata.yml`), against what the
//! CapabilityStatement says of the types served here. Skipped, and said so, where the file is not there.
//! <https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::search::{Kind, includes_of, parameters, revincludes_of, searched_types};

use super::resource::combinations_of;

/// What is asked of one type; several profiles of a type are one.
#[derive(Default)]
struct Asked {
    /// Parameters that are searched together, sorted, with how strongly that is asked for.
    searches: BTreeSet<(Vec<String>, String)>,
    /// Prefixes by parameter.
    comparators: BTreeMap<String, BTreeSet<String>>,
    includes: BTreeSet<String>,
    revincludes: BTreeSet<String>,
}

fn text() -> Option<String> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/requirements/us-core-6.1.0-metadata.yml"
    );
    let beside = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/requirements/us-core-6.1.0-metadata.yml"
    );
    let found = [file, beside]
        .into_iter()
        .find_map(|file| std::fs::read_to_string(file).ok());
    if found.is_none() {
        println!("skipped: no requirements of US Core here");
    }
    found
}

/// The file is written by one program, line by line: two spaces a level, lists at their parent's level.
fn asked(text: &str) -> BTreeMap<String, Asked> {
    let mut all: BTreeMap<String, Asked> = BTreeMap::new();
    for group in text.split("\n- :name: ").skip(1) {
        let lines: Vec<&str> = group.lines().collect();
        let of = lines.iter().find_map(|line| line.strip_prefix("  :resource: "));
        let into = all.entry(of.expect("a type").to_owned()).or_default();
        let section = |name: &str| -> Vec<&str> {
            let head = format!("  :{name}:");
            let body = lines.iter().skip_while(|line| **line != head).skip(1);
            body.take_while(|line| !line.starts_with("  :"))
                .copied()
                .collect()
        };
        for search in format!("\n{}", section("searches").join("\n"))
            .split("\n  - :")
            .skip(1)
        {
            let names = search.lines().filter_map(|line| line.strip_prefix("    - "));
            // What is not a must-support element is listed behind the names once more.
            let names: BTreeSet<String> = names.map(str::to_owned).collect();
            let mut lines = search.lines().map(|line| line.trim().trim_start_matches(':'));
            let strength = lines.find_map(|line| line.strip_prefix("expectation: "));
            let names = names.into_iter().collect();
            into.searches
                .insert((names, strength.expect("a strength").to_owned()));
        }
        let mut parameter = String::new();
        let mut within = false;
        for line in section("search_definitions") {
            if let Some(name) = line.strip_prefix("    :") {
                parameter = name.trim_end_matches(':').to_owned();
            }
            if line.starts_with("      :") {
                within = line == "      :comparators:";
            } else if within && let Some((prefix, _)) = line.trim().split_once(": ") {
                let prefixes = into.comparators.entry(parameter.clone()).or_default();
                prefixes.insert(prefix.trim_start_matches(':').to_owned());
            }
        }
        let links = |name: &str| -> Vec<String> {
            let lines = section(name).into_iter();
            lines
                .filter_map(|line| line.strip_prefix("  - ").map(str::to_owned))
                .collect()
        };
        into.includes.extend(links("include_params"));
        into.revincludes.extend(links("revincludes"));
    }
    all
}

#[test]
fn every_search_of_us_core_is_served_for_the_types_that_are() {
    let Some(text) = text() else { return };
    let (mut searches, mut skipped) = (0, Vec::new());
    for (of, asked) in asked(&text) {
        if !searched_types().any(|known| known == of) {
            skipped.push(of);
            continue;
        }
        for (names, _) in &asked.searches {
            for name in names.iter().filter(|name| *name != "_id") {
                let mut own = parameters(&of).iter();
                assert!(own.any(|p| p.code == name), "{of}: {name}");
            }
            searches += 1;
        }
        for (name, prefixes) in &asked.comparators {
            let mut own = parameters(&of).iter();
            let served = own.find(|p| p.code == name).expect("served");
            assert_eq!(served.kind, Kind::Date, "{of}: {name} takes {prefixes:?}");
        }
    }
    assert!(searches > 80, "{searches}");
    println!("{searches} searches; not served here: {}", skipped.join(", "));
}

#[test]
fn the_statement_lists_us_cores_combinations_and_no_others() {
    let Some(text) = text() else { return };
    for (of, asked) in asked(&text) {
        if !searched_types().any(|known| known == of) {
            continue;
        }
        // Of several profiles the strongest word counts; SHALL stands before SHOULD.
        let mut wanted: BTreeMap<Vec<String>, String> = BTreeMap::new();
        for (names, strength) in asked.searches.iter().filter(|(names, _)| names.len() > 1) {
            wanted.entry(names.clone()).or_insert_with(|| strength.clone());
        }
        let stated: BTreeMap<Vec<String>, String> = combinations_of(&of)
            .map(|(names, strength)| {
                let mut names: Vec<String> = names.split(',').map(str::to_owned).collect();
                names.sort();
                (names, strength.to_owned())
            })
            .collect();
        assert_eq!(stated, wanted, "{of}");
    }
}

#[test]
fn every_link_of_us_core_can_be_followed() {
    let Some(text) = text() else { return };
    let mut followed = 0;
    for (of, asked) in asked(&text) {
        if !searched_types().any(|known| known == of) {
            continue;
        }
        for link in &asked.includes {
            // A type may stand behind the link.
            let plain: Vec<&str> = link.splitn(3, ':').take(2).collect();
            assert!(includes_of(&of).contains(&plain.join(":")), "{of}: {link}");
            followed += 1;
        }
        for link in &asked.revincludes {
            assert!(revincludes_of(&of).contains(link), "{of}: {link}");
            followed += 1;
        }
    }
    assert!(followed > 15, "{followed}");
}
