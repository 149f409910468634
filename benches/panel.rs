//! A partner's panel: so many people like Rosa, three partners they are shared with and one they are not. What it takes to keep
//! `released` current, what that writes, and what a poll costs. Prints its figures; one argument: people (500).
//! <https://hl7.org/fhir/R4/search.html#lastupdated>
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[expect(dead_code, reason = "other benches use more of it")]
mod rosa;

mod people;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant as Timer};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use postern::config::{Clock, Entropy};
use postern::gateway::{Gateway, Step};
use postern::store::Change;
use postern_rules::fhir::Value;
use sqlx::Connection as _;
use tower::ServiceExt as _;

const STRANGER: (&str, &str, &str) = ("far-away", "primary-care", "1999002045");

fn main() {
    let people = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(500);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(measure(people));
}

struct Panel {
    gateway: Arc<Gateway>,
    router: Router,
    clock: Clock,
    folder: PathBuf,
    people: usize,
}

async fn measure(people: usize) {
    let panel = Panel::open(people).await;
    let resources = people::fill(&panel.gateway, people, 0).await;
    println!(
        "{people} people of {resources} resources, {} partners",
        rosa::PARTNERS.len() + 1
    );
    for partner in rosa::PARTNERS.into_iter().chain([STRANGER]) {
        panel.register(partner).await;
    }
    let before = panel.bytes().await;
    panel.refresh("everybody for the first time").await;
    let each = people as f64 * rosa::PARTNERS.len() as f64;
    println!(
        "per person and partner that sees it: {:.0} bytes; rows {:.1} of released, {:.1} keys",
        (panel.bytes().await - before) / each,
        panel.count("SELECT count(*) FROM released").await / each,
        panel.count("SELECT count(*) FROM released_key").await / each,
    );
    panel.clock.advance(60);
    panel.register(("another", "hospital", "1999002078")).await;
    panel.refresh("everybody again, nothing differs").await;
    panel.clock.advance(60);
    panel.polls().await;
    panel.gateway.store.close().await;
    let _ = std::fs::remove_dir_all(&panel.folder);
}

impl Panel {
    async fn open(people: usize) -> Panel {
        // beside the build, not in /tmp: that may be memory
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("panel-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut config = rosa::config();
        config.store.url = format!("sqlite:{}", folder.join("postern.db").display());
        config.paths.keys = folder.join("keys");
        let clock = Clock::fixed(rosa::NOW);
        let opened = postern::cli::open_with(config, clock.clone(), Entropy::Pinned(7));
        let gateway = opened.await.expect("opens");
        let router = postern::http::router(Arc::clone(&gateway));
        Panel {
            gateway,
            router,
            clock,
            folder,
            people,
        }
    }

    async fn register(&self, partner: (&str, &str, &str)) {
        let (client, _) = people::register(&self.gateway, partner).await;
        if partner == rosa::PARTNERS[0] {
            people::admit(&self.gateway, partner.0, &client, rosa::NOW, 3600).await;
        }
    }

    async fn refresh(&self, what: &str) {
        let (begun, mut decided) = (Timer::now(), 0);
        loop {
            match self.gateway.refresh().await.expect("the store answers") {
                Step::Decided(people) => decided += people,
                Step::MadeDue(_) => {}
                Step::Nothing | Step::Busy => break,
            }
        }
        println!(
            "{what}: {decided} decided, {} each",
            each(begun.elapsed(), decided)
        );
    }

    /// Ten people change, and one partner asks what changed.
    async fn polls(&self) {
        let people = self.gateway.store.people_after("", 10_000).await.expect("reads");
        let mut change = Change::at(self.clock.instant());
        for patient in people.iter().step_by(self.people.div_ceil(10)) {
            let (_, rows) = self.gateway.store.load_record(patient).await.expect("reads");
            let plan = rows
                .iter()
                .find(|row| row.resource_type == "CarePlan")
                .expect("a plan");
            let mut body: Value = serde_json::from_str(&plan.body).expect("JSON");
            body["status"] = "on-hold".into();
            change
                .puts
                .push(people::put(Some(patient), body.to_string(), &body));
        }
        let changed = change.puts.len();
        self.gateway.store.commit(change).await.expect("kept");
        self.refresh("those who changed").await;
        for (what, query) in [
            ("poll", "CarePlan?_lastUpdated=gt2026-11-21T12:01:30Z"),
            (
                "poll, nothing new",
                "CarePlan?_lastUpdated=gt2026-11-21T13:00:00Z",
            ),
            ("one name of all", "Patient?name=rosa17"),
            ("owner, first page", "Task?owner=Organization/none&_count=10"),
        ] {
            for pass in ["cold", "warm"] {
                let begun = Timer::now();
                let (status, matches, bytes) = self.fetch(&format!("/fhir/{query}")).await;
                println!(
                    "{what} of {changed} changes among {}, {pass}: {status}, {matches} matches, {bytes} bytes, {:?}",
                    self.people,
                    begun.elapsed()
                );
            }
        }
    }

    async fn fetch(&self, path: &str) -> (StatusCode, usize, usize) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {}", people::TOKEN));
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let bundle: Value = serde_json::from_slice(&body).expect("JSON");
        let entries = bundle["entry"].as_array().map_or(0, Vec::len);
        (status, entries.saturating_sub(1), body.len())
    }

    async fn count(&self, sql: &'static str) -> f64 {
        let mut conn = sqlx::SqliteConnection::connect(&self.gateway.config.store.url)
            .await
            .expect("connects");
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut conn).await.expect("reads");
        count as f64
    }

    /// Of the whole database.
    async fn bytes(&self) -> f64 {
        let pages = self.count("PRAGMA page_count").await - self.count("PRAGMA freelist_count").await;
        pages * self.count("PRAGMA page_size").await
    }
}

fn each(all: Duration, number: usize) -> String {
    format!("{:?}", all / u32::try_from(number.max(1)).unwrap_or(u32::MAX))
}
