//! Minimum necessary but sufficient, said over the loaded data sets and over the people of the demo: what a class of
//! recipient needs is there, what it does not need is not, and whatever is released is valid by its closed profile.
//! 45 CFR 164.502(b), 164.514(d)(3); 42 CFR 2.13(a)

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::elements::leaves;
use crate::fhir::Instant;
use crate::mapping::{Mapping, MappingFiles, Settings};
use crate::profile::tests::by_value::completed;
use crate::profile::{DataSet, shipped};

const CONTENT: &str = "https://postern.example/fhir/CodeSystem/plan-content";
const PHASE: &str = "https://postern.example/fhir/CodeSystem/action-phase";

/// What may be in a record, by the words of the requirement.
const KINDS: &[(&str, &str, &str, &str)] = &[
    (
        "early warning signs",
        "Observation",
        CONTENT,
        "early-warning-sign",
    ),
    (
        "de-escalation that works",
        "Observation",
        CONTENT,
        "de-escalation",
    ),
    ("triggers", "Observation", CONTENT, "trigger"),
    (
        "communication supports",
        "Observation",
        CONTENT,
        "communication-support",
    ),
    (
        "post-incident recovery",
        "Observation",
        CONTENT,
        "post-incident-recovery",
    ),
    ("presentation", "Observation", CONTENT, "presentation"),
    ("crisis plan", "CarePlan", CONTENT, "crisis-plan"),
    ("medications", "MedicationRequest", "", ""),
    ("allergies", "AllergyIntolerance", "", ""),
    ("active problems", "Condition", "", ""),
    ("risk", "RiskAssessment", "", ""),
    ("contacts", "RelatedPerson", "", ""),
    ("start of shift", "Task", PHASE, "start-of-shift"),
    ("early-sign actions", "Task", PHASE, "early-sign"),
    ("afterwards", "Task", PHASE, "afterwards"),
    ("goals", "Goal", "", ""),
    ("coverage", "Coverage", "", ""),
];

const CRISIS: &[&str] = &[
    "early warning signs",
    "de-escalation that works",
    "triggers",
    "communication supports",
    "post-incident recovery",
    "crisis plan",
    "medications",
    "allergies",
    "contacts",
];
const ALWAYS: &[&str] = &["medications", "allergies", "active problems", "risk"];
const NEVER_A_PLAN: &[&str] = &[
    "early warning signs",
    "de-escalation that works",
    "triggers",
    "communication supports",
    "post-incident recovery",
    "presentation",
    "crisis plan",
    "medications",
    "risk",
    "contacts",
    "start of shift",
    "early-sign actions",
    "afterwards",
];

fn sets() -> Vec<DataSet> {
    shipped::data_sets().expect("the shipped data sets load")
}

