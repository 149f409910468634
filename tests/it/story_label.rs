//! Words that sound sensitive: held back from who may not have them, however they are written, until staff say what the
//! sentence is. And the code lists that a deployment adds.
//! <https://hl7.org/fhir/R4/security-labels.html>, 42 CFR 2.13(a)

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, Engine, MAPLE, Partner, Person, World, demo_record, records, stories};

stories!(
    buprenorphine_is_held_back_however_it_is_written,
    a_sentence_is_labelled_or_cleared_by_staff_and_only_that_sentence,
    a_sentence_asks_once_and_changed_words_ask_again,
    only_a_sentence_is_settled_with_labels,
    a_list_of_the_deployment_labels_too,
);

const SECRETS: [&str; 5] = ["uprenor", "ubox", "heroin", "1819", "suboxne"];

fn medication(number: u32, code: &str, name: &str, sig: &str) -> Value {
    json!({"medNo": format!("RX-90{number}"), "drugCode": code, "drugName": name, "sig": sig, "status": "C",
        "start": "3/3/2025", "prescriber": "Somebody-Synthetic", "program": "OPMH"})
}

/// Rosa's plan with one medicine written in five ways, and spoken of in the plan's description and a note; without what the Part 2
/// program wrote, so that nothing but code and words can tell.
async fn rosa(world: &World, share: &str) {
    for mut record in records("rosa").cloned() {
        let body = &mut record.body;
        if record.name == "rosa-maple" {
            for one in body["sensitive"].as_array_mut().expect("categories") {
                if one["category"] == "SA" {
                    one["share"] = share.into();
                }
            }
        }
        if record.record == "care-plan" {
            let meds = [
                medication(1, "BUPR", "Film", "one in the morning"),
                medication(2, "OTHER", "Buprenorphine 8 mg", "one in the morning"),
                medication(3, "OTHER", "buprenorfine film", "one in the morning"),
                medication(4, "OTHER", "suboxne 8/2", "one in the morning"),
                medication(5, "OTHER", "Film", "one Suboxone film under the tongue"),
                medication(6, "METF", "Metformin 500 mg", "twice a day with meals"),
            ];
            body["meds"] = meds.to_vec().into();
            body["summary"] = "Keeps her buprenorphine appointments.".into();
            body["whatMattersToMe"] = "To stay off heroin and sing again.".into();
        }
        world.import(&record).await;
    }
}

async fn all_of(partner: &Partner<'_>) -> String {
    let rosa = partner.world.id_of(Person::ROSA).await;
    let found = partner.everything(&rosa).await;
    serde_json::to_string(&found).expect("JSON")
}

async fn buprenorphine_is_held_back_however_it_is_written(engine: Engine) {
    let world = World::empty(engine).await;
    rosa(&world, "N").await;
    let maple = world.partner(MAPLE).await;
    let seen = all_of(&maple).await;
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{secret} was released under a refusal");
    }
    assert!(seen.contains("Metformin"), "what is not sensitive stays");
    drop(world);

    let world = World::empty(engine).await;
    rosa(&world, "Y").await;
    let maple = world.partner(MAPLE).await;
    let seen = all_of(&maple).await;
    for secret in SECRETS {
        assert!(seen.contains(secret), "{secret} is kept from who may have it");
    }
    assert!(seen.contains("OPIOIDUD"), "labels travel");
}

async fn staff(world: &World, id: &str) -> String {
    let added = world
        .gateway
        .add_staff(id, id, "compliance", false, "test operator");
    added.await.expect("a known role")
}

async fn ask(world: &World, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let ask = Ask::post(path, body.to_string()).method(method).bearer(token);
    world.send(ask).await
}

