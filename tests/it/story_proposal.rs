//! What is not a partner's to write becomes a proposal: nothing changes until a named member of staff accepts it, and then only what
//! was proposed, on the record as it is by then. SEMANTICS 5, 45 CFR 164.526

use serde_json::{Value, json};

use crate::harness::{Answer, Ask, DemoRecord, Engine, MAPLE, Partner, World, demo_record, stories};

stories!(
    a_plan_changes_only_when_staff_accept,
    a_rejected_proposal_changes_nothing,
    what_changed_meanwhile_is_said_to_staff,
    an_accepted_change_outlives_the_same_statement,
    what_the_proposer_does_not_see_stays,
    only_some_roles_decide,
);

async fn plan(partner: &Partner<'_>) -> (String, String, Value) {
    let id = partner.world.id("CarePlan", "plan", "CP-22041").await;
    let path = format!("CarePlan/{id}");
    let read = partner.get(&path).await;
    assert_eq!(read.status, 200, "{}", read.text());
    (path, read.header("etag").to_owned(), read.json())
}

async fn staff(world: &World, id: &str, role: &str) -> String {
    world
        .gateway
        .add_staff(id, id, role, false, "test operator")
        .await
        .expect("a known role")
}

/// Takes a proposal that would change this element.
async fn item_about(world: &World, token: &str, element: &str) -> String {
    let listed = world.send(Ask::get("/staff/work").bearer(token)).await.json();
    let items = listed["work"].as_array().cloned().unwrap_or_default();
    let item = items
        .iter()
        .find(|item| item["kind"] == "proposal" && item["about"]["edits"][0]["element"] == element)
        .expect("a proposal");
    let id = item["id"].as_str().expect("an id").to_owned();
    let taken = world
        .send(Ask::post(&format!("/staff/work/{id}/take"), "").bearer(token))
        .await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    id
}

async fn item(world: &World, token: &str) -> String {
    item_about(world, token, "title").await
}

async fn settle(world: &World, token: &str, id: &str, decision: Value) -> Answer {
    world
        .send(Ask::post(&format!("/staff/work/{id}/settle"), decision.to_string()).bearer(token))
        .await
}

fn retitled(title: &str) -> Value {
    json!([{"op": "replace", "path": "/title", "value": title}])
}

async fn a_plan_changes_only_when_staff_accept(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, before) = plan(&maple).await;
    let one = maple
        .patch(&path, &version, retitled("Plan for the winter"))
        .await;
    let mut put = before.clone();
    put["title"] = "Another title".into();
    let other = maple.put(&version, &put).await;
    assert_eq!((one.status, other.status), (202, 202), "{}", one.text());
    assert_eq!(
        one.body, other.body,
        "the answer is the same whatever is proposed"
    );
    assert_eq!(maple.get(&path).await.json(), before);
    let kim = staff(&world, "kim", "clinical").await;
    let id = item(&world, &kim).await;
    let shown = world
        .send(Ask::get(&format!("/staff/work/{id}")).bearer(&kim))
        .await
        .json();
    let words = shown["about"]["changes"][0].as_str().expect("in words");
    assert!(
        words.starts_with("title: ") && words.contains(" becomes "),
        "{words}"
    );
    let settled = settle(
        &world,
        &kim,
        &id,
        json!({"accept": true, "outcome": "Agreed with Rosa."}),
    )
    .await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    let after = maple.get(&path).await.json();
    assert!(words.ends_with(&after["title"].to_string()), "{words}");
    assert_ne!(after["title"], before["title"]);
    let events = world.events().await;
    let proposed: Vec<_> = events.iter().filter(|event| event.kind == "proposal").collect();
    assert_eq!(proposed.len(), 2);
    assert!(
        proposed[0].body.contains("title") && !proposed[0].body.contains("winter"),
        "names, not values"
    );
    let decided = events
        .iter()
        .rfind(|event| event.kind == "work-settled")
        .expect("an event");
    assert!(decided.actor.contains("kim") && decided.body.contains(&path));
}

async fn a_rejected_proposal_changes_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, before) = plan(&maple).await;
    assert_eq!(maple.patch(&path, &version, retitled("Other")).await.status, 202);
    let kim = staff(&world, "kim", "clinical").await;
    let id = item(&world, &kim).await;
    assert_eq!(
        settle(&world, &kim, &id, json!({"accept": false})).await.status,
        400,
        "a reason"
    );
    let undecided = settle(&world, &kim, &id, json!({"outcome": "Hm."})).await;
    assert_eq!(
        undecided.status,
        400,
        "accepted or rejected: {}",
        undecided.text()
    );
    let settled = settle(
        &world,
        &kim,
        &id,
        json!({"accept": false, "outcome": "The title stays."}),
    )
    .await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    let after = maple.get(&path).await;
    assert_eq!((after.header("etag"), after.json()), (version.as_str(), before));
}

