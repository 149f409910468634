//! Disclosures that staff make by hand: what is missing is listed, what the law bars does not leave, what leaves is on the log with
//! decider, ground, recipient and order, and legal process takes two persons. 45 CFR 164.512(c), (e), (j), 164.510(b)

use axum::http::Method;
use postern_rules::disclosure::Record;
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, Engine, Person, World, stories};

stories!(
    a_threat_is_disclosed_on_recorded_facts_and_part_2_content_is_barred,
    missing_facts_are_listed_and_only_the_refusal_is_recorded,
    legal_process_takes_an_order_and_two_persons,
    each_ground_has_its_own_facts_and_roles,
);

async fn staff(world: &World, id: &str, role: &str) -> String {
    let added = world
        .gateway
        .add_staff(id, id, role, false, "test operator")
        .await;
    added.expect("a known role")
}

async fn disclose(world: &World, token: &str, body: &Value) -> Answer {
    world
        .send(Ask::post("/staff/disclosures", body.to_string()).bearer(token))
        .await
}

async fn approve(world: &World, token: &str, work: &str) -> Answer {
    let path = format!("/staff/disclosures/{work}/approve");
    world
        .send(Ask::post(&path, "").method(Method::POST).bearer(token))
        .await
}

fn is_part2(body: &Value) -> bool {
    body["meta"]["security"]
        .as_array()
        .is_some_and(|labels| labels.iter().any(|label| label["code"] == "42CFRPart2"))
}

/// A resource of this type, of a Part 2 program or not.
fn one(record: &Record, resource_type: &str, part2: bool) -> String {
    let found = record
        .of_type(resource_type)
        .find(|one| is_part2(&one.body) == part2);
    found.expect("the demo has one").reference()
}

fn threat(patient: &str, what: &[&str]) -> Value {
    json!({"patient": patient, "basis": "164.512(j)", "what": what,
        "recipient": {"name": "Sangamon County Sheriff, Lt. Ode", "address": "1 Sheriff's Plaza"},
        "decider": "Dr. Amara Quill-Synthetic", "why": "named a person and a time; has the means",
        "facts": ["serious-and-imminent", "recipient-can-lessen"]})
}