/// Sentences that wait: id and place.
async fn sentences(world: &World, token: &str) -> Vec<(String, String)> {
    let listed = ask(world, token, Method::GET, "/staff/work", &Value::Null).await;
    let text = listed.text();
    for secret in ["uprenor", "ubox", "heroin", "verdose"] {
        assert!(!text.contains(secret), "an item names the place, not the words");
    }
    let work = listed.json()["work"].as_array().cloned().expect("a list");
    let sentences = work.iter().filter(|item| item["kind"] == "label-sentence");
    let place = |item: &Value| item["about"]["path"].as_str().unwrap_or_default().to_owned();
    sentences
        .map(|item| (item["id"].as_str().unwrap_or_default().to_owned(), place(item)))
        .collect()
}

async fn about(world: &World, token: &str, path: &str) -> String {
    let found = sentences(world, token).await;
    let one = found.iter().find(|(_, place)| place == path);
    assert!(one.is_some(), "{path} waits: {found:?}");
    one.map(|(id, _)| id.clone()).unwrap_or_default()
}

/// Takes and settles it; comes out with the item as it is then.
async fn settle(world: &World, token: &str, id: &str, labels: &[&str]) -> Value {
    let path = format!("/staff/work/{id}");
    let taken = ask(world, token, Method::POST, &format!("{path}/take"), &Value::Null).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let body = json!({ "labels": labels });
    let settled = ask(world, token, Method::POST, &format!("{path}/settle"), &body).await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    settled.json()
}

async fn a_sentence_is_labelled_or_cleared_by_staff_and_only_that_sentence(engine: Engine) {
    let world = World::empty(engine).await;
    rosa(&world, "N").await;
    let maple = world.partner(MAPLE).await;
    let kim = staff(&world, "kim").await;
    let before = all_of(&maple).await;
    let summary = about(&world, &kim, "CarePlan.description").await;
    let shown = ask(
        &world,
        &kim,
        Method::GET,
        &format!("/staff/work/{summary}"),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (&shown.json()["text"], &shown.json()["about"]["suspected"]),
        (&json!("Keeps her buprenorphine appointments."), &json!(["SUD"]))
    );
    settle(&world, &kim, &summary, &[]).await;
    let cleared = all_of(&maple).await;
    assert!(!before.contains("appointments") && cleared.contains("Keeps her buprenorphine appointments."));
    assert!(
        !cleared.contains("heroin"),
        "another sentence of the same plan still waits"
    );

    let note = about(&world, &kim, "CarePlan.note[0].text").await;
    settle(&world, &kim, &note, &["SUD"]).await;
    let labelled = all_of(&maple).await;
    assert!(!labelled.contains("heroin") && labelled.contains("buprenorphine appointments"));

    let dose = sentences(&world, &kim).await;
    let dose = dose
        .iter()
        .find(|(_, place)| place.starts_with("MedicationRequest.dosage"));
    settle(&world, &kim, &dose.expect("a dose waits").0, &[]).await;
    assert!(
        all_of(&maple).await.contains("one Suboxone film"),
        "cleared words leave"
    );

    let mut shared = demo_record("consent", "rosa-maple");
    shared.body["sensitive"][0]["share"] = "Y".into();
    world.import(&shared).await;
    assert!(
        all_of(&maple).await.contains("To stay off heroin"),
        "who may have SUD gets the labelled sentence"
    );
    let settled = world.events().await;
    let acts: Vec<_> = settled.iter().filter(|e| e.kind == "work-settled").collect();
    assert_eq!(acts.len(), 3, "each judgement is on the log");
    assert!(
        acts.iter()
            .all(|e| !e.body.contains("heroin") && e.body.contains("labels"))
    );
}

