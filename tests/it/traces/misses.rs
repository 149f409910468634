//! What is not found, and what it takes not to find it; ids; limits; emergencies. <https://hl7.org/fhir/R4/http.html#read>

use axum::http::Method;
use serde_json::json;

use super::*;
use crate::harness::RIVERSIDE;

pub async fn s08_absent_foreign_and_withheld_are_one_answer(engine: Engine) {
    let world = closed(engine).await;
    world.import(&demo_record("care-plan", "tamsin")).await;
    let maple = world.partner(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    assert_eq!(maple.get(&format!("Patient/{rosa}")).await.status, 200);
    let mut ids = hidden(&world).await;
    ids.push(format!("Patient/{}", world.id_of(Person::TAMSIN).await));
    for id in ids {
        let kind = id.split('/').next().expect("a type");
        let forms = |reference: &str| {
            let path = format!("/fhir/{reference}");
            [
                Ask::get(&path),
                Ask::get(&path).with("accept", "application/fhir+xml"),
                Ask::get(&path).with("if-none-match", "*"),
                Ask::get(&path).method(Method::HEAD),
                Ask::get(&path).method(Method::DELETE),
                Ask::get(&path).method(Method::PUT).with("if-match", "W/\"1\""),
                Ask::get(&format!("{path}/_history")),
                Ask::get(&format!("{path}/_history/1")),
            ]
        };
        let absent = forms(&format!("{kind}/{NOBODY}"));
        for (ask, absent) in forms(&id).into_iter().zip(absent) {
            let what = format!("{} {id}", ask.method);
            assert_eq!(
                told(&maple.send(ask).await),
                told(&maple.send(absent).await),
                "{what}"
            );
        }
    }
}

pub async fn s09_conditional_writes_tell_nothing(engine: Engine) {
    let world = closed(engine).await;
    let maple = world.partner(MAPLE).await;
    let id = hidden(&world).await.swap_remove(0);
    let id = id.trim_start_matches("Condition/");
    for (method, path, header) in [
        (Method::POST, "/fhir/Condition".to_owned(), "if-none-exist"),
        (Method::PUT, "/fhir/Condition?_id=ID".to_owned(), "if-match"),
        (Method::DELETE, "/fhir/Condition?_id=ID".to_owned(), "if-match"),
        (Method::PATCH, "/fhir/Condition/ID".to_owned(), "if-match"),
    ] {
        let ask = |id: &str| {
            let body = Ask::post(&path.replace("ID", id), r#"{"resourceType":"Condition"}"#);
            body.method(method.clone()).with(header, &format!("_id={id}"))
        };
        let (there, nowhere) = (maple.send(ask(id)).await, maple.send(ask(NOBODY)).await);
        assert!(
            [403, 405].contains(&there.status),
            "{method} {path}: {}, of a partner that only reads",
            there.status
        );
        assert_eq!(told(&there), told(&nowhere), "{method} {path}");
    }
}

/// Every `Type/id` a partner can see, of a world that took the records in this order.
async fn ids(engine: Engine, backwards: bool) -> Vec<String> {
    let world = World::empty(engine).await;
    let mut records = closed_records();
    if backwards {
        records.reverse();
    }
    for record in &records {
        world.clock.advance(3600);
        world.import(record).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    maple.everything(&rosa).await.into_keys().collect()
}

pub async fn s14_ids_tell_neither_order_nor_time(engine: Engine) {
    let forwards = ids(engine, false).await;
    assert_eq!(
        forwards,
        ids(engine, true).await,
        "neither order nor time of arrival is in an id"
    );
    // The id of a Provenance is type and id of what it is of.
    let mut plain: Vec<&str> = forwards
        .iter()
        .filter_map(|one| one.rsplit(['/', '-']).next())
        .collect();
    let hexadecimal = |id: &&str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(
        plain.iter().all(hexadecimal),
        "128 bits that say nothing: {plain:?}"
    );
    // Numbers of the source (OB-5501, OB-5502 …) follow each other; ids that did would share what they begin with.
    plain.sort_unstable();
    let shared = plain
        .windows(2)
        .filter(|two| two[0] != two[1] && two[0][..8] == two[1][..8]);
    assert_eq!(shared.count(), 0);
}

/// The bytes of the answer and the reads it took.
async fn cost(partner: &Partner<'_>, path: &str) -> (u64, (u16, Vec<(String, String)>, String)) {
    let store = &partner.world.gateway.store;
    let before = store.reads();
    let answer = partner.get(path).await;
    (store.reads() - before, told(&answer))
}

pub async fn s15_a_miss_takes_the_same_reads_and_the_same_bytes(engine: Engine) {
    let world = closed(engine).await;
    world.import(&demo_record("care-plan", "tamsin")).await;
    let withheld = hidden(&world).await.swap_remove(0);
    let foreign = world.id("CarePlan", "plan", "CP-22133").await;
    let asked = [
        format!("Condition/{NOBODY}"),
        withheld.clone(),
        format!("CarePlan/{foreign}"),
        format!(
            "Practitioner/{}",
            world.id("Practitioner", "staff", "S-131").await
        ),
    ];
    let mut riverside = world.partner(RIVERSIDE).await;
    for purpose in ["TREAT", "ETREAT"] {
        let token = riverside.ask_token("system/*.rs", &[purpose]).await.json();
        riverside.token = token["access_token"].as_str().expect("a token").to_owned();
        // The token is looked up once; that is about the client, not about anybody else.
        riverside.get("Patient/nobody").await;
        let mut first = None;
        for pass in ["cold", "warm"] {
            for path in &asked {
                let cost = cost(&riverside, path).await;
                assert_eq!(cost.1.0, 404, "{path}");
                let first = first.get_or_insert_with(|| cost.clone());
                assert_eq!(&cost, first, "{purpose}, {pass}: {path}");
            }
        }
    }
    let base = "https://hearthstone.example/ids/diagnosis%7C";
    let maple = world.partner(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    maple.get(&format!("Patient/{rosa}")).await;
    let (right, wrong) = (
        cost(&maple, &format!("Condition?identifier={base}DX-88102")).await,
        cost(&maple, &format!("Condition?identifier={base}DX-00000")).await,
    );
    let plain = |told: &(u16, Vec<(String, String)>, String)| told.2.replace("DX-88102", "DX-00000");
    assert_eq!(
        (right.0, plain(&right.1)),
        (wrong.0, plain(&wrong.1)),
        "by identifier"
    );
}

pub async fn s21_nothing_is_limited_by_person(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let [maple, riverside, _] = world.three().await;
    let first = told(&riverside.get(&format!("Condition?patient={rosa}")).await);
    for _ in 0..60 {
        assert_eq!(maple.get(&format!("Condition?patient={rosa}")).await.status, 200);
    }
    let again = told(&riverside.get(&format!("Condition?patient={rosa}")).await);
    assert_eq!(
        again, first,
        "what one client asks about a person shows to no other"
    );
    let limits = again
        .1
        .iter()
        .find(|(name, _)| name.contains("limit") || name == "retry-after");
    assert_eq!(limits, None);
}

pub async fn s22_breaking_the_glass_tells_nothing_of_what_it_opened(engine: Engine) {
    let mut forms = Vec::new();
    // Somebody with much that is hidden, and the same person with nothing to hide.
    for hides in [true, false] {
        let world = World::empty(engine).await;
        for mut record in closed_records() {
            if !hides && record.record == "care-plan" {
                for list in [
                    "diagnoses",
                    "meds",
                    "risks",
                    "triggers",
                    "earlySigns",
                    "protective",
                    "goals",
                    "actions",
                ] {
                    let items = record.body[list].as_array_mut().expect("a list");
                    items.retain(|one| one["program"] != "HARBOR" && one["sens"].is_null());
                }
            }
            world.import(&record).await;
        }
        let riverside = world.partner(RIVERSIDE).await;
        let text = |name: &str, value: &str| json!({"name": name, "valueString": value});
        let call = json!({"resourceType": "Parameters", "parameter": [
            {"name": "identifier", "valueIdentifier": {"system": Person::ROSA.system, "value": Person::ROSA.identifier}},
            text("requester-name", "Dr. Lee Okafor"), text("affiliation", "Riverside"), text("role", "crisis clinician"),
            {"name": "reason", "valueCode": "overdose"}, {"name": "consent-obtainable", "valueCode": "no"}]});
        let ask = Ask::post("/fhir/Patient/$break-glass", call.to_string());
        let ask = ask
            .with("content-type", "application/fhir+json")
            .with("x-request-id", "glass");
        let opened = riverside.send(ask).await;
        assert_eq!(opened.status, 200, "{}", opened.text());
        forms.push(told(&opened));
        let kinds: Vec<String> = world.events().await.into_iter().map(|event| event.kind).collect();
        assert!(
            kinds.iter().any(|kind| kind == "break-glass"),
            "it is on the log: {kinds:?}"
        );
    }
    assert_eq!(forms[0], forms[1]);
}
