//! Rules of the profile language that keep a profile or a data set from loading, each by its name, and what a data set says
//! beside its profiles. Postern's semantics, section 1; 45 CFR 164.514(d)(3)

use serde_json::{Value, json};

use super::super::DataSet;
use super::*;

#[test]
fn an_element_that_says_nothing_or_something_unkept_does_not_load() {
    let unmarked = |more: Value| {
        let mut given = sd("CarePlan", &care_plan(&[("CarePlan.period", more)]));
        let last = given["differential"]["element"]
            .as_array_mut()
            .and_then(|all| all.last_mut());
        if let Some(Value::Object(map)) = last {
            map.shift_remove("mustSupport");
        }
        Profile::load(&given).err().unwrap_or_default()
    };
    let named = |issues: &[Issue], rule: Rule| {
        let start = format!("{}: ", rule.name());
        issues.iter().any(|i| i.details.starts_with(&start))
    };
    assert!(named(&unmarked(json!({"min": 0})), Rule::Unmarked));
    assert!(named(&unmarked(json!({})), Rule::Unmarked));
    assert!(
        unmarked(json!({"max": "0"})).is_empty(),
        "an exclusion says what it is"
    );
    assert!(unmarked(json!({"min": 1})).is_empty(), "and so does a minimum");
    for more in [
        json!({"binding": {"strength": "required", "valueSet": "http://x.example/vs"}}),
        json!({"maxLength": 10}),
        json!({"constraint": [{"key": "x-1", "severity": "error", "human": "x"}]}),
    ] {
        let rows = care_plan(&[("CarePlan.title", more)]);
        broken("CarePlan", &rows, Rule::Unenforced, "CarePlan.title");
    }
    let mut twice = sd("CarePlan", &care_plan(&[("CarePlan.title", plain())]));
    let all = twice["differential"]["element"].as_array_mut().expect("a list");
    let last = all.last().cloned().expect("an element");
    all.push(last);
    assert!(named(
        &Profile::load(&twice).expect_err("stands twice"),
        Rule::Element
    ));
}

/// The smallest data set that loads.
fn small(set: Value) -> Result<DataSet, Vec<Issue>> {
    let mut whole = json!({"name": "small", "title": "Small", "order": ["CarePlan"],
        "sufficient": [{"label": "A plan", "type": "CarePlan"}]});
    for (key, value) in set.as_object().expect("an object") {
        whole[key.as_str()] = value.clone();
    }
    let rows = care_plan(&[("CarePlan.category", plain()), ("CarePlan.title", plain())]);
    DataSet::load(
        "small",
        vec![("CarePlan.json".to_owned(), sd("CarePlan", &rows))],
        &whole,
    )
}

#[test]
fn every_problem_of_a_data_set_is_listed() {
    assert!(small(json!({})).is_ok());
    for (set, sentence) in [
        (
            json!({"sufficent": []}),
            "sufficent is not a key of this file; nearest: sufficient",
        ),
        (json!({"name": "large"}), "the folder's name"),
        (json!({"order": []}), "no place in `order`"),
        (
            json!({"order": ["CarePlan", "Gaol"]}),
            "is not an R4 resource type",
        ),
        (json!({"directory": ["Goal"]}), "has no profile here"),
        (json!({"sufficient": []}), "names what a recipient should find"),
        (
            json!({"sufficient": [{"label": "x", "type": "CarePlan", "code": "y"}]}),
            "system and code or neither",
        ),
        (json!({"excluded": "all"}), "each item has a type"),
        (
            json!({"excluded": [{"label": "x", "type": "Goal"}]}),
            "has no profile here",
        ),
    ] {
        let issues = small(set).expect_err(sentence);
        assert!(issues.iter().any(|i| i.details.contains(sentence)), "{issues:?}");
    }
}

#[test]
fn what_a_set_excludes_has_no_profile_and_what_it_lacks_is_a_gap() {
    let code = json!({"system": "urn:kind", "code": "crisis"});
    let set = small(
        json!({"excluded": [{"label": "Crisis plan", "type": "CarePlan", "element": "category",
        "system": "urn:kind", "code": "crisis"}]}),
    )
    .expect("loads");
    let plan = |category: Value| json!({"resourceType": "CarePlan", "category": category});
    assert!(set.profile_of(&plan(json!([{"coding": [code]}]))).is_none());
    let mixed = json!([{"text": "x"}, {"coding": [{"system": "urn:other", "code": "crisis"}, code]}]);
    assert!(
        set.profile_of(&plan(mixed)).is_none(),
        "whatever else it is, it is that"
    );
    let other = plan(json!([{"coding": [{"system": "urn:kind", "code": "other"}]}]));
    assert!(set.profile_of(&other).is_some());
    assert!(set.profile_of(&json!({"resourceType": "Goal"})).is_none());
    assert_eq!(set.gaps([]).len(), 1);
    assert!(set.gaps([&other]).is_empty());
}
