//! Limits at the door: who asks too much waits, who says nothing is dropped, who is not known is counted, and nobody else
//! notices. <https://www.rfc-editor.org/rfc/rfc6585#section-4>, 45 CFR 164.308(a)(5)(ii)(C)

use std::time::Duration;

use postern::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::harness::{Ask, BRIGID, Engine, MAPLE, World, stories};

stories!(
    a_client_beyond_its_limit_waits_and_nobody_else_does,
    strangers_are_counted_once_a_minute,
    a_stranger_who_goes_on_is_told_to_wait_unheard,
    the_address_is_the_connections_unless_the_proxy_says,
    a_body_with_a_content_encoding_is_not_unpacked,
    what_does_not_open_in_time_is_dropped,
    more_than_is_worked_on_at_a_time_is_answered_at_once,
    half_sent_bodies_hold_up_nobody,
    an_address_has_so_many_connections,
);

async fn a_client_beyond_its_limit_waits_and_nobody_else_does(engine: Engine) {
    let limited = |config: &mut Config| (config.limits.requests_per_minute, config.limits.burst) = (60, 3);
    let world = World::configured(engine, &limited).await;
    let (maple, brigid) = (world.partner(MAPLE).await, world.partner(BRIGID).await);
    for _ in 0..3 {
        assert_eq!(maple.get("Patient/nobody").await.status, 404);
    }
    let refused = maple.get("Patient/nobody").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["issue"][0]["code"], "throttled");
    assert_eq!(brigid.get("Patient/nobody").await.status, 404);
    world.clock.advance(1);
    assert_eq!(maple.get("Patient/nobody").await.status, 404);
    assert_eq!(maple.get("Patient/nobody").await.status, 429);
}

