//! The life of a grant: it opens at once on every process, ends at its instant or when staff end it, is renewed by a new
//! one, and leaves grant, review, notice and event behind, all or none. 42 CFR 2.51(c), 45 CFR 164.312(a)(2)(ii), 164.312(b)

use axum::http::Method;
use postern_rules::fhir::{Value, json};

use crate::harness::{Answer, Ask, Engine, Person, World, numbered, parameter, stories};

stories!(
    a_grant_opens_at_once_on_every_process_and_ends_at_its_instant,
    a_new_grant_extends_and_each_is_recorded,
    the_four_items_stand_in_event_and_grant_and_staff_have_it_at_once,
    staff_end_a_grant_and_it_opens_nothing_more,
    what_was_refused_stays_closed_while_that_grant_lives,
    a_disabled_partners_grant_is_worth_nothing,
);

async fn a_grant_opens_at_once_on_every_process_and_ends_at_its_instant(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let other = world.another_process().await;
    let county = world.county(false).await;
    let marcus = world.id_of(Person::MARCUS).await;
    let read = format!("Patient/{marcus}");
    let mut emergency = county.for_purpose("ETREAT").await;
    // Both processes have decided without a grant before.
    assert_eq!(emergency.get(&read).await.status, 404);
    assert_eq!(emergency.at(&other).get(&read).await.status, 404);
    assert_eq!(
        county.break_glass(&numbered(Person::MARCUS), "no").await.status,
        200
    );
    let opened = emergency.get(&read).await;
    assert_eq!(opened.status, 200);
    let again = emergency.at(&other).get(&read).await;
    assert_eq!(
        (again.status, &again.body),
        (200, &opened.body),
        "dated once for all"
    );
    let tag = opened.header("etag").to_owned();
    let known = emergency
        .send(Ask::get(&format!("/fhir/{read}")).with("if-none-match", &tag))
        .await;
    assert_eq!(known.status, 304);
    world.clock.advance(4 * 3600 - 1);
    emergency = county.for_purpose("ETREAT").await;
    assert_eq!(emergency.get(&read).await.body, opened.body, "the last second");
    world.clock.advance(1);
    for place in [&world, &other] {
        assert_eq!(emergency.at(place).get(&read).await.status, 404, "over");
        assert_eq!(
            emergency
                .at(place)
                .get(&format!("CarePlan?patient={marcus}"))
                .await
                .resources()
                .len(),
            0
        );
    }
}

async fn a_new_grant_extends_and_each_is_recorded(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let county = world.county(false).await;
    let marcus = world.id_of(Person::MARCUS).await;
    let read = format!("Patient/{marcus}");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let county = county.for_purpose("TREAT").await;
        let granted = county.break_glass(&numbered(Person::MARCUS), "no").await;
        assert_eq!(granted.status, 200, "never refused for how often");
        ids.push(parameter(&granted, "grant"));
        world.clock.advance(3 * 3600);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    // Nine hours after the first, three after the last.
    assert_eq!(county.for_purpose("ETREAT").await.get(&read).await.status, 200);
    world.clock.advance(3600);
    assert_eq!(county.for_purpose("ETREAT").await.get(&read).await.status, 404);
    let events = world.events().await;
    assert_eq!(events.iter().filter(|e| e.kind == "break-glass").count(), 3);
    let waiting = world.gateway.store.notices("queued", 10).await.expect("reads");
    assert_eq!(waiting.len(), 3);
}

async fn staff(world: &World) -> String {
    let added = world
        .gateway
        .add_staff("kim", "Kim Reyes", "compliance", false, "test operator")
        .await;
    added.expect("a known role")
}

async fn ask(world: &World, token: &str, method: Method, path: &str) -> Answer {
    world.send(Ask::post(path, "").method(method).bearer(token)).await
}

fn details(event: &Value) -> Vec<(String, String)> {
    let entities = event["entity"].as_array().cloned().unwrap_or_default();
    let all = entities
        .iter()
        .flat_map(|e| e["detail"].as_array().cloned().unwrap_or_default());
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    all.map(|d| (text(&d["type"]), text(&d["valueString"]))).collect()
}

