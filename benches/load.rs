//! What `load.sh` needs beside the binary that is measured: a store of many people with a partner that may read them
//! (`stage`), and a bare axum route that answers the same bytes and knows nothing (`bare`). <https://hl7.org/fhir/R4/http.html>
//!
//!     load stage FOLDER DATABASE PEOPLE   fills DATABASE; writes keys, configuration, token and the paths to ask for
//!     load tokens FOLDER COUNT ENDPOINT   writes as many token requests, each with an assertion of its own, good for four minutes
//!     load bare ADDRESS FILE              answers every GET with the bytes of FILE, until it is stopped

#[expect(dead_code, reason = "other benches use more of it")]
mod rosa;

mod people;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use postern::auth::{Algorithm, KeyPair};
use postern::config::{Clock, Entropy};
use postern::gateway::Gateway;
use postern::store::Change;
use postern_rules::fhir::Value;
use serde_json::json;

/// How many plans the person with many has.
const MANY: usize = 50;
/// How long the token opens the door, in seconds.
const ADMITTED: i64 = 6 * 3600;
/// What a partner searches by patient.
const TYPES: [&str; 8] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Goal",
    "MedicationRequest",
    "ServiceRequest",
    "Task",
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    match args[..] {
        ["stage", folder, url, count] => {
            runtime.block_on(stage(
                Path::new(folder),
                url,
                count.parse().expect("a number of people"),
            ));
        }
        ["tokens", folder, count, endpoint] => tokens(
            Path::new(folder),
            count.parse().expect("a number of requests"),
            endpoint,
        ),
        ["bare", address, file] => runtime.block_on(bare(address, file)),
        _ => eprintln!("this is run by benches/load.sh"),
    }
}

async fn bare(address: &str, file: &str) {
    let bytes = Bytes::from(std::fs::read(file).expect("the bytes to answer"));
    let answer = move || std::future::ready(([(CONTENT_TYPE, "application/fhir+json")], bytes.clone()));
    let router = Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind(address).await.expect("free");
    axum::serve(listener, router).await.expect("serves");
}

async fn stage(folder: &Path, url: &str, count: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut config = rosa::config();
    config.store.url = url.to_owned();
    config.paths.keys = folder.join("keys");
    let gateway = postern::cli::open_with(config, Clock::System, Entropy::System)
        .await
        .expect("opens");
    people::fill(&gateway, count, 0).await;
    let (client, pair) = people::register(&gateway, rosa::PARTNERS[0]).await;
    std::fs::write(folder.join("client.key"), pair.pkcs8().expect("a key")).expect("written");
    std::fs::write(folder.join("client"), &client).expect("written");
    let issued = Clock::System.instant();
    people::admit(&gateway, rosa::PARTNERS[0].0, &client, issued, ADMITTED).await;
    write_paths(&gateway, folder).await;
    let text = format!(
        "[store]\nurl = {url:?}\n[paths]\nkeys = {:?}\nmappings = {:?}\nprofiles = {:?}\n\
         [limits]\nrequests_per_minute = 0\nstrangers_per_minute = 0\n",
        gateway.config.paths.keys, gateway.config.paths.mappings, gateway.config.paths.profiles,
    );
    std::fs::write(folder.join("postern.toml"), text).expect("written");
    std::fs::write(folder.join("token"), people::TOKEN).expect("written");
    gateway.store.close().await;
}

fn tokens(folder: &Path, count: usize, endpoint: &str) {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("staged");
    let pair = KeyPair::from_pkcs8(Algorithm::Es384, "bench", &read("client.key")).expect("a key");
    let client = String::from_utf8(read("client")).expect("an id");
    let until = Clock::System.instant().0 / 1_000_000 + 240;
    let mut claims = json!({"iss": client, "sub": client, "aud": endpoint, "exp": until});
    let mut lines = String::new();
    for number in 0..count {
        claims["jti"] = format!("{until}-{number}").into();
        let assertion = pair.sign(&pair.header(), &claims).expect("signed");
        let _ = writeln!(
            lines,
            "grant_type=client_credentials&scope=system%2F*.rs&client_assertion_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
        );
    }
    std::fs::write(folder.join("tokens.txt"), lines).expect("written");
}

/// `read.txt`: one plan of each person; `many.txt`: the plans of one who has many; `<Type>.txt`: everybody's of a type.
async fn write_paths(gateway: &Gateway, folder: &Path) {
    let people = gateway.store.people_after("", 1_000_000).await.expect("reads");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (number, patient) in people.iter().enumerate() {
        let (_, rows) = gateway.store.load_record(patient).await.expect("reads");
        let plan = rows
            .iter()
            .find(|row| row.resource_type == "CarePlan")
            .expect("a plan");
        let _ = writeln!(
            files.entry("read".to_owned()).or_default(),
            "/fhir/CarePlan/{}",
            plan.id
        );
        for kind in TYPES {
            let line = files.entry(kind.to_owned()).or_default();
            let _ = writeln!(line, "/fhir/{kind}?patient={patient}");
        }
        if number == 0 {
            let _ = writeln!(
                files.entry("many".to_owned()).or_default(),
                "/fhir/CarePlan?patient={patient}&_count={MANY}"
            );
            let plan = serde_json::from_str(&plan.body).expect("JSON");
            gateway
                .store
                .commit(more_plans(patient, &plan))
                .await
                .expect("kept");
        }
    }
    for (name, text) in files {
        std::fs::write(folder.join(format!("{name}.txt")), text).expect("written");
    }
}

fn more_plans(patient: &str, plan: &Value) -> Change {
    let id = plan["id"].as_str().expect("an id");
    let mut change = Change::at(rosa::NOW);
    change.puts = (1..MANY)
        .map(|number| {
            let mut plan = plan.clone();
            plan["id"] = format!("{id}-{number}").into();
            people::put(Some(patient), plan.to_string(), &plan)
        })
        .collect();
    change
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
