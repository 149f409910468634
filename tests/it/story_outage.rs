//! When nothing can be recorded, nothing leaves: 503 without a word about anyone, readiness says so, and the process
//! lives on. 45 CFR 164.312(b), <https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/>

use sqlx::Connection as _;

use crate::harness::{Answer, Ask, Engine, MAPLE, Person, World, stories};

stories!(
    what_cannot_be_recorded_does_not_leave,
    a_closed_store_answers_nothing
);

/// Runs SQL beside the gateway, as an operator's accident would.
pub(super) async fn accident(world: &World, engine: Engine, sql: &'static str) {
    if engine == Engine::Postgres {
        crate::postgres::sql(world.url(), sql);
        return;
    }
    let mut connection = sqlx::SqliteConnection::connect(world.url()).await.expect("opens");
    sqlx::query(sql).execute(&mut connection).await.expect("runs");
    connection.close().await.expect("closes");
}

async fn asked(world: &World, maple: &crate::harness::Partner<'_>, rosa: &str) -> Vec<Answer> {
    vec![
        maple.get(&format!("Patient/{rosa}")).await,
        maple.get(&format!("CarePlan?patient={rosa}")).await,
        maple.get("Patient/nobody").await,
        maple.ask_token("system/*.rs", &[]).await,
        world
            .send(Ask::get("/staff/work").bearer(&world_staff(world)))
            .await,
    ]
}

fn world_staff(world: &World) -> String {
    world.gateway.entropy.token("staff kim")
}

fn silent(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), "2");
        assert!(answer.resources().is_empty() && answer.header("etag").is_empty());
        assert!(answer.body.len() < 400, "{}", answer.text());
    }
}

async fn what_cannot_be_recorded_does_not_leave(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    world
        .gateway
        .add_staff("kim", "Kim", "admin", false, "test operator")
        .await
        .expect("a known role");
    assert!(
        asked(&world, &maple, &rosa)
            .await
            .iter()
            .all(|answer| matches!(answer.status, 200 | 404))
    );
    assert_eq!(world.send(Ask::get("/readyz")).await.status, 200);
    accident(
        &world,
        engine,
        "ALTER TABLE audit_event RENAME TO audit_event_lost",
    )
    .await;
    silent(&asked(&world, &maple, &rosa).await);
    assert_eq!(world.send(Ask::get("/livez")).await.status, 200);
    accident(
        &world,
        engine,
        "ALTER TABLE audit_event_lost RENAME TO audit_event",
    )
    .await;
    let back = asked(&world, &maple, &rosa).await;
    assert!(
        back.iter().all(|answer| matches!(answer.status, 200 | 404)),
        "and it comes back by itself"
    );
}

async fn a_closed_store_answers_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    world
        .gateway
        .add_staff("kim", "Kim", "admin", false, "test operator")
        .await
        .expect("a known role");
    let other = world.another_process().await;
    let warm = Ask::get(&format!("/fhir/Patient/{rosa}")).bearer(&maple.token);
    assert_eq!(other.send(warm.clone()).await.status, 200);
    other.gateway.store.close().await;
    let token = maple.claims();
    let ask = crate::harness::Partner::token_request(&maple.sign(&token), "system/*.rs");
    silent(&[
        other.send(warm).await,
        other.send(ask).await,
        other
            .send(Ask::get("/fhir/CarePlan?patient=x").bearer(&maple.token))
            .await,
    ]);
    let ready = other.send(Ask::get("/readyz")).await;
    assert_eq!(
        (ready.status, ready.text().as_str()),
        (503, "{\"status\":\"not-ready\",\"reason\":\"store\"}")
    );
    assert_eq!(other.send(Ask::get("/livez")).await.status, 200);
    assert_eq!(
        other.send(Ask::get("/fhir/metadata")).await.status,
        200,
        "what is about nobody needs no record"
    );
}
