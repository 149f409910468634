//! What a token is worth, told to its own organisation alone; and taken back, on every process at once.
//! <https://www.rfc-editor.org/rfc/rfc7662>, <https://www.rfc-editor.org/rfc/rfc7009>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>

use serde_json::{Value, json};

use crate::harness::{Answer, Ask, BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, World, stories};

stories!(
    a_token_tells_its_own_organisation_what_it_is_worth,
    what_is_not_ones_own_or_not_good_is_not_active,
    who_may_not_ask_is_refused_and_counted,
    a_token_taken_back_opens_nothing_anywhere_from_the_next_request_on,
    what_speaks_of_nobody_is_not_opened_by_it_either,
    only_its_own_client_takes_a_token_back,
    both_are_on_the_log,
);

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// With an assertion, as at the token endpoint.
async fn asked_as(partner: &Partner<'_>, path: &str, token: &str) -> Answer {
    let assertion = partner.sign(&partner.claims());
    let form = [
        ("token", token),
        ("token_type_hint", "access_token"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion.as_str()),
    ];
    partner.world.send(Ask::form(path, &form)).await
}

async fn introspect(partner: &Partner<'_>, token: &str) -> Answer {
    asked_as(partner, "/auth/introspect", token).await
}

async fn revoke(partner: &Partner<'_>, token: &str) -> u16 {
    asked_as(partner, "/auth/revoke", token).await.status
}

