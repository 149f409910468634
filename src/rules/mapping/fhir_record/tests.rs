//! Taking FHIR records, rule by rule; what holds whatever is sent. More stands in `mappings/ehr/cases`.

use super::super::{Mapping, MappingFiles, Problem, Settings};
use crate::fhir::{Instant, gate, is_shared};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SETTINGS: Settings<'static> = Settings {
    id_key: b"case",
    now: Instant(1_769_000_000_000_000),
};

const TAKE: &str = "take: [Patient, Observation, Encounter, CareTeam, Condition, MedicationRequest, DocumentReference, \
                    Practitioner, PractitionerRole, Organization, Location]\n";

fn compile(rest: &str) -> Result<Mapping, String> {
    let map = format!("mapping: ehr/bundle\nversion: 1\nsource: fhir\nnamespace: \"urn:test\"\n{rest}");
    let files = MappingFiles {
        source: "ehr",
        record: "bundle",
        map_name: "bundle.map.yaml",
        map: &map,
        codes: Vec::new(),
    };
    let lines = |found: Vec<Problem>| found.iter().map(|one| format!("{one}\n")).collect::<String>();
    Mapping::compile(&files).map_err(lines)
}

fn taking(rest: &str) -> Mapping {
    compile(&format!("{TAKE}{rest}")).expect("in order")
}

fn taken(mapping: &Mapping, record: &Value) -> Vec<Value> {
    mapping.convert(record, &SETTINGS).expect("in order").resources
}

fn refused(mapping: &Mapping, record: &Value) -> Vec<String> {
    let problems = mapping.convert(record, &SETTINGS).expect_err("problems");
    problems
        .iter()
        .map(|one| format!("{} {}", one.rule.name(), one.target))
        .collect()
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p", "name": [{"text": "X-Synthetic"}]})
}

fn observation(id: &str, more: &Value) -> Value {
    let mut one = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}, "valueString": "x"});
    one.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    one
}

