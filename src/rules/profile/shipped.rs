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
        "Condition" "Observation" "Task" "Goal" "ServiceRequest" "Encounter" "QuestionnaireResponse"
        "Communication" "Appointment" "DocumentReference" "Binary" "CareTeam" "RelatedPerson" "PractitionerRole"
        "Practitioner" "Organization" "Location" "HealthcareService" "Endpoint" "Consent" "Provenance"),
    data_set!("crisis-team": "Patient" "CarePlan" "RiskAssessment" "AllergyIntolerance" "MedicationRequest"
        "Condition" "Observation" "Task" "ServiceRequest" "Encounter" "Appointment" "DocumentReference" "Binary" "CareTeam" "RelatedPerson"
        "PractitionerRole" "Practitioner" "Organization" "Location" "HealthcareService" "Consent" "Provenance"),
    data_set!("hospital": "Patient" "CarePlan" "RiskAssessment" "AllergyIntolerance" "MedicationRequest"
        "Condition" "Observation" "Task" "ServiceRequest" "Encounter" "QuestionnaireResponse" "Appointment"
        "DocumentReference" "Binary" "CareTeam" "RelatedPerson" "PractitionerRole" "Practitioner" "Organization"
        "Location" "HealthcareService" "Endpoint" "Consent" "Provenance"),
    data_set!("health-plan": "Patient" "Coverage" "CarePlan" "Condition" "ServiceRequest" "Encounter" "Task"
        "DocumentReference" "Binary" "CareTeam" "PractitionerRole" "Practitioner" "Organization" "Consent" "Provenance"),
    data_set!("community-provider": "Patient" "CarePlan" "AllergyIntolerance" "Observation" "Task" "Goal"
        "ServiceRequest" "Appointment" "DocumentReference" "Binary" "CareTeam" "RelatedPerson" "PractitionerRole" "Practitioner"
        "Organization" "Location" "HealthcareService" "Consent" "Provenance"),
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
