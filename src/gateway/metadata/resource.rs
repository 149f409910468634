//! What is served of one type: interactions, search parameters with their definitions, links, combinations, profiles.
//! <https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource>

use postern_rules::search::{Parameter, includes_of, parameters, revincludes_of};
use serde_json::{Value, json};

use super::definitions::operations;
use crate::gateway::write::add_writes;

pub(super) fn resource(resource_type: &str, profiles: &[String], base: &str) -> Value {
    let supported: Vec<String> = us_core(resource_type).chain(profiles.iter().cloned()).collect();
    // What has no parameters (Binary) is only read.
    let searched_by = !parameters(resource_type).is_empty();
    let codes = ["read", "vread", "search-type"];
    let interactions: Vec<Value> = codes[..if searched_by { 3 } else { 2 }]
        .iter()
        .map(|code| json!({"code": code}))
        .collect();
    let mut statement = json!({
        "type": resource_type,
        "interaction": interactions,
        "versioning": "versioned",
        "readHistory": false,
        "conditionalRead": "not-match",
        "referencePolicy": ["literal", "resolves", "local"]
    });
    if !supported.is_empty() {
        statement["supportedProfile"] = json!(supported);
    }
    if searched_by {
        statement["searchParam"] = searched(resource_type).into();
    }
    for (name, links) in [
        ("searchInclude", includes_of(resource_type)),
        ("searchRevInclude", revincludes_of(resource_type)),
    ] {
        if !links.is_empty() {
            statement[name] = json!(links);
        }
    }
    let combinations: Vec<Value> = combinations(resource_type).collect();
    if !combinations.is_empty() {
        statement["extension"] = Value::Array(combinations);
    }
    add_writes(resource_type, &mut statement);
    statement["operation"] = Value::Array(operations(resource_type, base));
    statement
}

const R4: &str = "http://hl7.org/fhir/SearchParameter/";

fn searched(resource_type: &str) -> Vec<Value> {
    let common = [
        ("_id", "Resource-id", "token"),
        ("_lastUpdated", "Resource-lastUpdated", "date"),
    ];
    let common = common
        .into_iter()
        .map(|(name, id, kind)| json!({"name": name, "definition": format!("{R4}{id}"), "type": kind}));
    let own = parameters(resource_type).iter().map(|parameter: &Parameter| {
        json!({"name": parameter.code, "definition": parameter.definition, "type": parameter.kind.code()})
    });
    common.chain(own).collect()
}

/// `type, parameters, expectation`: the combinations US Core 6.1.0 asks for, of the types served here.
const COMBINATIONS: &str = include_str!("us_core_combinations.tsv");

/// Names with commas between them, and the expectation, of each combination of a type.
pub(super) fn combinations_of(resource_type: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = COMBINATIONS.lines().skip(1).filter_map(|line| {
        let (of, rest) = line.split_once('\t')?;
        Some((of, rest.split_once('\t')?))
    });
    rows.filter(move |(of, _)| *of == resource_type)
        .map(|(_, row)| row)
}

/// Any parameters can stand together; these are those that US Core names.
fn combinations(resource_type: &str) -> impl Iterator<Item = Value> {
    combinations_of(resource_type).map(|(parameters, expectation)| {
        let expectation = json!({
            "url": "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation",
            "valueCode": expectation});
        let required = parameters
            .split(',')
            .map(|name| json!({"url": "required", "valueString": name}));
        json!({
            "url": "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination",
            "extension": std::iter::once(expectation).chain(required).collect::<Vec<_>>()})
    })
}

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-";

/// The profiles of US Core 6.1.0 that released resources of this type keep to, where the data are there.
fn us_core(resource_type: &str) -> impl Iterator<Item = String> {
    let names: &[&str] = match resource_type {
        "AllergyIntolerance" => &["allergyintolerance"],
        "CarePlan" => &["careplan"],
        "CareTeam" => &["careteam"],
        "Condition" => &[
            "condition-encounter-diagnosis",
            "condition-problems-health-concerns",
        ],
        "Coverage" => &["coverage"],
        "DocumentReference" => &["documentreference"],
        "Encounter" => &["encounter"],
        "Goal" => &["goal"],
        "Location" => &["location"],
        "MedicationRequest" => &["medicationrequest"],
        "Observation" => &["simple-observation", "observation-screening-assessment"],
        "Organization" => &["organization"],
        "Patient" => &["patient"],
        "Practitioner" => &["practitioner"],
        "PractitionerRole" => &["practitionerrole"],
        "Provenance" => &["provenance"],
        "QuestionnaireResponse" => &["questionnaireresponse"],
        "RelatedPerson" => &["relatedperson"],
        "ServiceRequest" => &["servicerequest"],
        _ => &[],
    };
    names.iter().map(|name| format!("{US_CORE}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_of_parameters_that_are_served() {
        let mut rows = 0;
        for line in COMBINATIONS.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            for name in columns[1].split(',').filter(|name| *name != "_id") {
                let mut served = parameters(columns[0]).iter();
                assert!(served.any(|p| p.code == name), "{}: {name}", columns[0]);
            }
            assert!(["SHALL", "SHOULD"].contains(&columns[2]), "{line}");
            rows += 1;
        }
        assert!(rows > 50, "{rows}");
    }

    #[test]
    fn a_type_says_how_it_is_searched_and_what_comes_with_it() {
        let stated = resource(
            "CarePlan",
            &["https://x.example/p".to_owned()],
            "https://x.example",
        );
        let searched = stated["searchParam"].as_array().expect("parameters");
        let category = searched
            .iter()
            .find(|p| p["name"] == "category")
            .expect("category");
        assert_eq!(
            category["definition"],
            "http://hl7.org/fhir/us/core/SearchParameter/us-core-careplan-category"
        );
        assert!(
            stated["searchRevInclude"]
                .as_array()
                .is_some_and(|all| all.contains(&json!("Provenance:target")))
        );
        assert_eq!(stated["extension"][0]["extension"][0]["valueCode"], "SHALL");
        assert_eq!(stated["supportedProfile"][0], format!("{US_CORE}careplan"));
    }
}
