//! What ties people together and what a tie tells: a Part 2 program is named to nobody unentitled, a limited consent
//! opens what it names, an emergency only asserted opens nothing more, and the log states the bases that were used.
//! 42 CFR 2.13(c), 2.51, 45 CFR 164.508, 164.528

use std::collections::BTreeSet;

use postern_rules::fhir::Value;

use crate::harness::{Ask, BRIGID, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, records, stories};

stories!(
    a_part_2_program_is_not_named_by_its_staff,
    a_consent_to_some_kinds_or_times_opens_those,
    an_emergency_only_asserted_is_treatment,
    a_record_cannot_take_what_is_another_persons,
    the_log_states_the_bases_of_what_left,
);

/// The plan of another program, written by someone of Harbor Recovery.
async fn a_part_2_program_is_not_named_by_its_staff(engine: Engine) {
    let world = World::empty(engine).await;
    for record in records("rosa") {
        let mut record = record.clone();
        if record.record == "care-plan" {
            let staff = record.body["staff"].as_array().expect("staff");
            let of_harbor = staff.iter().find(|one| one["program"] == "HARBOR");
            record.body["author"] = of_harbor.expect("someone of Harbor")["staffNo"].clone();
        }
        world.import(&record).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    let names_it = |all: &std::collections::BTreeMap<String, Value>| {
        let all = all.iter().filter(|(_, one)| one.to_string().contains("Harbor"));
        all.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    for who in [RIVERSIDE, BRIGID] {
        let all = world.partner(who).await.everything(&rosa).await;
        assert_eq!(names_it(&all), [""; 0], "{}", who.name);
    }
    let maple = world.partner(MAPLE).await.everything(&rosa).await;
    assert!(
        !names_it(&maple).is_empty(),
        "its Part 2 consent covers the program"
    );
    // One participant of Harbor makes the team Part 2 content: the notice goes with it.
    let team = maple
        .values()
        .find(|one| one["resourceType"] == "CareTeam")
        .expect("a team");
    assert!(
        team["meta"]["security"].to_string().contains("\"42CFRPart2\""),
        "{team}"
    );
    assert!(
        team["text"]["div"]
            .to_string()
            .contains("42 CFR part 2 prohibits"),
        "{team}"
    );
}

/// Marcus let Maple Street have plan, medicines, diagnoses and allergies, from 2025 on, and nothing else ties them.
async fn a_consent_to_some_kinds_or_times_opens_those(engine: Engine) {
    for (kinds, from) in [(true, true), (true, false), (false, true)] {
        let world = World::empty(engine).await;
        let mut plan = demo_record("care-plan", "marcus");
        plan.body["partners"] = Value::Array(Vec::new());
        world.import(&plan).await;
        let mut consent = demo_record("consent", "marcus");
        let information = consent.body["information"].as_object_mut().expect("information");
        if !kinds {
            information.remove("kinds");
            information.insert("extent".to_owned(), "ALL".into());
        }
        if !from {
            information.remove("fromDate");
        }
        world.import(&consent).await;
        let marcus = world.id_of(Person::MARCUS).await;
        let all = world.partner(MAPLE).await.everything(&marcus).await;
        let types: BTreeSet<&str> = all.keys().filter_map(|name| name.split('/').next()).collect();
        for kind in [
            "Patient",
            "CarePlan",
            "Organization",
            "PractitionerRole",
            "Consent",
        ] {
            assert!(
                types.contains(kind),
                "kinds {kinds}, from {from}: no {kind} in {types:?}"
            );
        }
        assert_eq!(types.contains("RiskAssessment"), !kinds, "{types:?}");
    }
}

async fn an_emergency_only_asserted_is_treatment(engine: Engine) {
    let world = World::empty(engine).await;
    for record in records("rosa") {
        let mut record = record.clone();
        if record.name == "rosa-riverside" {
            record.body["purposes"] = Value::Array(vec!["EMER".into()]);
        }
        world.import(&record).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    let mut riverside = world.partner(RIVERSIDE).await;
    let usual = riverside.everything(&rosa).await;
    let asserted = riverside.ask_token("system/*.rs", &["ETREAT"]).await;
    riverside.token = asserted.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let names = |all: &std::collections::BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&riverside.everything(&rosa).await), names(&usual));
}

async fn a_record_cannot_take_what_is_another_persons(engine: Engine) {
    let world = World::demo(engine).await;
    let token = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let rosa = demo_record("care-plan", "rosa");
    let mut marcus = demo_record("care-plan", "marcus");
    marcus.body["diagnoses"][0]["dxNo"] = rosa.body["diagnoses"][0]["dxNo"].clone();
    let ask = Ask::post("/intake/hearthstone/care-plan", marcus.body.to_string());
    let answer = world
        .send(ask.with("content-type", "application/json").bearer(&token))
        .await;
    assert_eq!(answer.status, 422, "{}", answer.text());
}

async fn the_log_states_the_bases_of_what_left(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let mut bases = Vec::new();
    for path in [format!("Patient/{rosa}"), format!("Condition?patient={rosa}")] {
        let id = world.unique("basis");
        let answer = maple
            .send(Ask::get(&format!("/fhir/{path}")).with("x-request-id", &id))
            .await;
        assert_eq!(answer.status, 200);
        let events = world.events().await;
        let disclosure = events.iter().find(|e| e.request == id && e.kind == "disclosure");
        bases.push(disclosure.expect("a disclosure").body.contains("part2-consent"));
        assert_eq!(
            answer.text().contains("42CFRPart2"),
            bases[bases.len() - 1],
            "{path}"
        );
    }
    assert_eq!(
        bases,
        [false, true],
        "demographics did not leave on the Part 2 consent"
    );
}
