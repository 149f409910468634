//! Postern as a client of another server: two deployments over real TLS, one registered at the other by the address of its
//! keys. <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use postern::auth::{Account, Algorithm, Client};
use postern::gateway::ClientRegistration;

use crate::harness::{Ask, Authority, Engine, MAPLE, Served, World, stories};

stories!(
    its_keys_are_published_and_rotated_with_overlap,
    a_token_is_kept_until_shortly_before_its_end_and_renewed_once_when_refused,
    a_rotation_reaches_processes_that_run,
);

/// Two deployments that may call each other; the first has a key.
async fn two(engine: Engine, name: &str) -> (Served, Served) {
    let authority = Authority::named(name);
    let client = Served::over_tls(engine, &authority, &|_| {}).await;
    let server = Served::over_tls(engine, &authority, &|_| {}).await;
    client.world.gateway.make_first_key().await.expect("made");
    (client, server)
}

async fn registered(client: &Served, server: &Served) -> Client {
    let address = client.world.gateway.jwks_address();
    let registered = server
        .world
        .register_as(MAPLE, ClientRegistration::with_keys_at(address))
        .await;
    client.world.gateway.client_of(Account {
        base: server.world.gateway.config.base(),
        client_id: registered.client_id,
        scope: "system/*.rs".to_owned(),
        purpose: Some("TREAT".to_owned()),
    })
}

fn both(client: &Served, server: &Served, seconds: i64) {
    client.world.clock.advance(seconds);
    server.world.clock.advance(seconds);
}

async fn tokens(server: &Served) -> usize {
    let events = server.world.events().await;
    events.iter().filter(|event| event.kind == "token-issued").count()
}

async fn its_keys_are_published_and_rotated_with_overlap(engine: Engine) {
    let (client, server) = two(engine, "overlap").await;
    let postern = registered(&client, &server).await;
    // Nobody: what leaves over a real connection is not in the world's memory, and every disclosure is held against that.
    let read = "Patient?_id=x";
    assert_eq!(postern.get(read).await.expect("an answer").status, 200);
    let gateway = &client.world.gateway;
    let rotated = gateway
        .rotate_keys(Algorithm::Es384, false, "test operator")
        .await;
    let next = rotated.expect("made");
    let keys = async || {
        let answer = client.world.send(Ask::get("/.well-known/jwks.json")).await;
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        let keys = answer.json()["keys"].as_array().expect("a set").clone();
        assert!(
            keys.iter().all(|key| key["d"].is_null() && key["kty"] == "EC"),
            "public halves"
        );
        keys.len()
    };
    client.world.clock.advance(20);
    assert_eq!(keys().await, 2, "published before it signs");
    // Hour by hour through the change: each request signs anew, and none fails.
    for _ in 0..30 {
        both(&client, &server, 3600);
        assert_eq!(postern.get(read).await.expect("an answer").status, 200);
    }
    assert_eq!(keys().await, 1, "the old one is gone");
    let signing = gateway
        .own_keys
        .signing(&[Algorithm::Es384], client.world.clock.instant());
    assert_eq!(signing.expect("a key").kid(), next);
    // Taken by somebody: replaced at once. The other side asks again when it meets the new key.
    gateway
        .rotate_keys(Algorithm::Es384, true, "test operator")
        .await
        .expect("made");
    both(&client, &server, 600);
    assert_eq!(postern.get(read).await.expect("an answer").status, 200);
    // An RS384 key beside it, for servers that take nothing else.
    gateway
        .rotate_keys(Algorithm::Rs384, false, "test operator")
        .await
        .expect("made");
    let events = client.world.events().await;
    let rotations = events.iter().filter(|event| event.kind == "key-rotated");
    assert_eq!(rotations.count(), 4, "each is on the log");
}

async fn a_token_is_kept_until_shortly_before_its_end_and_renewed_once_when_refused(engine: Engine) {
    let (client, server) = two(engine, "kept-token").await;
    let postern = registered(&client, &server).await;
    let status = async || postern.get("Patient?_id=x").await.expect("an answer").status;
    for _ in 0..5 {
        assert_eq!(status().await, 200);
    }
    assert_eq!(tokens(&server).await, 1);
    both(&client, &server, 269);
    assert_eq!((status().await, tokens(&server).await), (200, 1));
    both(&client, &server, 1);
    assert_eq!(
        (status().await, tokens(&server).await),
        (200, 2),
        "thirty seconds before its end"
    );
    // Taken back at the other side: one more try with a new token.
    let token = postern.token().await.expect("a token");
    let revoked = Ask::form("/auth/revoke", &[("token", &token)]).bearer(&token);
    assert_eq!(server.world.send(revoked).await.status, 200);
    assert_eq!((status().await, tokens(&server).await), (200, 3));
    // Not registered any more: the token request is refused, and that is the end of it.
    server
        .world
        .gateway
        .disable_partner("maple", "test operator")
        .await
        .expect("known");
    let refused = postern
        .get("Patient?_id=x")
        .await
        .expect_err("refused")
        .to_string();
    assert_eq!(
        refused,
        "the server answered 401 to the token request: invalid_client"
    );
}

async fn a_rotation_reaches_processes_that_run(engine: Engine) {
    let world = World::empty(engine).await;
    let other = world.another_process().await;
    world.gateway.make_first_key().await.expect("made");
    let keys = async |at: &World| {
        let answer = at.send(Ask::get("/.well-known/jwks.json")).await;
        answer.json()["keys"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((keys(&world).await, keys(&other).await), (1, 1));
    let made = other
        .gateway
        .rotate_keys(Algorithm::Es384, false, "test operator")
        .await;
    made.expect("made");
    world.clock.advance(10);
    assert_eq!((keys(&world).await, keys(&other).await), (2, 2));
}
