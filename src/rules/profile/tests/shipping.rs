//! The data sets that come with Postern: they load, their cases hold, US Core is kept, each element has its reason.

use std::path::PathBuf;

use serde_json::Value;

use super::super::shipped::*;
use super::super::{DataSet, Profile};
use super::by_value::completed;
use crate::fhir::{Issue, gate};

pub(in super::super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../profiles")
}

pub(crate) fn sets() -> Vec<DataSet> {
    data_sets().unwrap_or_else(|issues| {
        let text: Vec<String> = issues.iter().map(Issue::to_string).collect();
        unreachable!("{}", text.join("\n"))
    })
}

/// Data set, case name, resource and expected release of a case; a withheld one expects null.
pub(crate) type Case = (String, String, Value, Value);

pub(crate) fn cases() -> Vec<Case> {
    let read = |path: &PathBuf| -> Value {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| unreachable!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| unreachable!("{}: {e}", path.display()))
    };
    let mut cases = Vec::new();
    for files in DATA_SETS {
        let folder = folder().join(files.name).join("cases");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .expect("a folder of cases")
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".in.json")
                    .map(str::to_owned)
            })
            .collect();
        names.sort();
        for name in names {
            let given = read(&folder.join(format!("{name}.in.json")));
            let expected = read(&folder.join(format!("{name}.out.json")));
            cases.push((files.name.to_owned(), name, given, expected));
        }
    }
    cases
}

#[test]
fn every_set_loads_and_what_it_serves_is_valid_r4() {
    let sets = sets();
    for set in &sets {
        for profile in set.profiles() {
            assert_eq!(
                gate::check(profile.closed()),
                [],
                "{} {}",
                set.name(),
                profile.resource_type()
            );
        }
    }
    for name in policy().expect("loads").data_sets() {
        assert!(sets.iter().any(|s| s.name() == name), "{name}");
    }
}

