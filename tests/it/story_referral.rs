//! A partner moves a referral through its states: its own organisation's side of it, from the version it has seen, and no
//! further than the next step. <http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS>, <https://hl7.org/fhir/R4/http.html#concurrency>

use axum::http::Method;
use postern_rules::fhir::xml;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, Engine, JSON_PATCH, MAPLE, Partner, RIVERSIDE, World, demo_record, stories,
};

stories!(
    a_referral_goes_through_its_states_with_a_stale_attempt_between,
    a_step_that_is_none_is_a_conflict_that_names_the_next_ones,
    of_two_who_write_at_once_one_is_told,
    what_ends_between_read_and_write_is_not_found,
    who_declines_has_nothing_to_do_with_the_person_any_more,
    a_write_needs_its_scope_and_no_emergency,
    media_types_versions_and_preferences_are_those_of_r4,
    what_a_source_says_again_does_not_undo_a_partners_step,
    a_referral_stays_in_its_organisation_and_out_of_the_future,
);

const BSER: &str = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS";

fn step(status: &str, milestone: &str) -> Value {
    json!([{"op": "replace", "path": "/status", "value": status},
        {"op": "replace", "path": "/businessStatus", "value": {"coding": [{"system": BSER, "code": milestone}]}}])
}

/// Rosa's referral as Maple Street reads it: address, version, resource.
async fn referral(partner: &Partner<'_>) -> (String, String, Value) {
    let id = partner.world.id("Task", "referral", "R-26-00417").await;
    let path = format!("Task/{id}");
    let answer = partner.get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    (path, answer.header("etag").to_owned(), answer.json())
}

async fn a_referral_goes_through_its_states_with_a_stale_attempt_between(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, first, before) = referral(&maple).await;
    assert_eq!(before["status"], "requested");
    let mut version = first.clone();
    for (status, milestone) in [
        ("received", "2.0"),
        ("accepted", "3.0"),
        ("in-progress", "5.1.1"),
        ("in-progress", "5.1.2"),
        ("in-progress", "5.1.1"),
        ("in-progress", "5.1.4"),
        ("completed", "7.0"),
    ] {
        let answer = maple.patch(&path, &version, step(status, milestone)).await;
        assert_eq!(answer.status, 200, "{status} {milestone}: {}", answer.text());
        let task = answer.json();
        assert_eq!(task["status"], status);
        assert_eq!(task["businessStatus"]["coding"][0]["code"], milestone);
        assert_ne!(answer.header("etag"), version);
        let read = maple.get(&path).await;
        assert_eq!(
            (read.header("etag"), read.body.clone()),
            (answer.header("etag"), answer.body.clone())
        );
        // Who was slower has seen another version.
        let stale = maple.patch(&path, &first, step("rejected", "4.0")).await;
        assert_eq!(stale.status, 412, "{}", stale.text());
        answer.header("etag").clone_into(&mut version);
        world.clock.advance(20);
    }
    let kinds: Vec<String> = world.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "update").count(), 7);
    assert_eq!(kinds.iter().filter(|kind| *kind == "refusal").count(), 7);
}

async fn a_step_that_is_none_is_a_conflict_that_names_the_next_ones(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, before) = referral(&maple).await;
    let refused = maple.patch(&path, &version, step("completed", "7.0")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let told = refused.json()["issue"][0]["diagnostics"]
        .as_str()
        .expect("a sentence")
        .to_owned();
    assert!(
        told.contains("3.0 Service Request Accepted") && told.contains("4.0"),
        "{told}"
    );
    assert!(
        !told.contains("5.2"),
        "asking for cancellation is the requester's: {told}"
    );
    let unfit = maple.patch(&path, &version, step("completed", "3.0")).await;
    assert_eq!(unfit.status, 409, "{}", unfit.text());
    assert_eq!(maple.get(&path).await.json(), before);
}

async fn of_two_who_write_at_once_one_is_told(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, _) = referral(&maple).await;
    let (one, other) = tokio::join!(
        maple.patch(&path, &version, step("accepted", "3.0")),
        maple.patch(&path, &version, step("rejected", "4.0")),
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(
        statuses[0] == 200 && matches!(statuses[1], 404 | 412),
        "{statuses:?}"
    );
}

