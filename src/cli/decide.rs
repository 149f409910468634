//! `postern decide`: portable cases (consents, resources, a request) decided, one JSON line for each on standard output.
//! The form is that of the shared conformance cases: <https://profiles.ihe.net/ITI/PCF/>; `src/rules/consent/README.md`.

use std::path::Path;

use postern_rules::consent::case::{self, expected};
use postern_rules::disclosure::case::Shipped;
use postern_rules::fhir::{Issue, json};
use serde_json::Value;

use super::args::{DecideArgs, Layers};
use super::table;
use crate::cli::say::complain;
use crate::config::read_input;

const LIMIT: u64 = 64 * 1024 * 1024;

/// Needs nothing but the files: no configuration, no database, no folder beside the binary.
pub fn run(args: &DecideArgs) -> anyhow::Result<u8> {
    let mut decide = decider(args.layers)?;
    let (mut unreadable, mut different) = (false, false);
    for file in &args.files {
        match read(file) {
            Ok(cases) => {
                for case in of_file(&cases) {
                    let answer = decide(case);
                    table::say(&format!("{answer}\n"));
                    different |= args.check && differs(file, case, &answer);
                }
            }
            Err(problems) => {
                unreadable = true;
                problems.iter().for_each(|problem| complain!("{problem}"));
            }
        }
    }
    Ok(match (unreadable, different) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    })
}

type Decider = Box<dyn FnMut(&Value) -> Value>;

fn decider(layers: Layers) -> anyhow::Result<Decider> {
    match layers {
        Layers::Consent => Ok(Box::new(case::decide)),
        Layers::All => {
            let problems = |issues: Vec<Issue>| {
                let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("the shipped rules do not load: {}", lines.join("; "))
            };
            let mut shipped = Shipped::load().map_err(problems)?;
            Ok(Box::new(move |case| shipped.decide(case)))
        }
    }
}

/// A case, a list of cases, or `{"cases": […]}`.
fn of_file(file: &Value) -> &[Value] {
    match (file, file.get("cases")) {
        (Value::Array(cases), _) | (_, Some(Value::Array(cases))) => cases,
        _ => std::slice::from_ref(file),
    }
}

fn read(file: &Path) -> Result<Value, Vec<String>> {
    let bytes = read_input(file, LIMIT).map_err(|error| vec![error.to_string()])?;
    let most = usize::try_from(LIMIT).unwrap_or(usize::MAX);
    json::parse_within(&bytes, most).map_err(|issues| {
        let named = issues.iter().map(|issue| format!("{}: {issue}", file.display()));
        named.collect()
    })
}

/// Says what is not as the case expects; a case without expectations never differs.
fn differs(file: &Path, case: &Value, answer: &Value) -> bool {
    let differences = expected::differences(case, answer);
    if !differences.is_empty() {
        let name = case["name"].as_str().unwrap_or("(no name)");
        complain!(
            "{}: {name}: {} not as expected",
            file.display(),
            differences.join(", ")
        );
    }
    !differences.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_a_case_a_list_or_an_object_of_cases() {
        for file in [
            json!({"name": "a"}),
            json!([{"name": "a"}]),
            json!({"cases": [{"name": "a"}]}),
        ] {
            let names: Vec<&Value> = of_file(&file).iter().map(|case| &case["name"]).collect();
            assert_eq!(names, ["a"]);
        }
        assert!(of_file(&json!([])).is_empty());
        assert_eq!(
            of_file(&json!(3)),
            [json!(3)],
            "a malformed case still gets its line"
        );
    }

    #[test]
    fn an_unreadable_file_is_a_problem_and_not_an_end() {
        let args = DecideArgs {
            files: vec!["no/such/file.json".into()],
            layers: Layers::Consent,
            check: false,
        };
        assert_eq!(run(&args).expect("runs"), 2);
    }
}
