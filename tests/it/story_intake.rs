//! Records come in: whole or not at all, once, with every problem named and no value quoted; what a record no longer
//! holds stops being in force. SEMANTICS 6, 45 CFR 164.312(c)(1)

use serde_json::{Value, json};

use crate::harness::{Answer, Ask, Engine, Person, RIVERSIDE, World, demo_record, stories};

stories!(
    a_good_record_goes_in_over_http,
    only_the_sources_own_token_opens_its_door,
    the_same_record_twice_changes_nothing,
    an_item_dropped_from_the_record_is_retired,
    a_bad_record_names_every_problem_and_no_value,
    a_resource_of_another_person_is_a_problem_of_the_record,
    a_file_with_a_broken_line_keeps_the_good_ones,
    files_that_are_no_records_are_named_and_nothing_is_kept,
);

async fn post(world: &World, path: &str, token: &str, body: &str) -> Answer {
    world
        .send(
            Ask::post(path, body)
                .with("content-type", "application/json")
                .bearer(token),
        )
        .await
}

async fn a_good_record_goes_in_over_http(engine: Engine) {
    let world = World::empty(engine).await;
    let token = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let before = world.events().await.len();
    for (record, name) in [("care-plan", "rosa"), ("consent", "rosa-riverside")] {
        let body = demo_record(record, name).body.to_string();
        let answer = post(&world, &format!("/intake/hearthstone/{record}"), &token, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let report = answer.json();
        assert_eq!(
            report["unmapped"],
            json!([]),
            "the demo has no field that nobody reads"
        );
        assert!(report["resources"].as_array().is_some_and(|list| list.len() >= 4));
    }
    let kinds: Vec<_> = world
        .events()
        .await
        .into_iter()
        .skip(before)
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["intake-accepted", "intake-accepted"]);
    let riverside = world.partner(RIVERSIDE).await;
    let rosa = world.id_of(Person::ROSA).await;
    assert!(
        !riverside
            .get(&format!("CarePlan?patient={rosa}"))
            .await
            .resources()
            .is_empty()
    );
}

async fn only_the_sources_own_token_opens_its_door(engine: Engine) {
    let world = World::empty(engine).await;
    let own = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let foreign = world
        .gateway
        .add_source("lantern", false, "test operator")
        .await
        .expect("recorded");
    let partner = world.partner(RIVERSIDE).await;
    let staff = world
        .gateway
        .add_staff("kim", "Kim", "admin", false, "test operator")
        .await
        .expect("a known role");
    let body = demo_record("care-plan", "rosa").body.to_string();
    let path = "/intake/hearthstone/care-plan";
    for token in [foreign.as_str(), partner.token.as_str(), staff.as_str(), "x"] {
        assert_eq!(post(&world, path, token, &body).await.status, 401);
    }
    assert_eq!(
        world.send(Ask::post(path, body.clone())).await.status,
        401,
        "no token"
    );
    assert_eq!(
        post(&world, "/intake/hearthstone/invoice", &own, &body)
            .await
            .status,
        404,
        "no such record"
    );
    assert_eq!(
        post(&world, "/intake/nowhere/care-plan", &own, &body)
            .await
            .status,
        401,
        "no such source"
    );
    assert_eq!(
        world.gateway.store.head().await.expect("reads").map(|h| h.size()),
        Some(world.events().await.len() as u64)
    );
    assert!(
        world
            .events()
            .await
            .iter()
            .all(|event| event.kind != "intake-accepted"),
        "nothing went in"
    );
}

async fn versions(world: &World) -> (i64, i64, usize) {
    let rosa = world.id_of(Person::ROSA).await;
    let versions = world.gateway.store.record_versions(&rosa).await.expect("reads");
    (versions.record, versions.world, world.events().await.len())
}

async fn the_same_record_twice_changes_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    // Once more, so that whichever record came last owns what several of them hold.
    for record in crate::harness::records("rosa") {
        world.import(record).await;
    }
    let settled = versions(&world).await;
    let last = crate::harness::records("rosa").last().expect("records");
    for _ in 0..2 {
        let report = world.import(last).await;
        assert_eq!((report.changed(), report.accepted()), (0, 1));
    }
    assert_eq!(
        versions(&world).await,
        settled,
        "no version moves, nothing is written"
    );
}

/// 503 would make the sender try for ever; what is wrong is the record.
async fn a_resource_of_another_person_is_a_problem_of_the_record(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let source = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await;
    let token = source.expect("recorded");
    let mut body = demo_record("care-plan", "rosa").body.clone();
    body["client"]["clientNo"] = json!("HCS-000001");
    let answer = post(&world, "/intake/hearthstone/care-plan", &token, &body.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("another person"), "{}", answer.text());
}

