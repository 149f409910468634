//! What a search of one patient costs when many others are there, and what memory they take. Stores of different sizes side by
//! side, asked by turns; then each in a process of its own. Prints its figures; arguments: people in each (1000 10000 100000).
//! <https://hl7.org/fhir/R4/search.html>
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[expect(dead_code, reason = "other benches use more of it")]
mod rosa;

mod people;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant as Timer};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use postern::config::{Clock, Entropy};
use postern::gateway::Gateway;
use tower::ServiceExt as _;

/// In each store so many people have all that Rosa has; the others have what makes them known, and a plan.
const WHOLE: usize = 500;
const LEAN: &[&str] = &["Patient", "CareTeam", "Consent", "CarePlan", "ServiceRequest"];
/// Whose releases fit into memory.
const HELD: usize = 16;
const ROUNDS: usize = 400;

struct Many {
    gateway: Arc<Gateway>,
    router: Router,
    people: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    if let [memory, folder, people] = &args[..]
        && memory == "memory"
    {
        let people = people.parse().expect("a number of people");
        return runtime.block_on(memory_of(Path::new(folder), people));
    }
    let mut sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000, 100_000];
    }
    runtime.block_on(measure(&sizes));
}

async fn measure(sizes: &[usize]) {
    // beside the build, not in /tmp: that may be memory
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("many-{}", std::process::id()));
    let mut stores = Vec::new();
    for size in sizes {
        let begun = Timer::now();
        let many = Many::open(&folder.join(size.to_string()), *size).await;
        many.fill().await;
        println!("{size} people put into the store in {:?}", begun.elapsed());
        stores.push(many);
    }
    let held = |round: usize, _: &Many| id(round % HELD);
    by_turns("release in memory", &stores, &held).await;
    let whole = |round: usize, _: &Many| id(HELD + round);
    by_turns("decided anew, whole record", &stores, &whole).await;
    let lean = |round: usize, many: &Many| id(WHOLE + round * (many.people - WHOLE) / ROUNDS);
    by_turns("decided anew, one of everybody", &stores, &lean).await;
    for many in stores {
        many.gateway.store.close().await;
    }
    let me = std::env::current_exe().expect("a path");
    for size in sizes {
        let store = folder.join(size.to_string());
        let mut child = std::process::Command::new(&me);
        let child = child.arg("memory").arg(&store).arg(size.to_string());
        assert!(child.status().expect("runs").success());
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// The id of the first person; the others' have other first six letters: their numbers.
async fn first_of(gateway: &Gateway) -> String {
    let people = gateway.store.people_after("", 1).await.expect("reads");
    people.into_iter().next().expect("somebody")
}

/// The number of a person, as `people.rs` begins its ids.
fn id(number: usize) -> String {
    format!("{number:06}")
}

async fn by_turns(what: &str, stores: &[Many], whom: &dyn Fn(usize, &Many) -> String) {
    let mut times: Vec<Vec<Duration>> = stores.iter().map(|_| Vec::with_capacity(ROUNDS)).collect();
    let tail = first_of(&stores[0].gateway).await;
    for round in 0..ROUNDS {
        for (many, times) in stores.iter().zip(&mut times) {
            let patient = format!("{}{}", whom(round, many), &tail[6..]);
            let begun = Timer::now();
            many.search(&patient).await;
            times.push(begun.elapsed());
        }
    }
    let medians: Vec<Duration> = times
        .into_iter()
        .map(|mut all| {
            // the first round of each fills what is held in memory
            let mut all = all.split_off(HELD);
            all.sort();
            all[all.len() / 2]
        })
        .collect();
    for (many, median) in stores.iter().zip(&medians) {
        println!(
            "{what}: {} people, {median:?}, {:.2} × the first",
            many.people,
            median.as_secs_f64() / medians[0].as_secs_f64()
        );
    }
}

/// A process with this store, after the same searches in each.
async fn memory_of(folder: &Path, people: usize) {
    let many = Many::open(folder, people).await;
    let tail = first_of(&many.gateway).await;
    let idle = own();
    for number in 0..WHOLE {
        many.search(&format!("{}{}", id(number), &tail[6..])).await;
    }
    for number in (WHOLE..people).step_by((people - WHOLE).div_ceil(ROUNDS)) {
        many.search(&format!("{}{}", id(number), &tail[6..])).await;
    }
    println!(
        "{people} people: {idle} KiB of its own (RssAnon) before, {} KiB after {} searches",
        own(),
        WHOLE + ROUNDS
    );
    many.gateway.store.close().await;
}

/// KiB of memory that no file stands behind.
fn own() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Many {
    async fn open(folder: &Path, people: usize) -> Many {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut config = rosa::config();
        config.store.url = format!("sqlite:{}", folder.join("postern.db").display());
        config.paths.keys = folder.join("keys");
        let opened = postern::cli::open_with(config, Clock::fixed(rosa::NOW), Entropy::Pinned(7));
        let gateway = opened.await.expect("opens");
        let router = postern::http::router(Arc::clone(&gateway));
        Many {
            gateway,
            router,
            people,
        }
    }

    async fn fill(&self) {
        people::fill(&self.gateway, WHOLE, 0).await;
        people::fill_of(&self.gateway, WHOLE..self.people, (0, LEAN)).await;
        let (client, _) = people::register(&self.gateway, rosa::PARTNERS[0]).await;
        people::admit(&self.gateway, rosa::PARTNERS[0].0, &client, rosa::NOW, 3600).await;
    }

    async fn search(&self, patient: &str) {
        let request = Request::builder()
            .uri(format!("/fhir/CarePlan?patient={patient}"))
            .header("authorization", format!("Bearer {}", people::TOKEN));
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("answers");
        assert_eq!(response.status(), StatusCode::OK);
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("\"CarePlan\""), "something is found");
    }
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
