//! What a partner states: kept under its name, seen by nobody else until staff accept it; said twice, kept once.
//! <https://hl7.org/fhir/R4/http.html#create>, 42 CFR 2.12(d)(2)

use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, World, demo_record, stories,
};

stories!(
    a_statement_is_seen_by_its_writer_alone_until_staff_accept_it,
    a_declined_statement_stays_its_writers_own,
    what_is_said_twice_is_kept_once,
    a_condition_looks_at_the_writers_own_alone,
    who_says_so_is_set_from_the_registration,
    what_a_statement_may_not_do,
    a_part_2_statement_keeps_its_law,
    a_statement_changes_until_it_is_accepted_then_by_proposal,
);

fn observation(person: &str, value: &str) -> Value {
    json!({"resourceType": "Observation", "status": "final",
        "identifier": [{"system": "https://ehr.test/observation", "value": value}],
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "social-history"}]}],
        "code": {"coding": [{"system": "https://postern.example/fhir/CodeSystem/plan-content", "code": "presentation"}], "text": "Current presentation"},
        "subject": {"reference": format!("Patient/{person}")}, "effectiveDateTime": "2026-11-21",
        "valueString": "She is sleeping better."})
}

pub(super) async fn staff(world: &World) -> String {
    let added = world
        .gateway
        .add_staff("kim", "Kim Ito", "clinical", false, "test operator")
        .await;
    added.expect("a known role")
}

/// Staff take the one open item of this kind, and decide.
pub(super) async fn decide(world: &World, token: &str, kind: &str, decision: Value) -> Answer {
    let listed = world.send(Ask::get("/staff/work").bearer(token)).await.json();
    let items = listed["work"].as_array().cloned().unwrap_or_default();
    let item = items
        .iter()
        .find(|item| item["kind"] == kind)
        .expect("an item of this kind");
    let path = format!("/staff/work/{}", item["id"].as_str().expect("an id"));
    let taken = world
        .send(Ask::post(&format!("{path}/take"), "").bearer(token))
        .await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let shown = world.send(Ask::get(&path).bearer(token)).await.json();
    assert_eq!(shown["about"]["partner"], "maple");
    world
        .send(Ask::post(&format!("{path}/settle"), decision.to_string()).bearer(token))
        .await
}

pub(super) fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    format!(
        "{}/{}",
        body["resourceType"].as_str().expect("a type"),
        body["id"].as_str().expect("an id")
    )
}

pub(super) async fn rosa_and<'w>(world: &'w World) -> (String, Partner<'w>, Partner<'w>) {
    (
        world.id_of(Person::ROSA).await,
        world.writer(MAPLE).await,
        world.partner(BRIGID).await,
    )
}

async fn a_statement_is_seen_by_its_writer_alone_until_staff_accept_it(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, brigid) = rosa_and(&world).await;
    let answer = maple.create(&observation(&rosa, "O-1")).await;
    let path = made(&answer);
    let version = answer
        .header("etag")
        .trim_start_matches("W/")
        .trim_matches('"')
        .to_owned();
    assert_eq!(
        answer.header("location"),
        format!("https://postern.test/fhir/{path}/_history/{version}")
    );
    assert!(!answer.header("last-modified").is_empty());
    let search = format!("Observation?patient={rosa}");
    let finds = async |partner: &Partner<'_>| partner.get(&search).await.references().contains(&path);
    assert!(finds(&maple).await && !finds(&brigid).await);
    assert_eq!(
        (maple.get(&path).await.status, brigid.get(&path).await.status),
        (200, 404)
    );
    let kim = staff(&world).await;
    let settled = decide(
        &world,
        &kim,
        "contribution",
        json!({"accept": true, "outcome": "Fits what we see."}),
    )
    .await;
    assert_eq!(
        (settled.status, settled.json()["state"].as_str()),
        (200, Some("settled")),
        "{}",
        settled.text()
    );
    assert!(finds(&brigid).await, "part of the record now");
    assert_eq!(
        maple.get(&path).await.body,
        answer.body,
        "its writer sees no difference"
    );
    let events = world.events().await;
    let created = events
        .iter()
        .find(|event| event.kind == "create")
        .expect("an event");
    assert!(created.body.contains("IHE.BasicAudit.PatientCreate") && created.body.contains(&path));
    let decided = events
        .iter()
        .rfind(|event| event.kind == "work-settled")
        .expect("an event");
    assert!(
        decided.actor.contains("kim") && decided.body.contains("accepted") && !decided.body.contains("Fits")
    );
}

