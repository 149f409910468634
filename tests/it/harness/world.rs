//! One deployment for one test: gateway, database, keys, clock, and a memory of every exchange.
//! <https://hl7.org/fhir/R4/security.html#time>

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use postern::config::{Clock, Config, Entropy, Keys};
use postern::gateway::{Gateway, ImportReport, Step, load_catalog};
use postern::store::{Options, Store};
use postern_rules::fhir::{Instant, Value};
use tower::ServiceExt as _;

use super::people::{DemoRecord, Person, demo, root};
use super::{Answer, Ask, logs};

/// Where the story takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Prints what is skipped where there is no PostgreSQL.
    pub fn is_there(self) -> bool {
        static POSTGRES: OnceLock<bool> = OnceLock::new();
        self == Engine::Sqlite || *POSTGRES.get_or_init(|| crate::postgres::database("stories").is_some())
    }
}

/// Files and address of one database; gone with its last world.
struct Home {
    url: String,
    folder: PathBuf,
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A request made and what came back.
pub struct Exchange {
    pub ask: Ask,
    pub request: String,
    pub answer: Answer,
}

/// One event as the log has it.
pub struct Logged {
    pub kind: String,
    pub request: String,
    pub purpose: String,
    pub patient: String,
    pub actor: String,
    pub body: String,
}

pub struct World {
    pub gateway: Arc<Gateway>,
    pub clock: Clock,
    router: Router,
    home: Arc<Home>,
    pub(super) seen: Arc<Mutex<Vec<Exchange>>>,
    numbers: Arc<AtomicU64>,
    /// Nobody asks at its end whether all holds: another world settles its database, or it was made to go wrong.
    unsettled: bool,
}

/// The way in, to be shared by many who ask at once.
#[derive(Clone)]
pub struct Door {
    router: Router,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

/// Noon in London on the day of the demo; every world begins then.
pub const BEGINNING: &str = "2026-11-21T12:00:00Z";

impl World {
    /// A gateway over an empty database.
    pub async fn empty(engine: Engine) -> World {
        World::configured(engine, &|_| {}).await
    }

