//! Runs the cases in `cases/`: resources with the labels and suspicions they have, each file a list that a compliance
//! officer can read. `README.md` says what stands in a case. <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CodeLists, Labels, RAISED, TextReviews, Why, basis, label_reviewed, text_at, text_digest};
use crate::terminology::Sensitivities;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/label/cases");

fn codes(set: Sensitivities) -> Vec<String> {
    set.codes().map(str::to_owned).collect()
}

fn set(codes: &Value) -> Sensitivities {
    if codes == "ALL" {
        return Sensitivities::all();
    }
    let codes = codes.as_array().into_iter().flatten();
    codes
        .filter_map(Value::as_str)
        .map(|code| Sensitivities::of(code).expect("a case names sensitivities"))
        .fold(Sensitivities::NONE, Sensitivities::with)
}

/// `path: SUD,HIV` of each element, sorted.
fn by_path<'l>(found: impl Iterator<Item = (&'l String, Sensitivities)>) -> BTreeSet<String> {
    found
        .map(|(path, set)| format!("{path}: {}", codes(set).join(",")))
        .collect()
}

fn wanted(expected: &Value) -> BTreeSet<String> {
    let members = expected.as_object().into_iter().flatten();
    members
        .map(|(path, list)| format!("{path}: {}", codes(set(list)).join(",")))
        .collect()
}

fn differences(expected: &Value, labels: &Labels) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, wanted: String, found: String| {
        if wanted != found {
            wrong.push(format!("{what}: wanted {wanted}, found {found}"));
        }
    };
    let whole = codes(labels.sensitivity).join(",");
    compare("labels", codes(set(&expected["labels"])).join(","), whole);
    let stated = expected["confidentiality"].as_str().unwrap_or("N");
    compare(
        "confidentiality",
        stated.to_owned(),
        labels.confidentiality.code().to_owned(),
    );
    let part2 = expected["part2"] == true;
    compare("part2", part2.to_string(), labels.part2.to_string());
    let elements = by_path(labels.elements.iter().map(|(path, own)| (path, own.sensitivity)));
    compare(
        "elements",
        format!("{:?}", wanted(&expected["elements"])),
        format!("{elements:?}"),
    );
    let suspicions = by_path(labels.suspicions.iter().map(|s| (&s.path, s.sensitivity)));
    compare(
        "suspicions",
        format!("{:?}", wanted(&expected["suspicions"])),
        format!("{suspicions:?}"),
    );
    wrong
}

fn run(case: &Value) -> Vec<String> {
    let resource = &case["resource"];
    let issues = crate::fhir::gate::check(resource);
    if !issues.is_empty() {
        return vec![format!("the resource is not R4: {issues:?}")];
    }
    let mut reviews = TextReviews::default();
    for review in case["reviewed"].as_array().into_iter().flatten() {
        let path = review["path"].as_str().expect("a review has a path");
        // Without `text` staff read what stands there now.
        let text = review["text"].as_str().or_else(|| text_at(resource, path));
        reviews.insert(path, text_digest(text.expect("a text")), set(&review["labels"]));
    }
    let lists = CodeLists::shipped();
    let labels = label_reviewed(resource, lists, &RAISED, Some(&reviews));
    let mut wrong = differences(&case["expect"], &labels);
    let grounds = basis(resource, lists, &RAISED, Some(&reviews));
    for (path, sensitivity) in labels
        .elements
        .iter()
        .map(|(path, own)| (path, own.sensitivity))
        .chain(labels.suspicions.iter().map(|s| (&s.path, s.sensitivity)))
    {
        for code in sensitivity.codes() {
            if !grounds
                .iter()
                .any(|g| g.path.starts_with(path.as_str()) && g.label == code)
            {
                wrong.push(format!("{path} {code} has no ground"));
            }
        }
    }
    let unnamed = grounds.iter().filter(|ground| match &ground.why {
        Why::Code { list, .. } | Why::Term { list, .. } => list.name.is_empty() || list.version.is_empty(),
        _ => false,
    });
    wrong.extend(unnamed.map(|ground| format!("{} {} names no list", ground.path, ground.label)));
    wrong
}

#[test]
fn every_case_has_exactly_its_labels() {
    let mut failures = Vec::new();
    let mut count = 0;
    let entries = std::fs::read_dir(FOLDER).expect("the folder of cases");
    for path in entries.map(|entry| entry.expect("a file").path()) {
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let cases: Value = serde_json::from_str(&text).expect("a file of cases is JSON");
        for case in cases.as_array().expect("a list of cases") {
            count += 1;
            let name = case["name"].as_str().expect("a case has a name");
            failures.extend(run(case).iter().map(|wrong| format!("{name}: {wrong}")));
        }
    }
    assert!(
        failures.is_empty() && count >= 20,
        "{count} cases\n{}",
        failures.join("\n")
    );
}