async fn what_ends_between_read_and_write_is_not_found(engine: Engine) {
    let world = World::empty(engine).await;
    let mut record = demo_record("referral", "marcus");
    world.import(&record).await;
    let maple = world.writer(MAPLE).await;
    let path = format!("Task/{}", world.id("Task", "referral", "R-26-00422").await);
    let read = maple.get(&path).await;
    assert_eq!(read.status, 200, "{}", read.text());
    record.body["status"] = "WITHDRAWN".into();
    world.import(&record).await;
    let version = read.header("etag");
    let gone = maple.patch(&path, version, step("accepted", "3.0")).await;
    let nowhere = format!("Task/{}", "0".repeat(32));
    let never = maple.patch(&nowhere, version, step("accepted", "3.0")).await;
    assert_eq!((gone.status, never.status), (404, 404), "{}", gone.text());
    assert_eq!(gone.body, never.body);
}

async fn who_declines_has_nothing_to_do_with_the_person_any_more(engine: Engine) {
    let world = World::empty(engine).await;
    world.import(&demo_record("referral", "marcus")).await;
    let maple = world.writer(MAPLE).await;
    let id = world.id("Task", "referral", "R-26-00422").await;
    let path = format!("Task/{id}");
    let read = maple.get(&path).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let request = read.json()["focus"]["reference"]
        .as_str()
        .expect("a request")
        .to_owned();
    let declined = maple
        .patch(&path, read.header("etag"), step("rejected", "4.0"))
        .await;
    assert_eq!(declined.status, 200, "{}", declined.text());
    // The request itself still names Maple Street; the Task of what it declined relates it to nobody.
    let later = maple.get(&path).await;
    assert!(matches!(later.status, 200 | 404), "{}", later.text());
    let other = maple.get(&request).await;
    assert!(matches!(other.status, 200 | 404));
}

