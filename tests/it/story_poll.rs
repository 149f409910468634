//! A partner that asks again and again what has changed: it sees each change it may see, once, as it is when it asks; never a hidden
//! one, and nothing that has ended, whether or not the worker has come by.
//! <https://hl7.org/fhir/R4/search.html#lastupdated>

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{
    Answer, Ask, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, item, records, stories,
};
use crate::story_across::{joined, pages};
use crate::two_worlds::next_page;

stories!(
    a_poll_sees_each_visible_change_once,
    an_expiry_is_seen_by_the_next_poll,
    what_has_changed_since_is_found_as_it_is_now,
    a_revocation_reaches_the_next_page_before_anything_is_refreshed,
);

async fn change_plan(world: &World, change: impl FnOnce(&mut Value)) {
    world.alter(demo_record("care-plan", "rosa"), change).await;
}

async fn a_poll_sees_each_visible_change_once(engine: Engine) {
    let world = World::demo(engine).await;
    let mut riverside = world.partner(RIVERSIDE).await;
    world.refresh().await;
    let first = pages(&riverside, "Task?_lastUpdated=ge2026-01-01&_count=4").await;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last = String::new();
    let mut take = |answers: &[Answer]| {
        let mut number = 0;
        for one in answers.iter().flat_map(Answer::resources) {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            last = text(&one["meta"]["lastUpdated"]);
            seen.entry(text(&one["id"]))
                .or_default()
                .push(text(&one["meta"]["versionId"]));
            number += 1;
        }
        (number, last.clone())
    };
    let (all, mut bound) = take(&first);
    assert!(all >= 5, "{all} tasks");
    let says = |plan: &mut Value, text: &str| {
        item(plan, "/crisis/actions", "actionNo", "A-71101")["doThis"] = text.into();
    };
    for round in 0..5 {
        world.clock.advance(60);
        let text = format!("Offer the balcony, {round}.");
        change_plan(&world, |plan| {
            // What this partner may not see changes each time; what it may, every second time.
            item(plan, "/diagnoses", "dxNo", "DX-88102")["name"] =
                format!("Opioid dependence, {round}").into();
            says(
                plan,
                if round % 2 == 0 {
                    &text
                } else {
                    "Offer the balcony, 0."
                },
            );
            if round == 1 {
                says(plan, "Offer the balcony, 0.");
            }
        })
        .await;
        world.refresh().await;
        riverside.renew().await;
        let answers = pages(&riverside, &format!("Task?_lastUpdated=gt{bound}")).await;
        let (found, newest) = take(&answers);
        // Round 1 changed nothing that can be seen.
        assert_eq!(found, usize::from(round != 1), "round {round}");
        bound = newest;
    }
    for (id, versions) in &seen {
        let same = versions.windows(2).filter(|two| two[0] == two[1]).count();
        assert_eq!(same, 0, "{id}: never the same twice: {versions:?}");
    }
    let again = riverside.get(&format!("Task?_lastUpdated=gt{bound}")).await;
    assert_eq!(again.json()["total"], 0, "and then nothing");
}

async fn an_expiry_is_seen_by_the_next_poll(engine: Engine) {
    let world = World::empty(engine).await;
    for mut record in records("rosa").cloned() {
        if record.name == "rosa-riverside" {
            record.body["expires"]["onDate"] = "11/21/2026".into();
        }
        world.import(&record).await;
    }
    let mut riverside = world.partner(RIVERSIDE).await;
    world.refresh().await;
    assert_eq!(joined(&riverside, "Patient?identifier=HCS-104233").await.len(), 1);
    world.clock.advance(18 * 3600);
    riverside.renew().await;
    // Decided anew, refreshed or not.
    assert_eq!(joined(&riverside, "Patient?identifier=HCS-104233").await.len(), 0);
    world.refresh().await;
    for path in [
        "Patient?identifier=HCS-104233",
        "CarePlan?_lastUpdated=ge2026-01-01",
        "Task?_lastUpdated=ge2026-01-01",
    ] {
        assert_eq!(joined(&riverside, path).await.len(), 0, "{path}");
    }
}

async fn what_has_changed_since_is_found_as_it_is_now(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    world.refresh().await;
    let before = maple.get("Patient?identifier=HCS-104233").await.resources();
    world.clock.advance(60);
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["client"]["last"] = "Delgado-Vega-Synthetic".into();
    world.import(&plan).await;
    // Nobody has refreshed it: the keys still lead to her, and the answer is decided now.
    let after = maple.get("Patient?identifier=HCS-104233").await.resources();
    assert_eq!(after.len(), 1);
    assert!(after[0].to_string().contains("Delgado-Vega"));
    assert_eq!(after[0]["meta"]["lastUpdated"], "2026-11-21T12:01:00.000Z");
    assert_ne!(after[0]["meta"]["versionId"], before[0]["meta"]["versionId"]);
    // From then on a poll sees the change at its date.
    assert_eq!(
        joined(&maple, "Patient?_lastUpdated=gt2026-11-21T12:00:00Z")
            .await
            .len(),
        1
    );
    world.clock.advance(60);
    world.refresh().await;
    assert_eq!(
        joined(&maple, "Patient?_lastUpdated=gt2026-11-21T12:01:00Z")
            .await
            .len(),
        0
    );
    assert_eq!(
        maple.get("Patient?identifier=HCS-104233").await.resources(),
        after
    );
}

async fn a_revocation_reaches_the_next_page_before_anything_is_refreshed(engine: Engine) {
    let world = World::empty(engine).await;
    for record in records("rosa").chain(records("marcus")).chain(records("theo")) {
        world.import(record).await;
    }
    let riverside = world.partner(RIVERSIDE).await;
    world.refresh().await;
    let rosa = world.id_of(Person::ROSA).await;
    let query = "Task?_lastUpdated=ge2026-01-01&_count=2";
    let about = |answer: &Answer| answer.text().contains(&rosa);
    let before = pages(&riverside, query).await;
    assert!(before.len() > 2 && before.iter().any(about));
    let mut consent = demo_record("consent", "rosa-riverside");
    consent.body["status"] = "REVOKED".into();
    consent.body["revokedAt"] = "11/21/2026 6:30 AM".into();
    world.import(&consent).await;
    // The same cursors, and a search from the beginning, before the worker has come by.
    for page in &before {
        if let Some(next) = next_page(page) {
            let answer = riverside.send(Ask::get(&next)).await;
            assert!(answer.status == 200 && !about(&answer));
        }
    }
    assert!(!pages(&riverside, query).await.iter().any(about));
    assert_eq!(joined(&riverside, "Patient?identifier=HCS-104233").await.len(), 0);
    world.refresh().await;
    assert!(!pages(&riverside, query).await.iter().any(about));
}
