//! Malformed parameters, headers, bodies and cursors through the router: never a 5xx, an OperationOutcome for every refusal, and in it
//! neither what is stored nor what was sent. <https://hl7.org/fhir/R4/http.html#Status-Codes>

use std::cell::Cell;

use axum::http::Method;
use postern_rules::search::{parameters, searched_types};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::{Answer, Ask, Engine, MAPLE, Partner, Person, World, stories};
use crate::two_worlds::next_page;

stories!(
    malformed_searches_are_refused_without_a_word_of_them,
    malformed_headers_are_answered_without_a_word_of_them,
    malformed_bodies_are_refused_without_a_word_of_them,
    a_cursor_that_was_touched_is_no_cursor,
);

/// Stands in everything that is sent, and never in a refusal.
const MARK: &str = "zq7v";

fn value() -> impl Strategy<Value = String> {
    let forms: Vec<&'static str> = vec![
        "{}",
        "ge{}",
        "eq2026-13-{}",
        "2026-02-30T25:61{}",
        "sa",
        "Patient/{}",
        "Patient/{}/_history/1",
        "Goal/{}|{}",
        "|",
        "||{}",
        "a|{}|c|d",
        "{}|",
        "http://{}.test/fhir/Patient/1",
        "urn:uuid:{}",
        ",",
        "{},",
        "\\",
        "{}\\",
        "\\|{}",
        "$",
        "-{}",
        "--_id",
        "{}:{}",
        "CarePlan:{}",
        "CarePlan:goal:{}",
        "*",
        "{}:*",
        "true{}",
        "0x{}",
        "-1",
        "1e9",
        "99999999999999999999",
        "\u{0}{}",
        "\u{202e}{}",
        "\u{feff}",
        "<{}>",
        "' OR 1=1 -- {}",
        "{}\r\nSet-Cookie: a=b",
        "%{}",
        "%zz",
        "+",
        " ",
        "",
    ];
    prop_oneof![
        3 => prop::sample::select(forms).prop_map(|form| form.replace("{}", MARK)),
        1 => "\\PC{0,12}".prop_map(|text| format!("{text}{MARK}")),
        1 => (1..4000_usize).prop_map(|times| MARK.repeat(times)),
    ]
}

/// Type and name of a parameter, with a modifier or without.
fn parameter() -> impl Strategy<Value = (&'static str, String)> {
    let types: Vec<&'static str> = searched_types().collect();
    let modifiers = vec![
        "",
        "",
        "",
        ":not",
        ":missing",
        ":exact",
        ":contains",
        ":of-type",
        ":identifier",
        ":iterate",
        ":above",
        ":in",
        ":text",
        ":Patient",
        ":Goal",
        ":zq7v",
        ":",
        "::",
        ".zq7v",
        ".name",
        "[x]",
    ];
    let controls = vec![
        "_id",
        "_lastUpdated",
        "_count",
        "_sort",
        "_summary",
        "_elements",
        "_total",
        "_include",
        "_revinclude",
        "_after",
        "_format",
        "_pretty",
        "_has:Goal:patient:_id",
        "_filter",
        "_content",
        "_text",
        "_list",
        "_type",
        "_contained",
        "_zq7v",
        "",
        "zq7v",
    ];
    let modifiers = prop::sample::select(modifiers);
    (
        prop::sample::select(types),
        any::<prop::sample::Index>(),
        modifiers,
        prop::sample::select(controls),
        any::<bool>(),
    )
        .prop_map(|(of, index, modifier, control, own)| {
            let own = (own && !parameters(of).is_empty())
                .then(|| parameters(of)[index.index(parameters(of).len())].code);
            (of, format!("{}{modifier}", own.unwrap_or(control)))
        })
}

/// One malformed thing in each, so that it is what the refusal is about; the person is named as it should be.
fn search() -> impl Strategy<Value = (&'static str, Vec<(String, String)>, bool, bool)> {
    let more = prop::collection::vec((parameter().prop_map(|(_, name)| name), value()), 0..3);
    (parameter(), value(), more, any::<bool>(), any::<bool>()).prop_map(
        |((of, name), value, more, form, lenient)| {
            let mut pairs = vec![(name, value)];
            pairs.extend(more);
            (of, pairs, form, lenient)
        },
    )
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..Config::default()
    })
}

