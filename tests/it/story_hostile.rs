//! Whatever is sent: never a 5xx, never a stored value in a refusal, never an open connection without an answer.
//! <https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/>

use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::harness::{Answer, Ask, Engine, MAPLE, Person, World, stories};

stories!(hostile_requests_break_nothing, hostile_bodies_are_refused_in_time);

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "fhir", "Patient", "CarePlan", "Condition", "_search", "metadata", "StructureDefinition", "auth", "token", "intake",
            "hearthstone", "care-plan", "staff", "work", "ROSA", "SECRET", "..", ".", "", "$everything", "$validate", "_history", "livez",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}".prop_map(|s| form_urlencoded::byte_serialize(s.as_bytes()).collect()),
        1 => "\\PC{0,6}".prop_map(|s| form_urlencoded::byte_serialize(s.as_bytes()).collect()),
        1 => "(%[0-9A-Fa-f]{2}){0,5}",
        1 => "%[0-9g]?",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "patient",
        "_id",
        "identifier",
        "category",
        "status",
        "_format",
        "_include",
        "_has:Goal:patient:_id",
        "status:not",
        "subject",
        "patient.name",
        "_count",
        "",
        "_filter",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "ROSA",
            "Patient/ROSA",
            "ROSA,ROSA",
            "|",
            "a|b|c",
            ",",
            "\\",
            "\\,",
            "xml",
            "json",
            "ttl",
            "' OR 1=1 --",
            "%00",
            "SECRET",
            "http://x/Patient/ROSA",
            "Patient/",
            "/",
            "%F0%9F%92%A9",
            "%C3%28",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,10}".prop_map(|s| form_urlencoded::byte_serialize(s.as_bytes()).collect::<String>()),
    ];
    prop::collection::vec((name, value).prop_map(|(n, v)| format!("{n}={v}")), 0..4)
        .prop_map(|pairs| pairs.join("&"))
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec![
        "accept",
        "accept-encoding",
        "if-none-match",
        "content-type",
        "content-length",
        "x-request-id",
        "host",
        "prefer",
        "x-forwarded-for",
        "range",
        "if-match",
        "cookie",
        "transfer-encoding",
        "expect",
        "x-http-method-override",
    ]);
    let value = prop_oneof![
        "[ -~]{0,30}",
        prop::sample::select(vec![
            "application/fhir+xml",
            "application/x-www-form-urlencoded",
            "application/json",
            "*/*",
            "text/html",
            "gzip, br",
            "W/\"x\"",
            "*",
            "-1",
            "999999999999",
            ",,,",
            ";;",
            "a/b;q=x",
            "DELETE",
            "\u{e9}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..4)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::sample::select(vec![
            "{}",
            "[]",
            "null",
            "{\"client\":{}}",
            "{\"a\":1,\"a\":2}",
            "{\"$serde_json::private::Number\":\"1\"}",
            "1e999999",
            "{\"client\":{\"clientNo\":\"\"},\"planNo\":[[[]]]}",
            "grant_type=client_credentials&client_assertion=a.b.c",
            "patient=ROSA&patient=ROSA",
            "client_assertion_type=x&client_assertion=eyJ9.eyJ9.x",
            "\"\\ud800\"",
            "{\"outcome\":{}}",
            "<Patient xmlns=\"http://hl7.org/fhir\"/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
    ]
}

fn ask() -> impl Strategy<Value = (Ask, u8)> {
    let method = prop::sample::select(vec![
        Method::GET,
        Method::GET,
        Method::GET,
        Method::POST,
        Method::POST,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
    ]);
    let path = prop::collection::vec(segment(), 1..5);
    (method, path, query(), headers(), body(), any::<bool>(), 0..6u8).prop_map(
        |(method, path, query, headers, body, fhir, who)| {
            let start = if fhir { "/fhir/" } else { "/" };
            let mark = if query.is_empty() { "" } else { "?" };
            (
                Ask {
                    method,
                    path: format!("{start}{}{mark}{query}", path.join("/")),
                    headers,
                    body,
                },
                who,
            )
        },
    )
}

/// Sentences of the stored record: what nobody could have put into a request by chance.
async fn sentences(world: &World, person: &str) -> Vec<String> {
    let (_, rows) = world.gateway.store.load_record(person).await.expect("reads");
    let mut found = Vec::new();
    for row in rows {
        let body: Value = postern_rules::fhir::json::parse(row.body.as_bytes()).expect("JSON");
        collect(&body, &mut found);
    }
    found.retain(|text| text.len() >= 12 && text.contains(' '));
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(object) => object.values().for_each(|member| collect(member, found)),
        _ => {}
    }
}