    /// A gateway over an empty database, with a configuration of its own.
    pub async fn configured(engine: Engine, configure: &dyn Fn(&mut Config)) -> World {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        logs::listen();
        let name = format!("story_{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let folder = super::disk::folder().join(format!("postern-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let url = match engine {
            Engine::Sqlite => format!("sqlite:{}", folder.join("postern.db").display()),
            Engine::Postgres => crate::postgres::database(&name).expect("the server runs"),
        };
        let clock = Clock::fixed(Instant::parse(BEGINNING).expect("an instant"));
        World::on(Arc::new(Home { url, folder }), clock, configure).await
    }

    async fn on(home: Arc<Home>, clock: Clock, configure: &dyn Fn(&mut Config)) -> World {
        let mut config = Config::default();
        config.server.public_url = "https://postern.test/fhir".to_owned();
        config.store.url = home.url.clone();
        config.paths.keys = home.folder.join("keys");
        config.paths.mappings = root().join("mappings");
        config.paths.profiles = root().join("profiles");
        "Hearthstone".clone_into(&mut config.agency.name);
        // The clock stands still while a story asks: no average would ever come down.
        config.limits.requests_per_minute = 0;
        config.limits.strangers_per_minute = 0;
        "1999001005".clone_into(&mut config.agency.npi);
        configure(&mut config);
        let entropy = Entropy::Pinned(7);
        let keys = Keys::load(&config.paths.keys, true, &entropy).expect("keys");
        let catalog = load_catalog(&config).expect("the repository's mappings and profiles are in order");
        let store = Store::open(&home.url, Options::default())
            .await
            .expect("a fresh database opens");
        let gateway = Gateway::new(config, store, catalog, keys, clock.clone(), entropy).expect("a gateway");
        World {
            router: postern::http::router(Arc::clone(&gateway)),
            gateway,
            clock,
            home,
            seen: Arc::default(),
            numbers: Arc::default(),
            unsettled: false,
        }
    }

    /// With every record of the demo imported.
    pub async fn demo(engine: Engine) -> World {
        let world = World::empty(engine).await;
        for record in demo() {
            world.import(record).await;
        }
        world
    }

    /// With everything about one person of the demo.
    pub async fn of(engine: Engine, person: &str) -> World {
        let world = World::empty(engine).await;
        for record in super::records(person) {
            world.import(record).await;
        }
        world
    }

    /// Another gateway process on the same database, with the same keys and clock.
    pub async fn another_process(&self) -> World {
        let mut other = World::on(Arc::clone(&self.home), self.clock.clone(), &|_| {}).await;
        (other.seen, other.numbers) = (Arc::clone(&self.seen), Arc::clone(&self.numbers));
        other.unsettled = true;
        other
    }

    /// Lets the worker refresh until nobody is due; comes out with how many people it decided.
    pub async fn refresh(&self) -> usize {
        let mut decided = 0;
        for _ in 0..10_000 {
            match self.gateway.refresh().await.expect("the store answers") {
                Step::Decided(people) => decided += people,
                Step::Nothing => return decided,
                Step::MadeDue(_) | Step::Busy => {}
            }
        }
        unreachable!("people stay due");
    }

    pub fn url(&self) -> &str {
        &self.home.url
    }

    /// What must hold after every story will not be asked: for the planted leaks, which no release build has.
    #[cfg(debug_assertions)]
    pub fn never_settled(mut self) -> World {
        self.unsettled = true;
        self
    }

    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    pub fn door(&self) -> Door {
        Door {
            router: self.router.clone(),
            seen: Arc::clone(&self.seen),
        }
    }

    /// Imports this record in another form, which has to make a difference.
    pub async fn alter(&self, mut record: DemoRecord, change: impl FnOnce(&mut Value)) {
        change(&mut record.body);
        assert!(self.import(&record).await.changed() > 0, "the record differs");
    }

    /// Imports one record, which must be in order.
    pub async fn import(&self, record: &DemoRecord) -> ImportReport {
        let bytes = record.body.to_string();
        let report = self
            .gateway
            .import(&record.source, &record.record, bytes.as_bytes(), Some("S-118"))
            .await;
        let report = report.expect("a file of records");
        let problems: Vec<_> = report
            .lines
            .iter()
            .filter_map(|line| line.result.as_ref().err())
            .collect();
        assert!(
            problems.is_empty(),
            "{}.{}: {problems:?}",
            record.record,
            record.name
        );
        report
    }

    /// The logical id of a person.
    pub async fn id_of(&self, person: Person) -> String {
        let found = self.find("Patient", person.system, person.identifier).await;
        found.expect("the person is in the store")
    }

    /// The logical id of what a source system knows by this identifier: `id("Task", "action", "A-71101")`.
    pub async fn id(&self, resource_type: &str, kind: &str, value: &str) -> String {
        let system = format!("https://hearthstone.example/ids/{kind}");
        self.find(resource_type, &system, value)
            .await
            .expect("such a resource is in the store")
    }

    pub(super) async fn find(&self, resource_type: &str, system: &str, value: &str) -> Option<String> {
        let rows = self
            .gateway
            .store
            .find_identifier(system, value)
            .await
            .expect("reads");
        rows.into_iter()
            .find(|(t, _, _)| t == resource_type)
            .map(|(_, id, _)| id)
    }

    /// Every event of the log, oldest first.
    pub async fn events(&self) -> Vec<Logged> {
        let mut found = Vec::new();
        loop {
            let next = found.len() as u64;
            let page = self
                .gateway
                .store
                .audit_from(next, 1000)
                .await
                .expect("the log reads");
            if page.is_empty() {
                return found;
            }
            found.extend(page.into_iter().map(|entry| Logged {
                kind: entry.columns.kind,
                request: entry.columns.request.unwrap_or_default(),
                purpose: entry.columns.purpose.unwrap_or_default(),
                patient: entry.columns.patient.unwrap_or_default(),
                actor: entry.columns.actor.unwrap_or_default(),
                body: entry.body.unwrap_or_default(),
            }));
        }
    }

    /// A text not used before in this world; the same in every world at the same place of the story.
    pub fn unique(&self, what: &str) -> String {
        format!("{what}-{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes the request through the router. It gets an `X-Request-ID` unless it has one.
    pub async fn send(&self, ask: Ask) -> Answer {
        let ask = if ask.header("x-request-id").is_some() {
            ask
        } else {
            ask.with("x-request-id", &self.unique("r"))
        };
        self.try_send(ask).await.expect("the request is HTTP")
    }

    /// As `send`, without adding anything; `None` when the request is not HTTP at all.
    pub async fn try_send(&self, ask: Ask) -> Option<Answer> {
        self.door().send(ask).await
    }
}

impl Door {
    /// `None` when the request is not HTTP at all.
    pub async fn send(&self, ask: Ask) -> Option<Answer> {
        let request = ask.request()?;
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        };
        let request = ask.header("x-request-id").unwrap_or_default().to_owned();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Exchange {
            ask,
            request,
            answer: answer.clone(),
        });
        Some(answer)
    }
}