fn renamed(title: &str) -> DemoRecord {
    let mut record = demo_record("care-plan", "rosa");
    record.body["title"] = title.into();
    record
}

async fn what_changed_meanwhile_is_said_to_staff(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, before) = plan(&maple).await;
    assert_eq!(maple.patch(&path, &version, retitled("Theirs")).await.status, 202);
    let noted = json!([{"op": "add", "path": "/note/-", "value": {"text": "She likes tea."}}]);
    assert_eq!(maple.patch(&path, &version, noted).await.status, 202);
    // The agency's own record moves on: its title is another now.
    let title_field = before["title"].as_str().expect("a title").to_owned();
    let mut record = demo_record("care-plan", "rosa");
    let text = record.body.to_string().replace(&title_field, "Ours");
    record.body = postern_rules::fhir::json::parse(text.as_bytes()).expect("JSON");
    world.import(&record).await;
    assert_eq!(maple.get(&path).await.json()["title"], "Ours");
    let kim = staff(&world, "kim", "clinical").await;
    let first = item(&world, &kim).await;
    let moved = settle(&world, &kim, &first, json!({"accept": true, "outcome": "Yes."})).await;
    assert_eq!(moved.status, 422, "{}", moved.text());
    assert_eq!(moved.json()["issue"][0]["expression"][0], "CarePlan.title");
    let rejected = settle(
        &world,
        &kim,
        &first,
        json!({"accept": false, "outcome": "Ours is newer."}),
    )
    .await;
    assert_eq!(rejected.status, 200, "{}", rejected.text());
    // What nobody touched is accepted on the record as it is now.
    let second = item_about(&world, &kim, "note").await;
    let settled = settle(&world, &kim, &second, json!({"accept": true, "outcome": "Nice."})).await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    let after = maple.get(&path).await.json();
    assert_eq!(after["title"], "Ours");
    assert!(after["note"].to_string().contains("She likes tea."), "{after}");
}

async fn an_accepted_change_outlives_the_same_statement(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, _) = plan(&maple).await;
    assert_eq!(maple.patch(&path, &version, retitled("Theirs")).await.status, 202);
    let kim = staff(&world, "kim", "clinical").await;
    let id = item(&world, &kim).await;
    assert_eq!(
        settle(&world, &kim, &id, json!({"accept": true, "outcome": "Yes."}))
            .await
            .status,
        200
    );
    world.import(&demo_record("care-plan", "rosa")).await;
    assert_eq!(
        maple.get(&path).await.json()["title"],
        "Theirs",
        "the source said nothing new"
    );
    world.import(&renamed("Ours again")).await;
    let after = maple.get(&path).await.json();
    assert_ne!(after["title"], "Theirs", "now it did");
}

async fn what_the_proposer_does_not_see_stays(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, before) = plan(&maple).await;
    let (_, id) = path.split_once('/').expect("a reference");
    let stored = async || {
        let row = world
            .gateway
            .store
            .resource("CarePlan", id)
            .await
            .expect("reads")
            .expect("there");
        postern_rules::fhir::json::parse(row.body.as_bytes()).expect("JSON")
    };
    let was = stored().await;
    let mut put = before.clone();
    put["activity"].as_array_mut().expect("activities").remove(0);
    assert_eq!(maple.put(&version, &put).await.status, 202);
    let kim = staff(&world, "kim", "clinical").await;
    let item = item_about(&world, &kim, "activity").await;
    assert_eq!(
        settle(&world, &kim, &item, json!({"accept": true, "outcome": "Yes."}))
            .await
            .status,
        200
    );
    let now = stored().await;
    let count = |plan: &Value| plan["activity"].as_array().map_or(0, Vec::len);
    assert_eq!(
        count(&now),
        count(&was) - 1,
        "one activity goes, those it does not see stay"
    );
    let gone = before["activity"][0].clone();
    assert!(
        !now["activity"]
            .to_string()
            .contains(gone["reference"]["reference"].as_str().expect("a reference"))
    );
}

async fn only_some_roles_decide(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.writer(MAPLE).await;
    let (path, version, _) = plan(&maple).await;
    assert_eq!(maple.patch(&path, &version, retitled("Other")).await.status, 202);
    let kim = staff(&world, "kim", "clinical").await;
    let id = item(&world, &kim).await;
    for role in ["frontline", "admin"] {
        let token = staff(&world, role, role).await;
        let shown = world
            .send(Ask::get(&format!("/staff/work/{id}")).bearer(&token))
            .await;
        assert_eq!(shown.status, 403, "{role}");
        let settled = settle(&world, &token, &id, json!({"accept": true, "outcome": "x"})).await;
        assert_eq!(settled.status, 403, "{role}");
    }
    let lee = staff(&world, "lee", "compliance").await;
    let settled = settle(&world, &lee, &id, json!({"accept": true, "outcome": "x"})).await;
    assert_eq!(settled.status, 409, "it is Kim's: {}", settled.text());
}
