//! A certified EHR sends FHIR: what it exports about a person is taken whole or not at all, nobody else's with it, and
//! then leaves as any other record does. <https://hl7.org/fhir/R4/bundle.html>, <https://hl7.org/fhir/us/core/STU6.1/>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    BRIGID, DemoRecord, Engine, MAPLE, World, ehr_record, referred_to, stories, us_core_bundles,
};

stories!(
    two_us_core_patients_are_taken_whole,
    the_lines_of_an_export_say_what_its_bundle_says,
    a_related_practice_sees_them_and_another_does_not,
    what_an_export_no_longer_holds_is_retired,
    a_bundle_with_somebody_elses_data_leaves_nothing_behind,
    a_record_of_nobody_but_the_directory_is_taken,
);

/// How many of each type; of a Bundle, each name once.
fn count<'v>(resources: impl Iterator<Item = &'v Value>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for resource in resources {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        *found.entry(kind.to_owned()).or_default() += 1;
    }
    found
}

fn resources(bundle: &Value) -> Vec<&Value> {
    let entries = bundle["entry"].as_array().expect("entries");
    entries.iter().map(|entry| &entry["resource"]).collect()
}

/// An invented person of the EHR, in order.
fn johanna() -> DemoRecord {
    let text = include_str!("../../mappings/ehr/cases/bundle.whole.in.json");
    ehr_record(serde_json::from_str(text).expect("JSON"))
}

async fn two_us_core_patients_are_taken_whole(engine: Engine) {
    let Some(bundles) = us_core_bundles() else { return };
    let world = World::empty(engine).await;
    for bundle in bundles {
        let sent = count(resources(&bundle).into_iter());
        let contained = resources(&bundle)
            .into_iter()
            .flat_map(|one| one["contained"].as_array().into_iter().flatten())
            .count();
        let report = world.import(&ehr_record(bundle.clone())).await;
        let accepted = report.lines[0].result.as_ref().expect("in order");
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for reference in &accepted.resources {
            let kind = reference.split('/').next().unwrap_or_default();
            *kept.entry(kind.to_owned()).or_default() += 1;
        }
        let taken = kept.values().sum::<usize>();
        println!("{taken} kept, left out {:?}", accepted.left_out);
        for (kind, number) in &sent {
            let here = kept.get(kind).copied().unwrap_or_default();
            let left = accepted.left_out.get(kind).copied().unwrap_or_default();
            match kind.as_str() {
                // It went into the request that names it.
                "Medication" => assert_eq!((here, left), (0, 0)),
                "Endpoint" => assert_eq!(here, number + contained),
                _ => assert_eq!((here, left).max((left, here)), (*number, 0), "{kind}"),
            }
        }
        assert_eq!(accepted.changed, taken, "nothing was there before");
        let again = world.import(&ehr_record(bundle)).await;
        assert_eq!(again.changed(), 0, "the same export twice changes nothing");
    }
}

async fn the_lines_of_an_export_say_what_its_bundle_says(engine: Engine) {
    let world = World::empty(engine).await;
    let johanna = johanna();
    world.import(&johanna).await;
    let mut lines = String::new();
    // An export names by type and id; the Bundle's own addresses are gone with it.
    let mut text = johanna.body.to_string();
    for one in resources(&johanna.body) {
        let (kind, id) = (
            one["resourceType"].as_str().expect("a type"),
            one["id"].as_str().expect("an id"),
        );
        text = text.replace(&format!("\"urn:uuid:{id}\""), &format!("\"{kind}/{id}\""));
    }
    let relative: Value = serde_json::from_str(&text).expect("JSON");
    for one in resources(&relative) {
        lines.push_str(&one.to_string());
        lines.push('\n');
    }
    let report = world
        .gateway
        .import("ehr", "bundle", lines.as_bytes(), None)
        .await;
    let report = report.expect("a file of records");
    assert_eq!(report.lines.len(), 1, "the lines of one person are one record");
    assert_eq!((report.accepted(), report.changed()), (1, 0));
}

async fn a_related_practice_sees_them_and_another_does_not(engine: Engine) {
    let world = World::empty(engine).await;
    let Some(ids) = world.us_core(MAPLE).await else {
        return;
    };
    let (maple, brigid) = (world.partner(MAPLE).await, world.partner(BRIGID).await);
    for id in &ids {
        let person = maple.get(&format!("Patient/{id}")).await;
        assert_eq!(person.status, 200, "{}", person.text());
        assert_eq!(brigid.get(&format!("Patient/{id}")).await.status, 404);
        let all = count(maple.everything(id).await.values());
        println!("{all:?}");
        for kind in [
            "Patient",
            "Condition",
            "MedicationRequest",
            "CarePlan",
            "CareTeam",
            "ServiceRequest",
        ] {
            assert!(all.contains_key(kind), "{kind} of {all:?}");
        }
    }
    // The medicine of a Medication that no data set releases.
    let medicines = maple.get(&format!("MedicationRequest?patient={}", ids[0])).await;
    assert!(medicines.text().contains("10 ML Furosemide 10 MG/ML Injection"));
}

async fn what_an_export_no_longer_holds_is_retired(engine: Engine) {
    let world = World::empty(engine).await;
    let mut johanna = johanna();
    johanna.body = referred_to(johanna.body, MAPLE);
    world.import(&johanna).await;
    let entries = johanna.body["entry"].as_array_mut().expect("entries");
    entries.retain(|entry| entry["resource"]["resourceType"] != "AllergyIntolerance");
    let report = world.import(&johanna).await;
    let accepted = report.lines[0].result.as_ref().expect("in order");
    assert_eq!((accepted.changed, accepted.retired), (0, 1));
}

async fn a_bundle_with_somebody_elses_data_leaves_nothing_behind(engine: Engine) {
    let world = World::empty(engine).await;
    let before = world.events().await.len();
    let mut johanna = johanna();
    let entries = johanna.body["entry"].as_array_mut().expect("entries");
    entries.push(
        json!({"resource": {"resourceType": "Observation", "id": "theirs", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient/somebody-else"}}}),
    );
    let bytes = johanna.body.to_string();
    let report = world
        .gateway
        .import("ehr", "bundle", bytes.as_bytes(), None)
        .await;
    let report = report.expect("a file of records");
    let problems = report.lines[0].result.as_ref().expect_err("refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0]
            .contains("Observation.subject: it does not name the person of the record (from entry[20]")
    );
    assert_eq!(world.events().await.len(), before);
    let rows = world
        .gateway
        .store
        .find_identifier("https://ehr.example/fhir/mrn", "E-2001")
        .await;
    assert!(rows.expect("reads").is_empty());
}

async fn a_record_of_nobody_but_the_directory_is_taken(engine: Engine) {
    let world = World::empty(engine).await;
    let mut johanna = johanna();
    let entries = johanna.body["entry"].as_array_mut().expect("entries");
    let shared = ["Organization", "Practitioner", "PractitionerRole", "Location"];
    entries.retain(|entry| {
        shared
            .iter()
            .any(|kind| entry["resource"]["resourceType"] == **kind)
    });
    let report = world.import(&johanna).await;
    assert_eq!(
        report.lines[0].result.as_ref().expect("in order").changed,
        5,
        "and the contained endpoint"
    );
}