async fn a_declined_statement_stays_its_writers_own(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, brigid) = rosa_and(&world).await;
    let answer = maple.create(&observation(&rosa, "O-1")).await;
    let path = made(&answer);
    let kim = staff(&world).await;
    let settled = decide(
        &world,
        &kim,
        "contribution",
        json!({"accept": false, "outcome": ""}),
    )
    .await;
    assert_eq!(
        settled.status,
        400,
        "a rejection has a reason: {}",
        settled.text()
    );
    let listed = world.send(Ask::get("/staff/work").bearer(&kim)).await.json();
    let item = listed["work"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|item| item["kind"] == "contribution");
    let id = item.expect("it is there")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let body = json!({"accept": false, "outcome": "Another person."}).to_string();
    let settled = world
        .send(Ask::post(&format!("/staff/work/{id}/settle"), body).bearer(&kim))
        .await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    assert_eq!(brigid.get(&path).await.status, 404);
    assert_eq!(maple.get(&path).await.body, answer.body);
    // Stated anew it waits again.
    let mut again = answer.json();
    again["valueString"] = "She sleeps six hours.".into();
    assert_eq!(maple.put(answer.header("etag"), &again).await.status, 200);
    let settled = decide(
        &world,
        &kim,
        "contribution",
        json!({"accept": true, "outcome": "Asked her."}),
    )
    .await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    assert_eq!(brigid.get(&path).await.status, 200);
}

async fn what_is_said_twice_is_kept_once(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let body = observation(&rosa, "O-1");
    let (one, other) = tokio::join!(maple.create(&body), maple.create(&body));
    assert_eq!(
        (one.status, other.status),
        (201, 201),
        "{} {}",
        one.text(),
        other.text()
    );
    assert_eq!(
        (one.header("location"), &one.body),
        (other.header("location"), &other.body)
    );
    world.clock.advance(200);
    assert_eq!(maple.create(&body).await.body, one.body);
    let found = maple
        .get(&format!(
            "Observation?patient={rosa}&identifier=https://ehr.test/observation|O-1"
        ))
        .await;
    assert_eq!(found.json()["total"], 1);
    let items = world
        .gateway
        .store
        .work_items(&postern::store::WorkFilter::default(), 100)
        .await
        .expect("reads");
    assert_eq!(items.iter().filter(|item| item.kind == "contribution").count(), 1);
}

async fn a_condition_looks_at_the_writers_own_alone(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let riverside = world.writer(RIVERSIDE).await;
    let unless =
        |body: &Value, condition: &str| crate::harness::creation(body).with("if-none-exist", condition);
    let condition = "identifier=https://ehr.test/observation|O-7";
    let first = maple.send(unless(&observation(&rosa, "O-7"), condition)).await;
    let path = made(&first);
    let second = maple.send(unless(&observation(&rosa, "O-7"), condition)).await;
    assert_eq!(
        (second.status, &second.body),
        (200, &first.body),
        "{}",
        second.text()
    );
    assert_eq!(second.header("location"), first.header("location"));
    // What Maple Street wrote is nothing to Riverside.
    let theirs = riverside
        .send(unless(&observation(&rosa, "O-7"), condition))
        .await;
    assert_ne!(made(&theirs), path);
    let mut other = observation(&rosa, "O-7");
    other["valueString"] = "Another day.".into();
    assert_eq!(maple.create(&other).await.status, 201);
    let several = maple.send(unless(&other, condition)).await;
    assert_eq!(several.status, 412, "{}", several.text());
    for condition in ["status=final", "identifier=x|y&unknown=1", "", "name=x"] {
        let refused = maple.send(unless(&other, condition)).await;
        assert_eq!(refused.status, 400, "{condition}: {}", refused.text());
    }
}

async fn who_says_so_is_set_from_the_registration(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let stated = maple.create(&observation(&rosa, "O-1")).await.json();
    assert_eq!(stated["performer"][0]["identifier"]["value"], MAPLE.npi);
    assert_eq!(stated["performer"][0]["display"], MAPLE.name);
    let mut named = observation(&rosa, "O-2");
    named["performer"] = json!([{"display": "Dr. Ana Ruiz"}]);
    let stated = maple.create(&named).await.json();
    assert_eq!(stated["performer"][1]["display"], "Dr. Ana Ruiz");
    assert_eq!(stated["performer"][0]["identifier"]["value"], MAPLE.npi);
    let mut foreign = observation(&rosa, "O-3");
    foreign["performer"] =
        json!([{"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": RIVERSIDE.npi}}]);
    assert_eq!(maple.create(&foreign).await.status, 422);
    let mut labelled = observation(&rosa, "O-4");
    labelled["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"},
        {"system": "https://postern.example/fhir/CodeSystem/part2-basis", "code": "received-tpo"}], "versionId": "7"});
    let stated = maple.create(&labelled).await.json();
    let labels = stated["meta"]["security"].to_string();
    assert!(
        labels.contains("\"HIV\"") && !labels.contains("received-tpo"),
        "{labels}"
    );
}

