//! What several records state stays until the last of them drops it; what one person's record says of staff does not change
//! another's; a record that was about the wrong person can be corrected. 45 CFR 164.312(c)(1), 164.526

use serde_json::{Value, json};

use crate::harness::{Answer, Ask, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, records, stories};

stories!(
    what_two_records_state_stays_until_the_last_drops_it,
    two_records_that_drop_it_in_the_other_order_retire_it_too,
    a_practitioner_of_two_peoples_records_stays,
    a_role_in_one_program_is_not_changed_by_another_persons_record,
    a_plan_under_a_wrong_client_number_is_moved_by_its_own_correction,
    a_plan_that_others_depend_on_is_not_moved,
    a_number_typed_into_another_persons_plan_moves_nothing,
    a_referral_that_names_an_organisation_erases_nothing_of_the_directory,
    a_directory_fills_in_what_records_only_named,
    what_a_directory_no_longer_names_follows_the_records_again,
);

/// Rosa's record of this kind without one of its allergies.
fn without_penicillin(record: &str) -> crate::harness::DemoRecord {
    let mut record = demo_record(record, "rosa");
    let allergies = record.body["allergies"].as_array_mut().expect("allergies");
    allergies.retain(|one| one["allergyNo"] != "AL-7701");
    record
}

async fn dropped_by(engine: Engine, order: [&str; 2]) {
    let world = World::of(engine, "rosa").await;
    let riverside = world.partner(RIVERSIDE).await;
    let allergy = format!(
        "AllergyIntolerance/{}",
        world.id("AllergyIntolerance", "allergy", "AL-7701").await
    );
    assert_eq!(riverside.get(&allergy).await.status, 200);
    let [first, last] = order;
    world.import(&without_penicillin(first)).await;
    assert_eq!(
        riverside.get(&allergy).await.status,
        200,
        "the {last} still states it"
    );
    let again = world.import(&without_penicillin(first)).await;
    assert_eq!(again.changed(), 0, "and that is no change");
    world.import(&without_penicillin(last)).await;
    assert_eq!(riverside.get(&allergy).await.status, 404, "no record states it");
    world.import(&demo_record(first, "rosa")).await;
    assert_eq!(riverside.get(&allergy).await.status, 200, "one states it again");
}

async fn what_two_records_state_stays_until_the_last_drops_it(engine: Engine) {
    dropped_by(engine, ["care-plan", "referral"]).await;
}

async fn two_records_that_drop_it_in_the_other_order_retire_it_too(engine: Engine) {
    dropped_by(engine, ["referral", "care-plan"]).await;
}

/// Petra Novak works with Rosa and with Tamsin.
async fn a_practitioner_of_two_peoples_records_stays(engine: Engine) {
    let world = World::demo(engine).await;
    let maple = world.partner(MAPLE).await;
    let petra = format!(
        "Practitioner/{}",
        world.id("Practitioner", "staff", "S-131").await
    );
    let seen = maple.everything(&world.id_of(Person::ROSA).await).await;
    assert!(seen.contains_key(&petra), "Rosa's practice knows her");
    let mut tamsin = demo_record("care-plan", "tamsin");
    tamsin.body["staff"][0]["staffNo"] = json!("S-199");
    tamsin.body["author"] = json!("S-199");
    world.import(&tamsin).await;
    assert_eq!(maple.get(&petra).await.status, 200);
    let seen = maple.everything(&world.id_of(Person::ROSA).await).await;
    assert!(seen.contains_key(&petra), "she left Tamsin's team, not Rosa's");
}

