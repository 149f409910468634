//! What a case says is right, and whether an answer is that.
//! `CONSENT_PERMIT`/`CONSENT_DENY` (LEAP) and `Permit`/`Deny` (XACML) are permit and deny; with redactions, a filter.

use serde_json::Value;

use super::read::one_or_many;

/// What differs from the case's `expected`; empty when nothing does, or nothing is expected.
pub fn differences(case: &Value, answer: &Value) -> Vec<&'static str> {
    let expected = &case["expected"];
    let mut differences = Vec::new();
    if decision(expected).is_some_and(|wanted| answer["decision"] != wanted) {
        differences.push("decision");
    }
    for key in ["visible", "withheld"] {
        if expected[key].is_array() && ids(&expected[key]) != ids(&answer[key]) {
            differences.push(key);
        }
    }
    differences
}

fn decision(expected: &Value) -> Option<&str> {
    let decision = expected["decision"].as_str().or(expected.as_str())?;
    let redacts = expected["obligations"].as_array().is_some_and(|o| !o.is_empty());
    Some(match decision {
        "CONSENT_PERMIT" | "Permit" if redacts => "permit-with-filter",
        "CONSENT_PERMIT" | "Permit" => "permit",
        "CONSENT_DENY" | "Deny" => "deny",
        "NO_CONSENT" | "NotApplicable" => "not-applicable",
        other => other,
    })
}

fn ids(value: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = one_or_many(value)
        .iter()
        .filter_map(|v| v.as_str().or(v["id"].as_str()))
        .collect();
    ids.sort_unstable();
    ids
}
