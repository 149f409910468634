//! Several requests in one Bundle: a batch answers each by itself; a transaction is one change, or none, whatever happens between.
//! <https://hl7.org/fhir/R4/http.html#transaction>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern::store::WorkFilter;
use serde_json::{Value, json};

use super::story_contribution::rosa_and;
use crate::harness::{Answer, Ask, Engine, MAPLE, Partner, Person, World, stories};

stories!(
    a_batch_answers_each_entry_by_itself,
    a_transaction_is_made_whole,
    a_transaction_with_one_wrong_entry_makes_nothing,
    a_transaction_that_cannot_be_recorded_makes_nothing,
    the_same_transaction_is_made_once,
    two_entries_of_a_batch_are_no_retry,
    a_condition_holds_inside_a_transaction,
    a_condition_holds_when_many_create_at_once,
    what_no_bundle_may_be,
    scopes_hold_for_each_entry,
);

const BSER: &str = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS";

fn entry(method: &str, url: &str, resource: Value) -> Value {
    let mut entry = json!({"request": {"method": method, "url": url}});
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

fn bundle(kind: &str, entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn posted(bundle: &Value) -> Ask {
    Ask::post("/fhir", bundle.to_string()).with("content-type", "application/fhir+json")
}

async fn post(partner: &Partner<'_>, bundle: &Value) -> Answer {
    partner.send(posted(bundle)).await
}

fn observation(person: &str, value: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final",
        "identifier": [{"system": "https://ehr.test/observation", "value": value}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
        "subject": {"reference": format!("Patient/{person}")}, "effectiveDateTime": "2026-11-21",
        "valueQuantity": {"value": 72, "unit": "/min"}})
}

fn patch(operations: &Value) -> Value {
    json!({"resourceType": "Binary", "contentType": "application/json-patch+json",
        "data": STANDARD.encode(operations.to_string())})
}

/// A referral to the agency and the Task that carries it, which refers to it by its `fullUrl`.
fn referral(person: &str) -> Vec<Value> {
    let url = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
    let request = json!({"resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "identifier": [{"system": "https://ehr.test/order", "value": "R-1"}],
        "code": {"text": "Assertive community treatment"}, "subject": {"reference": format!("Patient/{person}")}});
    let task = json!({"resourceType": "Task", "status": "requested", "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "businessStatus": {"coding": [{"system": BSER, "code": "2.0"}]},
        "focus": {"reference": url}, "for": {"reference": format!("Patient/{person}")}});
    let mut first = entry("POST", "ServiceRequest", request);
    first["fullUrl"] = url.into();
    vec![entry("POST", "Task", task), first]
}

fn statuses(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    let status = |entry: &Value| {
        entry["response"]["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    entries.iter().map(status).collect()
}

async fn observations(partner: &Partner<'_>, person: &str) -> Vec<String> {
    let found = partner.get(&format!("Observation?patient={person}")).await;
    assert_eq!(found.status, 200, "{}", found.text());
    found.references()
}

async fn waiting(world: &World) -> usize {
    let items = world.gateway.store.work_items(&WorkFilter::default(), 100).await;
    items.expect("reads").len()
}

async fn a_batch_answers_each_entry_by_itself(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let plan = format!("CarePlan/{}", world.id("CarePlan", "plan", "CP-22041").await);
    let read = maple.get(&plan).await;
    let mut proposed = entry(
        "PATCH",
        &plan,
        patch(&json!([{"op": "replace", "path": "/title", "value": "Winter"}])),
    );
    proposed["request"]["ifMatch"] = read.header("etag").into();
    let mut known = entry("GET", &plan, Value::Null);
    known["request"]["ifNoneMatch"] = read.header("etag").into();
    let entries = vec![
        entry("GET", &plan, Value::Null),
        entry("POST", "Observation", observation(&rosa, "O-1")),
        entry("GET", &format!("Patient/{}", "0".repeat(32)), Value::Null),
        entry("GET", &format!("Goal?patient={rosa}"), Value::Null),
        entry("DELETE", &plan, Value::Null),
        proposed,
        entry("PUT", &plan, read.json()),
        entry("POST", "Goal", json!({"resourceType": "Goal"})),
        entry("GET", &format!("Goal?patient={rosa}&no-such=1"), Value::Null),
        known,
        entry("GET", "Nothing/x", Value::Null),
    ];
    let answer = post(&maple, &bundle("batch", entries)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["type"], "batch-response");
    let wanted = [
        "200", "201", "404", "200", "405", "202", "400", "405", "400", "304", "404",
    ];
    assert_eq!(statuses(&answer), wanted, "{}", answer.text());
    assert_eq!(body["entry"][0]["resource"], read.json(), "as by itself");
    assert_eq!(body["entry"][3]["resource"]["type"], "searchset");
    let made = &body["entry"][1];
    let path = made["response"]["location"].as_str().expect("where it is");
    let path = path
        .strip_prefix("https://postern.test/fhir/")
        .expect("our address");
    let path = path.split("/_history/").next().expect("an address");
    assert_eq!(maple.get(path).await.json(), made["resource"]);
    let told = &body["entry"][2]["response"]["outcome"]["issue"][0];
    assert_eq!(told["code"], "not-found");
    assert_eq!(maple.get(&plan).await.json(), read.json(), "proposed, not done");
}

async fn a_transaction_is_made_whole(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let plan = world.id("CarePlan", "plan", "CP-22041").await;
    let number = maple.get(&format!("CarePlan/{plan}")).await.json()["identifier"][0].clone();
    let number = format!(
        "{}|{}",
        number["system"].as_str().expect("a system"),
        number["value"].as_str().expect("a value")
    );
    let mut entries = referral(&rosa);
    entries.push(entry(
        "GET",
        &format!("ServiceRequest?patient={rosa}"),
        Value::Null,
    ));
    let mut noted = observation(&rosa, "O-1");
    // By what the writer sees of it already.
    noted["basedOn"] = json!([{"reference": format!("CarePlan?identifier={number}")}]);
    entries.push(entry("POST", "Observation", noted));
    let answer = post(&maple, &bundle("transaction", entries)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        statuses(&answer),
        ["201", "201", "200", "201"],
        "{}",
        answer.text()
    );
    let body = answer.json();
    let (task, request) = (&body["entry"][0]["resource"], &body["entry"][1]["resource"]);
    let name = format!("ServiceRequest/{}", request["id"].as_str().expect("an id"));
    assert_eq!(task["focus"]["reference"].as_str(), Some(name.as_str()));
    let found = body["entry"][2]["resource"]["entry"].to_string();
    assert!(
        found.contains(&format!("https://postern.test/fhir/{name}")),
        "what is read is read after what is written"
    );
    let based = &body["entry"][3]["resource"]["basedOn"][0]["reference"];
    assert_eq!(based.as_str(), Some(format!("CarePlan/{plan}").as_str()));
    let created = world.events().await;
    assert_eq!(created.iter().filter(|event| event.kind == "create").count(), 3);
    // Its Task is the writer's to move from here on, in a transaction too.
    let path = format!("Task/{}", task["id"].as_str().expect("an id"));
    let mut cancelled = entry(
        "PATCH",
        &path,
        patch(&json!([{"op": "add", "path": "/note", "value": [{"text": "She asked us to wait."}]}])),
    );
    cancelled["request"]["ifMatch"] = body["entry"][0]["response"]["etag"].clone();
    let again = bundle("transaction", vec![cancelled]);
    let answer = post(&maple, &again).await;
    assert_eq!(statuses(&answer), ["200"], "{}", answer.text());
    // Not heard, and said again: done already, not another version.
    assert_eq!(post(&maple, &again).await.body, answer.body);
}

async fn a_transaction_with_one_wrong_entry_makes_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let plan = format!("CarePlan/{}", world.id("CarePlan", "plan", "CP-22041").await);
    let before = (observations(&maple, &rosa).await, waiting(&world).await);
    let mut stale = entry(
        "PATCH",
        &plan,
        patch(&json!([{"op": "replace", "path": "/title", "value": "Winter"}])),
    );
    stale["request"]["ifMatch"] = "W/\"0123456789abcdef\"".into();
    let mut nobody = observation(&"0".repeat(32), "O-2");
    nobody["note"] = json!([{"text": "Penicillin"}]);
    let good = || entry("POST", "Observation", observation(&rosa, "O-1"));
    for (wrong, status, place) in [
        (stale, 412, "Bundle.entry[1]"),
        (
            entry("POST", "Observation", nobody),
            422,
            "Bundle.entry[1].resource",
        ),
        (entry("DELETE", &plan, Value::Null), 405, "Bundle.entry[1]"),
        (entry("GET", "Nothing/x", Value::Null), 404, "Bundle.entry[1]"),
        (
            entry("PUT", &plan, maple.get(&plan).await.json()),
            400,
            "Bundle.entry[1]",
        ),
    ] {
        let answer = post(&maple, &bundle("transaction", vec![good(), wrong])).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        let outcome = answer.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let said = outcome["issue"][0]["expression"][0].as_str().unwrap_or_default();
        assert!(said.starts_with(place), "{said}");
        assert!(!answer.text().contains("Penicillin"));
    }
    let after = (observations(&maple, &rosa).await, waiting(&world).await);
    assert_eq!(before, after);
    let created = world.events().await;
    assert!(
        created
            .iter()
            .all(|event| event.kind != "create" && event.kind != "proposal")
    );
}

/// The database gives up in the middle of the one change that a transaction is: nothing of it stays, and it may be said again.
async fn a_transaction_that_cannot_be_recorded_makes_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let before = (observations(&maple, &rosa).await, waiting(&world).await);
    let mut entries: Vec<Value> = (0..20)
        .map(|number| entry("POST", "Observation", observation(&rosa, &format!("O-{number}"))))
        .collect();
    entries.extend(referral(&rosa));
    let all = bundle("transaction", entries);
    // Work items are put after resources and before the log.
    for table in ["work_item", "audit_event"] {
        let (lose, find) = match table {
            "work_item" => (
                "ALTER TABLE work_item RENAME TO work_item_lost",
                "ALTER TABLE work_item_lost RENAME TO work_item",
            ),
            _ => (
                "ALTER TABLE audit_event RENAME TO audit_event_lost",
                "ALTER TABLE audit_event_lost RENAME TO audit_event",
            ),
        };
        super::story_outage::accident(&world, engine, lose).await;
        let answer = post(&maple, &all).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        super::story_outage::accident(&world, engine, find).await;
        let after = (observations(&maple, &rosa).await, waiting(&world).await);
        assert_eq!(before, after, "without {table}");
    }
    let answer = post(&maple, &all).await;
    assert_eq!(statuses(&answer).len(), 22, "{}", answer.text());
    assert!(statuses(&answer).iter().all(|status| status == "201"));
    assert_eq!(waiting(&world).await, before.1 + 22);
}

async fn the_same_transaction_is_made_once(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let before = waiting(&world).await;
    let all = bundle("transaction", referral(&rosa));
    let other = world.another_process().await;
    let elsewhere = other.send(posted(&all).bearer(&maple.token));
    let (one, two) = tokio::join!(post(&maple, &all), elsewhere);
    assert_eq!(
        (one.status, two.status),
        (200, 200),
        "{} {}",
        one.text(),
        two.text()
    );
    assert_eq!(one.body, two.body);
    world.clock.advance(200);
    assert_eq!(post(&maple, &all).await.body, one.body);
    assert_eq!(waiting(&world).await, before + 2);
}

async fn two_entries_of_a_batch_are_no_retry(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let before = waiting(&world).await;
    let same = || entry("POST", "Observation", observation(&rosa, "O-1"));
    let batch = bundle("batch", vec![same(), same()]);
    let answer = post(&maple, &batch).await;
    assert_eq!(statuses(&answer), ["201", "201"]);
    let made = |answer: &Answer, at: usize| answer.json()["entry"][at]["resource"]["id"].clone();
    assert_ne!(made(&answer, 0), made(&answer, 1), "said twice, kept twice");
    assert_eq!(waiting(&world).await, before + 2);
    let again = post(&maple, &batch).await;
    assert_eq!(statuses(&again), ["201", "201"]);
    for at in [0, 1] {
        assert_eq!(
            made(&again, at),
            made(&answer, at),
            "the whole batch again is a retry"
        );
    }
    assert_eq!(waiting(&world).await, before + 2);
}

/// An observation in words of its own, on the condition that none has this identifier.
fn unless_there(person: &str, value: &str, words: usize) -> (Value, String) {
    let mut body = observation(person, value);
    body["note"] = json!([{"text": format!("Said {words}.")}]);
    (body, format!("identifier=https://ehr.test/observation|{value}"))
}

async fn a_condition_holds_when_many_create_at_once(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let other = world.another_process().await;
    let doors = [world.door(), other.door()];
    // By themselves, in transactions, and both mixed.
    for (value, every) in [("M-1", usize::MAX), ("M-2", 1), ("M-3", 2)] {
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (body, condition) = unless_there(&rosa, value, number);
            let ask = if (number + 1) % every == 0 {
                let mut one = entry("POST", "Observation", body);
                one["request"]["ifNoneExist"] = condition.into();
                posted(&bundle("transaction", vec![one]))
            } else {
                crate::harness::creation(&body).with("if-none-exist", &condition)
            };
            let (door, ask) = (doors[number / 2 % 2].clone(), ask.bearer(&maple.token));
            let ask = ask.with("x-request-id", &format!("{value}-{number}"));
            asking.spawn(async move { door.send(ask).await.expect("HTTP") });
        }
        for answer in asking.join_all().await {
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        }
        let kept = observations(&maple, &rosa).await;
        let mut with_it = Vec::new();
        for path in kept {
            if maple.get(&path).await.json()["identifier"][0]["value"] == value {
                with_it.push(path);
            }
        }
        assert_eq!(with_it.len(), 1, "{value}: {with_it:?}");
    }
}

