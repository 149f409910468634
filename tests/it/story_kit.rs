//! What a partner's kit says is what the server does: each of its written requests is read back and sent through the router.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use axum::http::Method;
use postern::auth::{Algorithm, KeyPair};
use postern::cli::kit::Kit;
use postern::gateway::ClientRegistration;
use serde_json::json;

use crate::harness::{Ask, BRIGID, Engine, MAPLE, PRAIRIE, Partner, RIVERSIDE, Who, World, stories};

stories!(
    each_request_is_answered_as_the_kit_says,
    who_may_write_is_shown_how_and_each_write_is_answered_as_the_kit_says,
    the_line_of_curl_is_the_same_request,
    the_page_names_what_a_team_asks_for,
    who_has_no_place_among_the_people_gets_no_kit,
    a_client_with_a_secret_or_people_behind_it_gets_its_own_requests,
);

const SANDBOX: &str = "https://sandbox.test/fhir";
const ROOT: &str = "https://sandbox.test";

async fn kit(partner: &Partner<'_>) -> Kit {
    let made = Kit::of(&partner.world.gateway, partner.who.id, SANDBOX).await;
    made.expect("every request was answered as it says")
}

fn files<'k>(kit: &'k Kit, suffix: &str) -> Vec<(&'k str, &'k str)> {
    let files = kit.files.iter().filter(|(name, _)| name.ends_with(suffix));
    files.map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

fn file<'k>(kit: &'k Kit, name: &str) -> &'k str {
    let found = kit.files.iter().find(|(of, _)| of == name);
    found.map_or("", |(_, text)| text)
}

/// A written request: what it expects, and what it is.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    status: u16,
    method: String,
    url: String,
    headers: Vec<String>,
    body: String,
}

/// The second line of either form: `# Expect 200: …`.
fn status(line: &str) -> u16 {
    let number = line
        .strip_prefix("# Expect ")
        .and_then(|rest| rest.split_once(':'));
    number
        .and_then(|(number, _)| number.parse().ok())
        .expect("a status")
}

fn from_http(text: &str) -> Written {
    let (head, body) = text.split_once("\n\n").expect("a head and a body");
    let lines: Vec<&str> = head.lines().collect();
    let mut request = lines[2].split(' ');
    let (method, url) = (
        request.next().expect("a method"),
        request.next().expect("an address"),
    );
    assert_eq!((request.next(), request.next()), (Some("HTTP/1.1"), None));
    Written {
        status: status(lines[1]),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: lines[3..].iter().map(|line| (*line).to_owned()).collect(),
        body: body.trim_end_matches('\n').to_owned(),
    }
}

/// As a shell reads what stands between double quotes, or in a here-document.
fn unquoted(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("the name of a variable");
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(plain, "{name}: no name for a shell");
        whole.push_str(&format!("{{{{{name}}}}}{rest}"));
    }
    whole.replace("\\$", "$")
}

fn from_curl(text: &str) -> Written {
    let text = text.replace(" \\\n  ", "\n");
    let mut lines = text.lines();
    let status = status(lines.nth(1).expect("what it expects"));
    let quoted = |line: &str, before: &str| {
        let inside = line.strip_prefix(before).and_then(|rest| rest.strip_suffix('"'));
        inside.map(unquoted)
    };
    let call = lines.next().expect("a call");
    let call = call.strip_prefix("curl -s -X ").expect("curl");
    let (method, url) = call.split_once(' ').expect("a method");
    let mut written = Written {
        status,
        method: method.to_owned(),
        url: quoted(url, "\"").expect("an address in quotes"),
        headers: Vec::new(),
        body: String::new(),
    };
    let mut document = false;
    for line in lines {
        match (quoted(line, "-H \""), quoted(line, "-d \"")) {
            (Some(header), _) => written.headers.push(header),
            (_, Some(body)) => written.body = body,
            _ if line == "--data-binary @- <<END" => document = true,
            _ if document && line != "END" => written.body.push_str(&unquoted(line)),
            _ => assert_eq!(line, "END"),
        }
    }
    written
}

