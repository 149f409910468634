//! Every mapping of the repository compiles, and every case beside it comes out as its file says.
//! `README.md`, "Mappings: how to write one"; adding a case needs no Rust.

use super::{Mapping, MappingFiles, Problem, Settings};
use crate::fhir::Instant;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Ids in cases are made with this key, `%now` is this instant.
const SETTINGS: Settings<'static> = Settings {
    id_key: b"case",
    now: Instant(1_769_000_000_000_000),
};

struct Agency {
    folder: PathBuf,
    name: String,
    maps: Vec<(String, String)>,
    codes: Vec<(String, String)>,
}

fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let path = entry.expect("readable folder").path();
            let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
            Some((name, fs::read_to_string(&path).expect("UTF-8 file")))
        })
        .collect();
    found.sort();
    found
}

fn agencies() -> Vec<Agency> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let Ok(entries) = fs::read_dir(&root) else {
        return Vec::new();
    };
    let mut found: Vec<Agency> = entries
        .map(|entry| entry.expect("readable folder").path())
        .filter(|path| path.is_dir())
        .map(|folder| Agency {
            name: folder
                .file_name()
                .and_then(|n| n.to_str())
                .expect("UTF-8 name")
                .to_owned(),
            maps: files(&folder, ".map.yaml"),
            codes: files(&folder.join("codes"), ".csv"),
            folder,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn compile(agency: &Agency, record: &str, map: &str) -> Result<Mapping, String> {
    let map_name = format!("mappings/{}/{record}.map.yaml", agency.name);
    let codes = agency
        .codes
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let files = MappingFiles {
        source: &agency.name,
        record,
        map_name: &map_name,
        map,
        codes,
    };
    Mapping::compile(&files).map_err(|problems| lines(&problems))
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a case is JSON")
}

fn as_json(problem: &Problem) -> Value {
    serde_json::json!({
        "line": problem.line, "column": problem.column, "target": problem.target,
        "source": problem.source, "rule": problem.rule.name(), "message": problem.message,
    })
}

/// As a case states it: where it stands in the mapping moves with every edit, so a case names that only where it is the point.
fn without_place(problem: &Problem) -> Value {
    let mut stated = as_json(problem);
    for member in ["line", "column"] {
        stated.as_object_mut().and_then(|all| all.shift_remove(member));
    }
    stated
}

/// Does a problem have every member that the case names?
fn answers(wanted: &Value, problem: &Problem) -> bool {
    let found = as_json(problem);
    wanted
        .as_object()
        .expect("an object")
        .iter()
        .all(|(key, value)| found.get(key) == Some(value))
}

fn check(
    case: &str,
    outcome: Result<Vec<Value>, Vec<Problem>>,
    good: Option<&Path>,
    bad: Option<&Path>,
) -> Option<String> {
    let read = |path: &Path| json(&fs::read_to_string(path).expect("UTF-8 file"));
    match (outcome, good, bad) {
        (Ok(resources), Some(path), None) => {
            let wanted = read(path);
            let wanted = wanted.as_array().expect("a list of resources");
            let first = resources
                .iter()
                .zip(wanted)
                .find(|(found, wanted)| found != wanted);
            match first {
                Some((found, wanted)) => Some(format!("{case}: made {found:#}\ninstead of {wanted:#}")),
                None if resources.len() != wanted.len() => Some(format!(
                    "{case}: made {} resources instead of {}",
                    resources.len(),
                    wanted.len()
                )),
                None => None,
            }
        }
        (Err(problems), None, Some(path)) => {
            let wanted = read(path);
            let wanted = wanted.as_array().expect("a list of problems");
            let missing: Vec<String> = wanted
                .iter()
                .filter(|wanted| !problems.iter().any(|problem| answers(wanted, problem)))
                .map(Value::to_string)
                .collect();
            (!missing.is_empty() || wanted.len() != problems.len())
                .then(|| format!("{case}: gave\n{}and not {}", lines(&problems), missing.join("\n")))
        }
        (Err(problems), Some(_), None) => Some(format!("{case}: problems\n{}", lines(&problems))),
        (Ok(_), None, Some(_)) => Some(format!("{case}: no problem")),
        _ => Some(format!("{case}: needs .fhir.json or .errors.json, and not both")),
    }
}

/// A mapping of the repository, and the record of one of its cases.
pub(super) fn shipped(source: &str, record: &str, case: &str) -> (Mapping, Value) {
    let agency = agencies()
        .into_iter()
        .find(|agency| agency.name == source)
        .expect("such a folder");
    let (_, map) = agency
        .maps
        .iter()
        .find(|(name, _)| name == record)
        .expect("such a mapping");
    let mapping = compile(&agency, record, map).expect("compiles");
    let path = agency.folder.join(format!("cases/{record}.{case}.in.json"));
    let text = fs::read_to_string(path).expect("such a case");
    (mapping, json(&text))
}

#[test]
fn every_case_comes_out_as_its_file_says() {
    let (mut wrong, mut run) = (Vec::new(), 0);
    for agency in agencies() {
        let cases = agency.folder.join("cases");
        let inputs = files(&cases, ".in.json");
        for (record, map) in &agency.maps {
            let mapping = match compile(&agency, record, map) {
                Ok(mapping) => mapping,
                Err(problems) => {
                    wrong.push(problems);
                    continue;
                }
            };
            let own = inputs
                .iter()
                .filter(|(name, _)| name.split('.').next() == Some(record.as_str()));
            let before = run;
            for (name, text) in own {
                run += 1;
                let record = json(text);
                let outcome = mapping
                    .convert(&record, &SETTINGS)
                    .map(|conversion| conversion.resources);
                let path =
                    |ending: &str| Some(cases.join(format!("{name}{ending}"))).filter(|path| path.exists());
                let (good, bad) = (path(".fhir.json"), path(".errors.json"));
                wrong.extend(check(name, outcome, good.as_deref(), bad.as_deref()));
            }
            if run == before {
                wrong.push(format!("{}/{record}: a mapping needs a case", agency.name));
            }
        }
    }
    println!("{run} mapping cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `cargo test -p postern-rules -- --ignored write_missing`: for each case without an expected file, writes what
/// comes out now, to be read and judged by a person. It overwrites nothing.
#[test]
#[ignore = "writes files"]
fn write_missing_expectations() {
    for agency in agencies() {
        let cases = agency.folder.join("cases");
        for (name, text) in files(&cases, ".in.json") {
            let place = |ending: &str| cases.join(format!("{name}{ending}"));
            let of = name.split('.').next().unwrap_or_default();
            let Some((record, map)) = agency.maps.iter().find(|(record, _)| record == of) else {
                continue;
            };
            if place(".fhir.json").exists() || place(".errors.json").exists() {
                continue;
            }
            let mapping = compile(&agency, record, map).expect("compiles");
            let input = json(&text);
            let (ending, out) = match mapping.convert(&input, &SETTINGS) {
                Ok(conversion) => {
                    println!("{name}: unmapped {:?}", conversion.unmapped());
                    (".fhir.json", Value::Array(conversion.resources))
                }
                Err(problems) => (".errors.json", problems.iter().map(without_place).collect()),
            };
            fs::write(place(ending), format!("{out:#}\n")).expect("writable folder");
        }
    }
}