fn codes(resource: &Value) -> Vec<&str> {
    let list = resource["meta"]["security"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter().filter_map(|coding| coding["code"].as_str()).collect()
}

#[test]
fn a_header_says_everything_that_is_wrong_with_it() {
    let told = compile(
        "take: [Patient, Consent, Provenance, Immunization, Pateint]\nothers: maybe\nbase: ehr.example\nlabels: R\n\
         programs: [Harbor]\nresources: []\n",
    );
    let told = told.expect_err("problems");
    for wanted in [
        "5:17: Consent is not taken from a FHIR source: a consent decides",
        "Provenance is not taken",
        "Immunization cannot be taken",
        "R4 has no resource type `Pateint` (did you mean `Patient`?)",
        "`others` is skip or refuse",
        "`base` is an address",
        "`labels` takes a list",
        "an entry of `programs` is",
        "no top-level key `resources`",
    ] {
        assert!(told.contains(wanted), "{wanted} in\n{told}");
    }
    assert!(
        compile("others: skip\n")
            .expect_err("problems")
            .contains("`take` is missing")
    );
    let json = Mapping::compile(&MappingFiles {
        source: "a",
        record: "b",
        map_name: "b.map.yaml",
        map: "mapping: a/b\nversion: 1\nsource: json\nnamespace: x\ntake: [Patient]\nresources: []\n",
        codes: Vec::new(),
    });
    let told = json
        .expect_err("problems")
        .iter()
        .map(ToString::to_string)
        .collect::<String>();
    assert!(told.contains("no top-level key `take`"), "{told}");
}

#[test]
fn what_is_not_taken_and_what_leads_nowhere_is_counted_or_refused() {
    let record = json!([patient(), observation("o", &json!({"specimen": {"reference": "urn:uuid:0"}})),
        {"resourceType": "Immunization", "id": "i", "status": "completed", "vaccineCode": {"text": "x"},
         "patient": {"reference": "Patient/p"}, "occurrenceDateTime": "2026"}]);
    let mapping = taking("");
    let conversion = mapping.convert(&record, &SETTINGS).expect("in order");
    let left: Vec<(String, usize)> = conversion.left_out().into_iter().collect();
    assert_eq!(
        left,
        [
            ("Immunization".to_owned(), 1),
            ("Observation.specimen".to_owned(), 1)
        ]
    );
    assert_eq!(conversion.unmapped(), ["Immunization", "Observation.specimen"]);
    assert_eq!(
        refused(&taking("others: refuse\n"), &record),
        ["type Immunization"]
    );
    assert_eq!(
        refused(&taking("unresolved: refuse\n"), &record),
        ["reference Observation.specimen"]
    );
}

#[test]
fn an_element_that_r4_does_not_know_is_a_problem_or_goes_and_is_counted() {
    let record = json!([
        patient(),
        observation(
            "o",
            &json!({"effectivePeriod": {"start": "2026", "stop": "2027"}})
        )
    ]);
    assert_eq!(refused(&taking(""), &record), ["r4 Observation.effective.stop"]);
    let dropping = taking("unknown: drop\n");
    let conversion = dropping.convert(&record, &SETTINGS).expect("in order");
    assert_eq!(
        conversion.resources[1]["effectivePeriod"],
        json!({"start": "2026"})
    );
    assert_eq!(conversion.left_out()["Observation.effectivePeriod.stop"], 1);
}

#[test]
fn labels_of_the_mapping_and_of_a_whole_program_stand_on_whatever_is_about_a_person() {
    let record = json!([patient(), {"resourceType": "Practitioner", "id": "d", "name": [{"text": "D"}]}]);
    let restricted =
        "labels:\n  - {system: \"http://terminology.hl7.org/CodeSystem/v3-Confidentiality\", code: R}\n";
    let all = taken(&taking(restricted), &record);
    assert_eq!((codes(&all[0]), codes(&all[1])), (vec!["R"], vec![]));
    assert_eq!(
        codes(&taken(&taking("part2: whole\n"), &record)[0]),
        ["42CFRPart2"]
    );
}

/// A clinic, and a program that is part of it.
fn two_houses() -> Vec<Value> {
    vec![
        json!({"resourceType": "Organization", "id": "clinic", "active": true, "name": "C"}),
        json!({"resourceType": "Organization", "id": "program", "active": true, "name": "P",
            "identifier": [{"system": "urn:npi", "value": "1"}], "partOf": {"reference": "Organization/clinic"}}),
        json!({"resourceType": "Location", "id": "room", "name": "R", "managingOrganization": {"reference": "Organization/program"}}),
        json!({"resourceType": "Practitioner", "id": "both", "name": [{"text": "B"}]}),
        json!({"resourceType": "Practitioner", "id": "own", "name": [{"text": "O"}]}),
        json!({"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/both"},
            "organization": {"reference": "Organization/program"}}),
        json!({"resourceType": "PractitionerRole", "id": "r2", "practitioner": {"reference": "Practitioner/both"},
            "organization": {"reference": "Organization/clinic"}}),
        json!({"resourceType": "PractitionerRole", "id": "r3", "practitioner": {"reference": "Practitioner/own"},
            "organization": {"reference": "Organization/program"}}),
    ]
}

