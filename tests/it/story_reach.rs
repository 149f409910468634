//! How far an ending reaches: on the next request, on every process, whatever was kept in memory, in a cursor, in a grant
//! or in a token. What waits to be sent is reached when it is sent; that comes with delivery.
//! 42 CFR 2.31(a)(6), 45 CFR 164.508(b)(5)

use axum::http::Method;
use postern::store::Change;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, Engine, MAPLE, Partner, Person, RIVERSIDE, World, demo_record, records, stories,
};
use crate::two_worlds::next_page;

stories!(
    a_revocation_reaches_every_process_and_every_release_in_memory,
    a_revocation_reaches_the_next_page,
    an_exception_reaches_the_next_page,
    an_expiry_reaches_every_process,
    a_newer_consent_reaches_every_process,
    a_change_of_what_is_shared_reaches_every_process,
    a_purpose_or_scope_taken_away_is_taken_from_tokens_too,
    the_end_of_a_grant_reaches_every_process,
    a_grant_ends_by_the_clock_on_every_process,
);

/// Revokes, or otherwise changes, one consent of the demo; the change is acknowledged when this returns.
async fn change_consent(world: &World, consent: &str, change: impl FnOnce(&mut Value)) {
    let mut record = demo_record("consent", consent);
    change(&mut record.body);
    assert!(world.import(&record).await.changed() > 0, "{consent} changes");
}

fn revoked(consent: &mut Value) {
    consent["status"] = "REVOKED".into();
    consent["revokedAt"] = "11/21/2026 6:30 AM".into();
}

/// Asks this process with the partner's token.
async fn at(process: &World, partner: &Partner<'_>, path: &str) -> Answer {
    process
        .send(Ask::get(&format!("/fhir/{path}")).bearer(&partner.token))
        .await
}

async fn a_revocation_reaches_every_process_and_every_release_in_memory(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let (read, search) = (format!("Patient/{rosa}"), format!("CarePlan?patient={rosa}"));
    for _ in 0..3 {
        for process in [&world, &other] {
            assert_eq!(at(process, &riverside, &read).await.status, 200);
            assert_eq!(at(process, &riverside, &search).await.resources().len(), 2);
        }
    }
    change_consent(&world, "rosa-riverside", revoked).await;
    // The process that did not take the revocation in is asked first.
    for process in [&other, &world] {
        assert_eq!(at(process, &riverside, &search).await.resources().len(), 0);
        assert_eq!(at(process, &riverside, &read).await.status, 404);
    }
}

async fn a_revocation_reaches_the_next_page(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let first = at(
        &world,
        &riverside,
        &format!("Observation?patient={rosa}&_count=2"),
    )
    .await;
    let next = next_page(&first).expect("there is more");
    let next = next.trim_start_matches("/fhir/");
    for process in [&other, &world] {
        assert_eq!(
            at(process, &riverside, next).await.resources().len(),
            2,
            "every process knows the cursor"
        );
    }
    change_consent(&world, "rosa-riverside", revoked).await;
    for process in [&other, &world] {
        let page = at(process, &riverside, next).await;
        assert_eq!((page.status, page.resources().len()), (200, 0));
        assert_eq!(page.json()["total"], 0);
        assert_eq!(next_page(&page), None);
    }
}

async fn an_exception_reaches_the_next_page(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let part2 = format!(
        "Condition/{}",
        world.id("Condition", "diagnosis", "DX-88102").await
    );
    let mut next = Some(format!("Condition?patient={rosa}&_count=1"));
    let mut pages = Vec::new();
    while let Some(path) = next {
        let page = maple.get(path.trim_start_matches("/fhir/")).await;
        next = next_page(&page);
        pages.push((path, page.references()));
    }
    let (path, _) = pages
        .iter()
        .find(|(_, found)| found.contains(&part2))
        .expect("it is shared with primary care");
    change_consent(&world, "rosa-maple", |consent| {
        let boxes = consent["sensitive"].as_array_mut().expect("boxes");
        let substance_use = boxes.iter_mut().filter(|one| one["category"] == "SA");
        substance_use.for_each(|one| one["share"] = "N".into());
    })
    .await;
    let page = maple.get(path.trim_start_matches("/fhir/")).await;
    assert_eq!(page.status, 200);
    assert!(
        !page.references().contains(&part2) && !page.text().contains("F11"),
        "{}",
        page.text()
    );
}

