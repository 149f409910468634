//! The cases of law and those of this folder, through every layer.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::consent::case::expected;

fn cases(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("readable");
    serde_json::from_str(&text).expect("a list of cases")
}

fn run(folder: &str) -> (usize, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut shipped = Shipped::load().expect("the shipped rules load");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        for case in cases(&path) {
            let answer = shipped.decide(&case);
            count += 1;
            let differences = expected::differences(&case, &answer);
            if !differences.is_empty() {
                wrong.push(format!(
                    "{}: {}\n  wanted {}\n  got    {answer}",
                    path.display(),
                    case["name"],
                    case["expected"]
                ));
            }
        }
    }
    (count, wrong)
}

#[test]
fn every_case_through_all_layers() {
    let (count, wrong) = run("disclosure/case/cases");
    assert!(
        wrong.is_empty() && count >= 10,
        "{} of {count} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn malformed_cases_withhold() {
    let mut shipped = Shipped::load().expect("the shipped rules load");
    let resources = json!([{"resourceType": "Condition", "id": "c"}, 3]);
    for case in [
        json!(null),
        json!([]),
        json!({"asOf": "2026", "resources": resources, "request": {}, "recipient": {"role": "landlord"}}),
        json!({"asOf": "2026", "resources": resources, "request": {}, "recipient": {"class": "hospital"}, "facts": 3}),
        json!({"asOf": "2026", "resources": resources, "request": {}, "recipient": {"class": "hospital", "relationship": true}, "state": "atlantis"}),
        json!({"asOf": "2026", "resources": resources, "request": {}, "recipient": {"class": "hospital", "relationship": true}, "facts": {"rec": {"kind": "gossip"}}}),
        json!({"resources": resources}),
    ] {
        let answer = shipped.decide(&case);
        assert_eq!(answer["visible"], json!([]), "{case}");
        assert_eq!(answer["decision"], "deny");
    }
}