fn cases(engine: Engine, most: u32) -> u32 {
    if engine == Engine::Sqlite { most } else { most / 6 }
}

/// Waits for one request from within a strategy's run.
fn sent(partner: &Partner<'_>, ask: Ask) -> Option<Answer> {
    ask.request()?;
    let once = ask.with("x-request-id", &partner.world.unique("b"));
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async { Some(partner.send(once).await) })
    })
}

/// What holds of every answer: no 5xx; a refusal is an OperationOutcome with an error in it and without the mark.
fn holds(answer: &Answer, label: &str) -> Result<(), TestCaseError> {
    prop_assert!(
        answer.status < 500 && answer.status != 429,
        "{label}: {}",
        answer.text()
    );
    prop_assert!(
        answer.status < 300 || answer.status == 304 || answer.status >= 400,
        "{label}: {}",
        answer.status
    );
    for (name, value) in &answer.headers {
        let told = String::from_utf8_lossy(value.as_bytes()).contains(MARK);
        prop_assert!(!told, "{label}: said in {name}");
    }
    let packed = !answer.header("content-encoding").is_empty();
    if answer.status < 400 || answer.body.is_empty() || packed {
        return Ok(());
    }
    prop_assert!(!answer.text().contains(MARK), "{label}: {}", answer.text());
    let outcome = answer.resource();
    let outcome =
        outcome.ok_or_else(|| TestCaseError::fail(format!("{label}: not FHIR: {}", answer.text())))?;
    prop_assert_eq!(&outcome["resourceType"], "OperationOutcome", "{}", label);
    let severity = &outcome["issue"][0]["severity"];
    prop_assert!(
        severity == "error" || severity == "fatal",
        "{label}: {}",
        answer.text()
    );
    Ok(())
}

