//! Screenings, incidents, visits, papers: what the two agencies' records become in the store, and that one record does not
//! take away what another says. 45 CFR 164.312(c)(1), 42 CFR 2.12(a)(1)

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Engine, Person, World, demo_record, stories};

stories!(
    screenings_of_one_person_stand_beside_each_other,
    an_incident_is_not_thinned_by_a_referral_that_mentions_it,
    what_a_part2_program_asked_is_its_content,
    the_demo_has_something_of_every_type,
);

/// Everything stored about a person, by `Type/id`.
async fn stored(world: &World, person: Person) -> BTreeMap<String, Value> {
    let id = world.id_of(person).await;
    let (_, rows) = world.gateway.store.load_record(&id).await.expect("reads");
    rows.iter()
        .map(|row| {
            let body = serde_json::from_str(&row.body).expect("JSON");
            (format!("{}/{}", row.resource_type, row.id), body)
        })
        .collect()
}

fn of<'s>(all: &'s BTreeMap<String, Value>, kind: &str) -> Vec<&'s Value> {
    all.values().filter(|one| one["resourceType"] == kind).collect()
}

fn labels(resource: &Value) -> BTreeSet<&str> {
    let list = resource["meta"]["security"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter().filter_map(|coding| coding["code"].as_str()).collect()
}

async fn screenings_of_one_person_stand_beside_each_other(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let before = stored(&world, Person::ROSA).await;
    assert_eq!(of(&before, "QuestionnaireResponse").len(), 3);
    for name in ["rosa-phq9", "rosa-cssrs", "rosa-auditc"] {
        assert_eq!(
            world.import(&demo_record("screening", name)).await.changed(),
            0,
            "{name} again"
        );
    }
    let mut corrected = demo_record("screening", "rosa-phq9");
    corrected.body["answers"][8]["answer"] = json!("0");
    corrected.body["total"] = json!(13);
    corrected.body["status"] = json!("CHANGED");
    world.import(&corrected).await;
    let after = stored(&world, Person::ROSA).await;
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "one is changed, none is lost"
    );
}

async fn an_incident_is_not_thinned_by_a_referral_that_mentions_it(engine: Engine) {
    for order in [["incident", "referral"], ["referral", "incident"]] {
        let world = World::empty(engine).await;
        for record in order {
            let name = if record == "incident" {
                "rosa-october"
            } else {
                "rosa"
            };
            world.import(&demo_record(record, name)).await;
        }
        let all = stored(&world, Person::ROSA).await;
        let incidents: Vec<&Value> = of(&all, "Observation")
            .into_iter()
            .filter(|one| one["identifier"][0]["value"] == "OB-5581")
            .collect();
        assert_eq!(incidents.len(), 1, "one thing, whichever record states it");
        let told = incidents[0]["component"].as_array().map_or(0, Vec::len);
        assert!(told > 8, "{order:?}: {told} details");
        let again = world.import(&demo_record("referral", "rosa")).await;
        assert_eq!(again.changed(), 0);
        let mut corrected = demo_record("incident", "rosa-october");
        corrected.body["after"] = json!("Slept at home");
        assert!(
            world.import(&corrected).await.changed() > 0,
            "its own record may change it"
        );
    }
}

async fn what_a_part2_program_asked_is_its_content(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let all = stored(&world, Person::ROSA).await;
    let form = |all: &BTreeMap<String, Value>, code: &str| -> (String, BTreeSet<String>) {
        let responses = of(all, "QuestionnaireResponse");
        let one = responses.iter().find(|one| {
            one["questionnaire"]
                .as_str()
                .is_some_and(|url| url.ends_with(code))
        });
        let one = one.expect("she was asked");
        let reference = format!("QuestionnaireResponse/{}", one["id"].as_str().unwrap_or_default());
        (reference, labels(one).into_iter().map(str::to_owned).collect())
    };
    let (auditc, its) = form(&all, "72109-2");
    assert!(its.contains("42CFRPart2") && its.contains("SUD"), "{its:?}");
    let made_from = |reference: &str| -> Vec<&Value> {
        of(&all, "Observation")
            .into_iter()
            .filter(|one| one["derivedFrom"][0]["reference"] == reference)
            .collect()
    };
    let from_auditc = made_from(&auditc);
    assert_eq!(from_auditc.len(), 4, "three answers and the total");
    assert!(from_auditc.iter().all(|one| labels(one).contains("42CFRPart2")));
    let (phq9, its) = form(&all, "44249-1");
    assert!(its.contains("MH") && !its.contains("42CFRPart2"), "{its:?}");
    assert!(
        made_from(&phq9)
            .iter()
            .all(|one| !labels(one).contains("42CFRPart2"))
    );
    let visits = of(&all, "Encounter");
    let harbor = visits
        .iter()
        .filter(|one| labels(one).contains("42CFRPart2"))
        .count();
    assert_eq!((visits.len(), harbor), (5, 2));
}

async fn the_demo_has_something_of_every_type(engine: Engine) {
    let world = World::demo(engine).await;
    let mut missing = Vec::new();
    let guest = |identifier| Person {
        system: "https://lantern.example/ids/guest",
        identifier,
    };
    let people = [
        ("Rosa", Person::ROSA),
        ("Marcus", Person::MARCUS),
        ("Tamsin", Person::TAMSIN),
        ("Theo", guest("G-0412")),
        ("Inez", guest("G-0437")),
    ];
    for (name, person) in people {
        let all = stored(&world, person).await;
        let mut wanted = vec![
            "CarePlan",
            "Goal",
            "Encounter",
            "QuestionnaireResponse",
            "Appointment",
        ];
        if name != "Tamsin" {
            wanted.push("Communication");
        }
        if !["Tamsin", "Inez"].contains(&name) {
            wanted.push("DocumentReference");
        }
        missing.extend(
            wanted
                .into_iter()
                .filter(|kind| of(&all, kind).is_empty())
                .map(|kind| format!("{name}: {kind}")),
        );
    }
    assert!(missing.is_empty(), "{missing:?}");
    for (system, value, kind) in [
        ("https://hearthstone.example/ids/place", "PL-1", "Location"),
        (
            "https://hearthstone.example/ids/service",
            "SV-1",
            "HealthcareService",
        ),
        ("https://hearthstone.example/ids/endpoint", "E-2", "Endpoint"),
        ("https://lantern.example/ids/service", "LS-1", "HealthcareService"),
    ] {
        let rows = world
            .gateway
            .store
            .find_identifier(system, value)
            .await
            .expect("reads");
        assert!(rows.iter().any(|(found, _, _)| found == kind), "{kind}");
    }
}
