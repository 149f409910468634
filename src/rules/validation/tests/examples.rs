//! Examples that others publish: each error on them is a defect of the example, listed with why, or ours.
//! <https://hl7.org/fhir/R4/examples.html>

use std::collections::BTreeMap;

use super::packages;
use crate::fhir::{Severity, json};

#[test]
fn look() {
    let Some(definitions) = packages::all() else { return };
    let mut counts = BTreeMap::<String, (usize, String)>::new();
    let mut n = 0;
    let mut folders: Vec<_> = std::fs::read_dir(packages::shared("examples").unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
    folders.extend(packages::r4());
    let started = std::time::Instant::now();
    for folder in folders {
        for (name, bytes) in packages::json_files(&folder) {
            if bytes.len() > 1_000_000 || ["StructureDefinition-", "ValueSet-", "CodeSystem-", "SearchParameter-", "ConceptMap-", "package"].iter().any(|p| name.starts_with(p)) { continue; }
            let Ok(value) = json::parse(&bytes) else { println!("not json {name}"); continue };
            if value.get("resourceType").is_none() { continue; }
            n += 1;
            for issue in definitions.validate(&value, &[]) {
                if issue.severity > Severity::Warning { continue; }
                let key = format!("{:?} {}", issue.severity, issue.details);
                let entry = counts.entry(key).or_insert((0, format!("{}/{name} {}", folder.file_name().unwrap().to_string_lossy(), issue.expression)));
                entry.0 += 1;
            }
        }
    }
    println!("{n} examples {:?}", started.elapsed());
    for (what, (count, at)) in counts { println!("{count}\t{what}\t{at}"); }
}