async fn an_item_dropped_from_the_record_is_retired(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let riverside = world.partner(RIVERSIDE).await;
    let dropped = format!("Task/{}", world.id("Task", "action", "A-71103").await);
    assert_eq!(riverside.get(&dropped).await.status, 200);
    let mut record = demo_record("care-plan", "rosa");
    let actions = record
        .body
        .pointer_mut("/crisis/actions")
        .and_then(Value::as_array_mut)
        .expect("actions");
    actions.retain(|action| action["actionNo"] != "A-71103");
    world.import(&record).await;
    assert_eq!(riverside.get(&dropped).await.status, 404);
    let rosa = world.id_of(Person::ROSA).await;
    for resource_type in ["Task", "CarePlan"] {
        let found = riverside
            .get(&format!("{resource_type}?patient={rosa}"))
            .await
            .text();
        assert!(!found.contains(&dropped), "{resource_type} still speaks of it");
    }
    world.import(&demo_record("care-plan", "rosa")).await;
    assert_eq!(riverside.get(&dropped).await.status, 200, "and it can come back");
}

async fn a_bad_record_names_every_problem_and_no_value(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let token = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let before = versions(&world).await;
    let mut body = demo_record("care-plan", "rosa").body;
    body["client"]["dob"] = "31/31/1987".into();
    body["status"] = "ZZ-SECRET-STATUS".into();
    body["diagnoses"][0]["icd10"] = Value::Null;
    body["staff"][0]["role"] = "SECRET-ROLE".into();
    let answer = post(&world, "/intake/hearthstone/care-plan", &token, &body.to_string()).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let issues = answer.json()["issue"].as_array().cloned().unwrap_or_default();
    assert!(issues.len() >= 4, "all of them: {}", answer.text());
    for target in [
        "Patient.birthDate",
        "CarePlan.status",
        "Condition.code",
        "PractitionerRole.code",
    ] {
        assert!(answer.text().contains(target), "{target}: {}", answer.text());
    }
    for issue in &issues {
        let place = issue["diagnostics"].as_str().expect("a sentence");
        assert!(place.contains("care-plan.map.yaml:"), "names the line: {place}");
    }
    for value in ["31/31/1987", "SECRET", "Delgado", "Rosa", "F31.32"] {
        assert!(!answer.text().contains(value), "quotes {value}");
    }
    for broken in [
        "",
        "{",
        "[1,2]",
        "{\"a\":1,\"a\":2}",
        "\u{0}",
        "{\"client\":{\"clientNo\":{\"x\":1}}}",
    ] {
        let answer = post(&world, "/intake/hearthstone/care-plan", &token, broken).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{broken:?}: {} {}",
            answer.status,
            answer.text()
        );
    }
    let (record, world_version, _) = versions(&world).await;
    assert_eq!(
        (record, world_version),
        (before.0, before.1),
        "nothing of a bad record is kept"
    );
}

async fn a_file_with_a_broken_line_keeps_the_good_ones(engine: Engine) {
    let world = World::empty(engine).await;
    let good = demo_record("consent", "marcus").body.to_string();
    let mut wrong = demo_record("consent", "rosa-maple").body;
    wrong["purposes"] = json!(["SECRET-PURPOSE"]);
    let other = demo_record("consent", "rosa-brigid").body.to_string();
    let file = format!("{good}\n{{\"consentNo\": \"C-1\", \n{wrong}\n\n{other}\n");
    let report = world
        .gateway
        .import("hearthstone", "consent", file.as_bytes(), None)
        .await
        .expect("a file");
    let lines: Vec<_> = report
        .lines
        .iter()
        .map(|line| (line.line, line.result.is_ok()))
        .collect();
    assert_eq!(lines, [(1, true), (2, false), (3, false), (5, true)]);
    assert_eq!((report.accepted(), report.rejected()), (2, 2));
    for line in report.lines.iter().filter_map(|line| line.result.as_ref().err()) {
        assert!(
            !line.is_empty() && !line.join("\n").contains("SECRET"),
            "{line:?}"
        );
    }
    world.id("Consent", "consent", "C-31010").await;
    world.id("Consent", "consent", "C-31003").await;
    let found = world
        .gateway
        .store
        .find_identifier("https://hearthstone.example/ids/consent", "C-31001")
        .await;
    assert_eq!(found.expect("reads"), [], "of the bad record nothing is kept");
}

async fn files_that_are_no_records_are_named_and_nothing_is_kept(engine: Engine) {
    let world = World::empty(engine).await;
    let half = &demo_record("consent", "marcus").body.to_string()[..400];
    let cases: [(&[u8], &str); 4] = [
        (b"", "empty"),
        (b"PK\x03\x04\0\0", "not a text file"),
        (b"a;b\nc;d", "neither JSON"),
        (half.as_bytes(), "neither JSON"),
    ];
    for (bytes, sentence) in cases {
        let refused = world
            .gateway
            .import("hearthstone", "consent", bytes, None)
            .await
            .expect_err("no records");
        assert!(
            refused.contains(sentence) && !refused.contains("Oyelaran"),
            "{refused}"
        );
    }
    let unknown = world
        .gateway
        .import("hearthstone", "consnt", b"{}", None)
        .await
        .expect_err("no mapping");
    assert!(unknown.contains("hearthstone/consent"), "{unknown}");
    assert_eq!(world.events().await.len(), 0);
}
