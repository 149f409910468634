//! What scopes permit, narrowed and written. <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use postern_rules::fhir::excerpt::Excerpt;
use postern_rules::search::{Extractor, Values};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(text: &str) -> Scopes {
    Scopes::parse(text).expect("valid")
}

/// The search values of a resource, as a release has them.
fn values(resource: &Value) -> Values {
    let mut excerpt = Excerpt::default();
    excerpt.value("", resource);
    let zone = jiff::tz::TimeZone::UTC;
    let mut extractor = Extractor::new(&zone);
    excerpt
        .root()
        .map(|root| extractor.extract(root))
        .unwrap_or_default()
}

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";

fn condition(code: &str) -> Values {
    values(
        &json!({"resourceType": "Condition", "category": [{"coding": [{"system": CATEGORY, "code": code}]}]}),
    )
}

#[test]
fn both_versions_are_read_and_answered_in_their_own_words() {
    let scopes = parse("system/CarePlan.read system/Goal.r system/Task.cruds system/Consent.*");
    assert_eq!(
        scopes.to_string(),
        "system/CarePlan.read system/Consent.* system/Goal.r system/Task.cruds"
    );
    assert!(scopes.may_search("CarePlan") && !scopes.may_search("Goal") && !scopes.may_read("Patient"));
    assert!(scopes.may_create("Task") && scopes.may_update("Task") && scopes.may_delete("Consent"));
    assert!(!scopes.may_create("CarePlan"));
    assert_eq!(parse("system/Goal.r system/Goal.s").to_string(), "system/Goal.rs");
    assert_eq!(
        parse("system/Goal.read system/Goal.c").to_string(),
        "system/Goal.crs"
    );
    assert_eq!(parse("system/Goal.rs system/*.read").to_string(), "system/*.read");
}

#[test]
fn disorder_and_foreign_contexts_are_refused() {
    for (text, why) in [
        ("system/CarePlan.sr", ScopeError::Form),
        ("system/CarePlan.dus", ScopeError::Form),
        ("system/CarePlan.rr", ScopeError::Form),
        ("system/.rs", ScopeError::Form),
        ("system/*.", ScopeError::Form),
        ("system/careplan.rs", ScopeError::Form),
        ("System/CarePlan.rs", ScopeError::Form),
        ("patient/*.rs", ScopeError::Context),
        ("user/CarePlan.read", ScopeError::Context),
        ("system/*.rs launch/patient", ScopeError::Context),
        ("openid fhirUser", ScopeError::Context),
    ] {
        assert_eq!(Scopes::parse(text), Err(why), "{text}");
    }
    assert_eq!(Scopes::parse(&"system/A.r ".repeat(129)), Err(ScopeError::Many));
    assert_eq!(Scopes::parse(&"x".repeat(9000)), Err(ScopeError::Many));
}

#[test]
fn a_granular_scope_permits_what_has_one_of_its_values_for_each_parameter() {
    let scopes = parse(&format!(
        "system/Condition.rs?category={CATEGORY}|problem-list-item,{CATEGORY}|health-concern"
    ));
    let permits = |code: &str| scopes.permits(Permission::Search, "Condition", &condition(code));
    assert!(permits("problem-list-item") && permits("health-concern") && !permits("encounter-diagnosis"));
    assert!(scopes.may_search("Condition") && !scopes.may_all(Permission::Search, "Condition"));
    assert!(!scopes.permits(Permission::Search, "Condition", &Values::default()));
    let both = parse("system/Condition.rs?category=problem-list-item&category=health-concern");
    assert!(!both.permits(Permission::Read, "Condition", &condition("problem-list-item")));
    let either = parse("system/Condition.rs?category=a system/Condition.rs?category=problem-list-item");
    assert!(either.permits(Permission::Read, "Condition", &condition("problem-list-item")));
    let wider = parse("system/Condition.r system/Condition.rs?category=a");
    let one = condition("problem-list-item");
    assert!(wider.permits(Permission::Read, "Condition", &one));
    assert!(!wider.permits(Permission::Search, "Condition", &one));
}