#[test]
fn the_list_here_is_the_folder() {
    for files in DATA_SETS {
        let entries = std::fs::read_dir(folder().join(files.name)).expect("a folder");
        let names = entries.filter_map(|e| e.ok()?.file_name().to_str().map(str::to_owned));
        let mut names: Vec<String> = names
            .filter(|n| n.ends_with(".json") && n != "data-set.json")
            .collect();
        names.sort();
        let mut listed: Vec<&str> = files.profiles.iter().map(|(file, _)| *file).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}

#[test]
fn cases_are_released_as_they_say() {
    let sets = sets();
    let mut wrong = Vec::new();
    for (set, name, given, expected) in cases() {
        assert_eq!(gate::check(&given), [], "{set}/{name}: the case itself is not R4");
        let set_of = sets.iter().find(|s| s.name() == set).expect("loaded");
        let of = given["resourceType"].as_str().unwrap_or_default();
        // A Provenance is never stored: it is made, and passes its profile then.
        let made = set_of.profile(of).filter(|_| of == "Provenance");
        let released = set_of
            .profile_of(&given)
            .or(made)
            .and_then(|p| p.project_all(&given))
            .unwrap_or(Value::Null);
        if released != expected {
            wrong.push(format!("{set}/{name}: {released}"));
        }
        if let (Some(profile), false) = (set_of.profile(of), released.is_null()) {
            assert_eq!(profile.validate(&released), [], "{set}/{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every resource in the example files of others: nothing in them surprises projection.
#[test]
fn examples_of_others_are_released_within_their_profiles() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/examples");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
    {
        files.extend(
            std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|e| Some(e.ok()?.path())),
        );
    }
    if files.is_empty() {
        println!("skipped: {} is not here", folder.display());
        return;
    }
    let (sets, mut released, mut withheld) = (sets(), 0, 0);
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "json"))
    {
        let text = std::fs::read_to_string(file).expect("readable");
        let top: Value = serde_json::from_str(&text).expect("JSON");
        let entries = top["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
        for resource in entries.iter().map(|e| &e["resource"]).chain([&top]) {
            for profile in sets
                .iter()
                .filter_map(|s| s.profile(resource["resourceType"].as_str()?))
            {
                if !gate::check(resource).is_empty() {
                    continue;
                }
                let Some(out) = profile.project_all(resource) else {
                    withheld += 1;
                    continue;
                };
                released += 1;
                assert_eq!(profile.validate(&out), [], "{}", file.display());
                assert_eq!(
                    profile.project_all(&out).as_ref(),
                    Some(&out),
                    "{}",
                    file.display()
                );
            }
        }
    }
    println!("{released} released, {withheld} withheld");
    assert!(released > 100, "{released} released");
}

/// US Core 6.1.0 must-support elements that some sets (`*`: all) do not release, and why.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "crisis-team health-plan community-provider",
        "DocumentReference.context.encounter",
        "the released plan is of no visit",
    ),
    (
        "crisis-team health-plan",
        "Condition.encounter",
        "when it was recorded is enough",
    ),
    (
        "crisis-team",
        "MedicationRequest.encounter",
        "since when it is taken is enough",
    ),
    (
        "health-plan",
        "PractitionerRole.location",
        "it pays organisations and professionals, not places",
    ),
    (
        "crisis-team health-plan community-provider",
        "PractitionerRole.endpoint",
        "they call by telephone",
    ),
    (
        "crisis-team",
        "Encounter.identifier",
        "nobody quotes the number of an earlier visit on the scene",
    ),
    (
        "crisis-team health-plan",
        "Encounter.participant.type",
        "who was there is enough",
    ),
    (
        "crisis-team health-plan",
        "Encounter.participant.period",
        "who was there is enough",
    ),
    (
        "crisis-team health-plan",
        "Encounter.reasonReference",
        "the reason as coded is enough, and a plan has none of it",
    ),
    (
        "health-plan",
        "Encounter.reasonCode",
        "the diagnosis is on the claim",
    ),
    ("health-plan", "Encounter.location", "serviceProvider is there"),
    (
        "hospital",
        "QuestionnaireResponse.questionnaire.extension",
        "it takes one form, which is known by its canonical",
    ),
    (
        "*",
        "Practitioner.address",
        "may be the home of a member of staff; telecom at work is there",
    ),
    (
        "crisis-team hospital health-plan",
        "Condition.abatement[x]",
        "they get active problems alone",
    ),
    (
        "crisis-team",
        "Condition.extension",
        "when a problem was asserted does not matter on the scene",
    ),
    (
        "health-plan",
        "Condition.extension",
        "a claim says when it was recorded",
    ),
    (
        "crisis-team",
        "MedicationRequest.dispenseRequest",
        "it does not dispense",
    ),
    (
        "hospital",
        "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed",
        "it does not refill",
    ),
    (
        "crisis-team hospital community-provider",
        "Observation.hasMember",
        "scores are for those who follow them",
    ),
    (
        "crisis-team hospital community-provider",
        "Observation.derivedFrom",
        "scores are for those who follow them",
    ),
    (
        "primary-care community-provider",
        "RelatedPerson.address",
        "they call, they do not go there",
    ),
    (
        "crisis-team",
        "Patient.extension",
        "race, ethnicity and recorded sex do not matter on the scene",
    ),
];