async fn an_expiry_reaches_every_process(engine: Engine) {
    let world = World::empty(engine).await;
    for mut record in records("rosa").cloned() {
        if record.name == "rosa-riverside" {
            record.body["expires"]["onDate"] = "11/21/2026".into();
        }
        world.import(&record).await;
    }
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut riverside = world.partner(RIVERSIDE).await;
    let read = format!("Patient/{rosa}");
    world.clock.advance((17 * 60 + 59) * 60);
    riverside.renew().await;
    for process in [&world, &other] {
        assert_eq!(
            at(process, &riverside, &read).await.status,
            200,
            "the last minute of the day"
        );
    }
    world.clock.advance(60);
    for process in [&world, &other] {
        assert_eq!(
            at(process, &riverside, &read).await.status,
            404,
            "the first instant after it"
        );
    }
}

/// A later statement under the same number takes the earlier one's place.
async fn a_newer_consent_reaches_every_process(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let conditions = format!("Condition?patient={rosa}");
    for process in [&world, &other] {
        assert!(at(process, &maple, &conditions).await.text().contains("F11.20"));
    }
    let mut narrower = demo_record("consent", "rosa-maple");
    let boxes = narrower.body["sensitive"].as_array_mut().expect("boxes");
    boxes.iter_mut().for_each(|one| one["share"] = "N".into());
    narrower.body["statedOn"] = "11/20/2026".into();
    narrower.body["signed"]["onDate"] = "11/20/2026".into();
    let mut kept = world.converted(&[narrower]);
    kept.retain(|one| one.body["resourceType"] == "Consent");
    kept[0].body["id"] = "6c".repeat(16).into();
    world.also(&kept).await;
    for process in [&other, &world] {
        let after = at(process, &maple, &conditions).await.text();
        assert!(
            !after.contains("F11.20"),
            "the older consent no longer counts: {after}"
        );
    }
}

async fn a_change_of_what_is_shared_reaches_every_process(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let jordan = format!(
        "Practitioner/{}",
        world.id("Practitioner", "staff", "S-118").await
    );
    for process in [&world, &other] {
        at(process, &maple, &format!("CareTeam?patient={rosa}")).await;
        assert!(at(process, &maple, &jordan).await.text().contains("Marsh"));
    }
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["staff"][0]["last"] = "Marsh-Lind-Synthetic".into();
    world.import(&plan).await;
    for process in [&other, &world] {
        assert!(at(process, &maple, &jordan).await.text().contains("Marsh-Lind"));
    }
}

async fn change_partner(world: &World, id: &str, change: impl FnOnce(&mut Value)) {
    let store = &world.gateway.store;
    let (version, mut row) = store.partner(id).await.expect("reads").expect("registered");
    let mut body: Value = serde_json::from_str(&row.body).expect("JSON");
    change(&mut body);
    row.body = body.to_string();
    let mut moved = Change::at(world.clock.instant());
    moved.partners.push((version, row));
    store.commit(moved).await.expect("kept");
}

