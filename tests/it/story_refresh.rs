//! What each partner may see is worked out after each change, without anybody reading: so it can be found, polled for and
//! dated. What moves is what would be released; nothing leaves by that, and the log says nothing.
//! <https://hl7.org/fhir/R4/search.html#lastupdated>

use std::collections::BTreeMap;
use std::sync::Arc;

use postern::gateway::Step;
use postern::store::Change;
use postern::worker;
use serde_json::{Value, json};

use crate::harness::{
    BRIGID, Engine, MAPLE, Person, RIVERSIDE, STRANGER, World, demo_record, item, records, stories,
};

stories!(
    what_may_be_seen_is_known_before_anybody_asks,
    only_a_visible_change_moves_what_is_released,
    an_expiry_is_seen_by_time_alone,
    a_new_partner_and_a_new_name_reach_everybody,
    what_ends_is_gone_for_good,
    several_processes_do_it_once,
    another_process_goes_on_where_one_ended,
    other_rules_begin_with_everybody,
    who_cannot_be_decided_holds_up_nobody,
    the_worker_does_it_by_itself,
);

/// `Type/id` of what this partner was shown or could be, with version and date; what is gone is not there.
async fn seen(
    world: &World,
    partner: &str,
    purpose: &str,
    patient: &str,
) -> BTreeMap<String, (Vec<u8>, i64)> {
    let rows = world
        .gateway
        .store
        .released(partner, purpose, patient)
        .await
        .expect("reads");
    rows.into_iter()
        .filter(|row| !row.gone)
        .map(|row| {
            (
                format!("{}/{}", row.resource_type, row.id),
                (row.digest, row.changed_at.0),
            )
        })
        .collect()
}

async fn change_plan(world: &World, change: impl FnOnce(&mut Value)) {
    world.alter(demo_record("care-plan", "rosa"), change).await;
}

async fn what_may_be_seen_is_known_before_anybody_asks(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    world.register(STRANGER).await;
    world.register(RIVERSIDE).await;
    let events = world.events().await.len();
    assert!(world.refresh().await > 0);
    assert_eq!(
        world.events().await.len(),
        events,
        "nothing left: nothing is on the log"
    );
    let known = seen(&world, "maple", "TREAT", &rosa).await;
    assert!(seen(&world, "stranger", "TREAT", &rosa).await.is_empty());
    assert!(!seen(&world, "riverside", "TREAT", &rosa).await.is_empty());
    assert!(
        seen(&world, "riverside", "ETREAT", &rosa).await.is_empty(),
        "what a grant opens is decided when it is used"
    );
    world.clock.advance(200);
    assert_eq!(world.refresh().await, 0);
    let read = maple.everything(&rosa).await;
    // A Provenance is made when it is asked for.
    let made = |one: &str| one.starts_with("Provenance/");
    let unknown: Vec<_> = read
        .keys()
        .filter(|one| !made(one) && !known.contains_key(*one))
        .collect();
    assert!(
        read.len() > 40 && unknown.is_empty(),
        "what is read was known: {unknown:?}"
    );
    for one in read.values() {
        assert_eq!(
            one["meta"]["lastUpdated"], "2026-11-21T12:00:00.000Z",
            "since it could be seen"
        );
    }
    assert_eq!(seen(&world, "maple", "TREAT", &rosa).await, known);
}

async fn only_a_visible_change_moves_what_is_released(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    world.refresh().await;
    let before = seen(&world, "riverside", "TREAT", &rosa).await;
    let last = world
        .gateway
        .store
        .released_after("riverside", 0, 1000)
        .await
        .expect("reads")
        .len() as i64;
    world.clock.advance(60);
    change_plan(&world, |plan| {
        item(plan, "/diagnoses", "dxNo", "DX-88102")["name"] = "Opioid dependence, in remission".into();
    })
    .await;
    assert_eq!(world.refresh().await, 1);
    assert_eq!(seen(&world, "riverside", "TREAT", &rosa).await, before);
    let moved = async || {
        let rows = world
            .gateway
            .store
            .released_after("riverside", last, 1000)
            .await
            .expect("reads");
        rows.into_iter()
            .map(|row| format!("{}/{}", row.resource_type, row.id))
            .collect::<Vec<_>>()
    };
    assert_eq!(moved().await, [] as [&str; 0]);
    change_plan(&world, |plan| {
        item(plan, "/diagnoses", "dxNo", "DX-88102")["name"] = "Opioid dependence, in remission".into();
        item(plan, "/crisis/actions", "actionNo", "A-71101")["doThis"] = "Offer the balcony.".into();
    })
    .await;
    assert_eq!(world.refresh().await, 1);
    let action = format!("Task/{}", world.id("Task", "action", "A-71101").await);
    // And with it the document it stands in.
    let document = riverside.get(&format!("DocumentReference?patient={rosa}")).await;
    assert_eq!(moved().await, [document.references().remove(0), action.clone()]);
    let read = riverside.get(&action).await.json();
    assert_eq!(read["meta"]["lastUpdated"], "2026-11-21T12:01:00.000Z");
}

