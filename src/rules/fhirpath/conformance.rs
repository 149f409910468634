//! HL7's own cases for FHIRPath on R4, where they lie beside the repository.
//! <https://github.com/FHIR/fhir-test-cases>
//!
//! A case that uses only our language must agree. What we leave out is listed here by name, with the reason.

use super::{Dialect, EvalCode, Expression, Item, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Functions of FHIRPath that this language leaves out.
const REFUSED: [&str; 26] = [
    "abs",
    "aggregate",
    "ceiling",
    "checkModifiers",
    "comparable",
    "convertsToQuantity",
    "decode",
    "defineVariable",
    "encode",
    "escape",
    "exp",
    "floor",
    "highBoundary",
    "lastIndexOf",
    "ln",
    "log",
    "lowBoundary",
    "matchesFull",
    "power",
    "precision",
    "round",
    "sqrt",
    "timeOfDay",
    "toQuantity",
    "truncate",
    "type",
];
const REFUSED_TOO: [&str; 5] = ["sort", "subsumes", "subsumedBy", "toChars", "unescape"];

/// Cases that fail in HL7's engine while the types are checked, before anything is evaluated. We have no such check.
const STATIC_ONLY: [&str; 1] = ["(Observation.value as Period).unit"];

/// What invariants may do and the cases do not want: `is Boolean` holds of FHIR's booleans, as R4's que-7 means it; order of
/// children is not looked at when an expression is read.
const LENIENT: [&str; 2] = ["Patient.active.is(Boolean).not()", "Patient.children().skip(1)"];

/// Cases about another edition of the example than the one at hand (an age extension, an older version).
const OTHER_EDITION: [&str; 5] = [
    "Observation.extension('http://example.com/fhir/StructureDefinition/patient-age').value is Age",
    "Observation.extension('http://example.com/fhir/StructureDefinition/patient-age').value is Quantity",
    "Observation.extension('http://example.com/fhir/StructureDefinition/patient-age').value is Duration",
    "ValueSet.version.as(string)",
    "ValueSet.version.ofType(string)",
];

#[derive(Debug)]
enum Verdict {
    Agreed,
    Unsupported(String),
    Wrong(String),
}

fn judge(case: &Value, inputs: &Value, dialect: Dialect) -> Verdict {
    let text = case["expr"].as_str().expect("expr");
    let invalid = case.get("invalid").is_some();
    let expression = match Expression::parse(text, dialect) {
        Ok(expression) => expression,
        Err(refusal) if refusal.message.ends_with("exists in invariants only") => {
            return Verdict::Unsupported("in invariants only".to_owned());
        }
        Err(refusal) => {
            let function = refusal
                .message
                .strip_prefix("there is no function ")
                .map(|f| f.trim_end_matches("()"));
            return match function {
                Some(name) if REFUSED.contains(&name) || REFUSED_TOO.contains(&name) => {
                    Verdict::Unsupported(format!("{name}()"))
                }
                None if refusal.message.contains("multiplying") => {
                    Verdict::Unsupported("* / div mod".to_owned())
                }
                None if refusal.message.contains("'&'") => Verdict::Unsupported("&".to_owned()),
                None if refusal.message.contains("decimals are never") => {
                    Verdict::Unsupported("decimal +".to_owned())
                }
                _ if invalid => Verdict::Agreed,
                _ => Verdict::Wrong(refusal.to_string()),
            };
        }
    };
    if dialect == Dialect::Invariant && LENIENT.contains(&text) {
        return Verdict::Unsupported("lenient in invariants".to_owned());
    }
    if OTHER_EDITION.contains(&text) {
        return Verdict::Unsupported("another edition of the input".to_owned());
    }
    let absent = Value::Null;
    let input = case
        .get("input")
        .and_then(Value::as_str)
        .and_then(|name| inputs.get(name));
    if input.is_none() && (!expression.source_paths().is_empty() || text.contains("$this")) {
        return Verdict::Unsupported("no input at hand".to_owned());
    }
    let scope = Scope {
        now: crate::fhir::Instant::parse("2026-11-21T12:00:00Z"),
        ..Scope::default()
    };
    match expression.evaluate(input.unwrap_or(&absent), &scope) {
        Err(fault) if fault.code == EvalCode::Unsupported => Verdict::Unsupported(fault.message),
        Err(_) if invalid => Verdict::Agreed,
        Err(fault) => Verdict::Wrong(fault.to_string()),
        Ok(_) if invalid && STATIC_ONLY.contains(&text) => {
            Verdict::Unsupported("static check of types".to_owned())
        }
        Ok(found) if invalid => Verdict::Wrong(format!("no error but {found:?}")),
        Ok(found) if case.get("predicate").is_some_and(|p| p == "true") => {
            if found.is_empty() {
                Verdict::Wrong("empty".to_owned())
            } else {
                Verdict::Agreed
            }
        }
        Ok(found) => {
            let wanted = case["outputs"].as_array().expect("outputs");
            let same = wanted.len() == found.len() && wanted.iter().zip(&found).all(|(w, f)| fits(w, f));
            if same {
                Verdict::Agreed
            } else {
                Verdict::Wrong(format!("{found:?}"))
            }
        }
    }
}

fn fits(wanted: &Value, found: &Item<'_>) -> bool {
    let text = found.to_text().unwrap_or_default();
    let kinds: &[&str] = match wanted[0].as_str() {
        Some("boolean") => &["a boolean"],
        Some("integer") => &["an integer"],
        Some("decimal") => &["a decimal", "an integer"],
        Some("date") => &["a date"],
        Some("dateTime") => &["a date and time"],
        Some("string" | "code" | "id") => &["a text"],
        _ => &[],
    };
    let wanted = wanted[1].as_str().unwrap_or_default();
    (kinds.is_empty() || kinds.contains(&found.kind())) && wanted.strip_prefix('@').unwrap_or(wanted) == text
}

fn hl7_cases(dialect: Dialect) -> Option<usize> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let places =
        ["../shared", "../../shared"].map(|up| format!("{root}/{up}/conformance/fhirpath/r4-cases.json"));
    let Some(text) = places.iter().find_map(|path| std::fs::read_to_string(path).ok()) else {
        println!("skipped: no HL7 cases under ../shared");
        return None;
    };
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let (mut agreed, mut left_out, mut wrong) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for case in file["cases"].as_array().expect("cases") {
        match judge(case, &file["inputs"], dialect) {
            Verdict::Agreed => agreed += 1,
            Verdict::Unsupported(why) => *left_out.entry(why).or_default() += 1,
            Verdict::Wrong(what) => wrong.push(format!("{} {}: {what}", case["name"], case["expr"])),
        }
    }
    let unsupported: usize = left_out.values().sum();
    println!(
        "{dialect:?}: {agreed} agreed / {unsupported} unsupported / {} wrong\nunsupported: {left_out:?}",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Some(agreed)
}

#[test]
fn hl7_cases_agree() {
    hl7_cases(Dialect::Search);
}

#[test]
fn hl7_cases_agree_in_invariants() {
    hl7_cases(Dialect::Invariant);
}

#[test]
fn r4_search_parameters_parse() {
    let mut refused = Vec::new();
    let mut parsed = 0;
    for line in include_str!("../fhir/r4/search.tsv").lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let Some(text) = fields.get(3).filter(|t| !t.is_empty()) else {
            continue;
        };
        match Expression::parse(text, Dialect::Search) {
            Ok(_) => parsed += 1,
            Err(fault) => refused.push(format!("{line}: {fault}")),
        }
    }
    println!("{parsed} search expressions parse");
    assert!(refused.is_empty() && parsed > 1000, "{}", refused.join("\n"));
}

