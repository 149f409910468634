//! The data sets and the policy that come with Postern (`profiles/` at the top of the repository), so that
//! the binary runs without a folder beside it. A deployment may load its own from disk the same way.
//! 45 CFR 164.514(d)(3) (standard protocols for routine disclosures).

use serde_json::Value;

use super::{DataSet, Policy};
use crate::fhir::{Issue, IssueCode};

/// Files of one data set: its folder's name, `data-set.json`, and each profile under its file name.
pub struct Files {
    pub name: &'static str,
    pub set: &'static str,
    pub profiles: &'static [(&'static str, &'static str)],
}

macro_rules! data_set {
    ($name:literal: $($type:literal)*) => {
        Files {
            name: $name,
            set: include_str!(concat!("../../../profiles/", $name, "/data-set.json")),
            profiles: &[$((
                concat!($type, ".json"),
                include_str!(concat!("../../../profiles/", $name, "/", $type, ".json")),
            )),*],
        }
    };
}

pub const DATA_SETS: &[Files] = &[
    data_set!("primary-care": "Patient" "CarePlan" "RiskAssessment" "AllergyIntolerance" "MedicationRequest"
        "Condition" "Observation" "Task" "Goal" "ServiceRequest" "CareTeam" "RelatedPerson" "PractitionerRole"
        "Practitioner" "Organization" "Consent"),
    data_set!("crisis-team": "Patient" "CarePlan" "RiskAssessment" "AllergyIntolerance" "MedicationRequest"
        "Condition" "Observation" "Task" "ServiceRequest" "CareTeam" "RelatedPerson" "PractitionerRole"
        "Practitioner" "Organization" "Consent"),
    data_set!("hospital": "Patient" "CarePlan" "RiskAssessment" "AllergyIntolerance" "MedicationRequest"
        "Condition" "Observation" "Task" "ServiceRequest" "CareTeam" "RelatedPerson" "PractitionerRole"
        "Practitioner" "Organization" "Consent"),
];

pub const POLICY: &str = include_str!("../../../profiles/policy.json");

/// The shipped data sets, loaded and checked.
pub fn data_sets() -> Result<Vec<DataSet>, Vec<Issue>> {
    let mut sets = Vec::new();
    let mut problems = Vec::new();
    for files in DATA_SETS {
        match load(files) {
            Ok(set) => sets.push(set),
            Err(issues) => problems.extend(issues),
        }
    }
    if problems.is_empty() {
        Ok(sets)
    } else {
        Err(problems)
    }
}

/// The shipped policy, loaded and checked.
pub fn policy() -> Result<Policy, Vec<Issue>> {
    Policy::load(&parse("policy.json", POLICY)?)
}

fn load(files: &Files) -> Result<DataSet, Vec<Issue>> {
    let profiles = files
        .profiles
        .iter()
        .map(|(file, text)| Ok(((*file).to_owned(), parse(file, text)?)));
    let profiles = profiles.collect::<Result<Vec<_>, Vec<Issue>>>()?;
    DataSet::load(files.name, profiles, &parse("data-set.json", files.set)?)
}

fn parse(file: &str, text: &str) -> Result<Value, Vec<Issue>> {
    serde_json::from_str(text).map_err(|e| {
        vec![Issue::error(
            IssueCode::Structure,
            file,
            format!("is not JSON: line {}", e.line()),
        )]
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fhir::gate;

    pub(in super::super) fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../profiles")
    }

    pub(in super::super) fn sets() -> Vec<DataSet> {
        data_sets().unwrap_or_else(|issues| {
            let text: Vec<String> = issues.iter().map(Issue::to_string).collect();
            unreachable!("{}", text.join("\n"))
        })
    }

    /// Data set, case name, resource and expected release of a case; a withheld one expects null.
    pub(in super::super) type Case = (String, String, Value, Value);

    pub(in super::super) fn cases() -> Vec<Case> {
        let read = |path: &PathBuf| -> Value {
            let text =
                std::fs::read_to_string(path).unwrap_or_else(|e| unreachable!("{}: {e}", path.display()));
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
            let released = set_of
                .profile(of)
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
        ("*", "Condition.encounter", "no set releases encounters"),
        ("*", "MedicationRequest.encounter", "no set releases encounters"),
        ("*", "PractitionerRole.location", "no set releases locations"),
        ("*", "PractitionerRole.endpoint", "no set releases endpoints"),
        (
            "*",
            "Practitioner.address",
            "may be the home of a member of staff; telecom at work is there",
        ),
        (
            "crisis-team hospital",
            "Condition.abatement[x]",
            "they get active problems alone",
        ),
        (
            "crisis-team",
            "Condition.extension",
            "when a problem was asserted does not matter on the scene",
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
            "crisis-team hospital",
            "Observation.hasMember",
            "scores are for those who follow them",
        ),
        (
            "crisis-team hospital",
            "Observation.derivedFrom",
            "scores are for those who follow them",
        ),
        (
            "primary-care",
            "RelatedPerson.address",
            "a practice does not go there",
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
        let (sets, mut seen) = (sets(), 0);
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
                        assert!(
                            excused || passes(profile, path),
                            "{} does not release {path}",
                            set.name()
                        );
                    }
                }
            }
        }
        assert!(seen > 300, "{seen} elements looked at");
    }

    /// Does the served profile let some form of the element at a plain path pass?
    fn passes(profile: &super::super::Profile, path: &str) -> bool {
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
                let sd = parse(file, text).expect("JSON");
                for element in sd["differential"]["element"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .skip(1)
                {
                    let (id, why) = (element["id"].as_str().expect("id"), element["comment"].as_str());
                    let why =
                        why.unwrap_or_else(|| unreachable!("{}/{file}: {id} has no comment", files.name));
                    let row = readme
                        .lines()
                        .any(|line| line.starts_with(&format!("| `{id}` |")) && line.contains(why));
                    assert!(row, "{}: {id}: run profiles/reasons.py", files.name);
                }
            }
        }
    }
}