async fn an_expiry_is_seen_by_time_alone(engine: Engine) {
    let world = World::empty(engine).await;
    for mut record in records("rosa").cloned() {
        if record.name == "rosa-riverside" {
            record.body["expires"]["onDate"] = "11/21/2026".into();
        }
        world.import(&record).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    world.register(RIVERSIDE).await;
    world.refresh().await;
    assert!(!seen(&world, "riverside", "TREAT", &rosa).await.is_empty());
    world.clock.advance((17 * 60 + 59) * 60);
    world.refresh().await;
    assert!(
        !seen(&world, "riverside", "TREAT", &rosa).await.is_empty(),
        "the last minute of the day"
    );
    world.clock.advance(60);
    assert_eq!(world.refresh().await, 1, "nothing changed but the time");
    assert!(seen(&world, "riverside", "TREAT", &rosa).await.is_empty());
}

async fn a_new_partner_and_a_new_name_reach_everybody(engine: Engine) {
    let world = World::empty(engine).await;
    for record in records("rosa").chain(records("marcus")).chain(records("theo")) {
        world.import(record).await;
    }
    let (rosa, marcus) = (world.id_of(Person::ROSA).await, world.id_of(Person::MARCUS).await);
    world.refresh().await;
    world.register(MAPLE).await;
    let everybody = world.refresh().await;
    assert!(everybody >= 3, "{everybody} people were decided again");
    let before = seen(&world, "maple", "TREAT", &rosa).await;
    assert!(!before.is_empty() && !seen(&world, "maple", "TREAT", &marcus).await.is_empty());
    world.clock.advance(60);
    // A name in a plan says nothing while the directory states that person.
    world
        .alter(demo_record("directory", "agency"), |directory| {
            directory["staff"][0]["last"] = "Marsh-Lind-Synthetic".into();
        })
        .await;
    assert!(world.refresh().await >= everybody);
    let jordan = format!(
        "Practitioner/{}",
        world.id("Practitioner", "staff", "S-118").await
    );
    let after = seen(&world, "maple", "TREAT", &rosa).await;
    assert_ne!(after[&jordan], before[&jordan]);
    assert_eq!(world.refresh().await, 0);
}

async fn what_ends_is_gone_for_good(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    world.register(RIVERSIDE).await;
    world.register(MAPLE).await;
    world.refresh().await;
    let maple = seen(&world, "maple", "TREAT", &rosa).await;
    let mut consent = demo_record("consent", "rosa-riverside");
    consent.body["status"] = "REVOKED".into();
    consent.body["revokedAt"] = "11/21/2026 6:30 AM".into();
    world.import(&consent).await;
    world.refresh().await;
    assert!(seen(&world, "riverside", "TREAT", &rosa).await.is_empty());
    assert_eq!(
        seen(&world, "maple", "TREAT", &rosa).await,
        maple,
        "another's is as it was"
    );
    // A partner that may act no more is decided for no more.
    let store = &world.gateway.store;
    let (version, mut row) = store.partner("maple").await.expect("reads").expect("registered");
    "disabled".clone_into(&mut row.state);
    let mut change = Change::at(world.clock.instant());
    change.partners.push((version, row));
    store.commit(change).await.expect("kept");
    change_plan(&world, |plan| {
        item(plan, "/goals", "goalNo", "G-6101")["note"] = "Slept well".into()
    })
    .await;
    world.refresh().await;
    assert_eq!(seen(&world, "maple", "TREAT", &rosa).await, maple);
}

async fn several_processes_do_it_once(engine: Engine) {
    let world = World::demo(engine).await;
    let other = world.another_process().await;
    for who in [MAPLE, RIVERSIDE, BRIGID] {
        world.register(who).await;
    }
    // Tests pin randomness: both hold the lease, as when a clock jumps.
    let (one, two) = tokio::join!(world.refresh(), other.refresh());
    assert!(one + two >= 5);
    for who in ["maple", "riverside", "brigid"] {
        let rows = world
            .gateway
            .store
            .released_after(who, 0, 10_000)
            .await
            .expect("reads");
        assert!(
            rows.iter().map(|row| row.seq).eq(1..=rows.len() as i64),
            "each row moved once"
        );
    }
    assert_eq!((world.refresh().await, other.refresh().await), (0, 0));
}

/// Gives the lease to a process that is not there, with these rules.
async fn held_by_another(world: &World, rules: Option<&str>) {
    let store = &world.gateway.store;
    let sweep = store.sweep().await.expect("reads");
    let mut next = sweep.clone();
    next.holder = "another".to_owned();
    next.until = world.clock.instant().plus_seconds(120);
    next.rules = rules.map_or(next.rules, str::to_owned);
    let mut change = Change::at(world.clock.instant());
    change.sweep = Some(postern::store::Swept {
        expected: sweep.version,
        next,
    });
    store.commit(change).await.expect("kept");
}

async fn another_process_goes_on_where_one_ended(engine: Engine) {
    let world = World::demo(engine).await;
    world.register(MAPLE).await;
    let gateway = &world.gateway;
    // A lease, one few of everybody, and then the process ends.
    assert!(matches!(gateway.refresh().await, Ok(Step::Decided(_))));
    held_by_another(&world, None).await;
    world.clock.advance(119);
    assert_eq!(world.refresh().await, 0, "it may be at work");
    world.clock.advance(1);
    assert!(world.refresh().await > 0, "what it left is done");
    let rosa = world.id_of(Person::ROSA).await;
    assert!(!seen(&world, "maple", "TREAT", &rosa).await.is_empty());
    // One that ends in good order is followed at once.
    gateway.end_lease().await.expect("kept");
    let sweep = gateway.store.sweep().await.expect("reads");
    assert!(sweep.until.0 == 0 && sweep.reached.is_none());
}

async fn other_rules_begin_with_everybody(engine: Engine) {
    let world = World::demo(engine).await;
    world.register(MAPLE).await;
    let first = world.refresh().await;
    assert_eq!(world.refresh().await, 0);
    held_by_another(&world, Some("older rules")).await;
    world.clock.advance(60);
    assert_eq!(
        world.refresh().await,
        0,
        "two processes of an upgrade do not undo each other's work"
    );
    world.clock.advance(60);
    let again = world.refresh().await;
    assert!(
        again >= 5 && again <= first,
        "everybody again: {again} of {first}"
    );
}

async fn who_cannot_be_decided_holds_up_nobody(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    world.register(MAPLE).await;
    let mut change = Change::at(world.clock.instant().plus_seconds(-60));
    change.puts = vec![postern::store::Put {
        resource_type: "Goal".to_owned(),
        id: "broken".to_owned(),
        patient: Some("nobody".to_owned()),
        source: "test".to_owned(),
        body: "not JSON".to_owned(),
        deleted: false,
        identifiers: Vec::new(),
    }];
    world.gateway.store.commit(change).await.expect("kept");
    world.refresh().await;
    assert!(!seen(&world, "maple", "TREAT", &rosa).await.is_empty());
    let due = world.gateway.store.due("nobody").await.expect("reads");
    assert_eq!(
        due,
        Some(world.clock.instant().plus_seconds(60)),
        "tried again in a minute"
    );
}

async fn the_worker_does_it_by_itself(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    world.register(MAPLE).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = worker::run(Arc::clone(&world.gateway), stopped);
    let watching = async {
        for _ in 0..500 {
            let sweep = world.gateway.store.sweep().await.expect("reads");
            let nobody = world.gateway.store.due(&rosa).await.expect("reads");
            if sweep.world > 0 && sweep.reached.is_none() && nobody.is_none_or(|t| t > world.clock.instant())
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.send_replace(true);
    };
    tokio::join!(working, watching);
    assert!(!seen(&world, "maple", "TREAT", &rosa).await.is_empty());
    let sweep = world.gateway.store.sweep().await.expect("reads");
    assert_eq!(sweep.until.0, 0, "it let go of its lease");
    assert_eq!(
        json!(sweep.reached),
        Value::Null,
        "and everybody had been gone through"
    );
}