async fn a_purpose_or_scope_taken_away_is_taken_from_tokens_too(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let (person, plan) = (format!("Patient/{rosa}"), format!("CarePlan?patient={rosa}"));
    for process in [&world, &other] {
        assert_eq!(at(process, &maple, &plan).await.status, 200);
    }
    change_partner(&world, "maple", |partner| {
        partner["scopes"] = "system/Patient.rs".into()
    })
    .await;
    for process in [&other, &world] {
        assert_eq!(at(process, &maple, &plan).await.status, 403);
        assert_eq!(at(process, &maple, &person).await.status, 200);
    }
    change_partner(&world, "maple", |partner| partner["purposes"] = json!(["HPAYMT"])).await;
    for process in [&other, &world] {
        assert_eq!(at(process, &maple, &person).await.status, 401);
    }
}

/// A person nobody referred and who was never asked, with the crisis team not on the plan.
async fn unrelated(engine: Engine) -> World {
    let world = World::empty(engine).await;
    let mut plan = demo_record("care-plan", "rosa");
    let partners = plan.body["partners"].as_array_mut().expect("a list");
    partners.retain(|one| one["npi"] != RIVERSIDE.npi);
    world.import(&plan).await;
    world
}

/// The crisis team, a grant in hand and a token for an emergency.
async fn with_a_grant(world: &World) -> (Partner<'_>, String) {
    let mut riverside = world.partner(RIVERSIDE).await;
    let text = |name: &str, value: &str| json!({"name": name, "valueString": value});
    let call = json!({"resourceType": "Parameters", "parameter": [
        {"name": "identifier", "valueIdentifier": {"system": Person::ROSA.system, "value": Person::ROSA.identifier}},
        text("requester-name", "Dr. Lee Okafor"), text("affiliation", "Riverside"), text("role", "crisis clinician"),
        {"name": "reason", "valueCode": "suicide-risk"}, {"name": "consent-obtainable", "valueCode": "no"}]});
    let ask = Ask::post("/fhir/Patient/$break-glass", call.to_string());
    let opened = riverside
        .send(ask.with("content-type", "application/fhir+json"))
        .await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let parameters = opened.json()["parameter"].as_array().cloned().unwrap_or_default();
    let grant = parameters
        .iter()
        .find(|one| one["name"] == "grant")
        .expect("a grant");
    let grant = grant["valueId"].as_str().expect("an id").to_owned();
    urgent(&mut riverside).await;
    (riverside, grant)
}

async fn urgent(partner: &mut Partner<'_>) {
    let answer = partner.ask_token("system/*.rs", &["ETREAT"]).await.json();
    answer["access_token"]
        .as_str()
        .expect("a token")
        .clone_into(&mut partner.token);
}

async fn the_end_of_a_grant_reaches_every_process(engine: Engine) {
    let world = unrelated(engine).await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let (riverside, grant) = with_a_grant(&world).await;
    let read = format!("Patient/{rosa}");
    for process in [&world, &other] {
        assert_eq!(
            at(process, &riverside, &read).await.status,
            200,
            "the grant opens the person"
        );
    }
    let kim = world
        .gateway
        .add_staff("kim", "Kim", "compliance", false, "test operator")
        .await
        .expect("a known role");
    let end = Ask::post(&format!("/staff/grants/{grant}/end"), "{}");
    let ended = world.send(end.method(Method::POST).bearer(&kim)).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    for process in [&other, &world] {
        assert_eq!(at(process, &riverside, &read).await.status, 404);
    }
}

async fn a_grant_ends_by_the_clock_on_every_process(engine: Engine) {
    let world = unrelated(engine).await;
    let other = world.another_process().await;
    let rosa = world.id_of(Person::ROSA).await;
    let (mut riverside, _) = with_a_grant(&world).await;
    let read = format!("Patient/{rosa}");
    world.clock.advance(4 * 3600 - 1);
    urgent(&mut riverside).await;
    for process in [&world, &other] {
        assert_eq!(
            at(process, &riverside, &read).await.status,
            200,
            "the last second"
        );
    }
    world.clock.advance(1);
    for process in [&world, &other] {
        assert_eq!(
            at(process, &riverside, &read).await.status,
            404,
            "the grant is over"
        );
    }
}