impl Written {
    fn filled(&self, values: &[(String, String)]) -> Ask {
        let fill = |text: &str| {
            let mut text = text.to_owned();
            for (name, value) in values {
                text = text.replace(&format!("{{{{{name}}}}}"), value);
            }
            assert!(!text.contains("{{"), "{text}: a value that nobody has");
            text
        };
        let path = fill(&self.url);
        let ask = Ask::post(path.strip_prefix(ROOT).expect("of the sandbox"), fill(&self.body));
        let ask = ask.method(Method::from_bytes(self.method.as_bytes()).expect("a method"));
        let headers = self
            .headers
            .iter()
            .map(|line| line.split_once(": ").expect("a header"));
        headers.fold(ask, |ask, (name, value)| ask.with(name, &fill(value)))
    }
}

/// As its reader is told: `its id is {{task}}, its ETag {{taskversion}}`.
fn learns(text: &str) -> Option<String> {
    let (_, told) = text.lines().nth(1)?.split_once("; its id is {{")?;
    let (name, rest) = told.split_once("}}, its ETag {{")?;
    assert_eq!(rest, format!("{name}version}}}}"));
    Some(name.to_owned())
}

/// Sends all requests of the kit in order, as its reader would.
async fn follow(partner: &Partner<'_>, kit: &Kit) {
    let (mut token, mut patient, mut learnt) = (String::new(), String::new(), Vec::new());
    let requests = files(kit, ".http");
    assert!(requests.len() > 20, "{}", requests.len());
    for (name, text) in requests {
        let written = from_http(text);
        let assertion = partner.sign(&partner.claims());
        let known = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut values = vec![
            known("token", &token),
            known("patient", &patient),
            known("assertion", &assertion),
        ];
        values.extend(learnt.iter().cloned());
        let answer = partner.world.send(written.filled(&values)).await;
        assert_eq!(answer.status, written.status, "{name}: {}", answer.text());
        let shown = name.replace("requests/", "answers/").replace(".http", ".json");
        let shown: serde_json::Value = serde_json::from_str(file(kit, &shown)).unwrap_or_default();
        assert_eq!(shown["resourceType"], answer.json()["resourceType"], "{name}");
        if let Some(told) = learns(text) {
            let body = answer.json();
            let first = &body["entry"][0]["resource"];
            let resource = if first.is_object() { first } else { &body };
            let id = resource["id"].as_str().expect("an id").to_owned();
            let version = resource["meta"]["versionId"].as_str().expect("a version");
            learnt.retain(|(known, _): &(String, String)| !known.starts_with(&told));
            learnt.push((format!("{told}version"), format!("W/\"{version}\"")));
            learnt.push((told, id));
        }
        if name.ends_with("3-token.http") {
            answer.json()["access_token"]
                .as_str()
                .expect("a token")
                .clone_into(&mut token);
        }
        if name.ends_with("-find.http") {
            let found = &answer.json()["entry"][0]["resource"]["id"];
            found.as_str().expect("one match").clone_into(&mut patient);
        }
    }
    let after = Ask::get(&format!("/fhir/Patient/{patient}")).bearer(&token);
    assert_eq!(
        partner.world.send(after).await.status,
        401,
        "the last request took the token back"
    );
}

async fn each_request_is_answered_as_the_kit_says(engine: Engine) {
    let world = World::demo(engine).await;
    for who in [MAPLE, RIVERSIDE, BRIGID] {
        let partner = world.partner(who).await;
        let kit = kit(&partner).await;
        follow(&partner, &kit).await;
        assert!(
            !kit.files.iter().any(|(of, _)| of.ends_with("-create.http")),
            "it only reads"
        );
        let emergency = who.purposes.contains(&"ETREAT");
        let asks = |name: &str| kit.files.iter().any(|(of, _)| of.ends_with(name));
        assert_eq!(
            (asks("-break-glass.http"), asks("-error-emergency.http")),
            (emergency, !emergency)
        );
    }
}

async fn who_may_write_is_shown_how_and_each_write_is_answered_as_the_kit_says(engine: Engine) {
    let world = World::demo(engine).await;
    let writes = |kit: &Kit, name: &str| {
        kit.files
            .iter()
            .any(|(of, _)| of.ends_with(&format!("-{name}.http")))
    };
    for who in [MAPLE, RIVERSIDE, BRIGID] {
        let partner = world.writer(who).await;
        let kit = kit(&partner).await;
        follow(&partner, &kit).await;
        for name in ["create", "update", "propose", "error-version", "error-stale"] {
            assert!(writes(&kit, name), "{}: no sample `{name}`", who.id);
        }
        assert_eq!(writes(&kit, "patch"), who.id == "maple", "a referral to it");
        assert_eq!(writes(&kit, "create-task"), writes(&kit, "create-request"));
        let page = file(&kit, "README.md");
        assert!(
            page.contains("staff were asked") && page.contains("If-Match"),
            "{page}"
        );
    }
}