async fn malformed_searches_are_refused_without_a_word_of_them(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let refused = Cell::new(0);
    let outcome = runner(cases(engine, 900)).run(&search(), |(of, mut pairs, form, lenient)| {
        if of != "Patient" {
            pairs.push(("patient".to_owned(), rosa.clone()));
        }
        let label = format!("{of} {pairs:?} form {form} lenient {lenient}");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        let media = "application/x-www-form-urlencoded";
        let mut ask = match form {
            true => Ask::post(&format!("/fhir/{of}/_search"), query).with("content-type", media),
            false => Ask::get(&format!("/fhir/{of}?{query}")),
        };
        if lenient {
            ask = ask.with("prefer", "handling=lenient");
        }
        let Some(answer) = sent(&maple, ask) else {
            return Err(TestCaseError::reject("not HTTP"));
        };
        refused.set(refused.get() + u32::from(answer.status >= 400));
        holds(&answer, &label)
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    let refused = refused.get();
    assert!(refused > cases(engine, 900) / 3, "{refused} were refused");
}

fn header() -> impl Strategy<Value = (&'static str, String)> {
    let name = prop::sample::select(vec![
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "content-encoding",
        "prefer",
        "if-none-match",
        "if-match",
        "if-modified-since",
        "if-none-exist",
        "range",
        "cookie",
        "origin",
        "forwarded",
        "x-forwarded-host",
        "x-http-method-override",
        "te",
    ]);
    let forms: Vec<&'static str> = vec![
        "{}",
        "W/\"{}\"",
        "\"{}",
        "W/{}",
        "*, {}",
        ",,{}",
        ";;{}",
        "application/fhir+json; fhirVersion={}",
        "application/{}+xml",
        "application/fhir+xml;q={}",
        "handling={}",
        "handling=lenient; {}",
        "return={}",
        "bytes=0-{}",
        "gzip;q={}",
        "{}=1; {}",
        "Mon, 31 Feb 2026 {}",
        "application/fhir+xml, application/json;q=0.{}",
        "identifier={}",
        "\u{e9}{}",
    ];
    let value = prop_oneof![
        3 => prop::sample::select(forms).prop_map(|form| form.replace("{}", MARK)),
        1 => "[ -~]{0,40}".prop_map(|text| format!("{text}{MARK}")),
    ];
    (name, value)
}

async fn malformed_headers_are_answered_without_a_word_of_them(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let paths = [
        format!("/fhir/Patient/{rosa}"),
        format!("/fhir/Goal?patient={rosa}"),
        "/fhir/metadata".to_owned(),
        "/fhir/Patient/nobody".to_owned(),
        format!("/fhir/Patient/{rosa}/_history/{MARK}"),
    ];
    let method = prop::sample::select(vec![
        Method::GET,
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ]);
    let ask = (method, 0..paths.len(), prop::collection::vec(header(), 1..4));
    let outcome = runner(cases(engine, 500)).run(&ask, |(method, at, headers)| {
        let label = format!("{method} {} {headers:?}", paths[at]);
        let mut ask = Ask::get(&paths[at]).method(method);
        ask.headers
            .extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        match sent(&maple, ask) {
            Some(answer) => holds(&answer, &label),
            None => Err(TestCaseError::reject("not HTTP")),
        }
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn body() -> impl Strategy<Value = String> {
    let forms: Vec<&'static str> = vec![
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\"@\"",
        "{\"resourceType\":\"@\"}",
        "{\"resourceType\":\"Goal\",\"id\":\"@ @\"}",
        "{\"resourceType\":\"Goal\",\"lifecycleStatus\":\"@\",\"description\":{\"text\":\"@\"}}",
        "{\"resourceType\":\"Task\",\"status\":\"@\",\"intent\":[\"@\"],\"for\":{\"reference\":\"Patient/@\"}}",
        "{\"resourceType\":\"Condition\",\"subject\":{\"reference\":\"Patient/ROSA\"},\"onsetDateTime\":\"2026-02-30@\",\"onsetString\":\"@\"}",
        "{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":\"@\"},\"status\":1,\"subject\":{\"reference\":\"Patient/ROSA\"}}",
        "{\"resourceType\":\"Communication\",\"status\":\"completed\",\"subject\":{\"reference\":\"https://@.test/Patient/1\"}}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"resource\",\"valueString\":\"@\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"resource\",\"resource\":{\"resourceType\":\"Patient\",\"birthDate\":\"@\"}}]}",
        "{\"resourceType\":\"Bundle\",\"type\":\"@\",\"entry\":[{\"request\":{\"method\":\"@\",\"url\":\"@\"}}]}",
        "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{\"method\":\"GET\",\"url\":\"Goal?@=1\"}}]}",
        "[{\"op\":\"@\",\"path\":\"/@\"}]",
        "[{\"op\":\"replace\",\"path\":\"@\",\"value\":\"@\"}]",
        "[{\"op\":\"test\",\"path\":\"/status\",\"value\":\"@\"}]",
        "[{\"op\":\"add\",\"path\":\"/~2@/-\",\"value\":{\"a\":[\"@\"]}}]",
        "[{\"op\":\"move\",\"from\":\"/@\",\"path\":\"/id\"}]",
        "{\"a\":1,\"a\":\"@\"}",
        "{\"resourceType\":\"Goal\",\"x\":\"\\ud800\"}",
        "<Goal xmlns=\"http://hl7.org/fhir\"><lifecycleStatus value=\"@\"/></Goal>",
        "<Goal><@/></Goal>",
        "<!DOCTYPE @ SYSTEM \"@\"><Goal/>",
        "<Task xmlns=\"http://hl7.org/fhir\"><status value=\"@\"><x/></status>",
        "grant_type=@&scope=@",
        "patient=@&_id=%zz",
    ];
    prop_oneof![
        5 => prop::sample::select(forms).prop_map(|form| form.replace('@', MARK)),
        1 => "\\PC{0,40}".prop_map(|text| format!("{MARK}{text}")),
    ]
}

async fn malformed_bodies_are_refused_without_a_word_of_them(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.writer(MAPLE).await;
    let task = maple
        .get(&format!("Task?patient={rosa}"))
        .await
        .resources()
        .remove(0);
    let (id, version) = (
        task["id"].as_str().expect("id"),
        task["meta"]["versionId"].as_str().expect("version"),
    );
    let one = format!("/fhir/Task/{id}");
    let doors = [
        (Method::POST, "/fhir".to_owned()),
        (Method::POST, "/fhir/Goal".to_owned()),
        (Method::POST, "/fhir/Task".to_owned()),
        (Method::POST, "/fhir/Condition".to_owned()),
        (Method::POST, "/fhir/Observation".to_owned()),
        (Method::POST, "/fhir/Communication".to_owned()),
        (Method::PUT, one.clone()),
        (Method::PATCH, one),
        (Method::POST, "/fhir/Patient/$match".to_owned()),
        (Method::POST, "/fhir/Patient/$break-glass".to_owned()),
        (Method::POST, format!("/fhir/Patient/{rosa}/$request-more")),
        (Method::POST, "/fhir/Goal/_search".to_owned()),
    ];
    let media = prop::sample::select(vec![
        "application/fhir+json",
        "application/json",
        "application/json-patch+json",
        "application/fhir+xml",
        "text/xml",
        "application/x-www-form-urlencoded",
        "application/zq7v",
        "",
    ]);
    let ask = (
        0..doors.len(),
        body(),
        media,
        prop::sample::select(vec!["current", "W/\"zq7v\"", "zq7v", ""]),
    );
    let outcome = runner(cases(engine, 900)).run(&ask, |(at, body, media, known)| {
        let (method, path) = &doors[at];
        let label = format!("{method} {path} {media} {known}: {body}");
        let mut ask = Ask::post(path, body.replace("ROSA", &rosa)).method(method.clone());
        if !media.is_empty() {
            ask = ask.with("content-type", media);
        }
        if !known.is_empty() {
            ask = ask.with("if-match", &known.replace("current", &format!("W/\"{version}\"")));
        }
        match sent(&maple, ask) {
            Some(answer) => holds(&answer, &label),
            None => Err(TestCaseError::reject("not HTTP")),
        }
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    let now = maple.get(&format!("Task/{id}")).await.json();
    assert_eq!(now["status"], task["status"], "nothing of it was written");
}

async fn a_cursor_that_was_touched_is_no_cursor(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let first = maple
        .get(&format!("Observation?patient={rosa}&_count=1&_sort=-code"))
        .await;
    let next = next_page(&first).expect("there is more");
    assert_eq!(maple.send(Ask::get(&next)).await.status, 200);
    let (address, cursor) = next.split_once("_after=").expect("a cursor");
    assert!(
        cursor
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')),
        "unreserved only"
    );
    let touch = (any::<prop::sample::Index>(), "[A-Za-z0-9_=%.-]{0,3}", 0..4_u8);
    let outcome = runner(cases(engine, 300)).run(&touch, |(index, text, how)| {
        let at = index.index(cursor.len());
        let touched = match how {
            0 => format!("{}{text}{}", &cursor[..at], &cursor[at..]),
            1 => cursor[..at].to_owned(),
            2 => format!("{}{text}{}", &cursor[..at], &cursor[at + 1..]),
            _ => format!("{}{}", &cursor[at..], &cursor[..at]),
        };
        if touched == cursor {
            return Err(TestCaseError::reject("not touched"));
        }
        let Some(answer) = sent(&maple, Ask::get(&format!("{address}_after={touched}"))) else {
            return Err(TestCaseError::reject("not HTTP"));
        };
        prop_assert_eq!(answer.status, 400, "{}", touched);
        holds(&answer, &touched)
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    for other in [
        format!("{address}_sort=code&_after={cursor}"),
        next.replace("_count=1", "_count=2"),
        next.replace("Observation?", "Condition?"),
    ] {
        assert_eq!(
            maple.send(Ask::get(&other)).await.status,
            400,
            "the cursor of another search"
        );
    }
    let brigid = world.partner(crate::harness::BRIGID).await;
    assert_eq!(
        brigid.send(Ask::get(&next)).await.status,
        400,
        "the cursor of another client"
    );
    world.clock.advance(15 * 60);
    let mut maple = maple;
    maple.renew().await;
    assert_eq!(maple.send(Ask::get(&next)).await.status, 400, "too old");
}
