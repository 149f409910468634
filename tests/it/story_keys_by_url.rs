//! Keys that a client keeps at an address of its own: fetched when needed, by the rules of what may be called, and nobody
//! waits for somebody else's host. <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>,
//! A02, A03 and A13 of the security matrix.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use postern::auth::{Algorithm, KeyPair};
use postern::config::Config;
use postern::gateway::{ClientRegistration, NewPartner};
use serde_json::{Value, json};

use crate::harness::{
    Ask, Authority, BRIGID, Engine, MAPLE, Partner, RIVERSIDE, Says, Server, Who, World, registration_of,
    stories, written,
};

stories!(
    keys_are_fetched_once_and_kept_as_long_as_their_owner_says,
    a_new_key_is_found_when_it_signs_and_at_most_once_a_minute,
    many_at_once_share_one_fetch,
    a_slow_or_dead_host_holds_up_nobody_else,
    what_is_not_a_key_set_opens_nothing,
    a_stated_address_is_the_registered_one_or_nobody_is_called,
    what_may_not_be_called_is_not_registered,
);

/// An authority of the agency's own, and worlds that trust it and may call this machine.
struct Ground {
    authority: Authority,
    ca: PathBuf,
}

impl Ground {
    fn new(name: &str) -> Ground {
        let authority = Authority::named(name);
        let folder = crate::harness::database_folder().join(format!("postern-tls-{}", std::process::id()));
        let ca = written(&folder, &format!("{name}.pem"), &authority.pem());
        Ground { authority, ca }
    }

    async fn world(&self, engine: Engine) -> World {
        let configure = |config: &mut Config| {
            config.egress.ca = Some(self.ca.clone());
            config.egress.allow_nets = vec!["127.0.0.0/8".to_owned()];
            config.egress.timeout_seconds = 2;
        };
        World::configured(engine, &configure).await
    }

    async fn server(&self, says: Says) -> Server {
        Server::of(&self.authority, says).await
    }
}

/// The wall's clock: what is waited for in vain takes real time.
#[expect(clippy::disallowed_methods, reason = "how long others wait is measured")]
fn begin() -> Instant {
    Instant::now()
}

fn pair(kid: &str) -> KeyPair {
    KeyPair::generate(Algorithm::Es384, kid).expect("a key")
}

fn set(pairs: &[&KeyPair]) -> Value {
    let keys: Vec<&Value> = pairs.iter().map(|pair| pair.public_jwk()).collect();
    json!({ "keys": keys })
}

fn kept_for(seconds: u32, body: &Value) -> Says {
    let mut says = Says::json(body);
    says.headers.push(("cache-control", format!("max-age={seconds}")));
    says
}

async fn partner_at<'w>(world: &'w World, who: Who, url: String) -> Partner<'w> {
    let registered = world
        .register_as(who, ClientRegistration::with_keys_at(url))
        .await;
    Partner {
        world,
        who,
        client_id: registered.client_id,
        token: String::new(),
    }
}

fn request(partner: &Partner<'_>, pair: &KeyPair, header: &Value) -> Ask {
    let assertion = pair.sign(header, &partner.claims()).expect("signed");
    Partner::token_request(&assertion, "system/*.rs")
}

async fn ask(partner: &Partner<'_>, pair: &KeyPair) -> u16 {
    partner
        .world
        .send(request(partner, pair, &pair.header()))
        .await
        .status
}

async fn keys_are_fetched_once_and_kept_as_long_as_their_owner_says(engine: Engine) {
    let ground = Ground::new("kept");
    let world = ground.world(engine).await;
    let key = pair("k1");
    let server = ground.server(kept_for(600, &set(&[&key]))).await;
    let maple = partner_at(&world, MAPLE, server.url("/jwks.json")).await;
    assert_eq!(server.connected(), 0, "registering calls nobody");
    for _ in 0..3 {
        assert_eq!(ask(&maple, &key).await, 200);
    }
    assert_eq!(server.asked(), 1);
    assert_eq!(server.requests()[0]["accept"], "application/json");
    world.clock.advance(599);
    assert_eq!((ask(&maple, &key).await, server.asked()), (200, 1));
    world.clock.advance(1);
    assert_eq!((ask(&maple, &key).await, server.asked()), (200, 2));
    // Taken out by its owner, it is out when the set is read again, within the hour at the latest.
    server.say(kept_for(86_400, &set(&[&pair("k2")])));
    world.clock.advance(600);
    assert_eq!((ask(&maple, &key).await, server.asked()), (401, 3));
    server.say(kept_for(600, &set(&[&key])));
    world.clock.advance(3600);
    assert_eq!((ask(&maple, &key).await, server.asked()), (200, 4));
    // `no-store` still means one call a minute at most.
    let mut says = Says::json(&set(&[&key]));
    says.headers.push(("cache-control", "no-store".to_owned()));
    server.say(says);
    world.clock.advance(600);
    for _ in 0..3 {
        assert_eq!(ask(&maple, &key).await, 200);
    }
    assert_eq!(server.asked(), 5);
    world.clock.advance(60);
    assert_eq!((ask(&maple, &key).await, server.asked()), (200, 6));
}

