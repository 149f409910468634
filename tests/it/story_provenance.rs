//! Each released resource has one Provenance, made from the release: whoever wrote it, as far as that is released, and the agency
//! that sends it. Nothing of a source, of a stored date or of what is withheld stands in it.
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-provenance>

use axum::http::Method;
use serde_json::Value;

use crate::harness::{Ask, Engine, MAPLE, Partner, Person, STRANGER, World, demo_record, stories};

stories!(
    every_released_resource_has_one_provenance,
    it_names_who_wrote_and_who_sent,
    a_provenance_of_what_is_withheld_is_not_there,
    a_hidden_change_moves_no_provenance,
    the_scope_of_what_it_is_of_counts,
);

fn id_of(reference: &str) -> String {
    reference.replacen('/', "-", 1)
}

async fn provenance(partner: &Partner<'_>, reference: &str) -> Value {
    let answer = partner.get(&format!("Provenance/{}", id_of(reference))).await;
    assert_eq!(answer.status, 200, "{reference}: {}", answer.text());
    answer.json()
}

async fn every_released_resource_has_one_provenance(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    for partner in world.three().await {
        let released = partner.everything(&rosa).await;
        for (reference, one) in released
            .iter()
            .filter(|(name, _)| !name.starts_with("Provenance/"))
        {
            let read = provenance(&partner, reference).await;
            assert_eq!(read["target"][0]["reference"], reference.as_str());
            assert_eq!(read["recorded"], one["meta"]["lastUpdated"]);
            assert_eq!(read["meta"]["lastUpdated"], one["meta"]["lastUpdated"]);
            assert_eq!(
                read["meta"]["security"], one["meta"]["security"],
                "as sensitive as what it is of"
            );
            let found = partner.get(&format!("Provenance?target={reference}")).await;
            assert_eq!(found.resources(), std::slice::from_ref(&read), "{reference}");
            let by_id = partner.get(&format!("Provenance?_id={}", id_of(reference))).await;
            assert_eq!(by_id.resources(), [read], "{reference}");
        }
        for of in [
            "CarePlan",
            "Goal",
            "Condition",
            "Task",
            "CareTeam",
            "MedicationRequest",
            "Observation",
        ] {
            let answer = partner
                .get(&format!("{of}?patient={rosa}&_revinclude=Provenance:target"))
                .await;
            let matches = answer.matches();
            let with: Vec<String> = answer.references().split_off(matches.len());
            let mut wanted: Vec<String> = matches
                .iter()
                .map(|one| format!("Provenance/{of}-{}", one["id"].as_str().unwrap_or_default()))
                .collect();
            wanted.sort();
            assert_eq!(with, wanted, "{of}");
        }
        let patient = partner
            .get(&format!("Patient?_id={rosa}&_revinclude=Provenance:target"))
            .await;
        assert_eq!(
            patient.references(),
            [format!("Patient/{rosa}"), format!("Provenance/Patient-{rosa}")]
        );
        let of_patient = partner.get(&format!("Provenance?patient={rosa}")).await;
        assert_eq!(of_patient.references(), [format!("Provenance/Patient-{rosa}")]);
    }
    let maple = world.partner(STRANGER).await;
    assert_eq!(maple.get("Provenance").await.status, 400);
}

async fn it_names_who_wrote_and_who_sent(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let released = maple.everything(&rosa).await;
    let agency = world
        .gateway
        .rules
        .agency
        .as_ref()
        .expect("an agency")
        .reference();
    let (mut authors, mut on_behalf) = (0, 0);
    for reference in released.keys().filter(|name| !name.starts_with("Provenance/")) {
        let read = provenance(&maple, reference).await;
        let agents = read["agent"].as_array().expect("agents");
        let of = |code: &str| {
            agents
                .iter()
                .filter(|a| a["type"]["coding"][0]["code"] == code)
                .collect::<Vec<_>>()
        };
        let (author, transmitter) = (of("author"), of("transmitter"));
        assert_eq!(transmitter.len(), 1, "{reference}");
        assert_eq!(transmitter[0]["who"]["reference"], agency.as_str());
        assert_eq!(author.len() + 1, agents.len());
        for agent in author {
            authors += 1;
            let who = agent["who"]["reference"]
                .as_str()
                .expect("somebody who is released");
            assert!(released.contains_key(who), "{reference} by {who}");
            if who.starts_with("Practitioner/") {
                let behalf = agent["onBehalfOf"]["reference"].as_str().expect("provenance-1");
                assert!(released.contains_key(behalf) || behalf == agency, "{behalf}");
                on_behalf += 1;
            }
        }
    }
    assert!(authors > 5, "{authors} with an author, {on_behalf} on behalf");
}