fn is(resource: &Value, kind: &str) -> bool {
    let (_, resource_type, system, code) = KINDS.iter().find(|k| k.0 == kind).expect("a kind of this list");
    let concepts = |v: &Value| match v {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let at = if *resource_type == "CarePlan" {
        "category"
    } else {
        "code"
    };
    let coded = || {
        let codings = concepts(&resource[at])
            .into_iter()
            .flat_map(|c| concepts(&c["coding"]));
        codings
            .into_iter()
            .any(|c| c["system"] == **system && c["code"] == **code)
    };
    resource["resourceType"] == **resource_type && (code.is_empty() || coded())
}

/// What the data set alone would release of these resources.
fn released(set: &DataSet, resources: &[Value]) -> Vec<Value> {
    let project = |resource: &Value| {
        let profile = set.profile_of(resource)?;
        let body = completed(profile, profile.project_all(resource)?);
        assert_eq!(
            profile.validate(&body),
            [],
            "{}: {}",
            set.name(),
            profile.resource_type()
        );
        Some(body)
    };
    resources.iter().filter_map(project).collect()
}

/// The smallest resource of each kind that R4 and US Core take.
fn smallest(kind: &str) -> Value {
    let (_, resource_type, system, code) = KINDS.iter().find(|k| k.0 == kind).expect("a kind of this list");
    let subject = json!({"reference": "Patient/p"});
    let coded = json!({"coding": [{"system": system, "code": code}]});
    let mut one = match *resource_type {
        "Observation" => json!({"status": "final", "code": coded, "subject": subject, "valueString": "x"}),
        "Task" => json!({"status": "ready", "intent": "order", "code": coded, "description": "x"}),
        "CarePlan" => {
            json!({"status": "active", "intent": "plan", "subject": subject, "description": "x", "category": [
            {"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]}, coded]})
        }
        "MedicationRequest" => json!({"status": "active", "intent": "plan", "subject": subject,
            "medicationCodeableConcept": {"text": "x"}}),
        "AllergyIntolerance" => {
            json!({"patient": subject, "code": {"text": "x"}, "category": ["medication"]})
        }
        "Condition" => json!({"subject": subject, "code": {"text": "x", "coding": [
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F31.32"}]}, "clinicalStatus": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}}),
        "RiskAssessment" => json!({"status": "final", "subject": subject, "note": [{"text": "x"}]}),
        "RelatedPerson" => json!({"patient": subject, "active": true}),
        "Goal" => json!({"lifecycleStatus": "active", "subject": subject, "description": {"text": "x"}}),
        _ => json!({"status": "active", "beneficiary": subject, "payor": [{"reference": "Organization/o"}]}),
    };
    one["resourceType"] = json!(resource_type);
    one["id"] = json!("x");
    one
}

/// Does the set release a resource of this kind, whatever else stands in it?
fn has(set: &str, kind: &str) -> bool {
    let sets = sets();
    let set = sets.iter().find(|s| s.name() == set).expect("a shipped set");
    !released(set, &[smallest(kind)]).is_empty()
}

#[test]
fn a_crisis_team_has_what_it_needs_and_a_health_plan_does_not() {
    for kind in CRISIS {
        assert!(has("crisis-team", kind), "a crisis team has {kind}");
    }
    for kind in NEVER_A_PLAN {
        assert!(!has("health-plan", kind), "a health plan has no {kind}");
    }
    assert!(has("health-plan", "coverage") && has("health-plan", "active problems"));
}

#[test]
fn primary_care_crisis_and_hospital_sets_always_have_medications_allergies_problems_and_risk() {
    for set in ["primary-care", "crisis-team", "hospital"] {
        for kind in ALWAYS {
            assert!(has(set, kind), "{set} has {kind}");
        }
    }
}

#[test]
fn a_community_provider_has_what_supports_the_person_and_nothing_clinical() {
    for kind in [
        "communication supports",
        "de-escalation that works",
        "start of shift",
        "early-sign actions",
        "goals",
        "contacts",
    ] {
        assert!(has("community-provider", kind), "a community provider has {kind}");
    }
    for kind in [
        "medications",
        "allergies",
        "active problems",
        "risk",
        "crisis plan",
        "presentation",
        "triggers",
        "coverage",
    ] {
        assert!(
            !has("community-provider", kind),
            "a community provider has no {kind}"
        );
    }
}

/// A coverage is for payers alone.
#[test]
fn nobody_but_a_health_plan_has_the_coverage() {
    for set in ["primary-care", "crisis-team", "hospital", "community-provider"] {
        assert!(!has(set, "coverage"), "{set}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or_default()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| unreachable!("{}: {e}", path.display()))
}

/// The converted record of each person of the demo, by the first word of the record's name; of a resource that several
/// records make, the last one's form.
fn people() -> BTreeMap<String, Vec<Value>> {
    let mut people: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for agency in entries(&root()).into_iter().filter(|p| p.join("demo").is_dir()) {
        let codes: Vec<(String, String)> = entries(&agency.join("codes"))
            .iter()
            .filter_map(|p| Some((name(p).strip_suffix(".csv")?.to_owned(), text(p))))
            .collect();
        for demo in entries(&agency.join("demo")) {
            let Some((record, who)) = name(&demo).strip_suffix(".json").and_then(|n| n.split_once('.'))
            else {
                continue;
            };
            let map = text(&agency.join(format!("{record}.map.yaml")));
            let mapping = Mapping::compile(&MappingFiles {
                source: name(&agency),
                record,
                map_name: record,
                map: &map,
                codes: codes.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect(),
            });
            let mapping = mapping.unwrap_or_else(|problems| unreachable!("{problems:?}"));
            let source: Value = serde_json::from_str(&text(&demo)).expect("JSON");
            let settings = Settings {
                id_key: &[7; 32],
                now: Instant(0),
            };
            let made = mapping
                .convert(&source, &settings)
                .expect("demo records are in order");
            let person = people
                .entry(who.split('-').next().unwrap_or(who).to_owned())
                .or_default();
            for resource in made.resources {
                person.insert(
                    format!("{}/{}", resource["resourceType"], resource["id"]),
                    resource,
                );
            }
        }
    }
    people
        .into_iter()
        .map(|(who, resources)| (who, resources.into_values().collect::<Vec<Value>>()))
        // A directory is about nobody.
        .filter(|(_, resources)| resources.iter().any(|one| one["resourceType"] == "Patient"))
        .collect()
}

#[test]
fn of_rosas_record_each_class_gets_what_it_needs_and_no_more() {
    let rosa = &people()["rosa"];
    let sets = sets();
    let of = |set: &str| released(sets.iter().find(|s| s.name() == set).expect("a set"), rosa);
    let holds = |resources: &[Value], kind: &str| resources.iter().any(|r| is(r, kind));
    for kind in CRISIS.iter().chain(ALWAYS) {
        assert!(holds(rosa, kind), "Rosa's record has {kind}");
        assert!(holds(&of("crisis-team"), kind), "a crisis team sees her {kind}");
    }
    for set in ["primary-care", "crisis-team", "hospital"] {
        for kind in ALWAYS {
            assert!(holds(&of(set), kind), "{set} sees her {kind}");
        }
    }
    for kind in NEVER_A_PLAN {
        assert!(
            !holds(&of("health-plan"), kind),
            "a health plan does not see her {kind}"
        );
    }
    let plan = of("health-plan").iter().map(Value::to_string).collect::<String>();
    for words in [
        "balcony",
        "lock box",
        "dying",
        "Carmen",
        "Sleeps less",
        "choir",
        "film",
    ] {
        assert!(!plan.contains(words), "a health plan reads of {words}");
    }
    let community = of("community-provider")
        .iter()
        .map(Value::to_string)
        .collect::<String>();
    for words in ["blue blanket", "interpreter", "Carmen", "call Jordan before noon"] {
        assert!(
            community.contains(words),
            "a community provider does not read of {words}"
        );
    }
    for words in [
        "Bipolar",
        "F31",
        "F11",
        "B20",
        "Quetiapine",
        "Dolutegravir",
        "attempts in 2023",
        "SYN-70012233",
    ] {
        assert!(
            !community.contains(words),
            "a community provider reads of {words}"
        );
    }
}

/// Printed with `--nocapture`; the table stands in `profiles/README.md`.
#[test]
fn released_and_stored_elements_of_each_set() {
    let sets = sets();
    let titles: Vec<&str> = sets.iter().map(DataSet::name).collect();
    println!("| person | stored | {} |", titles.join(" | "));
    println!("|---|---|{}", "---|".repeat(sets.len()));
    for (who, resources) in people() {
        let own = |all: &[Value]| -> (usize, usize) {
            let shared = ["Practitioner", "PractitionerRole", "Organization"];
            let own: Vec<&Value> = all
                .iter()
                .filter(|r| !shared.iter().any(|s| r["resourceType"] == **s))
                .collect();
            (own.len(), own.iter().map(|r| leaves(r)).sum())
        };
        let (count, stored) = own(&resources);
        let mut row = format!("| {who} | {stored} in {count} |");
        for set in &sets {
            let (count, elements) = own(&released(set, &resources));
            row.push_str(&format!(
                " {elements} in {count} ({} %) |",
                elements * 100 / stored.max(1)
            ));
            assert!(count > 0 && elements < stored, "{who}: {}", set.name());
            if set.name() == "health-plan" {
                assert!(elements * 2 < stored, "{who}: a plan gets less than half");
            }
        }
        println!("{row}");
    }
}
