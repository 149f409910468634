//! Every case file, ours and the shared ones, against `decide`.

use std::path::{Path, PathBuf};

use super::*;

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

/// `CONSENT_PERMIT` with redactions is a permit with a filter.
fn expected_decision(expected: &Value) -> Option<&str> {
    let redacts = expected["obligations"].as_array().is_some_and(|o| !o.is_empty());
    Some(match expected["decision"].as_str()? {
        _ if redacts => "permit-with-filter",
        "CONSENT_PERMIT" => "permit",
        "CONSENT_DENY" => "deny",
        "NO_CONSENT" => "not-applicable",
        other => other,
    })
}

fn ids(value: &Value) -> Vec<String> {
    let mut ids: Vec<String> = one_or_many(value)
        .iter()
        .filter_map(|v| v.as_str().or(v["id"].as_str()))
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids
}

fn run(path: &Path) -> (usize, Vec<String>) {
    let text = std::fs::read_to_string(path).expect("readable");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    let mut wrong = Vec::new();
    for case in one_or_many(&cases) {
        let (out, expected) = (decide(case), &case["expected"]);
        let same = expected_decision(expected).is_none_or(|d| out["decision"] == d)
            && (expected["visible"].is_null() || ids(&out["visible"]) == ids(&expected["visible"]))
            && (expected["withheld"].is_null() || ids(&out["withheld"]) == ids(&expected["withheld"]));
        if !same {
            wrong.push(format!(
                "{}: {}\n  wanted {expected}\n  got    {out}",
                path.display(),
                case["name"]
            ));
        }
    }
    (one_or_many(&cases).len(), wrong)
}

fn run_folder(folder: &Path) -> usize {
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files(folder) {
        let (cases, failures) = run(&file);
        count += cases;
        wrong.extend(failures);
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    count
}

#[test]
fn our_cases() {
    let count = run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("consent/cases"));
    assert!(count >= 40, "{count} cases");
}

#[test]
fn shared_conformance_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/consent");
    if !folder.is_dir() {
        println!("skipped: {} is not here", folder.display());
        return;
    }
    println!("{} shared cases", run_folder(&folder));
}

#[test]
fn a_malformed_case_withholds_and_does_not_panic() {
    for case in [
        json!(null),
        json!([]),
        json!({"resources": [{"id": "a"}, 3]}),
        json!({"asOf": "2026", "resources": [{}], "consents": [7, {}]}),
    ] {
        assert_eq!(decide(&case)["visible"], json!([]));
    }
}