fn folder() -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let places = [
        format!("{root}/target/r4-examples/package"),
        "/work/target/r4-examples/package".to_owned(),
    ];
    places.iter().map(PathBuf::from).find(|place| place.is_dir())
}

/// Up to two official examples of each type, whatever the folder holds.
fn examples() -> Vec<Value> {
    let Some(files) = folder().and_then(|folder| std::fs::read_dir(folder).ok()) else {
        println!("skipped: no official R4 examples here");
        return Vec::new();
    };
    let mut paths: Vec<_> = files.filter_map(|f| f.ok().map(|f| f.path())).collect();
    paths.sort();
    let mut taken = BTreeMap::<String, usize>::new();
    let mut out = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some((kind, _)) = name.split_once('-') else {
            continue;
        };
        let count = taken.entry(kind.to_owned()).or_default();
        let small = path.metadata().is_ok_and(|m| m.len() < 200_000);
        if *count < 2 && small && name.ends_with(".json") {
            *count += 1;
            out.extend(
                std::fs::read(&path)
                    .ok()
                    .and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            );
        }
    }
    out
}

#[test]
fn r4_search_parameters_run_on_official_examples() {
    let mut by_type = BTreeMap::<&str, Vec<Expression>>::new();
    for line in include_str!("../fhir/r4/search.tsv").lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if let Some(text) = fields.get(3).filter(|t| !t.is_empty()) {
            by_type
                .entry(fields[1])
                .or_default()
                .push(Expression::parse(text, Dialect::Search).expect(text));
        }
    }
    let (mut runs, mut values, mut faults) = (0, 0, Vec::new());
    let examples = examples();
    for resource in &examples {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        for expression in by_type.get(kind).into_iter().flatten() {
            runs += 1;
            match expression.evaluate(resource, &Scope::default()) {
                Ok(found) => values += found.len(),
                Err(fault) => faults.push(format!("{kind} {:?}: {fault}", expression.source_paths())),
            }
        }
    }
    println!("{} examples, {runs} evaluations, {values} values", examples.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The invariants that R4 states hold on R4's own examples, so an answer of false or an error is ours.
#[test]
fn r4_invariants_hold_on_official_examples() {
    let (mut runs, mut faults, mut unread) = (0, Vec::new(), BTreeMap::new());
    for resource in &examples() {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let file = folder().map(|f| f.join(format!("StructureDefinition-{kind}.json")));
        let Some(text) = file.and_then(|file| std::fs::read_to_string(file).ok()) else {
            continue;
        };
        let definition: Value = serde_json::from_str(&text).expect("JSON");
        for element in definition["snapshot"]["element"].as_array().into_iter().flatten() {
            let path = element["path"].as_str().expect("path").replace("[x]", "");
            let quoted = format!("`{}`", path.replace('.', "`.`"));
            let find = Expression::parse(&quoted, Dialect::Search).expect("a path");
            let nodes = find.evaluate(resource, &Scope::default()).expect("nodes");
            for constraint in element["constraint"].as_array().into_iter().flatten() {
                let Some(text) = constraint["expression"]
                    .as_str()
                    .filter(|_| constraint["severity"] == "error")
                else {
                    continue;
                };
                let invariant = match Expression::parse(text, Dialect::Search) {
                    Ok(invariant) => invariant,
                    Err(refusal) => {
                        unread.insert(constraint["key"].to_string(), refusal.message);
                        continue;
                    }
                };
                for node in &nodes {
                    runs += 1;
                    match invariant
                        .evaluate_at(node.clone(), resource, &Scope::default())
                        .as_deref()
                    {
                        Ok([] | [Item::Bool(true)]) => {}
                        other => faults.push(format!("{} {path} {text}: {other:?}", resource["id"])),
                    }
                }
            }
        }
    }
    println!(
        "{runs} invariants evaluated, {} not in the language: {unread:?}",
        unread.len()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