#[test]
fn whatever_names_a_part2_program_is_part2_content() {
    let visit = json!({"resourceType": "Encounter", "id": "v", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p"}, "location": [{"location": {"reference": "Location/room"}}]});
    let mut record = two_houses();
    record.extend([
        patient(),
        visit,
        observation(
            "by-both",
            &json!({"performer": [{"reference": "Practitioner/both"}]}),
        ),
        observation(
            "by-own",
            &json!({"performer": [{"reference": "Practitioner/own"}]}),
        ),
        observation(
            "by-role",
            &json!({"performer": [{"reference": "PractitionerRole/r1"}]}),
        ),
        observation(
            "by-clinic",
            &json!({"performer": [{"reference": "Organization/clinic"}]}),
        ),
        observation(
            "by-number",
            &json!({"performer": [{"identifier": {"system": "urn:npi", "value": "1"}}]}),
        ),
        observation("at-visit", &json!({"encounter": {"reference": "Encounter/v"}})),
        observation("plain", &json!({})),
    ]);
    let mapping = taking("programs: [\"urn:npi|1\"]\n");
    let all = taken(&mapping, &Value::Array(record.clone()));
    let part2: BTreeSet<&str> = all
        .iter()
        .zip(&record)
        .filter(|(made, _)| codes(made) == ["42CFRPart2", "SUD"])
        .filter_map(|(_, source)| source["id"].as_str())
        .collect();
    let wanted = [
        "program",
        "room",
        "own",
        "r1",
        "r3",
        "v",
        "by-own",
        "by-role",
        "by-number",
        "at-visit",
    ];
    assert_eq!(part2, wanted.into_iter().collect());
    assert!(all.iter().zip(&record).all(|(made, source)| {
        part2.contains(source["id"].as_str().unwrap_or_default()) || codes(made).is_empty()
    }));
    // By the source's own id as well.
    let by_id = taken(
        &taking("programs: [Organization/program]\n"),
        &Value::Array(record),
    );
    assert_eq!(
        by_id.iter().filter(|made| codes(made).len() == 2).count(),
        wanted.len() - 1
    );
}

#[test]
fn of_patient_and_team_only_what_names_the_program_is_part2() {
    let mut record = two_houses();
    let mut person = patient();
    person["managingOrganization"] = json!({"reference": "Organization/program"});
    person["generalPractitioner"] =
        json!([{"reference": "Practitioner/both"}, {"reference": "PractitionerRole/r3"}]);
    record.push(person);
    record.push(
        json!({"resourceType": "CareTeam", "id": "t", "subject": {"reference": "Patient/p"}, "participant": [
        {"member": {"reference": "Practitioner/both"}}, {"member": {"reference": "Practitioner/own"}}]}),
    );
    let all = taken(&taking("programs: [\"urn:npi|1\"]\n"), &Value::Array(record));
    let (person, team) = (&all[8], &all[9]);
    assert_eq!(
        (codes(person), codes(team)),
        (vec!["PROCESSINLINELABEL"], vec!["PROCESSINLINELABEL"])
    );
    let inline = |item: &Value| item["extension"][0]["valueCoding"]["code"] == "42CFRPart2";
    assert!(inline(&person["managingOrganization"]) && inline(&person["generalPractitioner"][1]));
    assert!(!inline(&person["generalPractitioner"][0]) && !inline(&team["participant"][0]));
    assert!(inline(&team["participant"][1]));
    assert!(all.iter().all(|one| gate::check(one).is_empty()));
}

#[test]
fn who_might_be_of_a_program_must_stand_in_the_record() {
    let record = json!([
        patient(),
        observation(
            "o",
            &json!({"performer": [{"reference": "Practitioner/elsewhere"}]})
        )
    ]);
    assert_eq!(taken(&taking(""), &record).len(), 2);
    assert_eq!(
        refused(&taking("programs: [\"urn:npi|1\"]\n"), &record),
        ["reference Observation.performer[0]"]
    );
}

#[test]
fn a_document_without_its_content_is_left_out_and_counted() {
    let document = |url: &str| {
        json!({"resourceType": "DocumentReference", "id": "d", "status": "current", "subject": {"reference": "Patient/p"},
            "content": [{"attachment": {"contentType": "text/plain", "url": url}}]})
    };
    let mapping = taking("base: https://ehr.example/fhir\n");
    let record = json!([patient(), document("https://ehr.example/fhir/Binary/b")]);
    let conversion = mapping.convert(&record, &SETTINGS).expect("in order");
    assert_eq!(conversion.resources.len(), 1);
    assert_eq!(conversion.left_out()["DocumentReference"], 1);
    let binary = json!({"resourceType": "Binary", "id": "b", "contentType": "application/pdf", "data": "eA==",
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}});
    let record = json!([patient(), document("Binary/b"), binary]);
    let conversion = mapping.convert(&record, &SETTINGS).expect("in order");
    let made = &conversion.resources[1];
    assert_eq!(
        made["content"][0]["attachment"],
        json!({"contentType": "text/plain", "data": "eA=="})
    );
    assert_eq!(
        codes(made),
        ["R"],
        "a label of the content is one of the document"
    );
    assert!(conversion.left_out().is_empty());
}

#[test]
fn each_value_says_where_it_came_from() {
    let record = json!([patient(),
        {"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
         "subject": {"reference": "Patient/p"}, "medicationReference": {"reference": "Medication/d"}},
        {"resourceType": "Medication", "id": "d", "code": {"text": "Sertraline"}},
        observation("o", &json!({"performer": [{"reference": "urn:uuid:0"}, {"display": "A nurse"}]}))]);
    let mapping = taking("");
    let conversion = mapping.convert(&record, &SETTINGS).expect("in order");
    let trace = conversion.trace();
    let from = |target: &str| {
        let found = trace.iter().find(|one| one.target == target);
        found.map(|one| one.sources.join(", ")).unwrap_or_default()
    };
    assert_eq!(from("Patient.name[0].text"), "[0].name[0].text");
    assert_eq!(from("Patient.id"), "[0].id");
    let medication = "[1].medicationReference, [2].code";
    assert_eq!(
        from("MedicationRequest.medicationCodeableConcept.text"),
        medication
    );
    assert_eq!(
        from("Observation.performer[0].display"),
        "[3].performer[1].display"
    );
    let values = |value: &Value| value.to_string().matches("\":\"").count();
    assert!(
        trace.len() >= conversion.resources.iter().map(values).sum::<usize>() - conversion.resources.len()
    );
}

#[test]
fn limits_end_a_record_and_loops_do_not() {
    let many: Vec<Value> = (0..10_001)
        .map(|n| observation(&n.to_string(), &json!({})))
        .collect();
    assert_eq!(
        refused(&taking(""), &Value::Array(many.clone())),
        ["limit Bundle.entry"]
    );
    let mut most = many;
    most.truncate(9_999);
    most.push(patient());
    assert_eq!(taken(&taking(""), &Value::Array(most)).len(), 10_000);
    let looped = json!([patient(),
        {"resourceType": "Organization", "id": "a", "name": "A", "partOf": {"reference": "Organization/b"}},
        {"resourceType": "Organization", "id": "b", "name": "B", "partOf": {"reference": "Organization/a"},
         "identifier": [{"system": "urn:npi", "value": "1"}]}]);
    let all = taken(&taking("programs: [\"urn:npi|1\"]\n"), &looped);
    assert!(all[1..].iter().all(|one| codes(one).len() == 2));
}

/// The whole case of `mappings/ehr`, read with its mapping.
fn shipped() -> (Mapping, Value) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings/ehr");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the repository");
    let map = read("bundle.map.yaml");
    let files = MappingFiles {
        source: "ehr",
        record: "bundle",
        map_name: "bundle.map.yaml",
        map: &map,
        codes: Vec::new(),
    };
    let mapping = Mapping::compile(&files).expect("compiles");
    (
        mapping,
        serde_json::from_str(&read("cases/bundle.whole.in.json")).expect("JSON"),
    )
}

