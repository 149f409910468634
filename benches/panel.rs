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

    /// So many people change, the worker comes by, and one partner asks what changed since: until the end, page by page.
    async fn polls(&self) {
        for (round, changed) in [0, 10, 500].into_iter().enumerate() {
            self.clock.advance(60);
            let since = self.clock.instant().to_fhir();
            self.clock.advance(1);
            let changed = self.change(changed.min(self.people), round).await;
            self.refresh("those who changed").await;
            let query = format!("CarePlan?_lastUpdated=gt{since}&_count=100");
            self.time(&format!("poll, {changed} changed"), &query).await;
        }
        self.time("one number of all", "Patient?identifier=HCS-17-104233")
            .await;
        let count = self.people;
        println!("among {count} people");
    }

    /// Of people spread over all.
    async fn change(&self, number: usize, round: usize) -> usize {
        let people = self
            .gateway
            .store
            .people_after("", 1_000_000)
            .await
            .expect("reads");
        let mut change = Change::at(self.clock.instant());
        for patient in people.iter().step_by(people.len().div_ceil(number.max(1))) {
            if change.puts.len() == number {
                break;
            }
            let (_, rows) = self.gateway.store.load_record(patient).await.expect("reads");
            let plan = rows.iter().find(|row| row.resource_type == "CarePlan");
            let mut body: Value = serde_json::from_str(&plan.expect("a plan").body).expect("JSON");
            body["period"]["end"] = format!("2027-01-{:02}", round + 1).into();
            change
                .puts
                .push(people::put(Some(patient), body.to_string(), &body));
        }
        let changed = change.puts.len();
        self.gateway.store.commit(change).await.expect("kept");
        changed
    }

    /// Releases of those who changed are built at the first pass; of the others, and at the second, as far as they fit into memory,
    /// they are there.
    async fn time(&self, what: &str, query: &str) {
        for pass in ["first", "again", "again"] {
            let begun = Timer::now();
            let (mut next, mut pages, mut matches, mut bytes) = (Some(format!("/fhir/{query}")), 0, 0, 0);
            while let Some(path) = next.take() {
                let (bundle, length) = self.fetch(&path).await;
                let entries = bundle["entry"].as_array();
                let matched = |entry: &&Value| entry["search"]["mode"] == "match";
                matches += entries.map_or(0, |all| all.iter().filter(matched).count());
                (pages, bytes) = (pages + 1, bytes + length);
                let mut links = bundle["link"].as_array().into_iter().flatten();
                let link = links.find(|link| link["relation"] == "next");
                let url = link.and_then(|link| link["url"].as_str());
                next = url.and_then(|url| Some(url[url.find("/fhir/")?..].to_owned()));
            }
            println!(
                "{what}, {pass}: {matches} matches on {pages} pages, {bytes} bytes, {:?}",
                begun.elapsed()
            );
        }
    }

    async fn fetch(&self, path: &str) -> (Value, usize) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {}", people::TOKEN));
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let bundle: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, StatusCode::OK, "{path}");
        (bundle, body.len())
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
