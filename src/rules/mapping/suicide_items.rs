//! A yes to a question about suicide is never lost: whatever else a screening record says, it comes out as an Observation of its
//! own that stands out, or the record does not go in. <http://loinc.org/93373-9>, <http://loinc.org/44249-1>

use super::cases::shipped;
use super::{Mapping, Settings};
use crate::fhir::Instant;
use proptest::prelude::*;
use serde_json::{Value, json};

const SETTINGS: Settings<'static> = Settings {
    id_key: b"case",
    now: Instant(1_769_000_000_000_000),
};

/// LOINC codes of the seven questions of the C-SSRS screener, in order, and of the ninth of the PHQ-9.
const ITEMS: [&str; 7] = [
    "93246-7", "93247-5", "93248-3", "93249-1", "93250-9", "93267-3", "93269-9",
];
const NINTH: &str = "44260-8";

/// Does this question stand among the resources as answered with yes, from the response that it was read from?
fn stands_out(resources: &[Value], code: &str) -> bool {
    let response = resources
        .iter()
        .find(|one| one["resourceType"] == "QuestionnaireResponse");
    let response = response.expect("a screening has its response");
    let from = format!(
        "QuestionnaireResponse/{}",
        response["id"].as_str().unwrap_or_default()
    );
    let answered = response["item"].as_array().is_some_and(|items| {
        items
            .iter()
            .any(|item| item["linkId"] == code && item["answer"][0]["valueCoding"]["code"].is_string())
    });
    answered
        && resources.iter().any(|one| {
            one["code"]["coding"][0]["code"] == code
                && one["valueCodeableConcept"]["coding"][0]["code"].is_string()
                && one["interpretation"][0]["coding"][0]["code"] == "POS"
                && one["derivedFrom"][0]["reference"] == from
        })
}

/// Whatever else the record says of itself.
fn altered(mut record: Value, what: u8) -> Value {
    let fields = [
        "total",
        "severity",
        "riskLevel",
        "score",
        "means",
        "visitNo",
        "visit_id",
        "remark",
    ];
    let object = record.as_object_mut().expect("a record is an object");
    for (bit, field) in fields.iter().enumerate() {
        if what & (1 << bit) != 0 {
            object.shift_remove(*field);
        }
    }
    record
}

fn converted(mapping: &Mapping, record: &Value) -> Option<Vec<Value>> {
    mapping.convert(record, &SETTINGS).ok().map(|made| made.resources)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_yes_is_never_lost(
        answers in prop::collection::vec(prop::option::of(0_u8..4), 7),
        ninth in 0_u8..6,
        what in any::<u8>(),
        program in prop::sample::select(vec!["ACT", "HARBOR"]),
        status in prop::sample::select(vec!["DONE", "PART", "CHANGED"]),
    ) {
        let (hearthstone, cssrs) = shipped("hearthstone", "screening", "cssrs-yes");
        let (lantern, safety) = shipped("lantern", "screening", "safety-yes");
        // Two in four answers are a yes, one a no, one a word nobody knows.
        let word = |answer: u8, yes: &'static str, no: &'static str| match answer {
            0 | 1 => yes,
            2 => no,
            _ => "perhaps",
        };
        let asked: Vec<(usize, u8)> = answers.iter().enumerate().filter_map(|(at, answer)| Some((at, (*answer)?))).collect();
        let mut record = altered(cssrs, what);
        record["answers"] = asked.iter().map(|(at, answer)| json!({"item": (at + 1).to_string(), "answer": word(*answer, "Y", "N")})).collect();
        record["program"] = json!(program);
        record["status"] = json!(status);
        let mut flat = altered(safety, what);
        let text: Vec<String> = asked.iter().map(|(at, answer)| format!("{}={}", at + 1, word(*answer, "yes", "no"))).collect();
        flat["answers"] = json!(text.join("; "));
        for made in [converted(&hearthstone, &record), converted(&lantern, &flat)] {
            let unknown = asked.iter().any(|(_, answer)| *answer == 3) || asked.is_empty();
            prop_assert!(made.is_some() || unknown);
            for (at, _) in asked.iter().filter(|(_, answer)| *answer < 2) {
                prop_assert!(made.as_ref().is_none_or(|made| stands_out(made, ITEMS[*at])));
            }
        }
        let (_, phq9) = shipped("hearthstone", "screening", "phq9-item-9");
        let mut record = altered(phq9, what);
        record["answers"][8]["answer"] = json!(ninth.to_string());
        match converted(&hearthstone, &record) {
            Some(made) => prop_assert_eq!(stands_out(&made, NINTH), ninth > 0),
            None => prop_assert!(ninth > 3),
        }
    }
}