#[test]
fn us_core_must_support_is_released_or_left_out_on_purpose() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/packages/us-core-6.1.0");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not here", folder.display());
        return;
    };
    let (sets, mut seen, mut missing) = (sets(), 0, std::collections::BTreeSet::new());
    for file in entries.filter_map(|e| Some(e.ok()?.path())) {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let sd: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).expect("readable")).expect("JSON");
        let observation =
            sd["type"] == "Observation" && !name.contains("simple") && !name.contains("screening");
        if sd["resourceType"] != "StructureDefinition" || sd["kind"] != "resource" || observation {
            continue;
        }
        for set in &sets {
            let Some(profile) = set.profile(sd["type"].as_str().unwrap_or_default()) else {
                continue;
            };
            for element in sd["snapshot"]["element"].as_array().expect("a snapshot") {
                let path = element["path"].as_str().unwrap_or_default();
                if element["mustSupport"] == true && !path.contains(".text") {
                    seen += 1;
                    let excused = LEFT_OUT.iter().any(|(of, left_out, _)| {
                        (*of == "*" || of.contains(set.name())) && path.starts_with(left_out)
                    });
                    if !excused && !passes(profile, path) {
                        missing.insert(format!("{} does not release {path}", set.name()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 300, "{seen} elements looked at");
}

/// Whatever is taken away, US Core's required elements are there, or the resource is not.
#[test]
fn a_completed_release_has_what_us_core_requires() {
    const REQUIRED: &[(&str, &[&str])] = &[
        ("Patient", &["identifier", "name", "gender"]),
        ("CarePlan", &["status", "intent", "category", "subject"]),
        ("CareTeam", &["subject", "participant"]),
        ("Goal", &["lifecycleStatus", "description", "subject"]),
        ("ServiceRequest", &["status", "intent", "code", "subject"]),
        ("Condition", &["category", "code", "subject"]),
        (
            "MedicationRequest",
            &["status", "intent", "medicationCodeableConcept", "subject"],
        ),
        ("AllergyIntolerance", &["code", "patient"]),
        ("Observation", &["status", "category", "code", "subject"]),
        ("Practitioner", &["identifier", "name"]),
        ("Organization", &["active", "name"]),
        ("RelatedPerson", &["active", "patient"]),
    ];
    let sets = sets();
    for (set, name, given, _) in cases() {
        let of = given["resourceType"].as_str().unwrap_or_default();
        let profile = sets.iter().find(|s| s.name() == set).and_then(|s| s.profile(of));
        let Some((profile, (_, required))) = profile.zip(REQUIRED.iter().find(|(t, _)| *t == of)) else {
            continue;
        };
        // Of a person's numbers a community provider gets the agency's alone: where there is none it gets none.
        let own_number = |key: &&str| set == "community-provider" && of == "Patient" && *key == "identifier";
        let required: Vec<&str> = required.iter().copied().filter(|key| !own_number(key)).collect();
        for gone in required.iter().copied().chain([""]) {
            let gone = format!("{of}.{gone}");
            let Some(mut released) = profile.project(&given, &|path| path == gone) else {
                continue;
            };
            released = completed(profile, released);
            let has = |key: &&str| released.get(*key).is_some() || released.get(format!("_{key}")).is_some();
            assert!(
                required.iter().all(has),
                "{set}/{name} without {gone}: {released}"
            );
            assert_eq!(profile.validate(&released), [], "{set}/{name} without {gone}");
            assert_eq!(
                profile.project_all(&released).as_ref(),
                Some(&released),
                "{set}/{name} without {gone}"
            );
        }
    }
}

/// Does the served profile let some form of the element at a plain path pass?
fn passes(profile: &Profile, path: &str) -> bool {
    let elements = profile.closed()["differential"]["element"]
        .as_array()
        .expect("a list");
    elements.iter().any(|e| e["path"] == path && e["max"] != "0")
}

/// Each named element has its reason, and the README shows it.
#[test]
fn every_element_has_its_reason_in_the_readme() {
    let readme = std::fs::read_to_string(folder().join("README.md")).expect("README");
    for files in DATA_SETS {
        for (file, text) in files.profiles {
            let sd = serde_json::from_str::<Value>(text).expect("JSON");
            for element in sd["differential"]["element"]
                .as_array()
                .expect("a list")
                .iter()
                .skip(1)
            {
                let (id, why) = (element["id"].as_str().expect("id"), element["comment"].as_str());
                let why = why.unwrap_or_else(|| unreachable!("{}/{file}: {id} has no comment", files.name));
                let row = readme
                    .lines()
                    .any(|line| line.starts_with(&format!("| `{id}` |")) && line.contains(why));
                assert!(row, "{}: {id}: run profiles/reasons.py", files.name);
            }
        }
    }
}