async fn hostile_requests_break_nothing(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let secret = world.id("Condition", "diagnosis", "DX-88102").await;
    let maple = world.partner(MAPLE).await;
    let tokens = [
        maple.token.clone(),
        world
            .gateway
            .add_source("hearthstone", false, "test operator")
            .await
            .expect("recorded"),
        world
            .gateway
            .add_staff("kim", "Kim", "admin", false, "test operator")
            .await
            .expect("a known role"),
        "nonsense".to_owned(),
    ];
    let sentences = sentences(&world, &rosa).await;
    let cases = if engine == Engine::Sqlite { 600 } else { 150 };
    let config = Config {
        cases,
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&ask(), |(mut ask, who)| {
        ask.path = ask.path.replace("ROSA", &rosa).replace("SECRET", &secret);
        ask.body = String::from_utf8(ask.body)
            .map(|b| b.replace("ROSA", &rosa).into_bytes())
            .unwrap_or_else(|e| e.into_bytes());
        if let Some(token) = tokens.get(usize::from(who).saturating_sub(1)) {
            ask = ask.bearer(token);
        }
        let label = format!("{} {} {:?}", ask.method, ask.path, ask.headers);
        ask.headers.retain(|(name, _)| name != "x-request-id");
        ask = ask.with("x-request-id", &world.unique("h"));
        let sent =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(world.try_send(ask)));
        let Some(answer) = sent else {
            return Err(TestCaseError::reject("not HTTP"));
        };
        prop_assert!(answer.status < 500, "{label}: {}", answer.text());
        prop_assert!(
            quotes(&answer, &sentences).is_none(),
            "{label}: quotes what is stored"
        );
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn quotes<'s>(answer: &Answer, sentences: &'s [String]) -> Option<&'s String> {
    let text = answer.text();
    sentences
        .iter()
        .find(|s| answer.status >= 400 && text.contains(s.as_str()))
}

async fn hostile_bodies_are_refused_in_time(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let token = world
        .gateway
        .add_source("hearthstone", false, "test operator")
        .await
        .expect("recorded");
    let maple = world.partner(MAPLE).await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"goals\":[{}{{}}]}}", "{},".repeat(60_000));
    let keys: String = (0..20_000).map(|n| format!("\"k{n}\":1,")).collect();
    let cases = [
        ("too large", vec![b' '; 3 * 1024 * 1024], 413),
        ("deep", deep.into_bytes(), 400),
        ("wide", wide.into_bytes(), 422),
        ("many keys", format!("{{{keys}\"z\":1}}").into_bytes(), 422),
        (
            "a million digits",
            format!("{{\"version\":{}}}", "9".repeat(1_000_000)).into_bytes(),
            422,
        ),
    ];
    for (what, bytes, status) in cases {
        let ask = Ask::post("/intake/hearthstone/care-plan", bytes)
            .with("content-type", "application/json")
            .bearer(&token);
        let answer = world.send(ask).await;
        assert_eq!(
            answer.status,
            status,
            "{what}: {}",
            &answer.text()[..answer.body.len().min(300)]
        );
        assert!(
            answer.body.len() < 512 * 1024,
            "{what}: a refusal of {} bytes",
            answer.body.len()
        );
    }
    let many: String = (0..5000).map(|n| format!("&status=s{n}")).collect();
    let rosa = world.id_of(Person::ROSA).await;
    let answer = maple
        .send(
            Ask::post("/fhir/CarePlan/_search", format!("patient={rosa}{many}"))
                .with("content-type", "application/x-www-form-urlencoded"),
        )
        .await;
    assert!(answer.status < 500, "{}", answer.status);
    let ids: String = (0..5000).map(|n| format!("p{n},")).collect();
    let answer = maple
        .send(
            Ask::post("/fhir/CarePlan/_search", format!("patient={ids}x"))
                .with("content-type", "application/x-www-form-urlencoded"),
        )
        .await;
    assert!(answer.status < 500, "{}", answer.status);
}