async fn a_write_needs_its_scope_and_no_emergency(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let mut maple = world.writer(MAPLE).await;
    let (path, version, _) = referral(&maple).await;
    maple.narrow("system/*.rs system/Task.r").await;
    let refused = maple.patch(&path, &version, step("accepted", "3.0")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    maple.narrow("system/*.rs system/Task.u").await;
    assert_eq!(maple.create(&json!({"resourceType": "Task"})).await.status, 403);
    let riverside = world.writer(RIVERSIDE).await;
    let urgent = riverside.ask_token("system/*.cruds", &["ETREAT"]).await.json();
    let urgent = Partner {
        token: urgent["access_token"].as_str().expect("a token").to_owned(),
        ..riverside
    };
    let refused = urgent.patch(&path, &version, step("accepted", "3.0")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

async fn media_types_versions_and_preferences_are_those_of_r4(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, task) = referral(&maple).await;
    let address = format!("/fhir/{path}");
    let patch = |media: &str| {
        Ask::post(&address, step("received", "2.0").to_string())
            .method(Method::PATCH)
            .with("content-type", media)
    };
    let without = maple.send(patch(JSON_PATCH)).await;
    assert_eq!(without.status, 400, "no If-Match: {}", without.text());
    for media in [
        "application/fhir+json",
        "text/plain",
        "application/merge-patch+json",
    ] {
        assert_eq!(
            maple.send(patch(media).with("if-match", &version)).await.status,
            415,
            "{media}"
        );
    }
    let bare = Ask::post(&address, task.to_string())
        .method(Method::PUT)
        .with("if-match", &version);
    assert_eq!(maple.send(bare).await.status, 415, "no Content-Type");
    let minimal = maple
        .send(
            patch(JSON_PATCH)
                .with("if-match", &version)
                .with("prefer", "return=minimal"),
        )
        .await;
    assert_eq!(
        (minimal.status, minimal.body.len()),
        (200, 0),
        "{}",
        minimal.text()
    );
    let version = minimal.header("etag").to_owned();
    let same = maple
        .send(
            patch(JSON_PATCH)
                .with("if-match", &version)
                .with("prefer", "return=OperationOutcome"),
        )
        .await;
    assert_eq!(
        (same.status, same.json()["resourceType"].as_str()),
        (200, Some("OperationOutcome"))
    );
    assert_eq!(
        same.header("etag"),
        version,
        "what changes nothing is no new version"
    );

    // As XML, and answered as XML.
    let mut wanted = maple.get(&path).await.json();
    wanted["status"] = "accepted".into();
    wanted["businessStatus"]["coding"][0]["code"] = "3.0".into();
    let put = Ask::post(&address, xml::to_xml(&wanted).expect("XML"))
        .method(Method::PUT)
        .with("content-type", "application/fhir+xml; charset=utf-8")
        .with("accept", "application/fhir+xml")
        .with("if-match", &version);
    let answer = maple.send(put).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("application/fhir+xml"));
    assert_eq!(answer.resource().expect("XML")["status"], "accepted");

    let wrong: Answer = maple
        .put(
            answer.header("etag"),
            &json!({"resourceType": "Task", "id": task["id"]}),
        )
        .await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    assert!(
        wrong.json()["issue"]
            .as_array()
            .is_some_and(|list| list.len() >= 2),
        "every problem"
    );
    let mut other = wanted.clone();
    other["id"] = "another".into();
    let ask = Ask::post(&address, other.to_string())
        .method(Method::PUT)
        .with("content-type", "application/fhir+json")
        .with("if-match", answer.header("etag"));
    assert_eq!(maple.send(ask).await.status, 400, "the body is another resource");
    let deleted = maple.send(Ask::get(&address).method(Method::DELETE)).await;
    assert_eq!(
        (deleted.status, deleted.json()["resourceType"].as_str()),
        (405, Some("OperationOutcome"))
    );
}

async fn what_a_source_says_again_does_not_undo_a_partners_step(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, _) = referral(&maple).await;
    let answer = maple.patch(&path, &version, step("accepted", "3.0")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut record = demo_record("referral", "rosa");
    world.import(&record).await;
    assert_eq!(
        maple.get(&path).await.json()["status"],
        "accepted",
        "the source said nothing new"
    );
    // Another day of the export, another answer date: that is news about the Task.
    record.body["triage"]["respondBy"] = "11/24/2026".into();
    world.import(&record).await;
    let later = maple.get(&path).await.json();
    assert_eq!(
        (
            later["status"].as_str(),
            later["restriction"]["period"]["end"].as_str()
        ),
        (Some("requested"), Some("2026-11-24"))
    );
}

async fn a_referral_stays_in_its_organisation_and_out_of_the_future(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, task) = referral(&maple).await;
    let requester = task["requester"]["reference"]
        .as_str()
        .expect("who asked")
        .to_owned();
    let handed = json!([{"op": "replace", "path": "/owner", "value": {"reference": requester}}]);
    assert_eq!(maple.patch(&path, &version, handed).await.status, 422);
    let nobody = json!([{"op": "replace", "path": "/owner", "value": {"reference": "Organization/none"}}]);
    assert_eq!(maple.patch(&path, &version, nobody).await.status, 422);
    let late = json!([{"op": "add", "path": "/executionPeriod", "value": {"end": "2090-01-01"}}]);
    assert_eq!(maple.patch(&path, &version, late).await.status, 422);
    let noted = json!([{"op": "add", "path": "/note", "value": [{"text": "We called her on Monday."}]}]);
    let noted = maple.patch(&path, &version, noted).await;
    assert_eq!(
        (noted.status, noted.json()["note"][0]["text"].as_str()),
        (200, Some("We called her on Monday.")),
        "{}",
        noted.text()
    );
    let changed = json!([{"op": "replace", "path": "/note/0/text", "value": "We called her on Tuesday."}]);
    let proposed = maple.patch(&path, noted.header("etag"), changed).await;
    assert_eq!(
        proposed.status,
        202,
        "notes are added, not changed: {}",
        proposed.text()
    );
}
