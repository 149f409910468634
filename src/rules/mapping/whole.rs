//! A source that is a Part 2 program as a whole: that it knows somebody says what for, so each thing it sends about a person is
//! Part 2 content, the Patient, notices and roster rows among them. 42 CFR 2.11, 2.12(a)(1), 2.13(c)

use serde_json::{Value, json};

use crate::fhir::is_shared;

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PART2: &str = "42CFRPart2";

/// Adds the label of 42 CFR Part 2 to each resource about a person that has none. What is shared gets none: labelled, one
/// source's word about an organisation would hide it from everybody's record.
pub(super) fn label(resources: &mut [Value]) {
    for resource in resources {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        if !is_shared(kind) {
            label_one(resource);
        }
    }
}

fn label_one(resource: &mut Value) {
    let own = resource["meta"]["security"].as_array();
    let labelled = own.is_some_and(|list| {
        list.iter()
            .any(|coding| coding["system"] == ACT_CODE && coding["code"] == PART2)
    });
    if labelled {
        return;
    }
    let coding = json!({"system": ACT_CODE, "code": PART2});
    match resource["meta"]["security"].as_array_mut() {
        Some(list) => list.push(coding),
        None => resource["meta"]["security"] = json!([coding]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_about_a_person_is_labelled_once_and_the_directory_is_not() {
        let mut made = [
            json!({"resourceType": "Patient", "id": "p"}),
            json!({"resourceType": "Task", "meta": {"security": [{"system": ACT_CODE, "code": PART2}]}}),
            json!({"resourceType": "Condition", "meta": {"security": [{"system": ACT_CODE, "code": "SUD"}]}}),
            json!({"resourceType": "Organization"}),
        ];
        label(&mut made);
        let codes = |resource: &Value| {
            let list = resource["meta"]["security"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            list.iter()
                .filter_map(|c| c["code"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let found: Vec<Vec<String>> = made.iter().map(codes).collect();
        assert_eq!(found, [vec![PART2], vec![PART2], vec!["SUD", PART2], vec![]]);
    }
}
