//! Durable audit events per second: committed changes that only read, at 1, 16 and 64 waiters, on SQLite and on the
//! PostgreSQL the tests use. One change holds one event; each waiter waits for its receipt before the next.
//! <https://nikolaivazquez.com/blog/divan/>

#[path = "../tests/it/postgres.rs"]
#[expect(dead_code, reason = "the suite uses more of it")]
mod postgres;

/// A durable commit is measured on a real disk.
mod harness {
    pub fn database_folder() -> std::path::PathBuf {
        std::env::temp_dir()
    }
}

use divan::Bencher;
use divan::counter::ItemsCount;
use postern::store::{Change, Options, Store};
use postern_rules::audit::{Act, Event, Gateway, Kind, Occasion, Party, Person};
use postern_rules::fhir::Instant;
use postern_rules::log::Digest;

/// Commits of each waiter in one sample.
const ROUNDS: usize = 25;
const NOW: Instant = Instant(1_795_000_000_000_000);

fn main() {
    divan::main();
}

fn event() -> Event {
    let custodian = Party {
        name: "Hearthstone",
        system: "urn:x",
        identifier: "17",
    };
    let base = "https://gateway.example/fhir";
    let gateway = Gateway {
        reference: "Device/postern",
        name: "Postern",
        base,
        custodian,
    };
    let occasion = Occasion {
        gateway: &gateway,
        recorded: NOW,
        request: "request-1",
    };
    let person = Person {
        name: "Kim",
        id: "kim",
    };
    let act = Act {
        patient: "Patient/p1",
        item: "CarePlan/c1",
        purpose: "TREAT",
        ..Act::of(Kind::StaffRead, person)
    };
    act.event(&occasion, [7; 16])
}

fn commits(bencher: Bencher, url: &str, waiters: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let store = runtime
        .block_on(Store::open(url, Options::default()))
        .expect("opens");
    let mut change = Change::at(NOW);
    change.audit = vec![event()];
    change.answers = vec![Digest([1; 32])];
    bencher
        .counter(ItemsCount::new(waiters * ROUNDS))
        .bench_local(|| {
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for waiter in 0..waiters {
                    let (store, mut change) = (store.clone(), change.clone());
                    change.expects = vec![(format!("p{waiter}"), 0)];
                    change.expects_world = Some(1);
                    tasks.spawn(async move {
                        for _ in 0..ROUNDS {
                            store.commit(change.clone()).await.expect("recorded");
                        }
                    });
                }
                while let Some(done) = tasks.join_next().await {
                    done.expect("no panic");
                }
            });
        });
    runtime.block_on(store.close());
}

#[divan::bench(args = [1, 16, 64], sample_count = 30, sample_size = 1)]
fn sqlite(bencher: Bencher, waiters: usize) {
    // beside the build, not in /tmp: that may be memory
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("store-{}-{waiters}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    commits(
        bencher,
        &format!("sqlite:{}", folder.join("postern.db").display()),
        waiters,
    );
    std::fs::remove_dir_all(folder).expect("there");
}

#[divan::bench(args = [1, 16, 64], sample_count = 30, sample_size = 1)]
fn postgresql(bencher: Bencher, waiters: usize) {
    if let Some(url) = postgres::database(&format!("bench_{waiters}")) {
        commits(bencher, &url, waiters);
    }
}