async fn a_role_in_one_program_is_not_changed_by_another_persons_record(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let petra = demo_record("care-plan", "rosa").body["staff"]
        .as_array()
        .expect("staff")
        .iter()
        .find(|one| one["staffNo"] == "S-131")
        .cloned()
        .expect("Petra");
    let mut marcus = demo_record("care-plan", "marcus");
    let mut other = petra.clone();
    other["program"] = json!("HCBS");
    marcus.body["staff"].as_array_mut().expect("staff").push(other);
    let roles = async || {
        let found = world
            .gateway
            .store
            .find_identifier("https://hearthstone.example/ids/staff", "S-131")
            .await
            .expect("reads");
        let mut programs = Vec::new();
        for (_, id, _) in found.iter().filter(|(t, _, _)| t == "PractitionerRole") {
            let row = world
                .gateway
                .store
                .resource("PractitionerRole", id)
                .await
                .expect("reads");
            let body: Value = serde_json::from_str(&row.expect("there").body).expect("JSON");
            programs.push((
                body["meta"]["security"][0]["code"].clone(),
                body["organization"].clone(),
            ));
        }
        programs
    };
    let before = roles().await;
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].0, "42CFRPart2");
    world.import(&marcus).await;
    let after = roles().await;
    assert_eq!(after.len(), 2, "a role of its own");
    assert!(
        after.contains(&before[0]),
        "what she is at Harbor stays as it was"
    );
}

async fn post(world: &World, token: &str, body: &Value) -> Answer {
    let ask = Ask::post("/intake/hearthstone/care-plan", body.to_string());
    world
        .send(ask.with("content-type", "application/json").bearer(token))
        .await
}

async fn token(world: &World) -> String {
    world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded")
}

const WRONG: Person = Person {
    system: "https://hearthstone.example/ids/client",
    identifier: "HCS-999999",
};

async fn a_plan_under_a_wrong_client_number_is_moved_by_its_own_correction(engine: Engine) {
    let world = World::empty(engine).await;
    let (token, right) = (token(&world).await, demo_record("care-plan", "marcus").body);
    let mut wrong = right.clone();
    wrong["client"]["clientNo"] = json!(WRONG.identifier);
    assert_eq!(post(&world, &token, &wrong).await.status, 200);
    let store = &world.gateway.store;
    let nobody = world.id_of(WRONG).await;
    let plan = world
        .id("CarePlan", "plan", right["planNo"].as_str().expect("a number"))
        .await;
    let before = store.record_versions(&nobody).await.expect("reads").record;
    let maple = world.partner(MAPLE).await;
    assert_eq!(maple.get(&format!("CarePlan/{plan}")).await.status, 200);
    let answer = post(&world, &token, &right).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let marcus = world.id_of(Person::MARCUS).await;
    assert_eq!(
        store
            .resource("CarePlan", &plan)
            .await
            .expect("reads")
            .expect("kept")
            .patient,
        Some(marcus.clone())
    );
    let (versions, rows) = store.load_record(&nobody).await.expect("reads");
    assert!(
        versions.record > before,
        "whoever decided on the old record decides again"
    );
    assert!(rows.is_empty(), "nothing is left of a person who never was");
    let old = store
        .resource_version("CarePlan", &plan, 1)
        .await
        .expect("reads")
        .expect("kept");
    assert_eq!(
        old.patient.as_deref(),
        Some(nobody.as_str()),
        "history says whose it was taken for"
    );
    assert_eq!(
        maple.get(&format!("CarePlan/{plan}")).await.status,
        200,
        "and it is read as his"
    );
    assert_eq!(maple.get(&format!("Patient/{nobody}")).await.status, 404);
    let events = world.events().await;
    for person in [&nobody, &marcus] {
        let of = events
            .iter()
            .filter(|e| e.kind == "intake-accepted" && e.patient.ends_with(person.as_str()));
        assert!(of.count() >= 1, "each of the two has it on the log");
    }
    let again = post(&world, &token, &right).await;
    assert_eq!(again.status, 200);
}

async fn a_plan_that_others_depend_on_is_not_moved(engine: Engine) {
    let world = World::empty(engine).await;
    let token = token(&world).await;
    for record in records("rosa") {
        world.import(record).await;
    }
    let mut body = demo_record("care-plan", "rosa").body;
    body["client"]["clientNo"] = json!(WRONG.identifier);
    let answer = post(&world, &token, &body).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("another person"), "{}", answer.text());
}

