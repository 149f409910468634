//! Holds `codes.tsv` against SAMHSA's public list of 2017 (Consent2Share): each of its codes is labelled with at least its
//! category, or stands in `exceptions.tsv` with a reason. An exception that nobody needs is wrong too.
//! <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeSet;

use super::CodeLists;
use crate::terminology::Sensitivities;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/terminology/sensitivity-codes-public-domain.json"
);

/// (system's short name, codes, reason)
fn exceptions() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = include_str!("exceptions.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            let cells = (cells.next(), cells.next(), cells.next(), cells.next());
            let (Some(system), Some(codes), Some(reason), None) = cells else {
                panic!("three columns: {line}");
            };
            assert!(reason.len() > 10, "a reason: {line}");
            (system, codes, reason)
        })
        .collect()
}

/// A code set of its own for each single code of the exceptions, so that the needed ones can be told.
fn excepted() -> Vec<(String, CodeLists)> {
    let single = exceptions().into_iter().flat_map(|(system, codes, reason)| {
        codes.split(',').map(move |code| {
            let mut lists = CodeLists::default();
            let line = format!("{system}\t{code}\tPSY\tyes\t{reason}");
            lists.load("exceptions.tsv", &line).expect("a good line");
            (format!("{system} {code}"), lists)
        })
    });
    single.collect()
}

#[test]
fn the_public_list_is_labelled_with_its_category_or_excepted() {
    let Ok(text) = std::fs::read_to_string(FILE) else {
        println!("skipped: {FILE} is not here");
        return;
    };
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let exceptions = excepted();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    let concepts = list["concepts"].as_array().expect("concepts");
    for concept in concepts {
        let of = |name: &str| concept[name].as_str().unwrap_or_default();
        let (system, code, category) = (of("system"), of("code"), of("category"));
        // A deny of the category has to reach it: equivalent codes and codes below will do.
        let wanted = Sensitivities::of(category).map_or(Sensitivities::NONE, Sensitivities::denied_with);
        let hit = CodeLists::shipped().lookup(system, code);
        let labels = hit.map_or(Sensitivities::NONE, |hit| hit.sensitivity);
        if !wanted.is_empty() && labels.intersects(wanted) {
            continue;
        }
        let lists = exceptions.iter().find(|(_, lists)| lists.speaks_of(system, code));
        match lists {
            Some((name, _)) => {
                needed.insert(name);
            }
            None => {
                let found: Vec<&str> = labels.codes().collect();
                wrong.push(format!(
                    "{system}|{code} {category}, here {}: {}",
                    found.join(","),
                    of("display")
                ));
            }
        }
    }
    let unneeded: Vec<&str> = exceptions
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !needed.contains(name))
        .collect();
    assert!(
        wrong.is_empty() && unneeded.is_empty(),
        "{} of {} lack their category:\n{}\nexceptions nobody needs: {}",
        wrong.len(),
        concepts.len(),
        wrong.join("\n"),
        unneeded.join("; ")
    );
    println!("{} codes labelled or excepted", concepts.len());
}