async fn a_new_key_is_found_when_it_signs_and_at_most_once_a_minute(engine: Engine) {
    let ground = Ground::new("rotated");
    let world = ground.world(engine).await;
    let (old, new) = (pair("old"), pair("new"));
    let server = ground.server(kept_for(3600, &set(&[&old]))).await;
    let maple = partner_at(&world, MAPLE, server.url("/jwks.json")).await;
    assert_eq!((ask(&maple, &old).await, server.asked()), (200, 1));
    server.say(kept_for(3600, &set(&[&old, &new])));
    assert_eq!(
        (ask(&maple, &new).await, server.asked()),
        (401, 1),
        "fetched a moment ago"
    );
    world.clock.advance(60);
    assert_eq!((ask(&maple, &new).await, server.asked()), (200, 2));
    assert_eq!((ask(&maple, &old).await, server.asked()), (200, 2));
    // Guesses at a kid cost one call a minute, whoever makes them.
    world.clock.advance(60);
    for kid in ["../../etc/passwd", "' OR 1=1 --", "k3", "k4"] {
        assert_eq!(ask(&maple, &pair(kid)).await, 401);
    }
    assert_eq!(server.asked(), 3);
    // What is wrong without any key costs none.
    world.clock.advance(60);
    let mut late = maple.claims();
    late["exp"] = 1.into();
    let assertion = pair("k5").sign(&pair("k5").header(), &late).expect("signed");
    let refused = world
        .send(Partner::token_request(&assertion, "system/*.rs"))
        .await;
    assert_eq!((refused.status, server.asked()), (401, 3));
    // Two keys with one kid: neither counts.
    server.say(kept_for(3600, &set(&[&old, &pair("old")])));
    assert_eq!((ask(&maple, &pair("k6")).await, server.asked()), (401, 4));
    assert_eq!(ask(&maple, &old).await, 401);
}

async fn many_at_once_share_one_fetch(engine: Engine) {
    let ground = Ground::new("shared");
    let world = ground.world(engine).await;
    let key = pair("k1");
    let mut says = kept_for(600, &set(&[&key]));
    says.after = Duration::from_millis(200);
    let server = ground.server(says).await;
    let maple = partner_at(&world, MAPLE, server.url("/jwks.json")).await;
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (door, id) = (world.door(), format!("shared-{number}"));
        let request = request(&maple, &key, &key.header()).with("x-request-id", &id);
        asking.spawn(async move { door.send(request).await.expect("HTTP").status });
    }
    assert_eq!(asking.join_all().await, [200; 20]);
    assert_eq!((server.asked(), server.connected()), (1, 1));
}

async fn a_slow_or_dead_host_holds_up_nobody_else(engine: Engine) {
    let ground = Ground::new("slow");
    let world = ground.world(engine).await;
    let key = pair("k1");
    let mut says = Says::json(&set(&[&key]));
    says.after = Duration::from_secs(20);
    let slow = ground.server(says).await;
    let quick = ground.server(kept_for(600, &set(&[&key]))).await;
    let maple = partner_at(&world, MAPLE, slow.url("/jwks.json")).await;
    let riverside = partner_at(&world, RIVERSIDE, quick.url("/jwks.json")).await;
    let inline = world.partner(BRIGID).await;
    let begun = begin();
    let waiting = async { (ask(&maple, &key).await, begun.elapsed()) };
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let statuses = (
            ask(&riverside, &key).await,
            inline.ask_token("system/*.rs", &[]).await.status,
        );
        (statuses, begun.elapsed())
    };
    let ((status, ended), (others, answered)) = tokio::join!(waiting, others);
    assert_eq!((status, others), (401, (200, 200)));
    assert!(
        answered < ended,
        "they did not wait for the slow host: {answered:?}, {ended:?}"
    );
    assert!(
        ended < Duration::from_secs(15),
        "two seconds are enough for one call: {ended:?}"
    );
    // The failure is remembered for half a minute.
    let begun = begin();
    assert_eq!((ask(&maple, &key).await, slow.asked()), (401, 1));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    slow.say(kept_for(600, &set(&[&key])));
    world.clock.advance(30);
    assert_eq!((ask(&maple, &key).await, slow.asked()), (200, 2));
    // Keys in hand do not wait for a guess that makes the host be asked again.
    let mut says = kept_for(600, &set(&[&key]));
    says.after = Duration::from_secs(20);
    slow.say(says);
    world.clock.advance(60);
    let unknown = pair("guess");
    let begun = begin();
    let (guess, own) = tokio::join!(ask(&maple, &unknown), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (ask(&maple, &key).await, begun.elapsed())
    });
    assert_eq!((guess, own.0), (401, 200));
    assert!(own.1 < begun.elapsed(), "{:?}", own.1);
    // A dead host: nobody listens.
    let gone = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let dead = ClientRegistration::with_keys_at(format!("https://{gone}/jwks.json"));
    assert!(
        world
            .gateway
            .change_keys("maple", dead, "test operator")
            .await
            .is_ok()
    );
    assert_eq!(ask(&maple, &key).await, 401);
}

