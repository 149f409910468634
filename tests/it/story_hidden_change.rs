//! A change that a recipient may not see shows in nothing: not in ETag, version, date, order or size. One that it may see
//! shows. <https://hl7.org/fhir/R4/http.html#cread>

use serde_json::Value;

use crate::harness::{Answer, Ask, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, item, stories};

stories!(
    a_hidden_change_changes_nothing,
    a_visible_change_changes_its_own_resource_and_no_other,
    a_client_that_has_the_version_gets_304,
);

/// Every plan record of Rosa with this change made to it.
async fn change_plan(world: &World, change: impl Fn(&mut Value)) {
    world.clock.advance(60);
    world.alter(demo_record("care-plan", "rosa"), change).await;
}

const TYPES: &[&str] = &[
    "CarePlan",
    "Condition",
    "MedicationRequest",
    "RiskAssessment",
    "AllergyIntolerance",
    "Observation",
    "Task",
    "CareTeam",
    "RelatedPerson",
    "ServiceRequest",
    "Consent",
];

/// Bodies and ETags of all that Riverside can ask about Rosa.
async fn all(partner: &crate::harness::Partner<'_>, rosa: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for resource_type in TYPES {
        let answer = partner.get(&format!("{resource_type}?patient={rosa}")).await;
        for reference in answer.references() {
            let one = partner.get(&reference).await;
            found.push((
                one.header("etag").to_owned() + one.header("last-modified"),
                one.text(),
            ));
        }
        found.push((String::new(), answer.text()));
    }
    found
}

async fn a_hidden_change_changes_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let before = all(&riverside, &rosa).await;
    // A Part 2 condition, an HIV-labelled medication, and a goal, which no crisis team is given.
    change_plan(&world, |plan| {
        item(plan, "/diagnoses", "dxNo", "DX-88102")["name"] = "Opioid dependence, in remission".into()
    })
    .await;
    assert_eq!(all(&riverside, &rosa).await, before);
    change_plan(&world, |plan| {
        item(plan, "/meds", "medNo", "RX-50313")["sig"] = "Two tablets".into();
        item(plan, "/goals", "goalNo", "G-6101")["note"] = "Slept well".into();
    })
    .await;
    assert_eq!(all(&riverside, &rosa).await, before);
    // A hidden item that appears, and one that disappears.
    change_plan(&world, |plan| {
        let mut more = item(plan, "/diagnoses", "dxNo", "DX-88102").clone();
        more["dxNo"] = "DX-88109".into();
        plan["diagnoses"].as_array_mut().expect("a list").insert(0, more);
        plan["triggers"]
            .as_array_mut()
            .expect("a list")
            .retain(|one| one["itemNo"] != "OB-5504");
    })
    .await;
    assert_eq!(all(&riverside, &rosa).await, before);
}

fn of<'a>(answer: &'a [Value], reference: &str) -> &'a Value {
    let id = reference.split('/').nth(1).expect("an id");
    answer
        .iter()
        .find(|one| one["id"] == id)
        .expect("it is in the answer")
}

async fn a_visible_change_changes_its_own_resource_and_no_other(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let action = format!("Task/{}", world.id("Task", "action", "A-71101").await);
    let tasks = format!("Task?patient={rosa}");
    let before = riverside.get(&tasks).await.resources();
    let plans = riverside.get(&format!("CarePlan?patient={rosa}")).await.text();
    change_plan(&world, |plan| {
        item(plan, "/crisis/actions", "actionNo", "A-71101")["doThis"] = "Offer the balcony.".into();
    })
    .await;
    let after = riverside.get(&tasks).await.resources();
    for one in &after {
        let reference = format!("Task/{}", one["id"].as_str().expect("an id"));
        let earlier = of(&before, &reference);
        if reference == action {
            assert_ne!(one["meta"]["versionId"], earlier["meta"]["versionId"]);
            assert_eq!(one["meta"]["lastUpdated"], "2026-11-21T12:01:00.000Z");
            assert!(
                one["text"]["div"]
                    .as_str()
                    .is_some_and(|d| d.contains("Offer the balcony."))
            );
        } else {
            assert_eq!(one, earlier);
        }
    }
    let last = after.last().and_then(|one| one["id"].as_str()).expect("tasks");
    assert_eq!(format!("Task/{last}"), action, "what changed last stands last");
    assert_eq!(
        riverside.get(&format!("CarePlan?patient={rosa}")).await.text(),
        plans
    );
}

async fn a_client_that_has_the_version_gets_304(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let first = maple.get(&format!("Patient/{rosa}")).await;
    let etag = first.header("etag").to_owned();
    assert_eq!(
        etag,
        format!(
            "W/\"{}\"",
            first.json()["meta"]["versionId"].as_str().expect("a version")
        )
    );
    let ask = |tag: &str| Ask::get(&format!("/fhir/Patient/{rosa}")).with("if-none-match", tag);
    for tag in [
        etag.clone(),
        format!("\"x\", {etag}"),
        etag.trim_start_matches("W/").to_owned(),
    ] {
        let again: Answer = maple.send(ask(&tag)).await;
        assert_eq!(
            (again.status, again.text().as_str(), again.header("etag")),
            (304, "", etag.as_str())
        );
    }
    assert_eq!(maple.send(ask("W/\"another\"")).await.status, 200);
}