async fn a_condition_holds_inside_a_transaction(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let unless = |value: &str| {
        let mut one = entry("POST", "Observation", observation(&rosa, value));
        one["request"]["ifNoneExist"] = format!("identifier=https://ehr.test/observation|{value}").into();
        one
    };
    let first = post(&maple, &bundle("transaction", vec![unless("O-1")])).await;
    assert_eq!(statuses(&first), ["201"]);
    let both = post(&maple, &bundle("transaction", vec![unless("O-2"), unless("O-1")])).await;
    assert_eq!(statuses(&both), ["201", "200"], "{}", both.text());
    assert_eq!(
        both.json()["entry"][1]["resource"],
        first.json()["entry"][0]["resource"]
    );
    let twice = post(&maple, &bundle("transaction", vec![unless("O-3"), unless("O-3")])).await;
    assert_eq!(twice.status, 400, "{}", twice.text());
    let mut led = observation(&rosa, "O-4");
    led["derivedFrom"] =
        json!([{"reference": "Observation?identifier=https://ehr.test/observation|nothing"}]);
    let nowhere = post(
        &maple,
        &bundle("transaction", vec![entry("POST", "Observation", led)]),
    )
    .await;
    assert_eq!(nowhere.status, 422, "{}", nowhere.text());
}

async fn what_no_bundle_may_be(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let many = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|_| entry("GET", &format!("Patient/{rosa}"), Value::Null))
            .collect()
    };
    for wrong in [
        bundle("searchset", vec![]),
        bundle("history", vec![]),
        bundle("batch", many(101)),
        bundle("transaction", many(101)),
        json!({"resourceType": "Patient"}),
        json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET"}}]}),
        json!({"resourceType": "Bundle", "type": "batch", "entry": {"request": 1}}),
    ] {
        let answer = post(&maple, &wrong).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    let most = post(&maple, &bundle("batch", many(100))).await;
    assert_eq!(statuses(&most).len(), 100);
    let none = post(&maple, &json!({"resourceType": "Bundle", "type": "batch"})).await;
    assert_eq!((none.status, statuses(&none).len()), (200, 0), "{}", none.text());
    let text = maple
        .send(Ask::post("/fhir", "hello").with("content-type", "text/plain"))
        .await;
    assert_eq!(text.status, 415);
    assert_eq!(world.send(posted(&bundle("batch", many(1)))).await.status, 401);
    let minimal = maple
        .send(
            posted(&bundle(
                "transaction",
                vec![entry("POST", "Observation", observation(&rosa, "O-1"))],
            ))
            .with("prefer", "return=minimal"),
        )
        .await;
    let body = minimal.json();
    assert_eq!(statuses(&minimal), ["201"]);
    assert!(body["entry"][0].get("resource").is_none() && body["entry"][0]["response"]["etag"].is_string());
}

async fn scopes_hold_for_each_entry(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut maple = world.writer(MAPLE).await;
    let both = |value: &str| {
        vec![
            entry("GET", &format!("Patient/{rosa}"), Value::Null),
            entry("POST", "Observation", observation(&rosa, value)),
        ]
    };
    maple.narrow("system/Patient.r").await;
    let answer = post(&maple, &bundle("batch", both("O-1"))).await;
    assert_eq!(statuses(&answer), ["200", "403"]);
    assert_eq!(
        post(&maple, &bundle("transaction", both("O-1"))).await.status,
        403
    );
    maple.narrow("system/Observation.c").await;
    let answer = post(&maple, &bundle("batch", both("O-1"))).await;
    assert_eq!(statuses(&answer), ["403", "201"]);
    assert!(
        answer.json()["entry"][1].get("resource").is_none(),
        "who may not read is shown nothing"
    );
}