async fn what_is_not_a_key_set_opens_nothing(engine: Engine) {
    let ground = Ground::new("wrong");
    let world = ground.world(engine).await;
    let key = pair("k1");
    let good = kept_for(60, &set(&[&key]));
    let elsewhere = ground.server(good.clone()).await;
    let server = ground.server(good.clone()).await;
    let maple = partner_at(&world, MAPLE, server.url("/jwks.json")).await;
    let mut private = set(&[&key]);
    private["keys"][0]["d"] = "AAAA".into();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70 * 1024));
    let wrong = |status: u16, body: &[u8]| Says {
        status,
        body: body.to_vec(),
        ..good.clone()
    };
    let mut redirect = wrong(302, b"");
    redirect.headers.push(("location", elsewhere.url("/jwks.json")));
    let cases = [
        ("a redirect", redirect),
        ("not found", wrong(404, &good.body)),
        ("no JSON", wrong(200, b"<html>")),
        ("empty", wrong(200, b"")),
        ("a list", wrong(200, b"[]")),
        ("no keys", wrong(200, b"{\"keys\":[]}")),
        (
            "twice",
            wrong(
                200,
                format!("{{\"keys\":[],{}", &set(&[&key]).to_string()[1..]).as_bytes(),
            ),
        ),
        ("one kid for two keys", kept_for(60, &set(&[&key, &pair("k1")]))),
        ("too large", wrong(200, large.as_bytes())),
        ("a private key", Says::json(&private)),
    ];
    for (what, says) in cases {
        server.say(says);
        world.clock.advance(120);
        let asked = server.asked();
        assert_eq!(ask(&maple, &key).await, 401, "{what}");
        assert_eq!(server.asked(), asked + 1, "{what}");
    }
    assert_eq!(elsewhere.connected(), 0, "a redirect is not followed");
    server.say(good);
    world.clock.advance(120);
    assert_eq!(ask(&maple, &key).await, 200, "and then it is right again");
    // A certificate of an authority nobody here trusts.
    let foreign = Server::of(&Authority::named("foreign"), Says::json(&set(&[&key]))).await;
    let riverside = partner_at(&world, RIVERSIDE, foreign.url("/jwks.json")).await;
    assert_eq!((ask(&riverside, &key).await, foreign.asked()), (401, 0));
}

async fn a_stated_address_is_the_registered_one_or_nobody_is_called(engine: Engine) {
    let ground = Ground::new("stated");
    let world = ground.world(engine).await;
    let key = pair("k1");
    let server = ground.server(kept_for(600, &set(&[&key]))).await;
    let trap = ground.server(kept_for(600, &set(&[&key]))).await;
    let url = server.url("/jwks.json");
    let maple = partner_at(&world, MAPLE, url.clone()).await;
    let inline = world.partner(BRIGID).await;
    let stating = |jku: &str| {
        let mut header = key.header();
        header["jku"] = jku.into();
        header
    };
    let own = crate::harness::key_of("brigid");
    for jku in [
        trap.url("/jwks.json"),
        format!("{url}?x=1"),
        url.replace("https", "http"),
        format!("https://127.0.0.1:{}@evil.example/", trap.address.port()),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let asked = world.send(request(&maple, &key, &stating(&jku))).await;
        assert_eq!(asked.status, 401, "{jku}");
        let mut header = own.header();
        header["jku"] = jku.clone().into();
        let asked = world.send(request(&inline, own, &header)).await;
        assert_eq!(asked.status, 401, "{jku}: its keys are registered inline");
    }
    assert_eq!(
        (trap.connected(), server.connected()),
        (0, 0),
        "not one connection"
    );
    let right = world.send(request(&maple, &key, &stating(&url))).await;
    assert_eq!((right.status, server.asked()), (200, 1));
}

async fn what_may_not_be_called_is_not_registered(engine: Engine) {
    let world = World::empty(engine).await;
    for url in [
        "http://keys.example/jwks",
        "https://user@keys.example/jwks",
        "https://keys.example/jwks#x",
        "https://127.0.0.1/jwks",
        "https://2130706433/jwks",
        "https://[::ffff:10.0.0.1]/jwks",
        "file:///etc/passwd",
        "keys.example",
    ] {
        let new = NewPartner {
            partner: registration_of(MAPLE),
            client: ClientRegistration::with_keys_at(url.to_owned()),
        };
        let problems = world.gateway.add_partner(new, "test operator").await;
        assert!(
            problems.err().expect("refused")[0].starts_with("jwks-url:"),
            "{url}"
        );
    }
    // A name is judged when it is looked up: this one leads to this machine.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let maple = partner_at(&world, MAPLE, format!("https://localhost:{port}/jwks")).await;
    assert_eq!(ask(&maple, &pair("k1")).await, 401);
    assert!(listener.accept().is_err(), "nobody connected");
}