async fn a_threat_is_disclosed_on_recorded_facts_and_part_2_content_is_barred(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let kim = staff(&world, "kim", "clinical").await;
    let rosa = world.id_of(Person::ROSA).await;
    let record = world.gateway.load_record(&rosa).await.expect("reads");
    let risk = one(&record, "RiskAssessment", false);
    let answer = disclose(&world, &kim, &threat(&rosa, &[&risk])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bundle = answer.json();
    assert_eq!(
        (&bundle["resourceType"], &bundle["type"]),
        (&json!("Bundle"), &json!("collection"))
    );
    let sent: Vec<String> = bundle["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| {
            format!(
                "{}/{}",
                entry["resource"]["resourceType"].as_str().unwrap_or(""),
                entry["resource"]["id"].as_str().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(sent.len(), 2);
    assert!(sent.contains(&risk) && sent.contains(&format!("Patient/{rosa}")));
    for entry in bundle["entry"].as_array().expect("entries") {
        assert!(
            entry["resource"]["text"]["div"].is_string() && entry["resource"]["meta"]["security"].is_array()
        );
    }
    let events = world.events().await;
    let event = events.last().expect("an event");
    assert_eq!(
        (event.kind.as_str(), event.actor.as_str(), event.purpose.as_str()),
        ("disclosure", "kim", "THREAT")
    );
    for told in [
        "threat-164.512(j)",
        "Quill",
        "named a person",
        "Sheriff",
        "Plaza",
        "serious-and-imminent",
        "kim",
    ] {
        assert!(event.body.contains(told), "{told}");
    }
    let opioid = one(&record, "Condition", true);
    let before = world.events().await.len();
    let barred = disclose(&world, &kim, &threat(&rosa, &[&risk, &opioid])).await;
    assert_eq!(barred.status, 400);
    assert!(
        barred.text().contains("what[1]") && barred.text().contains("part 2"),
        "{}",
        barred.text()
    );
    let events = world.events().await;
    assert_eq!(
        (events.len(), events[before].kind.as_str()),
        (before + 1, "refusal")
    );
}

async fn missing_facts_are_listed_and_only_the_refusal_is_recorded(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let kim = staff(&world, "kim", "compliance").await;
    let rosa = world.id_of(Person::ROSA).await;
    let before = world.events().await.len();
    let bare = json!({"patient": rosa, "basis": "164.512(j)", "recipient": {"name": "x"}, "why": "y", "what": ["Goal/none"]});
    let answer = disclose(&world, &kim, &bare).await;
    assert_eq!(answer.status, 400);
    let issues = answer.json()["issue"].as_array().map_or(0, Vec::len);
    assert_eq!(issues, 3, "two facts and a resource: {}", answer.text());
    for wrong in [json!({}), json!([]), json!({"basis": "164.999"})] {
        assert_eq!(disclose(&world, &kim, &wrong).await.status, 400);
    }
    let unknown = disclose(&world, &kim, &threat("nobody", &["Goal/1"])).await;
    assert_eq!(unknown.status, 400);
    let events = world.events().await.split_off(before);
    assert!(events.iter().all(|event| event.kind == "refusal") && events.len() == 5);
    assert!(events.iter().all(|event| !event.body.contains("named a person")));
}

async fn legal_process_takes_an_order_and_two_persons(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (kim, lee) = (
        staff(&world, "kim", "compliance").await,
        staff(&world, "lee", "compliance").await,
    );
    let clinical = staff(&world, "ola", "clinical").await;
    let rosa = world.id_of(Person::ROSA).await;
    let record = world.gateway.load_record(&rosa).await.expect("reads");
    let opioid = one(&record, "Condition", true);
    let mut asked = json!({"patient": rosa, "basis": "164.512(e)", "what": [opioid], "dataSet": "primary-care",
        "recipient": {"name": "Circuit Court, 7th Judicial Circuit"}, "why": "order of 2026-11-18",
        "facts": ["legal-review", "order-under-part2"],
        "order": {"contentType": "application/pdf", "data": "b3JkZXI="}});
    let alone = disclose(&world, &kim, &asked).await;
    assert_eq!(alone.status, 400, "an order under Part 2 alone compels nothing");
    assert!(alone.text().contains("subpoena"), "{}", alone.text());
    asked["subpoena"] = json!({"contentType": "application/pdf", "data": "c3VicG9lbmE="});
    assert_eq!(
        disclose(&world, &clinical, &asked).await.status,
        403,
        "orders are for compliance"
    );
    let waits = disclose(&world, &kim, &asked).await;
    assert_eq!(waits.status, 202, "{}", waits.text());
    let work = waits.json()["work"].as_str().expect("a work item").to_owned();
    assert!(
        world
            .events()
            .await
            .iter()
            .all(|event| event.kind != "disclosure"),
        "nothing has left"
    );
    assert_eq!(
        approve(&world, &kim, &work).await.status,
        409,
        "never the same person"
    );
    assert_eq!(approve(&world, &clinical, &work).await.status, 403);
    assert_eq!(approve(&world, &lee, "none").await.status, 404);
    let released = approve(&world, &lee, &work).await;
    assert_eq!(released.status, 200, "{}", released.text());
    assert!(
        released.text().contains("42 CFR part 2 prohibits"),
        "the notice travels"
    );
    let event = world.events().await.pop().expect("an event");
    assert_eq!(event.kind, "disclosure");
    let order = postern_rules::log::Digest::of(b"order").hex();
    for told in [
        "legal-process-164.512(e)",
        "Circuit Court",
        order.as_str(),
        "kim",
        "lee",
    ] {
        assert!(event.body.contains(told), "{told}");
    }
    assert_eq!(approve(&world, &lee, &work).await.status, 409, "once");
    let item = world
        .gateway
        .store
        .work_item(&work)
        .await
        .expect("reads")
        .expect("it is there");
    assert_eq!(
        (item.state.as_str(), item.owner.as_deref()),
        ("settled", Some("lee"))
    );
}

async fn each_ground_has_its_own_facts_and_roles(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let record = world.gateway.load_record(&rosa).await.expect("reads");
    let allergy = one(&record, "AllergyIntolerance", false);
    let of = |basis: &str, facts: Value, informed: Value| {
        let mut asked = json!({"patient": rosa, "basis": basis, "what": [allergy], "why": "because", "facts": facts,
            "recipient": {"name": "Carmen, sister"}});
        if informed.is_string() {
            asked["informed"] = informed;
        }
        asked
    };
    let involved = of(
        "164.510(b)",
        json!([
            "directly-relevant",
            "present-and-capable",
            "agreed-or-did-not-object"
        ]),
        json!(null),
    );
    let abuse = of(
        "164.512(c)",
        json!(["required-by-law"]),
        json!("told on 2026-11-21"),
    );
    for role in ["frontline", "admin"] {
        let token = staff(&world, role, role).await;
        assert_eq!(disclose(&world, &token, &involved).await.status, 403, "{role}");
    }
    let kim = staff(&world, "kim", "clinical").await;
    assert_eq!(disclose(&world, &kim, &involved).await.status, 200);
    assert_eq!(disclose(&world, &kim, &abuse).await.status, 200);
    let told = world.events().await.pop().expect("an event");
    assert!(told.body.contains("told on 2026-11-21") && told.body.contains("abuse-report-164.512(c)"));
    let absent = of("164.510(b)", json!(["directly-relevant"]), json!(null));
    let uninformed = of("164.512(c)", json!(["required-by-law"]), json!(null));
    let foreign = of("164.510(b)", json!(["serious-and-imminent"]), json!(null));
    for asked in [absent, uninformed, foreign] {
        assert_eq!(disclose(&world, &kim, &asked).await.status, 400);
    }
}