async fn a_number_typed_into_another_persons_plan_moves_nothing(engine: Engine) {
    let world = World::empty(engine).await;
    let token = token(&world).await;
    let tamsin = demo_record("care-plan", "tamsin");
    world.import(&tamsin).await;
    let mut marcus = demo_record("care-plan", "marcus").body;
    marcus["planNo"] = tamsin.body["planNo"].clone();
    let answer = post(&world, &token, &marcus).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let hers = world.id_of(Person::TAMSIN).await;
    let plan = world
        .id("CarePlan", "plan", marcus["planNo"].as_str().expect("a number"))
        .await;
    let row = world
        .gateway
        .store
        .resource("CarePlan", &plan)
        .await
        .expect("reads");
    assert_eq!(row.expect("kept").patient, Some(hers));
}

/// The stored form of an organisation of the demo.
async fn organisation(world: &World, npi: &str) -> Value {
    let rows = world
        .gateway
        .store
        .find_identifier("http://hl7.org/fhir/sid/us-npi", npi)
        .await
        .expect("reads");
    let own = rows.into_iter().find(|(kind, _, _)| kind == "Organization");
    let (kind, id, _) = own.expect("it is in the store");
    let row = world.gateway.store.resource(&kind, &id).await.expect("reads");
    serde_json::from_str(&row.expect("a row").body).expect("JSON")
}

/// What only the directory knows of Maple Street.
fn is_whole(organisation: &Value) -> bool {
    organisation["address"][0]["line"][0] == "12 Maple Street"
        && organisation["telecom"][1]["system"] == "fax"
        && organisation["endpoint"].is_array()
}

async fn a_referral_that_names_an_organisation_erases_nothing_of_the_directory(engine: Engine) {
    let world = World::empty(engine).await;
    world.import(&demo_record("directory", "agency")).await;
    assert!(is_whole(&organisation(&world, MAPLE.npi).await));
    let report = world.import(&demo_record("referral", "rosa")).await;
    assert!(report.changed() > 10, "the referral itself goes in");
    assert!(is_whole(&organisation(&world, MAPLE.npi).await));
    let again = world.import(&demo_record("referral", "rosa")).await;
    assert_eq!(again.changed(), 0, "and is no change when it comes again");
    let directory = world.import(&demo_record("directory", "agency")).await;
    assert_eq!(directory.changed(), 0, "nor is the directory");
}

async fn a_directory_fills_in_what_records_only_named(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    assert!(!is_whole(&organisation(&world, MAPLE.npi).await));
    let role = world.id("PractitionerRole", "staff", "S-118").await;
    world.import(&demo_record("directory", "agency")).await;
    assert!(is_whole(&organisation(&world, MAPLE.npi).await));
    assert_eq!(
        world.id("PractitionerRole", "staff", "S-118").await,
        role,
        "one role, whoever states it"
    );
    let mut directory = demo_record("directory", "agency");
    directory.body["organizations"][2]["street"] = json!("14 Maple Street");
    assert_eq!(world.import(&directory).await.changed(), 1);
    let moved = organisation(&world, MAPLE.npi).await;
    assert_eq!(
        moved["address"][0]["line"][0], "14 Maple Street",
        "the directory itself may change its mind"
    );
}

async fn what_a_directory_no_longer_names_follows_the_records_again(engine: Engine) {
    let world = World::empty(engine).await;
    let mut directory = demo_record("directory", "agency");
    world.import(&directory).await;
    world.import(&demo_record("referral", "rosa")).await;
    let list = directory.body["organizations"].as_array_mut().expect("a list");
    list.retain(|one| one["npi"] != MAPLE.npi);
    world.import(&directory).await;
    assert!(
        is_whole(&organisation(&world, MAPLE.npi).await),
        "what is shared is not retired"
    );
    let mut referral = demo_record("referral", "rosa");
    referral.body["sendTo"]["phone"] = json!("217-555-0199");
    world.import(&referral).await;
    assert_eq!(
        organisation(&world, MAPLE.npi).await["telecom"][0]["value"],
        "217-555-0199"
    );
}