async fn a_provenance_of_what_is_withheld_is_not_there(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let [maple, riverside, _] = world.three().await;
    let (seen, released) = (maple.everything(&rosa).await, riverside.everything(&rosa).await);
    let nobody = riverside.get("Provenance/Condition-nobody").await;
    assert_eq!(nobody.status, 404);
    let mut hidden = 0;
    for reference in seen
        .keys()
        .filter(|name| !released.contains_key(*name) && !name.starts_with("Provenance/"))
    {
        let answer = riverside.get(&format!("Provenance/{}", id_of(reference))).await;
        assert_eq!(
            (answer.status, answer.text()),
            (404, nobody.text()),
            "{reference}"
        );
        let found = riverside.get(&format!("Provenance?target={reference}")).await;
        assert_eq!(found.json()["total"], 0, "{reference}");
        hidden += 1;
    }
    assert!(hidden > 3);
    for odd in [
        "Condition",
        "Condition-",
        "-x",
        "Goal/x",
        "Provenance-Goal-x",
        "Nonsense-x",
    ] {
        let answer = riverside.get(&format!("Provenance/{odd}")).await;
        assert_eq!(answer.status, 404, "{odd}");
    }
    let write = Ask::get(&format!("/fhir/Provenance/Patient-{rosa}")).method(Method::DELETE);
    assert_eq!(riverside.send(write).await.status, 405);
}

async fn a_hidden_change_moves_no_provenance(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(crate::harness::RIVERSIDE).await;
    let path = format!("CarePlan?patient={rosa}&_revinclude=Provenance:target");
    let before = riverside.get(&path).await;
    world.clock.advance(60);
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["diagnoses"][1]["name"] = "Opioid dependence, in remission".into();
    assert!(world.import(&plan).await.changed() > 0, "the record moved");
    assert_eq!(riverside.get(&path).await.text(), before.text());
    let provenance = before.resources().pop().expect("a Provenance");
    let path = format!("Provenance/{}", provenance["id"].as_str().expect("id"));
    let first = riverside.get(&path).await;
    let known = Ask::get(&format!("/fhir/{path}")).with("if-none-match", first.header("etag"));
    assert_eq!(riverside.send(known).await.status, 304);
    let version = provenance["meta"]["versionId"].as_str().expect("version");
    assert_eq!(
        riverside.get(&format!("{path}/_history/{version}")).await.text(),
        first.text()
    );
}

async fn the_scope_of_what_it_is_of_counts(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut maple = world.partner(MAPLE).await;
    let goal = maple
        .get(&format!("Goal?patient={rosa}"))
        .await
        .references()
        .remove(0);
    let path = format!("Provenance/{}", id_of(&goal));
    maple.narrow("system/Provenance.rs system/CarePlan.rs").await;
    assert_eq!(maple.get(&path).await.status, 404);
    let with = |answer: crate::harness::Answer| answer.references().len() - answer.matches().len();
    let plans = format!("CarePlan?patient={rosa}&_revinclude=Provenance:target&_include=CarePlan:goal");
    assert_eq!(with(maple.get(&plans).await), 2, "the plans' own");
    maple.narrow("system/CarePlan.rs system/Goal.rs").await;
    assert_eq!(maple.get(&path).await.status, 403);
    assert!(
        maple
            .get(&plans)
            .await
            .references()
            .iter()
            .all(|one| !one.starts_with("Provenance/"))
    );
}
