//! Tests: the transitions as files that a coordinator of referrals can read (`cases/*.json`).

use serde_json::{Value, json};

use super::{By, SYSTEM, check};
use crate::fhir::json;

fn task(state: &Value) -> Option<Value> {
    let mut task = json!({"resourceType": "Task", "status": state["status"].as_str()?});
    if let Some(code) = state["businessStatus"].as_str() {
        task["businessStatus"] = json!({"coding": [{"system": SYSTEM, "code": code}]});
    }
    Some(task)
}

#[test]
fn every_case_goes_as_it_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/referral/cases");
    let mut legal = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of cases").flatten() {
        if entry.path().extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let text = std::fs::read(entry.path()).expect("readable");
        let list = json::parse(&text).expect("JSON");
        for case in list.as_array().expect("a list of cases") {
            let by = By {
                owner: case["by"] == "owner",
                requester: case["by"] == "requester",
            };
            let after = task(&case["after"]).expect("a state");
            let found = check(task(&case["before"]).as_ref(), &after, by);
            let next = found
                .err()
                .map(|refused| refused.next.into_iter().map(Value::from).collect::<Value>());
            let expected = Some(&case["next"]).filter(|next| next.is_array()).cloned();
            legal += usize::from(next.is_none());
            assert_eq!(next, expected, "{}", case["name"]);
        }
    }
    assert!(legal >= 30, "only {legal} legal steps");
}