#[test]
fn a_condition_leaves_out_what_it_does_not_fit_and_nothing_of_other_types() {
    let scopes =
        parse("system/Condition.rs?category=problem-list-item system/Condition.u system/DocumentReference.r");
    assert!(!scopes.leaves_out("Condition", &condition("problem-list-item")));
    assert!(scopes.leaves_out("Condition", &condition("encounter-diagnosis")));
    assert!(scopes.leaves_out("Condition", &Values::default()));
    assert!(!scopes.leaves_out("Goal", &Values::default()));
    let all = parse("system/Condition.rs?category=problem-list-item system/*.s");
    assert!(!all.leaves_out("Condition", &condition("encounter-diagnosis")));
}

#[test]
fn a_condition_that_could_not_be_held_is_refused() {
    for text in [
        "system/Condition.rs?",
        "system/Condition.rs?category",
        "system/Condition.rs?category=",
        "system/Condition.rs?category=a,",
        "system/Condition.rs?category=|",
        "system/Condition.rs?colour=red",
        "system/Condition.rs?patient=1",
        "system/Condition.rs?category=%zz",
        "system/Condition.rs?category=a&",
        "system/Condition.read?category=a",
        "system/*.rs?category=a",
    ] {
        assert_eq!(Scopes::parse(text), Err(ScopeError::Granular), "{text}");
    }
}

#[test]
fn what_a_scope_cannot_hold_as_it_is_comes_back_encoded() {
    let scopes = parse("system/Condition.rs?category=a%20b%26c|d%25");
    assert_eq!(scopes.to_string(), "system/Condition.rs?category=a%20b%26c|d%25");
    assert_eq!(parse(&scopes.to_string()), scopes);
}

#[test]
fn what_is_granted_is_asked_and_registered() {
    let all = parse("system/*.rs");
    let some = parse("system/CarePlan.rs system/Goal.s");
    assert_eq!(all.narrowed_to(&some), some);
    assert_eq!(some.narrowed_to(&all), some);
    assert!(parse("system/Patient.rs").narrowed_to(&some).is_empty());
    let granular = parse("system/Condition.rs?category=a");
    assert_eq!(all.narrowed_to(&granular), granular);
    assert_eq!(granular.narrowed_to(&all), granular);
    assert_eq!(
        granular
            .narrowed_to(&parse("system/Condition.s?category=b"))
            .to_string(),
        "system/Condition.s?category=a&category=b"
    );
    let mixed = parse("system/*.read system/Condition.rs?category=a");
    assert_eq!(
        mixed.to_string(),
        "system/*.read",
        "the plain one permits it anyway"
    );
}

#[test]
fn letters_to_write_stay_where_something_may_be_written() {
    let asked = parse("system/Task.cruds system/Patient.cruds system/Goal.c system/*.u");
    assert_eq!(
        asked.writing_only(&["Task"]).to_string(),
        "system/*.u system/Patient.rs system/Task.cruds"
    );
}

/// A scope of few types, letters and conditions, so that they meet often.
fn any_scope() -> impl Strategy<Value = String> {
    let of = prop::sample::select(vec!["*", "Condition", "Goal", "Task"]);
    let letters = prop::sample::subsequence(vec!['c', 'r', 'u', 'd', 's'], 1..=5);
    (
        of,
        letters,
        prop::option::of(prop::sample::select(vec!["a", "b", "a,b"])),
    )
        .prop_map(|(of, letters, value)| {
            let letters: String = letters.into_iter().collect();
            match value.filter(|_| of == "Condition") {
                Some(value) => format!("system/{of}.{letters}?category={value}"),
                None => format!("system/{of}.{letters}"),
            }
        })
}

fn any_scopes() -> impl Strategy<Value = Scopes> {
    prop::collection::vec(any_scope(), 0..6).prop_map(|scopes| parse(&scopes.join(" ")))
}

proptest! {
    /// The law of narrowing: exactly what both permit, for every permission, type and resource.
    #[test]
    fn narrowing_is_and(asked in any_scopes(), registered in any_scopes()) {
        let granted = asked.narrowed_to(&registered);
        prop_assert_eq!(&parse(&granted.to_string()), &granted);
        for of in ["Condition", "Goal", "Task", "Patient"] {
            for value in ["a", "b", "c"] {
                let values = condition(value);
                for to in [Permission::Create, Permission::Read, Permission::Update, Permission::Delete, Permission::Search] {
                    let both = asked.permits(to, of, &values) && registered.permits(to, of, &values);
                    prop_assert_eq!(granted.permits(to, of, &values), both, "{} {:?} {}", of, to, value);
                }
            }
        }
    }
}
