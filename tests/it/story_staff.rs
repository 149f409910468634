//! The staff door: who has what to do, who took it, what was decided; and each act on the log under a name.
//! 45 CFR 164.312(b), 164.312(d)

use axum::http::Method;

use postern::store::{Change, Work, WorkItem};
use postern_rules::fhir::Instant;
use serde_json::json;

use crate::harness::{Answer, Ask, Engine, MAPLE, Person, World, stories};

stories!(
    an_item_is_listed_shown_taken_and_settled_and_each_act_is_on_the_log,
    what_somebody_else_has_is_a_conflict,
    only_staff_come_in_and_only_in_a_known_role,
    of_two_who_take_at_once_one_has_it,
);

async fn item(world: &World, id: &str, due: i64) {
    let rosa = world.id_of(Person::ROSA).await;
    let mut change = Change::at(world.clock.instant());
    let item = WorkItem {
        id: id.to_owned(),
        kind: "consent-review".to_owned(),
        patient: Some(rosa),
        state: "open".to_owned(),
        owner: None,
        due: Some(Instant(world.clock.instant().0 + due * 1_000_000)),
        opened: world.clock.instant(),
        closed: None,
        body: json!({"what": "a consent ends soon"}).to_string(),
    };
    change.work.push(Work {
        expected_state: None,
        item,
    });
    world.gateway.store.commit(change).await.expect("kept");
}

async fn ask(world: &World, token: &str, method: Method, path: &str, body: &str) -> Answer {
    world
        .send(Ask::post(path, body).method(method).bearer(token))
        .await
}

async fn staff(world: &World, id: &str, role: &str) -> String {
    world
        .gateway
        .add_staff(id, id, role, false, "test operator")
        .await
        .expect("a known role")
}

async fn an_item_is_listed_shown_taken_and_settled_and_each_act_is_on_the_log(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let kim = staff(&world, "kim", "compliance").await;
    item(&world, "late", 7200).await;
    item(&world, "soon", 3600).await;
    let before = world.events().await.len();
    let listed = ask(&world, &kim, Method::GET, "/staff/work", "").await.json();
    let ids: Vec<_> = listed["work"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|w| w["kind"] == "consent-review")
        .map(|w| w["id"].clone())
        .collect();
    assert_eq!(ids, ["soon", "late"], "what is due first stands first");
    let shown = ask(&world, &kim, Method::GET, "/staff/work/soon", "").await;
    assert_eq!(
        (shown.status, shown.json()["about"]["what"].as_str()),
        (200, Some("a consent ends soon"))
    );
    let taken = ask(&world, &kim, Method::POST, "/staff/work/soon/take", "")
        .await
        .json();
    assert_eq!(
        (&taken["state"], &taken["owner"]),
        (&json!("taken"), &json!("kim"))
    );
    let settled = ask(
        &world,
        &kim,
        Method::POST,
        "/staff/work/soon/settle",
        "{\"outcome\": \"Renewed with Rosa.\"}",
    )
    .await;
    assert_eq!(
        (settled.status, settled.json()["state"].as_str()),
        (200, Some("settled")),
        "{}",
        settled.text()
    );
    let open = ask(&world, &kim, Method::GET, "/staff/work", "").await.json();
    let reviews = open["work"].as_array().into_iter().flatten();
    assert_eq!(reviews.filter(|w| w["kind"] == "consent-review").count(), 1);
    let done = ask(&world, &kim, Method::GET, "/staff/work?state=settled", "")
        .await
        .json();
    assert_eq!(done["work"][0]["about"]["outcome"], "Renewed with Rosa.");

    let events = world.events().await.split_off(before);
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "staff-read",
            "staff-read",
            "work-taken",
            "work-settled",
            "staff-read",
            "staff-read"
        ]
    );
    let rosa = format!("Patient/{}", world.id_of(Person::ROSA).await);
    for event in &events {
        assert!(event.actor.contains("kim"), "{}: {}", event.kind, event.actor);
        assert!(
            !event.body.contains("Renewed"),
            "what was decided stands in the item, not on the log"
        );
    }
    assert!(
        events[1..4].iter().all(|event| event.patient == rosa),
        "whose record it was"
    );
}

