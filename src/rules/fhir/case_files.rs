//! Runs the cases in `cases/`: each names the problems that door and gate must find, no more and no fewer.
//! <https://hl7.org/fhir/R4/json.html>

use super::{Issue, gate, json, xml};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fhir/cases");

fn found(issues: &[Issue]) -> Vec<String> {
    issues
        .iter()
        .map(|i| {
            format!("{} {}", i.code.code(), i.expression)
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// What is wrong with the case, if anything.
fn run(text: &str) -> Option<String> {
    let (expected, body) = text.split_once("---\n").expect("a case has a line ---");
    let body = body.strip_suffix('\n').expect("a case ends with a line feed");
    let parsed = json::parse(body.as_bytes());
    let issues = match &parsed {
        Err(issues) => issues.clone(),
        Ok(value) => gate::check(value),
    };
    let expected: Vec<&str> = expected.lines().collect();
    if expected != ["valid"] {
        let found = found(&issues);
        return (found != expected).then(|| format!("expected {expected:?}, found {found:?}"));
    }
    let Ok(value) = parsed else {
        return Some(format!("refused: {issues:?}"));
    };
    let written = value.to_string();
    if !issues.is_empty() || written != body {
        return Some(format!("refused or changed: {issues:?} {value}"));
    }
    let again = xml::to_xml(&value).and_then(|xml| xml::from_xml(xml.as_bytes()));
    (again.as_ref() != Ok(&value)).then(|| format!("XML changed it: {again:?}"))
}

#[test]
fn every_case_finds_exactly_its_problems() {
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(FOLDER).expect("the folder of cases") {
        let path = entry.expect("a case").path();
        if path.extension().is_some_and(|e| e == "txt") {
            count += 1;
            let text = std::fs::read_to_string(&path).expect("a readable case");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            failures.extend(run(&text).map(|failure| format!("{name}: {failure}")));
        }
    }
    assert!(
        failures.is_empty() && count > 50,
        "{count} cases\n{}",
        failures.join("\n")
    );
}
