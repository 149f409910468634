//! Whatever is sent, validation ends: work is counted, depth is bounded, and the list says what was not reached.
//! <https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/>

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use super::cases::visitors;
use super::examples::examples;
use super::packages;
use crate::fhir::{IssueCode, Severity};
use crate::validation::spot::Spot;
use crate::validation::walk::{Place, Walk};
use crate::validation::work::MOST_STEPS;
use crate::validation::{Definitions, Package};

/// Far more than any takes, in a debug build beside others.
const PATIENCE: Duration = Duration::from_secs(60);

fn judged(definitions: &Definitions, resource: &Value) -> (bool, Duration) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes")]
    let begun = std::time::Instant::now();
    let issues = definitions.validate(resource, &[]);
    let unfinished = issues.iter().any(|issue| issue.code == IssueCode::TooCostly);
    (unfinished, begun.elapsed())
}

/// Steps that it takes to hold a resource to R4 and to what it claims.
fn steps(definitions: &Definitions, resource: &Value) -> usize {
    let Some(spot) = Spot::resource(resource) else {
        return 0;
    };
    let mut walk = Walk::new(definitions, resource);
    walk.places.push(Place::Name(spot.type_name));
    walk.resource(spot);
    MOST_STEPS - walk.work.left.get()
}

#[test]
fn what_others_publish_takes_less_than_a_twentieth() {
    let Some(all) = packages::all() else { return };
    let counted = examples().into_iter().map(|(name, one)| (steps(all, &one), name));
    let costliest = counted.max().unwrap_or_default();
    println!("the costliest example: {costliest:?} of {MOST_STEPS} steps");
    assert!(costliest.0 * 20 < MOST_STEPS, "{costliest:?}");
}

/// Each of many references looked for among many contained resources; each of many entries walked by an invariant.
fn costly() -> Vec<(&'static str, Value)> {
    let contained: Vec<Value> = (0..8_000)
        .map(|n| json!({"resourceType": "Basic", "id": format!("c{n}"), "code": {"text": "x"}}))
        .collect();
    let references: Vec<Value> = (0..8_000)
        .map(|n| json!({"reference": format!("#c{n}")}))
        .collect();
    let entries: Vec<Value> = (0..8_000)
        .map(|n| json!({"fullUrl": format!("urn:x:{n}"), "resource": {"resourceType": "Basic", "code": {"text": "x"}}}))
        .collect();
    let tags: Vec<Value> = (0..30_000)
        .map(|n| json!({"system": "urn:x", "code": format!("t{n}")}))
        .collect();
    let codings: Vec<Value> = (0..30_000)
        .map(|n| json!({"system": "http://loinc.org", "code": format!("{n}")}))
        .collect();
    let mut groups = json!({"linkId": "1", "type": "group"});
    for _ in 0..28 {
        groups = json!({"linkId": "1", "type": "group", "item": [groups]});
    }
    let wide: Vec<Value> = (0..20_000)
        .map(|n| json!({"linkId": format!("{n}"), "type": "string"}))
        .collect();
    vec![
        (
            "references among contained resources",
            json!({"resourceType": "List", "status": "current", "mode": "working", "contained": contained,
                "entry": references.iter().map(|r| json!({"item": r})).collect::<Vec<_>>()}),
        ),
        (
            "entries",
            json!({"resourceType": "Bundle", "type": "collection", "entry": entries}),
        ),
        (
            "tags",
            json!({"resourceType": "Basic", "code": {"text": "x"}, "meta": {"tag": tags}}),
        ),
        (
            "codings",
            json!({"resourceType": "Observation", "status": "final", "code": {"coding": codings}}),
        ),
        (
            "deep",
            json!({"resourceType": "Questionnaire", "status": "draft", "item": [groups]}),
        ),
        (
            "wide",
            json!({"resourceType": "Questionnaire", "status": "draft", "item": wide}),
        ),
        (
            "text",
            json!({"resourceType": "Basic", "code": {"text": "a ".repeat(900_000)}}),
        ),
    ]
}

#[test]
fn what_costs_too_much_ends_and_says_so() {
    let empty = Definitions::default();
    for (what, resource) in costly() {
        let (unfinished, took) = judged(&empty, &resource);
        println!("{what}: unfinished {unfinished}, {took:?}");
        assert!(took < PATIENCE, "{what} took {took:?}");
        if let Some(all) = packages::all()
            && !unfinished
        {
            let (_, took) = judged(all, &resource);
            assert!(took < PATIENCE, "{what} took {took:?} with packages");
        }
    }
}