async fn what_a_statement_may_not_do(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let marcus = "0".repeat(32);
    let hidden = {
        world.import(&demo_record("care-plan", "tamsin")).await;
        world.id_of(Person::TAMSIN).await
    };
    let refused = async |body: &Value, status: u16| {
        let answer = maple.create(body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()
    };
    let nobody = refused(&observation(&marcus, "O-1"), 422).await;
    assert_eq!(
        refused(&observation(&hidden, "O-1"), 422).await,
        nobody,
        "absent and hidden are one"
    );
    let mut body = observation(&rosa, "O-1");
    body.as_object_mut().expect("an object").shift_remove("subject");
    refused(&body, 422).await;
    for (name, value) in [
        ("contained", json!([{"resourceType": "Device", "id": "d"}])),
        (
            "modifierExtension",
            json!([{"url": "http://x.test", "valueBoolean": true}]),
        ),
        ("implicitRules", json!("http://x.test")),
        (
            "extension",
            json!([{"url": "https://postern.example/fhir/StructureDefinition/reported-by", "valueString": "x"}]),
        ),
        ("device", json!({"reference": "Device/none"})),
        (
            "device",
            json!({"reference": "https://elsewhere.test/fhir/Device/1"}),
        ),
        ("statuss", json!("final")),
    ] {
        let mut body = observation(&rosa, "O-1");
        body[name] = value;
        refused(&body, 422).await;
    }
    for kind in ["CarePlan", "Goal", "Consent", "Patient", "Organization"] {
        let answer = maple.create(&json!({"resourceType": kind})).await;
        assert!(matches!(answer.status, 403 | 405), "{kind}: {}", answer.text());
    }
    let large = json!({"resourceType": "DocumentReference", "status": "current", "type": {"text": "Note"},
        "subject": {"reference": format!("Patient/{rosa}")},
        "content": [{"attachment": {"contentType": "text/plain", "data": "QUJD".repeat(400_000)}}]});
    refused(&large, 422).await;
    let elsewhere = json!({"resourceType": "DocumentReference", "status": "current", "type": {"text": "Note"},
        "subject": {"reference": format!("Patient/{rosa}")},
        "content": [{"attachment": {"contentType": "text/plain", "url": "https://elsewhere.test/note"}}]});
    refused(&elsewhere, 422).await;
    assert!(
        world
            .gateway
            .store
            .work_items(&postern::store::WorkFilter::default(), 100)
            .await
            .expect("reads")
            .iter()
            .all(|item| item.kind != "contribution")
    );
}

async fn a_part_2_statement_keeps_its_law(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, brigid) = rosa_and(&world).await;
    let mut body = observation(&rosa, "O-1");
    body["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}]});
    let answer = maple.create(&body).await;
    let path = made(&answer);
    assert!(
        answer.json()["meta"]["security"]
            .to_string()
            .contains("42CFRPart2")
    );
    let kim = staff(&world).await;
    let settled = decide(
        &world,
        &kim,
        "contribution",
        json!({"accept": true, "outcome": "Known."}),
    )
    .await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    let theirs = brigid.get(&path).await;
    assert_eq!(
        theirs.status,
        200,
        "received, and HIPAA decides from here: {}",
        theirs.text()
    );
    assert!(
        theirs.text().contains("42 CFR part 2 prohibits"),
        "with its notice"
    );
}

async fn a_statement_changes_until_it_is_accepted_then_by_proposal(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let answer = maple.create(&observation(&rosa, "O-1")).await;
    let path = made(&answer);
    let patch = |text: &str| json!([{"op": "replace", "path": "/valueString", "value": text}]);
    let changed = maple
        .patch(&path, answer.header("etag"), patch("She naps."))
        .await;
    assert_eq!(
        (changed.status, changed.json()["valueString"].as_str()),
        (200, Some("She naps.")),
        "{}",
        changed.text()
    );
    let kim = staff(&world).await;
    assert_eq!(
        decide(
            &world,
            &kim,
            "contribution",
            json!({"accept": true, "outcome": ""})
        )
        .await
        .status,
        200
    );
    let read = maple.get(&path).await;
    assert_eq!(read.header("etag"), changed.header("etag"));
    let proposed = maple
        .patch(&path, read.header("etag"), patch("She sleeps."))
        .await;
    assert_eq!(proposed.status, 202, "{}", proposed.text());
    assert_eq!(maple.get(&path).await.body, changed.body);
    assert_eq!(
        decide(
            &world,
            &kim,
            "proposal",
            json!({"accept": true, "outcome": "Yes."})
        )
        .await
        .status,
        200
    );
    assert_eq!(maple.get(&path).await.json()["valueString"], "She sleeps.");
}