async fn a_sentence_asks_once_and_changed_words_ask_again(engine: Engine) {
    let world = World::empty(engine).await;
    rosa(&world, "N").await;
    let kim = staff(&world, "kim").await;
    let first = sentences(&world, &kim).await;
    rosa(&world, "N").await;
    assert_eq!(
        sentences(&world, &kim).await,
        first,
        "the same record asks nothing twice"
    );
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["summary"] = "Lives alone.".into();
    world.import(&plan).await;
    rosa(&world, "N").await;
    assert_eq!(
        sentences(&world, &kim).await,
        first,
        "nor does it when it comes back"
    );

    let summary = about(&world, &kim, "CarePlan.description").await;
    settle(&world, &kim, &summary, &[]).await;
    let maple = world.partner(MAPLE).await;
    assert!(all_of(&maple).await.contains("buprenorphine appointments"));
    plan.body["summary"] = "Had an overdose in May.".into();
    world.import(&plan).await;
    assert!(
        !all_of(&maple).await.contains("overdose"),
        "other words at the place were never read"
    );
    let again = about(&world, &kim, "CarePlan.description").await;
    assert_ne!(again, summary);
    rosa(&world, "N").await;
    assert!(
        all_of(&maple).await.contains("buprenorphine appointments"),
        "a judgement lasts"
    );
    let taken = ask(
        &world,
        &kim,
        Method::POST,
        &format!("/staff/work/{again}/take"),
        &Value::Null,
    )
    .await;
    assert_eq!(taken.status, 200);
    let path = format!("/staff/work/{again}/settle");
    let settled = ask(&world, &kim, Method::POST, &path, &json!({"labels": []}))
        .await
        .json();
    assert_eq!(
        settled["about"]["textChanged"], true,
        "words nobody sees are not judged"
    );
    world.import(&plan).await;
    assert!(!all_of(&maple).await.contains("overdose"));
    assert_eq!(
        about(&world, &kim, "CarePlan.description").await,
        again,
        "and they ask again"
    );
}

async fn only_a_sentence_is_settled_with_labels(engine: Engine) {
    let world = World::empty(engine).await;
    rosa(&world, "N").await;
    let (kim, lee) = (staff(&world, "kim").await, staff(&world, "lee").await);
    let id = about(&world, &kim, "CarePlan.description").await;
    let path = format!("/staff/work/{id}/settle");
    let none = json!({"labels": []});
    assert_eq!(
        ask(&world, &kim, Method::POST, &path, &none).await.status,
        409,
        "not taken"
    );
    let take = format!("/staff/work/{id}/take");
    assert_eq!(
        ask(&world, &kim, Method::POST, &take, &Value::Null).await.status,
        200
    );
    for wrong in [
        json!({"outcome": "fine"}),
        json!({"labels": "SUD"}),
        json!({"labels": ["42CFRPart2"]}),
        json!({"labels": ["nonsense"]}),
        json!({"labels": [7]}),
    ] {
        assert_eq!(
            ask(&world, &kim, Method::POST, &path, &wrong).await.status,
            400,
            "{wrong}"
        );
    }
    assert_eq!(
        ask(&world, &lee, Method::POST, &path, &none).await.status,
        409,
        "somebody else has it"
    );
    assert_eq!(ask(&world, &kim, Method::POST, &path, &none).await.status, 200);
}

async fn a_list_of_the_deployment_labels_too(engine: Engine) {
    let folder = std::env::temp_dir().join(format!("postern-codes-{}-{engine:?}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let list = "# list: agency-codes 2026-11\nrxnorm\t6809\tSUD\tunverified\ta test\n";
    std::fs::write(folder.join("more.tsv"), list).expect("written");
    let codes = folder.clone();
    let world = World::configured(engine, &move |config| config.paths.codes = Some(codes.clone())).await;
    rosa(&world, "N").await;
    let maple = world.partner(MAPLE).await;
    assert!(
        !all_of(&maple).await.contains("Metformin"),
        "the deployment's list labels it"
    );
    let plain = World::empty(engine).await;
    assert_ne!(
        plain.gateway.rules.digest, world.gateway.rules.digest,
        "lists are part of the rules"
    );

    std::fs::write(
        folder.join("bad.tsv"),
        "rxnorm\t1\tSUD\tyes\tr\nrxnorm\t2\tNOPE\tyes\tr\n",
    )
    .expect("written");
    let mut config = world.gateway.config.clone();
    config.paths.codes = Some(folder.clone());
    let problems = postern::gateway::load_catalog(&config)
        .err()
        .expect("a problem")
        .to_string();
    assert!(problems.contains("bad.tsv:2: "), "{problems}");
    std::fs::remove_dir_all(&folder).expect("removed");
}
