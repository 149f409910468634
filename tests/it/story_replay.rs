//! An assertion is good once: on every process, however many try at once, and as long as it would be taken.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification>

use axum::http::HeaderMap;

use crate::harness::{Answer, Engine, MAPLE, Partner, World, stories};

stories!(
    an_assertion_is_good_once_for_every_process,
    of_a_hundred_at_once_on_three_processes_one_is_taken,
    a_replay_is_refused_as_long_as_the_assertion_would_be_taken,
);

fn without_request_id(answer: &Answer) -> (u16, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    (answer.status, headers, answer.text())
}

async fn an_assertion_is_good_once_for_every_process(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let other = world.another_process().await;
    let assertion = maple.sign(&maple.claims());
    let ask = || Partner::token_request(&assertion, "system/*.rs");
    assert_eq!(world.send(ask()).await.status, 200);
    let refused = world
        .send(Partner::token_request("not-a-jwt", "system/*.rs"))
        .await;
    let defect = without_request_id(&refused);
    assert_eq!(
        without_request_id(&world.send(ask()).await),
        defect,
        "replayed here"
    );
    assert_eq!(
        without_request_id(&other.send(ask()).await),
        defect,
        "replayed at another process"
    );
}

/// A05.
async fn of_a_hundred_at_once_on_three_processes_one_is_taken(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let (second, third) = (world.another_process().await, world.another_process().await);
    let doors = [world.door(), second.door(), third.door()];
    let assertion = maple.sign(&maple.claims());
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..102 {
        let door = doors[number % 3].clone();
        let ask =
            Partner::token_request(&assertion, "system/*.rs").with("x-request-id", &format!("many-{number}"));
        asking.spawn(async move { door.send(ask).await.expect("HTTP").status });
    }
    let statuses = asking.join_all().await;
    let taken = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(taken, 1, "{statuses:?}");
    // The others are replays, or were told to wait (429) by what counts strangers.
    assert!(
        statuses.iter().all(|status| [200, 401, 429].contains(status)),
        "{statuses:?}"
    );
}

/// Clocks differ by a minute: the `jti` is kept that minute longer, and by the database, not by the process.
async fn a_replay_is_refused_as_long_as_the_assertion_would_be_taken(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let now = world.clock.instant().0 / 1_000_000;
    let mut claims = maple.claims();
    claims["exp"] = (now + 300).into();
    let (used, fresh) = (maple.sign(&claims), {
        claims["jti"] = "another".into();
        maple.sign(&claims)
    });
    let ask = |assertion: &str| Partner::token_request(assertion, "system/*.rs");
    assert_eq!(world.send(ask(&used)).await.status, 200);
    world.clock.advance(359);
    world.gateway.forget_ended().await.expect("recorded");
    let restarted = world.another_process().await;
    assert_eq!(restarted.send(ask(&used)).await.status, 401);
    assert_eq!(
        restarted.send(ask(&fresh)).await.status,
        200,
        "one not used would be taken"
    );
    world.clock.advance(1);
    let late = Partner::token_request(&used, "system/*.rs");
    assert_eq!(
        restarted.send(late).await.status,
        401,
        "from then on it is expired"
    );
}
