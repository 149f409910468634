//! What `profiles/policy.json` says to the layers of law: the state, what the agency is, whether a grant overrides what a person
//! denied, and what a consent permits while the capacity of its signer is in question.
//! `45 CFR 164.522(a)(1)(iii)`, `42 CFR 2.15`, `2.33(b)`, `2.51`.

use serde_json::Value;

/// The agency as its compliance staff states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyPolicy {
    /// A covered entity under HIPAA.
    pub covered_entity: bool,
    /// Codes of `program-kind` that a record without such a label comes from.
    pub programs: Vec<String>,
    /// A qualified service organization gets what its service needs without consent (`42 CFR 2.12(c)(4)`).
    pub serves_qso: bool,
}

/// What a consent permits while the capacity of the person who gave it is in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InQuestion {
    /// What it says.
    Everything,
    #[default]
    TreatmentOnly,
    Nothing,
}

#[derive(Debug)]
pub(super) struct LawPolicy {
    pub state: String,
    pub agency: AgencyPolicy,
    pub overrides_consent: bool,
    pub in_question: InQuestion,
}

const AGENCY_KEYS: [&str; 3] = ["coveredEntity", "programs", "servesQso"];
const PROGRAMS: [&str; 3] = ["mental-health", "developmental-disability", "substance-use"];

impl LawPolicy {
    /// Each problem as (where, why).
    pub(super) fn read(policy: &Value) -> (LawPolicy, Vec<(&'static str, &'static str)>) {
        let mut problems = Vec::new();
        let mut flag = |at, value: &Value, default: bool, why| match value {
            Value::Null => default,
            value => value.as_bool().unwrap_or_else(|| {
                problems.push((at, why));
                default
            }),
        };
        let agency = &policy["agency"];
        let covered_entity = flag(
            "agency",
            &agency["coveredEntity"],
            true,
            "coveredEntity is true or false",
        );
        let serves_qso = flag(
            "agency",
            &agency["servesQso"],
            false,
            "servesQso is true or false",
        );
        let overrides_consent = flag(
            "breakGlass",
            &policy["breakGlass"]["overridesConsent"],
            true,
            "overridesConsent is true or false",
        );
        let known = |agency: &Value| match agency {
            Value::Null => true,
            Value::Object(object) => object.keys().all(|key| AGENCY_KEYS.contains(&key.as_str())),
            _ => false,
        };
        if !known(agency) {
            problems.push((
                "agency",
                "has coveredEntity, programs, servesQso and nothing else",
            ));
        }
        let in_question = &policy["capacityInQuestion"];
        let only_permits = |value: &Value| value.as_object().is_some_and(|object| object.len() == 1);
        let in_question = match in_question["permits"].as_str() {
            Some("everything") if only_permits(in_question) => InQuestion::Everything,
            Some("treatment-only") if only_permits(in_question) => InQuestion::TreatmentOnly,
            Some("nothing") if only_permits(in_question) => InQuestion::Nothing,
            None if in_question.is_null() => InQuestion::default(),
            _ => {
                problems.push((
                    "capacityInQuestion",
                    "needs permits alone: everything, treatment-only or nothing",
                ));
                InQuestion::Nothing
            }
        };
        let state = match &policy["state"] {
            Value::Null => "neutral".to_owned(),
            state => state.as_str().unwrap_or_default().to_owned(),
        };
        if state.is_empty() {
            problems.push(("state", "is the name of a file of profiles/law"));
        }
        let law = LawPolicy {
            state,
            agency: AgencyPolicy {
                covered_entity,
                programs: programs(&agency["programs"], &mut problems),
                serves_qso,
            },
            overrides_consent,
            in_question,
        };
        (law, problems)
    }
}

fn programs(list: &Value, problems: &mut Vec<(&'static str, &'static str)>) -> Vec<String> {
    let codes: Option<Vec<String>> = match list {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items
            .iter()
            .map(|code| code.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    match codes.filter(|codes| codes.iter().all(|code| PROGRAMS.contains(&code.as_str()))) {
        Some(codes) => codes,
        None => {
            problems.push((
                "agency",
                "programs is a list of mental-health, developmental-disability, substance-use",
            ));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_that_says_nothing_is_neutral_and_careful() {
        let (law, problems) = LawPolicy::read(&json!({}));
        assert!(problems.is_empty());
        assert_eq!(
            (law.state.as_str(), law.in_question),
            ("neutral", InQuestion::TreatmentOnly)
        );
        assert!(law.overrides_consent && law.agency.covered_entity && !law.agency.serves_qso);
    }

    #[test]
    fn what_is_misspelt_is_a_problem() {
        let (law, problems) =
            LawPolicy::read(&json!({"state": 5, "agency": {"program": [], "programs": ["mh"]},
            "breakGlass": {"overridesConsent": "yes"}, "capacityInQuestion": {"permits": "some"}}));
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert_eq!(law.in_question, InQuestion::Nothing);
    }
}