async fn the_four_items_stand_in_event_and_grant_and_staff_have_it_at_once(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let kim = staff(&world).await;
    let county = world.county(false).await;
    let granted = county.break_glass(&numbered(Person::MARCUS), "no").await;
    let grant = parameter(&granted, "grant");

    let events = world.events().await;
    let event = events
        .iter()
        .find(|e| e.kind == "break-glass")
        .expect("on the log");
    let body = json::parse(event.body.as_bytes()).expect("JSON");
    let details = details(&body);
    for (name, value) in [
        ("personnel", "Lee Okafor, MD"),
        ("affiliation", "County General Hospital, emergency department"),
        ("date-and-time", "2026-11-21T12:00:00.000Z"),
        ("nature", "overdose"),
        ("consent-obtainable", "no"),
        ("grant", grant.as_str()),
    ] {
        assert!(
            details.contains(&(name.to_owned(), value.to_owned())),
            "{name}: {details:?}"
        );
    }
    let discloser = details.iter().find(|(name, _)| name == "discloser");
    let discloser = &discloser.expect("who discloses").1;
    assert!(
        discloser.contains("Hearthstone") && discloser.contains("policy"),
        "{discloser}"
    );
    assert_eq!(event.actor, "Lee Okafor, MD");

    let listed = ask(&world, &kim, Method::GET, "/staff/work").await.json();
    let review = &listed["work"][0];
    assert_eq!(review["kind"], "break-glass-review", "{listed}");
    assert_eq!(review["due"], "2026-11-22T12:00:00.000Z");
    assert_eq!(review["about"]["personnel"], "Lee Okafor, MD");
    assert_eq!(review["about"]["grant"], grant.as_str());
    let notices = ask(&world, &kim, Method::GET, "/staff/notices").await.json();
    let notice = &notices["notices"][0];
    assert_eq!(
        (&notice["for"], &notice["state"]),
        (&"compliance".into(), &"queued".into())
    );
    assert_eq!(notice["about"]["work"], review["id"]);
    let grants = ask(&world, &kim, Method::GET, "/staff/grants").await.json();
    assert_eq!(grants["grants"][0]["state"], "in force", "{grants}");
    let id = review["id"].as_str().expect("an id").to_owned();
    // What is read under it is found on the log: same person, same partner, the purpose of an emergency.
    let marcus = world.id_of(Person::MARCUS).await;
    county
        .for_purpose("ETREAT")
        .await
        .get(&format!("Patient/{marcus}"))
        .await;
    let read = world.events().await;
    assert!(
        read.iter()
            .any(|e| e.kind == "disclosure" && e.purpose == "ETREAT" && e.patient.ends_with(&marcus))
    );
    let shown = ask(&world, &kim, Method::GET, &format!("/staff/work/{id}"))
        .await
        .json();
    assert_eq!(shown["read"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown["read"][0]["resources"], 1);
}

async fn staff_end_a_grant_and_it_opens_nothing_more(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let other = world.another_process().await;
    let kim = staff(&world).await;
    let county = world.county(false).await;
    let marcus = world.id_of(Person::MARCUS).await;
    let read = format!("Patient/{marcus}");
    let granted = county.break_glass(&numbered(Person::MARCUS), "no").await;
    let emergency = county.for_purpose("ETREAT").await;
    assert_eq!(emergency.get(&read).await.status, 200);
    let path = format!("/staff/grants/{}/end", parameter(&granted, "grant"));
    let ended = ask(&other, &kim, Method::POST, &path).await;
    assert_eq!((ended.status, &ended.json()["state"]), (200, &"ended".into()));
    assert_eq!(emergency.get(&read).await.status, 404);
    assert_eq!(emergency.at(&other).get(&read).await.status, 404);
    assert_eq!(ask(&world, &kim, Method::POST, &path).await.status, 409);
    assert_eq!(
        ask(&world, &kim, Method::POST, "/staff/grants/none/end")
            .await
            .status,
        404
    );
    assert!(
        world
            .events()
            .await
            .iter()
            .any(|e| e.kind == "grant-ended" && e.actor == "kim")
    );
}

async fn what_was_refused_stays_closed_while_that_grant_lives(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let county = world.county(true).await;
    let rosa = world.id_of(Person::ROSA).await;
    let emergency = county.for_purpose("ETREAT").await;
    let part2 = async || {
        let conditions = emergency.get(&format!("Condition?patient={rosa}")).await;
        conditions.text().contains("42CFRPart2")
    };
    assert_eq!(
        county.break_glass(&numbered(Person::ROSA), "no").await.status,
        200
    );
    assert!(part2().await);
    assert_eq!(
        county
            .break_glass(&numbered(Person::ROSA), "refused")
            .await
            .status,
        200
    );
    assert!(!part2().await, "whoever refused has refused");
    assert_eq!(
        county.break_glass(&numbered(Person::ROSA), "no").await.status,
        200
    );
    assert!(!part2().await, "a second word does not undo it");
}

async fn a_disabled_partners_grant_is_worth_nothing(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let county = world.county(false).await;
    let marcus = world.id_of(Person::MARCUS).await;
    assert_eq!(
        county.break_glass(&numbered(Person::MARCUS), "no").await.status,
        200
    );
    let emergency = county.for_purpose("ETREAT").await;
    assert_eq!(emergency.get(&format!("Patient/{marcus}")).await.status, 200);
    world
        .gateway
        .disable_partner(county.who.id, "test operator")
        .await
        .expect("it is registered");
    assert_eq!(emergency.get(&format!("Patient/{marcus}")).await.status, 401);
}