async fn the_line_of_curl_is_the_same_request(engine: Engine) {
    let world = World::empty(engine).await;
    let partner = world.writer(RIVERSIDE).await;
    let kit = kit(&partner).await;
    for (name, text) in files(&kit, ".sh") {
        let twin = from_http(file(&kit, &name.replace(".sh", ".http")));
        assert_eq!(from_curl(text), twin, "{name}");
    }
    assert_eq!(files(&kit, ".sh").len(), files(&kit, ".http").len());
}

async fn the_page_names_what_a_team_asks_for(engine: Engine) {
    let world = World::empty(engine).await;
    let partner = world.partner(MAPLE).await;
    let kit = kit(&partner).await;
    let page = file(&kit, "README.md");
    let gateway = &world.gateway;
    for named in [
        partner.client_id.as_str(),
        SANDBOX,
        &gateway.config.base(),
        &gateway.token_endpoint(),
        &gateway.jwks_address(),
        "system/*.rs",
        "TREAT",
        "HCS-104233",
        "1987-03-14",
        "## Contacts",
        "X-Request-ID",
    ] {
        assert!(page.contains(named), "{named} is not in\n{page}");
    }
    for (name, _) in files(&kit, ".http") {
        let stem = name.trim_start_matches("requests/").trim_end_matches(".http");
        assert!(page.contains(stem), "{stem} is not on the page");
    }
    // Rosa consented; Tamsin refused.
    let row = |name: &str| page.lines().find(|line| line.contains(name)).expect("a row");
    assert!(
        row("| Rosa").contains("CarePlan ") && row("| Tamsin").contains("nothing"),
        "{page}"
    );
    assert!(file(&kit, "agreement.md").contains("42 CFR Part 2"));
    assert!(file(&kit, "assertion.json").contains("https://sandbox.test/auth/token"));
    let inside = kit.files.iter().find(|(_, text)| text.contains("127.0.0.1"));
    assert_eq!(
        inside.map(|(name, _)| name),
        None,
        "an address that only the maker knows"
    );
}

async fn who_has_no_place_among_the_people_gets_no_kit(engine: Engine) {
    let world = World::empty(engine).await;
    world.partner(PRAIRIE).await;
    let why = async |id: &str, base: &str| {
        let made = Kit::of(&world.gateway, id, base).await;
        made.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(
        why("prairie", SANDBOX)
            .await
            .contains("nobody of class health-plan")
    );
    assert_eq!(why("unknown", SANDBOX).await, "no partner `unknown`");
    world.partner(MAPLE).await;
    assert!(
        why("maple", "https://sandbox.test")
            .await
            .contains("ends with /fhir")
    );
    let disabled = world.gateway.disable_partner("maple", "test operator").await;
    disabled.expect("known");
    assert_eq!(why("maple", SANDBOX).await, "partner `maple` is disabled");
}

async fn a_client_with_a_secret_or_people_behind_it_gets_its_own_requests(engine: Engine) {
    let world = World::configured(engine, &|config| config.smart.client_secrets = true).await;
    world.register_as(MAPLE, ClientRegistration::default()).await;
    let of = async |who: Who| Kit::of(&world.gateway, who.id, SANDBOX).await.expect("played");
    let secret = of(MAPLE).await;
    let posted = files(&secret, "-token.http")[0].1;
    assert!(posted.contains("client_secret={{secret}}") && !posted.contains("{{assertion}}"));
    assert_eq!(file(&secret, "assertion.json"), "");
    let pair = KeyPair::generate(Algorithm::Es384, "people").expect("a key pair");
    let people = ClientRegistration {
        interactive: true,
        ..ClientRegistration::with_keys(json!({"keys": [pair.public_jwk()]}))
    };
    world.register_as(BRIGID, people).await;
    let named = of(BRIGID).await;
    assert!(file(&named, "assertion.json").contains("subject_name"));
}