/// Events about attempts without a token: their reasons.
async fn noise(world: &World) -> Vec<String> {
    let events = world.events().await;
    let noise = events
        .iter()
        .filter(|event| event.body.contains("User Authentication") && event.kind == "refusal");
    noise
        .map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.body).expect("JSON");
            body["outcomeDesc"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

async fn strangers_are_counted_once_a_minute(engine: Engine) {
    let world = World::empty(engine).await;
    for token in ["", "guess-1", "guess-2", "guess-3"] {
        assert_eq!(
            world.send(Ask::get("/fhir/Patient/x").bearer(token)).await.status,
            401
        );
    }
    assert_eq!(
        world.send(Ask::get("/staff/work").bearer("guess")).await.status,
        401
    );
    let intake = Ask::post("/intake/hearthstone/referral", "{}").bearer("guess");
    assert_eq!(world.send(intake).await.status, 401);
    assert_eq!(noise(&world).await, ["no valid access token"]);
    world.clock.advance(61);
    world.gateway.note_ended_strangers().await;
    let all = ["no valid access token", "no valid access token; 5 attempts"];
    assert_eq!(noise(&world).await, all);
    world.clock.advance(61);
    world.gateway.note_ended_strangers().await;
    assert_eq!(noise(&world).await, all, "who stopped is not spoken of again");
}

async fn a_stranger_who_goes_on_is_told_to_wait_unheard(engine: Engine) {
    let world = World::configured(engine, &|config| config.limits.strangers_per_minute = 2).await;
    let maple = world.partner(MAPLE).await;
    assert_eq!(maple.get("Patient/nobody").await.status, 404);
    let guess = || Ask::get("/fhir/Patient/x").bearer("guess");
    assert_eq!(world.send(guess()).await.status, 401);
    assert_eq!(world.send(guess()).await.status, 401);
    let before = world.gateway.store.reads();
    let refused = world.send(guess()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert_eq!(world.gateway.store.reads(), before, "it is not looked up");
    assert_eq!(
        maple.get("Patient/nobody").await.status,
        404,
        "a known token is heard"
    );
    world.clock.advance(61);
    assert_eq!(world.send(guess()).await.status, 401);
}

async fn the_address_is_the_connections_unless_the_proxy_says(engine: Engine) {
    let from = |list: &str| Ask::get("/fhir/Patient/x").with("x-forwarded-for", list);
    let world = World::empty(engine).await;
    world.send(from("203.0.113.9")).await;
    assert!(
        !world
            .events()
            .await
            .iter()
            .any(|event| event.body.contains("203.0.113.9"))
    );
    let behind = |config: &mut Config| {
        config.server.behind_proxy = true;
        config.server.client_address_header = Some("x-forwarded-for".to_owned());
    };
    let world = World::configured(engine, &behind).await;
    world.send(from("198.51.100.1, 203.0.113.9")).await;
    let events = world.events().await;
    assert!(events.iter().any(|event| event.body.contains("203.0.113.9")));
    assert!(
        !events.iter().any(|event| event.body.contains("198.51.100.1")),
        "what the client wrote itself"
    );
}

async fn a_body_with_a_content_encoding_is_not_unpacked(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let packed = Ask::form("/fhir/Goal/_search", &[("patient", "x")]).with("content-encoding", "gzip");
    let refused = maple.send(packed).await;
    assert_eq!(
        (refused.status, refused.json()["issue"][0]["code"].as_str()),
        (415, Some("not-supported"))
    );
    let plain = Ask::form("/fhir/Goal/_search", &[("patient", "x")]).with("content-encoding", "identity");
    assert_eq!(maple.send(plain).await.status, 200);
}

/// The gateway of a world behind a real socket, until it is dropped.
struct Socket {
    address: String,
    _stop: oneshot::Sender<()>,
}

impl Socket {
    async fn of(world: &World) -> Socket {
        let mut server = world.gateway.config.server.clone();
        "127.0.0.1:0".clone_into(&mut server.listen);
        let bound = postern::http::bind(&server).expect("a port of its own");
        let address = bound.address.to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let gateway = world.gateway.clone();
        #[expect(clippy::disallowed_methods, reason = "a server of this test")]
        tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let _ = bound.serve(gateway, stopped).await;
        });
        Socket { address, _stop: stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("it listens")
    }

    /// Is this answered with 200, sooner or later?
    async fn answers(&self, text: &str) -> bool {
        self.until(text, "HTTP/1.1 200").await.starts_with("HTTP/1.1 200")
    }

    /// Says this again until the answer begins so; the last answer.
    async fn until(&self, text: &str, beginning: &str) -> String {
        let mut heard = String::new();
        for _ in 0..100 {
            heard = self.say(text, 20).await.unwrap_or_default();
            if heard.starts_with(beginning) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        heard
    }

    /// Sends this and reads until the other side ends the connection or `patience` is over.
    async fn say(&self, text: &str, patience: u64) -> Option<String> {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("it takes bytes");
        let mut heard = Vec::new();
        let reading = stream.read_to_end(&mut heard);
        let ended = tokio::time::timeout(Duration::from_secs(patience), reading)
            .await
            .is_ok();
        ended.then(|| String::from_utf8_lossy(&heard).into_owned())
    }
}

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn what_does_not_open_in_time_is_dropped(engine: Engine) {
    let world = World::configured(engine, &|config| config.limits.header_seconds = 1).await;
    let socket = Socket::of(&world).await;
    for opening in [
        "",
        "G",
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-half",
        "PRI * HTTP/2.0\r\n\r\nSM",
    ] {
        let heard = socket.say(opening, 20).await;
        assert!(heard.is_some(), "still open after {opening:?}");
        assert!(!heard.unwrap_or_default().contains("200 OK"));
    }
    assert!(socket.say(LIVEZ, 20).await.unwrap_or_default().contains("200 OK"));
}

async fn more_than_is_worked_on_at_a_time_is_answered_at_once(engine: Engine) {
    let world = World::configured(engine, &|config| config.limits.in_flight = 1).await;
    let guess = || world.send(Ask::get("/fhir/Patient/x").bearer("guess"));
    // The first one has the place while it waits for the database.
    let (first, refused, health) = tokio::join!(guess(), guess(), world.send(Ask::get("/livez")));
    assert_eq!((first.status, refused.status, health.status), (401, 503, 200));
    assert_eq!(refused.header("retry-after"), "2");
    assert_eq!(refused.json()["issue"][0]["code"], "transient");
    assert_eq!(guess().await.status, 401, "the place was not given back");
}

const METADATA: &str = "GET /fhir/metadata HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
const HALF: &str = "POST /fhir/Goal/_search HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
    content-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\npatient=";

async fn half_sent_bodies_hold_up_nobody(engine: Engine) {
    let two_bodies = |config: &mut Config| {
        (config.limits.in_flight, config.server.body_limit) = (1, 20 * 1024);
        config.limits.body_bytes = 80 * 1024;
    };
    let world = World::configured(engine, &two_bodies).await;
    let socket = Socket::of(&world).await;
    let whole = format!("{HALF}x");
    let (mut one, mut refused) = (socket.connect().await, String::new());
    let mut two = socket.connect().await;
    for _ in 0..100 {
        // While an earlier one still holds its bytes, these are refused: then others are sent.
        (one, two) = (socket.connect().await, socket.connect().await);
        for stream in [&mut one, &mut two] {
            stream.write_all(HALF.as_bytes()).await.expect("it takes bytes");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = socket.say(&whole, 20).await.unwrap_or_default();
        refused = socket.say(&whole, 20).await.unwrap_or_default();
        if [&before, &refused]
            .iter()
            .all(|heard| heard.starts_with("HTTP/1.1 503"))
        {
            break;
        }
    }
    assert!(
        refused.contains("retry-after: 2") && refused.contains("OperationOutcome"),
        "{refused}"
    );
    // One of those that were refused may still hold the one place; the half-sent ones are there all the while.
    let read = socket.until(METADATA, "HTTP/1.1 200").await;
    assert!(read.starts_with("HTTP/1.1 200"), "a read is answered: {read}");
    one.write_all(b"x").await.expect("it takes bytes");
    let mut heard = String::new();
    one.read_to_string(&mut heard).await.expect("it answers");
    drop(two);
    assert!(
        heard.starts_with("HTTP/1.1 401"),
        "what came whole is worked on: {heard}"
    );
    let large = HALF.replace("content-length: 9", "content-length: 21000") + &"x".repeat(21_000 - 8);
    let large = socket.until(&large, "HTTP/1.1 413").await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    let again = socket.until(&whole, "HTTP/1.1 401").await;
    assert!(
        again.starts_with("HTTP/1.1 401"),
        "the bytes were not given back: {again}"
    );
}

async fn an_address_has_so_many_connections(engine: Engine) {
    let world = World::configured(engine, &|config| config.limits.connections_per_address = 2).await;
    let socket = Socket::of(&world).await;
    let (mut one, mut two) = (socket.connect().await, socket.connect().await);
    let mut answer = [0; 15];
    for stream in [&mut one, &mut two] {
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .expect("it takes bytes");
        stream.read_exact(&mut answer).await.expect("it answers");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    let mut third = socket.connect().await;
    let _ = third.write_all(LIVEZ.as_bytes()).await;
    let mut heard = Vec::new();
    let _ = third.read_to_end(&mut heard).await;
    assert!(heard.is_empty(), "one too many is not answered");
    drop(one);
    assert!(socket.answers(LIVEZ).await, "the place was not given back");
}
