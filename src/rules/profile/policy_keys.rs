//! Slips of the pen in `profiles/policy.json`: a key nobody reads is a rule nobody keeps, and a mistyped code releases
//! nothing, or forbids nothing, without a word. 45 CFR 164.514(d)(3);
//! <https://terminology.hl7.org/CodeSystem-v3-ActReason.html>

use serde_json::Value;

use super::data_set::unknown_keys;
use crate::terminology::{self, Sensitivities};

/// What the file may say, by where it says it. What stands below `agency` and `capacityInQuestion` is `policy_law`'s.
const KEYS: &[(&str, &[&str])] = &[
    (
        "policy",
        &[
            "version",
            "classes",
            "releases",
            "never",
            "raised",
            "unconfirmedRelationship",
            "breakGlass",
            "requestMore",
            "state",
            "agency",
            "capacityInQuestion",
        ],
    ),
    (
        "classes",
        &[
            "name",
            "title",
            "role",
            "treating",
            "medicalPersonnel",
            "neverAsked",
        ],
    ),
    ("releases", &["class", "purpose", "dataSet"]),
    ("never", &["purpose", "why"]),
    (
        "breakGlass",
        &["dataSet", "hours", "reviewHours", "overridesConsent"],
    ),
    ("requestMore", &["hours"]),
];

/// Each as (where, why), with the nearest name where there is one.
pub(super) fn slips(policy: &Value) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (at, known) in KEYS {
        for part in parts(policy, at) {
            found.extend(unknown_keys(part, known).into_iter().map(|(_, why)| (*at, why)));
        }
    }
    for list in ["classes", "releases", "never"] {
        if !policy.get(list).is_none_or(Value::is_array) {
            found.push((list, "is not a list".to_owned()));
        }
    }
    for at in ["releases", "never"] {
        let purposes = parts(policy, at).iter().filter_map(|row| row["purpose"].as_str());
        let unknown = purposes.filter(|code| terminology::known(terminology::ACT_REASON, code) != Some(true));
        found.extend(unknown.map(|code| (at, format!("{code} is not a code of v3-ActReason"))));
    }
    let raised = parts(policy, "raised").iter().filter_map(Value::as_str);
    let unknown = raised.filter(|code| Sensitivities::of(code).is_none());
    found.extend(unknown.map(|code| ("raised", format!("{code} is not a sensitivity of v3-ActCode"))));
    let mut names: Vec<&str> = parts(policy, "classes")
        .iter()
        .filter_map(|class| class["name"].as_str())
        .collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|pair| pair[0] == pair[1]);
    found.extend(twice.map(|pair| ("classes", format!("{} stands twice", pair[0]))));
    found
}

/// The items of a list, or the one thing that stands there.
fn parts<'p>(policy: &'p Value, at: &str) -> &'p [Value] {
    match (at, policy.get(at)) {
        ("policy", _) => std::slice::from_ref(policy),
        (_, Some(Value::Array(items))) => items,
        (_, Some(one)) => std::slice::from_ref(one),
        (_, None) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use serde_json::{Value, json};

    type Slip<'a> = &'a dyn Fn(&mut Value);

    fn shipped() -> Value {
        serde_json::from_str(include_str!("../../../profiles/policy.json")).expect("JSON")
    }

    #[test]
    fn what_nobody_would_read_is_a_problem_with_the_nearest_name() {
        let said = |change: &dyn Fn(&mut Value)| {
            let mut policy = shipped();
            change(&mut policy);
            let issues = Policy::load(&policy).expect_err("a problem");
            assert_eq!(issues.len(), 1, "{issues:?}");
            format!("{}: {}", issues[0].expression, issues[0].details)
        };
        let keys: [(Slip<'_>, &str); 8] = [
            (
                &|p| p["nevr"] = json!([]),
                "policy: policy: nevr is not a key of this file; nearest: never",
            ),
            (
                &|p| p["classes"][0]["treeting"] = json!(true),
                "nearest: treating",
            ),
            (&|p| p["releases"][0]["dataset"] = json!("x"), "nearest: dataSet"),
            (
                &|p| p["never"][0]["because"] = json!("x"),
                "never: policy: because is not a key",
            ),
            (&|p| p["breakGlass"]["hour"] = json!(1), "nearest: hours"),
            (
                &|p| p["releases"][0]["purpose"] = json!("TREATE"),
                "not a code of v3-ActReason",
            ),
            (&|p| p["raised"][0] = json!("HIVE"), "not a sensitivity"),
            (&|p| p["classes"][1]["name"] = json!("hospital"), "stands twice"),
        ];
        for (change, sentence) in keys.iter().take(7) {
            let found = said(change);
            assert!(found.contains(sentence), "{found}");
        }
        let mut policy = shipped();
        (keys[7].0)(&mut policy);
        let issues = Policy::load(&policy).expect_err("problems");
        assert!(issues.iter().any(|i| i.details.contains(keys[7].1)), "{issues:?}");
        for known in ["state", "agency", "capacityInQuestion"] {
            let mut policy = shipped();
            policy[known] = json!("x");
            let unknown = Policy::load(&policy).err().unwrap_or_default();
            assert!(
                !unknown.iter().any(|i| i.details.contains("not a key")),
                "{unknown:?}"
            );
        }
    }
}