/// Every object and list below, by JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, one)| (key.replace('~', "~0").replace('/', "~1"), one))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, one)| (index.to_string(), one))
            .collect(),
        _ => Vec::new(),
    };
    for (key, one) in inner {
        let at = format!("{at}/{key}");
        pointers(one, &at, found);
        found.push(at);
    }
}

fn people_named(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Array(list) => list.iter().flat_map(people_named).collect(),
        Value::Object(map) => {
            let own = map
                .get("reference")
                .and_then(Value::as_str)
                .filter(|text| text.starts_with("Patient/"));
            own.into_iter()
                .chain(map.values().flat_map(people_named))
                .collect()
        }
        _ => BTreeSet::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is broken, taken away or put elsewhere: all problems or whole resources about one person, never a panic,
    /// and no word of the record in a problem.
    #[test]
    fn what_comes_out_of_a_broken_record_is_whole_or_nothing(
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        how in 0_u8..4,
    ) {
        let (mapping, mut record) = shipped();
        let mut places = Vec::new();
        pointers(&record, "", &mut places);
        let other = record.pointer(from.get(places.as_slice()).as_str()).cloned().unwrap_or_default();
        if let Some(place) = record.pointer_mut(at.get(places.as_slice()).as_str()) {
            *place = match how {
                0 => Value::Null,
                1 => json!([]),
                2 => json!("Amsel-Synthetic"),
                _ => other,
            };
        }
        match mapping.convert(&record, &SETTINGS) {
            Ok(conversion) => {
                let people: Vec<&Value> = conversion.resources.iter().filter(|one| one["resourceType"] == "Patient").collect();
                let personal = conversion.resources.iter().any(|one| !is_shared(one["resourceType"].as_str().unwrap_or_default()));
                prop_assert_eq!(people.len(), usize::from(personal));
                let named: BTreeSet<&str> = conversion.resources.iter().flat_map(people_named).collect();
                prop_assert!(named.len() <= 1);
                for one in &conversion.resources {
                    prop_assert!(gate::check(one).is_empty());
                    prop_assert!(!one.to_string().contains("\"reference\":\"urn:"));
                }
                let _ = conversion.trace();
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for one in problems {
                    prop_assert!(!one.to_string().contains("Amsel"));
                }
            }
        }
    }

    /// The order of entries says nothing.
    #[test]
    fn entries_in_any_order_give_the_same_resources(order in Just((0..20).collect::<Vec<usize>>()).prop_shuffle()) {
        let (mapping, mut record) = shipped();
        let set = |record: &Value| -> BTreeSet<String> { taken(&mapping, record).iter().map(Value::to_string).collect() };
        let before = set(&record);
        let entries = record["entry"].as_array().cloned().unwrap_or_default();
        prop_assert_eq!(entries.len(), 20);
        record["entry"] = order.iter().map(|at| entries[*at].clone()).collect();
        prop_assert_eq!(set(&record), before);
    }
}