/// Entries that lead to each other in a long chain, each to be held to a profile.
#[test]
fn a_long_chain_of_references_is_followed_only_so_far() {
    let observation = |n: usize| {
        let mut one = json!({"resourceType": "Observation", "id": format!("o{n}"), "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]}],
            "code": {"text": "x"}, "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2026-11-30", "valueString": "x",
            "hasMember": [{"reference": format!("Observation/o{}", n + 1)}]});
        one["meta"] = json!({"profile":
            ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment"]});
        json!({"fullUrl": format!("https://postern.test/fhir/Observation/o{n}"), "resource": one})
    };
    let entries: Vec<Value> = (0..2_000).map(observation).collect();
    let chain = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    for definitions in [Some(&visitors()), packages::all()].into_iter().flatten() {
        let (_, took) = judged(definitions, &chain);
        assert!(took < PATIENCE, "took {took:?}");
    }
}

/// A profile that is kept elsewhere is claimed again and again: by one resource, and by each of those inside one another.
#[test]
fn a_profile_kept_elsewhere_is_asked_once_for_each_resource_and_counted() {
    let asked = Cell::new(0_usize);
    let kept = |url: &str, _: &Value| {
        url.starts_with("https://own.example/").then(|| {
            asked.set(asked.get() + 1);
            Vec::new()
        })
    };
    let claims: Vec<String> = (0..20_000)
        .map(|n| format!("https://own.example/{}", n % 2))
        .collect();
    let basic = json!({"resourceType": "Basic", "code": {"text": "x"}, "meta": {"profile": claims}});
    let issues = Definitions::default().validate_beside(&basic, &["https://own.example/0"], &kept);
    assert!(
        issues.iter().all(|issue| issue.severity > Severity::Error),
        "{issues:?}"
    );
    assert_eq!(asked.take(), 2);

    let wide: Vec<Value> = (0..20_000)
        .map(|n| json!({"name": "x", "valueInteger": n}))
        .collect();
    let claims: Vec<String> = (0..200).map(|n| format!("https://own.example/{n}")).collect();
    let mut inside = json!({"resourceType": "Parameters", "meta": {"profile": claims}, "parameter": wide});
    for _ in 0..10 {
        inside = json!({"resourceType": "Parameters", "meta": {"profile": claims},
            "parameter": [{"name": "x", "resource": inside}]});
    }
    let issues = Definitions::default().validate_beside(&inside, &[], &kept);
    assert!(issues.iter().any(|issue| issue.code == IssueCode::TooCostly));
    assert!(asked.get() < 100, "{} times", asked.get());
}

fn package(definitions: impl Iterator<Item = Value>) -> Definitions {
    let mut reader = Package::reader("hostile");
    for (n, one) in definitions.enumerate() {
        reader.add(
            &format!("StructureDefinition-{n}.json"),
            one.to_string().as_bytes(),
        );
    }
    Definitions::new(vec![reader.finish().expect("a package")])
}

fn profile(url: &str, base: &str, of: &str, elements: &[Value]) -> Value {
    json!({"resourceType": "StructureDefinition", "url": url, "name": "x", "status": "draft", "kind": "complex-type",
        "abstract": false, "type": of, "baseDefinition": base, "derivation": "constraint", "differential": {"element": elements}})
}

/// Two parts of the one before in each: the thirtieth would hold a thousand million elements. In either order of building.
#[test]
fn a_profile_that_doubles_is_not_built() {
    let url = |n: usize| format!("https://hostile.example/e{n}");
    let doubled = |n: usize| {
        let part = |name: &str| {
            let id = format!("Extension.extension:{name}");
            [
                json!({"id": id, "path": "Extension.extension", "sliceName": name,
                    "type": [{"code": "Extension", "profile": [url(n - 1)]}]}),
                json!({"id": format!("{id}.url"), "path": "Extension.extension.url", "fixedUri": name}),
            ]
        };
        profile(
            &url(n),
            "http://hl7.org/fhir/StructureDefinition/Extension",
            "Extension",
            &[part("a"), part("b")].concat(),
        )
    };
    for definitions in [package((1..40).map(doubled)), package((1..40).rev().map(doubled))] {
        #[expect(clippy::disallowed_methods, reason = "how long it takes")]
        let begun = std::time::Instant::now();
        let coverage = definitions.coverage();
        let why = "asks for more elements than a profile may, or rests on too many others";
        assert!(
            coverage.unusable.iter().any(|(_, told)| told == why),
            "{coverage:?}"
        );
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// Each rests on the next, a thousand deep; and one whose path goes down and down.
#[test]
fn a_long_chain_of_profiles_and_a_long_path_are_not_built() {
    let url = |n: usize| format!("https://hostile.example/p{n}");
    let root = |of: &str| [json!({"id": of, "path": of})];
    let chain = (0..1_000).map(|n| profile(&url(n), &url(n + 1), "Basic", &root("Basic")));
    assert_eq!(package(chain).coverage().unusable.len(), 1_000);
    let path = format!("Questionnaire{}", ".item".repeat(20_000));
    let deep = [json!({"id": path, "path": path, "max": "1"})];
    let questionnaire = "http://hl7.org/fhir/StructureDefinition/Questionnaire";
    let deep = package([profile(&url(0), questionnaire, "Questionnaire", &deep)].into_iter());
    assert_eq!(deep.coverage().unusable.len(), 1);
    let issues = deep.validate(
        &json!({"resourceType": "Questionnaire", "status": "draft"}),
        &[&url(0)],
    );
    assert!(
        issues
            .iter()
            .any(|issue| issue.details.contains("the profile cannot be used")),
        "{issues:?}"
    );
}