async fn a_token_tells_its_own_organisation_what_it_is_worth(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let granted = maple
        .ask_token("system/CarePlan.rs system/Goal.read", &["TREAT"])
        .await;
    let token = granted.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let now = world.clock.instant().0 / 1_000_000;
    world.clock.advance(100);
    let told = introspect(&maple, &token).await;
    assert_eq!((told.status, told.header("cache-control")), (200, "no-store"));
    let claims = told.json();
    // Inferno: "Token introspection response for an active token" – active, scope, client_id, exp as in the token response.
    let expected = json!({
        "active": true,
        "scope": granted.json()["scope"],
        "client_id": maple.client_id,
        "sub": maple.client_id,
        "token_type": "bearer",
        "aud": "https://postern.test/fhir",
        "iat": now,
        "exp": now + 300,
        "purpose_of_use": "TREAT",
        "extensions": {"hl7-b2b": {
            "organization_id": "urn:oid:2.16.840.1.113883.4.6#1999002011",
            "version": "1",
            "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]}},
    });
    assert_eq!(claims, expected);
    // SMART 282: a backend token is authentication enough.
    let by_bearer = Ask::form("/auth/introspect", &[("token", &token)]).bearer(&maple.token);
    assert_eq!(world.send(by_bearer).await.json(), expected);
}

fn is_inactive(answer: &Answer) -> bool {
    answer.status == 200 && answer.json() == json!({"active": false})
}

async fn what_is_not_ones_own_or_not_good_is_not_active(engine: Engine) {
    let world = World::empty(engine).await;
    let (maple, riverside) = (world.partner(MAPLE).await, world.partner(RIVERSIDE).await);
    for (what, token) in [
        ("another's", riverside.token.as_str()),
        ("nobody's", "guess"),
        ("a long one", &"x".repeat(2_000)),
    ] {
        assert!(is_inactive(&introspect(&maple, token).await), "{what}");
    }
    world.clock.advance(300);
    let mut later = world.partner(BRIGID).await;
    later.renew().await;
    assert!(is_inactive(&introspect(&maple, &maple.token).await), "expired");
    world
        .gateway
        .disable_partner("riverside", "test operator")
        .await
        .expect("known");
    assert_eq!(introspect(&riverside, &riverside.token).await.status, 401);
}

async fn who_may_not_ask_is_refused_and_counted(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let assertion = maple.sign(&maple.claims());
    let form = |path: &str, token: &str| {
        let pairs = [
            ("token", token),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        Ask::form(path, &pairs)
    };
    for path in ["/auth/introspect", "/auth/revoke"] {
        let cases = [
            (Ask::form(path, &[("token", "x")]), 400, "invalid_request"),
            (form(path, ""), 400, "invalid_request"),
            (
                Ask::form(path, &[("token", "x")]).bearer("guess"),
                401,
                "invalid_client",
            ),
            (
                Ask::post(path, "{}").with("content-type", "application/json"),
                400,
                "invalid_request",
            ),
            (Ask::get(path), 405, ""),
        ];
        for (ask, status, error) in cases {
            let answer = world.send(ask).await;
            let said = answer.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!((answer.status, said.as_str()), (status, error), "{path}");
        }
    }
    // The proof is good once, whatever it is used for.
    assert_eq!(world.send(form("/auth/introspect", "x")).await.status, 200);
    for path in ["/auth/introspect", "/auth/revoke"] {
        assert_eq!(world.send(form(path, "x")).await.status, 401);
    }
    let again = world
        .send(Partner::token_request(&assertion, "system/*.rs"))
        .await;
    assert_eq!(again.status, 401);
    let refused: Vec<String> = world
        .events()
        .await
        .into_iter()
        .filter(|event| event.body.contains("client authentication failed"))
        .map(|event| event.actor)
        .collect();
    assert!(
        refused.contains(&maple.client_id),
        "whose name was used: {refused:?}"
    );
}

async fn a_token_taken_back_opens_nothing_anywhere_from_the_next_request_on(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut maple = world.partner(MAPLE).await;
    let other = world.another_process().await;
    let path = format!("/fhir/Patient/{rosa}");
    let status = async |at: &World, token: &str| at.send(Ask::get(&path).bearer(token)).await.status;
    // Known in memory on both.
    for at in [&world, &other] {
        assert_eq!(status(at, &maple.token).await, 200);
    }
    let ended = maple.token.clone();
    maple.renew().await;
    for at in [&world, &other] {
        assert_eq!(status(at, &maple.token).await, 200);
    }
    assert_eq!(revoke(&maple, &ended).await, 200);
    for at in [&world, &other] {
        assert_eq!(status(at, &ended).await, 401);
        assert_eq!(status(at, &maple.token).await, 200, "the others stay good");
    }
    assert!(is_inactive(&introspect(&maple, &ended).await));
    assert_eq!(revoke(&maple, &ended).await, 200, "again is no error");
    // A token takes itself back.
    let itself = Ask::form("/auth/revoke", &[("token", &maple.token)]).bearer(&maple.token);
    assert_eq!(world.send(itself).await.status, 200);
    for at in [&other, &world] {
        assert_eq!(status(at, &maple.token).await, 401);
    }
}

/// Another process has it in memory, and what it is asked for relies on nobody's record.
async fn what_speaks_of_nobody_is_not_opened_by_it_either(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let mut maple = world.partner(MAPLE).await;
    let other = world.another_process().await;
    let resource = || Ask::post("/fhir/List/$validate", r#"{"resourceType":"List"}"#);
    let map = || Ask::get("/fhir/ConceptMap/hearthstone-action-phase");
    let ways: [&dyn Fn() -> Ask; 2] = [&resource, &map];
    for way in ways {
        assert_eq!(other.send(way().bearer(&maple.token)).await.status, 200);
        let ended = maple.token.clone();
        maple.renew().await;
        assert_eq!(revoke(&maple, &ended).await, 200);
        assert_eq!(other.send(way().bearer(&ended)).await.status, 401);
        assert_eq!(other.send(way().bearer(&maple.token)).await.status, 200);
    }
}

async fn only_its_own_client_takes_a_token_back(engine: Engine) {
    let world = World::empty(engine).await;
    let (maple, riverside) = (world.partner(MAPLE).await, world.partner(RIVERSIDE).await);
    let answers = [
        asked_as(&maple, "/auth/revoke", &riverside.token).await,
        asked_as(&maple, "/auth/revoke", "guess").await,
    ];
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, ""),
            "nobody learns which"
        );
    }
    assert_eq!(
        introspect(&riverside, &riverside.token).await.json()["active"],
        true
    );
    assert_eq!(riverside.get("Patient?_id=x").await.status, 200);
}

async fn both_are_on_the_log(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    introspect(&maple, &maple.token).await;
    introspect(&maple, "guess").await;
    revoke(&maple, &maple.token).await;
    revoke(&maple, "guess").await;
    let events = world.events().await;
    let details = |kind: &str| -> Vec<Value> {
        let own = events.iter().filter(|event| event.kind == kind);
        own.map(|event| {
            assert_eq!(event.actor, maple.client_id);
            assert!(!event.body.contains(&maple.token), "no token stands on the log");
            let body: Value = serde_json::from_str(&event.body).expect("JSON");
            body["entity"][0]["detail"][1]["valueString"].clone()
        })
        .collect()
    };
    assert_eq!(details("token-introspected"), ["yes", "no"]);
    assert_eq!(details("token-revoked"), ["yes", "no"]);
}
