//! A partner reads a CarePlan through the real router, without the network: token, cached release, event durable
//! before the answer opens. Beside it a bare axum route with the same bytes. <https://hl7.org/fhir/R4/http.html#read>

#[expect(dead_code, reason = "other benches use more of it")]
mod rosa;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use divan::Bencher;
use divan::counter::ItemsCount;
use postern::auth::{Algorithm, KeyPair, hash};
use postern::config::{Clock, Entropy};
use postern::gateway::{ClientRegistration, Gateway, Identifier, NPI, NewPartner, Partner};
use postern::store::{AccessToken, Change};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Reads of each client in one sample.
const ROUNDS: usize = 25;
const CLIENTS: [usize; 3] = [1, 16, 64];
const TOKEN: &str = "a-token-of-the-benches";

fn main() {
    divan::main();
}

/// A gateway on SQLite in a folder of its own, which goes when this does.
struct Stage {
    runtime: Runtime,
    gateway: Arc<Gateway>,
    router: Router,
    patient: String,
    path: String,
    folder: PathBuf,
}

impl Stage {
    fn open(name: &str) -> Stage {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        // beside the build, not in /tmp: that may be memory
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pull-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut config = rosa::config();
        config.store.url = format!("sqlite:{}", folder.join("postern.db").display());
        config.paths.keys = folder.join("keys");
        let opened = postern::cli::open_with(config, Clock::fixed(rosa::NOW), Entropy::Pinned(7));
        let gateway = runtime.block_on(opened).expect("opens");
        runtime.block_on(fill(&gateway));
        let router = postern::http::router(Arc::clone(&gateway));
        let found = runtime.block_on(fetch(
            &router,
            "/fhir/Patient?identifier=https://hearthstone.example/ids/client%7CHCS-104233",
        ));
        let patient = first_id(&found);
        let plans = runtime.block_on(fetch(&router, &format!("/fhir/CarePlan?patient={patient}")));
        let path = format!("/fhir/CarePlan/{}", first_id(&plans));
        Stage {
            runtime,
            gateway,
            router,
            patient,
            path,
            folder,
        }
    }

    fn body(&self) -> Bytes {
        self.runtime.block_on(fetch(&self.router, &self.path))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.runtime.block_on(self.gateway.store.close());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Rosa's files, Maple Street, and a token that was issued to it.
async fn fill(gateway: &Gateway) {
    for (record, name) in rosa::FILES {
        let report = gateway
            .import(
                "hearthstone",
                record,
                &rosa::demo_file(record, name),
                Some("bench"),
            )
            .await;
        assert_eq!(report.expect("readable").rejected(), 0, "{record} {name}");
    }
    let (id, class, npi) = rosa::PARTNERS[0];
    let partner = Partner {
        id: id.to_owned(),
        name: "Maple Street Family Medicine".to_owned(),
        class: class.to_owned(),
        organization: vec![Identifier {
            system: NPI.to_owned(),
            value: npi.to_owned(),
        }],
        purposes: vec!["TREAT".to_owned()],
        scopes: "system/*.rs".to_owned(),
        role: None,
        medical_personnel: false,
        phone: None,
    };
    let pair = KeyPair::generate(Algorithm::Es384, "bench").expect("a key");
    let new = NewPartner {
        partner,
        client: ClientRegistration::with_keys(json!({"keys": [pair.public_jwk()]})),
    };
    let registered = gateway.add_partner(new, "bench").await.expect("registered");
    let mut change = Change::at(rosa::NOW);
    change.tokens.push(AccessToken {
        hash: hash(TOKEN).to_vec(),
        client: registered.client_id,
        partner: id.to_owned(),
        scope: "system/*.rs".to_owned(),
        purpose: "TREAT".to_owned(),
        subject: None,
        stated: None,
        certificate: None,
        issued: rosa::NOW,
        expires: rosa::NOW.plus_seconds(300),
    });
    gateway.store.commit(change).await.expect("kept");
}

async fn fetch(router: &Router, path: &str) -> Bytes {
    let request = Request::builder()
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"));
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("answers");
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    to_bytes(response.into_body(), usize::MAX).await.expect("a body")
}

fn first_id(searchset: &[u8]) -> String {
    let bundle: Value = serde_json::from_slice(searchset).expect("JSON");
    bundle["entry"][0]["resource"]["id"]
        .as_str()
        .expect("found")
        .to_owned()
}

/// `clients` at once, each one read after the other.
fn reads(runtime: &Runtime, router: &Router, path: &str, clients: usize) {
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..clients {
            let (router, path) = (router.clone(), path.to_owned());
            tasks.spawn(async move {
                for _ in 0..ROUNDS {
                    fetch(&router, &path).await;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
    });
}

/// The floor: axum hands out the same bytes and knows nothing.
#[divan::bench(args = CLIENTS, sample_count = 20, sample_size = 1)]
fn a_floor_bare_route(bencher: Bencher, clients: usize) {
    let stage = Stage::open(&format!("bare-{clients}"));
    let body = stage.body();
    let bare = Router::new().route(
        "/fhir/CarePlan/{id}",
        get(move || std::future::ready(body.clone())),
    );
    bencher
        .counter(ItemsCount::new(clients * ROUNDS))
        .bench_local(|| reads(&stage.runtime, &bare, &stage.path, clients));
}

/// The release is cached; the event is on the disk before the answer opens.
#[divan::bench(args = CLIENTS, sample_count = 20, sample_size = 1)]
fn b_cached_read(bencher: Bencher, clients: usize) {
    let stage = Stage::open(&format!("cached-{clients}"));
    bencher
        .counter(ItemsCount::new(clients * ROUNDS))
        .bench_local(|| reads(&stage.runtime, &stage.router, &stage.path, clients));
}

/// The record's version has moved: loaded, decided, dated and recorded anew.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn c_read_after_a_change(bencher: Bencher) {
    let stage = Stage::open("changed");
    bencher
        .with_inputs(|| {
            let mut change = Change::at(rosa::NOW);
            change.touches.push(stage.patient.clone());
            stage
                .runtime
                .block_on(stage.gateway.store.commit(change))
                .expect("kept");
        })
        .counter(ItemsCount::new(1usize))
        .bench_local_values(|()| stage.runtime.block_on(fetch(&stage.router, &stage.path)));
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
