//! Every case file, ours and the shared ones, against `decide`.

use std::path::{Path, PathBuf};

use super::read::one_or_many;
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

fn run(path: &Path) -> (usize, Vec<String>) {
    let text = std::fs::read_to_string(path).expect("readable");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    let mut wrong = Vec::new();
    for case in one_or_many(&cases) {
        let out = decide(case);
        let differs = expected::differences(case, &out);
        if !differs.is_empty() {
            wrong.push(format!(
                "{}: {} ({})\n  wanted {}\n  got    {out}",
                path.display(),
                case["name"],
                differs.join(", "),
                case["expected"]
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
