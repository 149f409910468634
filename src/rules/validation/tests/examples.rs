//! Examples that others publish: each error on them is a defect of the example, listed with why, or ours.
//! <https://hl7.org/fhir/R4/examples.html>

use std::path::PathBuf;

use serde_json::Value;

use super::packages;
use crate::fhir::path::without_indexes;
use crate::fhir::{Severity, json};

/// Definitions, not examples.
const DEFINITIONS: [&str; 6] = [
    "StructureDefinition-",
    "ValueSet-",
    "CodeSystem-",
    "SearchParameter-",
    "ConceptMap-",
    "package",
];
/// Bundles of definitions reach 60 MB.
const LARGEST: usize = 1_000_000;

/// Errors that examples are known to have: file, element without indexes, text (its beginning), why.
const KNOWN: &str = include_str!("known.tsv");

/// Resources of the official examples and of the guides', by folder and name.
pub(super) fn examples() -> Vec<(String, Value)> {
    let mut folders: Vec<PathBuf> = packages::r4().into_iter().collect();
    if let Some(shared) = packages::shared("examples") {
        folders.extend(
            std::fs::read_dir(shared)
                .expect("a folder")
                .flatten()
                .map(|entry| entry.path()),
        );
    }
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        for (name, bytes) in packages::json_files(&folder) {
            if bytes.len() > LARGEST || DEFINITIONS.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let label = format!(
                "{}/{name}",
                folder.file_name().unwrap_or_default().to_string_lossy()
            );
            found.extend(json::parse(&bytes).ok().map(|value| (label, value)));
        }
    }
    found
}

#[test]
fn examples_have_no_errors_but_those_listed() {
    let Some(definitions) = packages::all() else {
        return;
    };
    let known: Vec<Vec<&str>> = KNOWN.lines().map(|line| line.split('\t').collect()).collect();
    let (mut met, mut new) = (vec![false; known.len()], Vec::new());
    let examples = examples();
    for (name, value) in &examples {
        for issue in definitions.validate(value, &[]) {
            if issue.severity > Severity::Error {
                continue;
            }
            let element = without_indexes(&issue.expression);
            let listed = known.iter().position(|cells| {
                cells[0] == name && cells[1] == element && issue.details.starts_with(cells[2])
            });
            match listed {
                Some(at) => met[at] = true,
                None => new.push(format!("{name}\t{element}\t{}", issue.details)),
            }
        }
    }
    println!("{} examples, {} known errors", examples.len(), known.len());
    new.dedup();
    assert!(new.is_empty(), "{}\n{}", new.len(), new.join("\n"));
    let gone: Vec<_> = known
        .iter()
        .zip(met)
        .filter(|(_, met)| !met && packages::r4().is_some())
        .collect();
    assert!(gone.is_empty(), "listed, and no errors now: {gone:#?}");
}