async fn what_somebody_else_has_is_a_conflict(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (kim, lee) = (
        staff(&world, "kim", "frontline").await,
        staff(&world, "lee", "admin").await,
    );
    item(&world, "one", 3600).await;
    let settle = "{\"outcome\": \"done\"}";
    let post = Method::POST;
    assert_eq!(
        ask(&world, &kim, post.clone(), "/staff/work/one/settle", settle)
            .await
            .status,
        409,
        "not taken yet"
    );
    assert_eq!(
        ask(&world, &kim, post.clone(), "/staff/work/one/take", "")
            .await
            .status,
        200
    );
    assert_eq!(
        ask(&world, &lee, post.clone(), "/staff/work/one/take", "")
            .await
            .status,
        409
    );
    assert_eq!(
        ask(&world, &lee, post.clone(), "/staff/work/one/settle", settle)
            .await
            .status,
        409
    );
    for wrong in [
        "",
        "{}",
        "{\"outcome\": \" \"}",
        "{\"outcome\": 7}",
        "[]",
        "{\"outcome\": \"x\", \"outcome\": \"y\"}",
    ] {
        let answer = ask(&world, &kim, post.clone(), "/staff/work/one/settle", wrong).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
    assert_eq!(
        ask(&world, &kim, post.clone(), "/staff/work/one/settle", settle)
            .await
            .status,
        200
    );
    assert_eq!(
        ask(&world, &kim, post.clone(), "/staff/work/one/settle", settle)
            .await
            .status,
        409,
        "settled once"
    );
    for path in [
        "/staff/work/none",
        "/staff/work/none/take",
        "/staff/work/none/settle",
    ] {
        let method = if path.ends_with("none") {
            Method::GET
        } else {
            Method::POST
        };
        assert_eq!(
            ask(&world, &kim, method, path, settle).await.status,
            404,
            "{path}"
        );
    }
}

async fn only_staff_come_in_and_only_in_a_known_role(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    item(&world, "one", 3600).await;
    let maple = world.partner(MAPLE).await;
    let source = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    for token in [maple.token.as_str(), source.as_str(), "x"] {
        for (method, path) in [
            (Method::GET, "/staff/work"),
            (Method::GET, "/staff/work/one"),
            (Method::POST, "/staff/work/one/take"),
            (Method::POST, "/staff/work/one/settle"),
            (Method::GET, "/staff/work/none"),
        ] {
            assert_eq!(ask(&world, token, method, path, "{}").await.status, 401, "{path}");
        }
    }
    let refused = world
        .gateway
        .add_staff("eve", "Eve", "superuser", false, "test operator")
        .await;
    assert!(
        refused
            .expect_err("no such role")
            .iter()
            .any(|problem| problem.contains("frontline"))
    );
    let rosa = world.id_of(Person::ROSA).await;
    let kim = staff(&world, "kim", "admin").await;
    let path = format!("/fhir/Patient/{rosa}");
    assert_eq!(
        ask(&world, &kim, Method::GET, &path, "").await.status,
        401,
        "staff are no partner"
    );
}

async fn of_two_who_take_at_once_one_has_it(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (kim, lee) = (
        staff(&world, "kim", "frontline").await,
        staff(&world, "lee", "frontline").await,
    );
    item(&world, "one", 3600).await;
    let take = |token| ask(&world, token, Method::POST, "/staff/work/one/take", "");
    let (first, second) = tokio::join!(take(&kim), take(&lee));
    let mut both = [first.status, second.status];
    both.sort_unstable();
    assert_eq!(both, [200, 409]);
    let taken = world
        .events()
        .await
        .iter()
        .filter(|event| event.kind == "work-taken")
        .count();
    assert_eq!(taken, 1, "and one act is on the log");
}
