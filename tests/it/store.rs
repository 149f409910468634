//! The store, every function on both engines. A test is written once and runs on a fresh SQLite file and on a fresh
//! database of the PostgreSQL that `postgres` starts.
//! <https://www.sqlite.org/atomiccommit.html>
#![expect(clippy::disallowed_methods, reason = "tests start tasks and processes")]

mod candidates;
mod commit;
mod emergency;
mod faults;
mod log;
mod reads;
mod refresh;

use std::path::PathBuf;
use std::sync::Arc;

use postern::store::{Change, Options, Put, Store};
use postern_rules::audit::{Act, Event, Gateway, Kind, Occasion, Party, Person};
use postern_rules::fhir::Instant;
use postern_rules::log::{Digest, Entry, Held, Signer, Verifier};

pub const NOW: Instant = Instant(1_795_000_000_000_000);

/// A place for one test's database; gone when dropped.
pub struct Home {
    pub url: String,
    pub folder: PathBuf,
}

impl Home {
    pub fn sqlite(test: &str) -> Home {
        let folder = std::env::temp_dir().join(format!("postern-store-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        Home {
            url: format!("sqlite:{}", folder.join("postern.db").display()),
            folder,
        }
    }

    pub fn postgres(test: &str) -> Option<Home> {
        let url = crate::postgres::database(&format!("store_{test}"))?;
        let folder = std::env::temp_dir().join(format!("postern-store-{}-pg-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        Some(Home { url, folder })
    }

    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url, Options::default())
            .await
            .expect("a fresh database opens")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Each test once per engine.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::store::Home::sqlite(stringify!($test))).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(home) = $crate::store::Home::postgres(stringify!($test)) {
                    super::$test(home).await;
                }
            })*
        }
    };
}
pub(crate) use on_both;

/// A member of staff looked at this person's record; `what` makes the event its own.
pub fn event(patient: &str, what: &str) -> Event {
    let custodian = Party {
        name: "Hearthstone",
        ..Party::default()
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
    let (patient, item) = (format!("Patient/{patient}"), format!("Goal/{what}"));
    let mut salt = [0; 16];
    salt.copy_from_slice(&Digest::of(what.as_bytes()).0[..16]);
    Act {
        patient: &patient,
        item: &item,
        purpose: "TREAT",
        ..Act::of(Kind::StaffRead, person)
    }
    .event(&occasion, salt)
}

/// A change that only reads: one event, one answer.
pub fn disclosure(patient: &str, what: &str) -> Change {
    let mut change = Change::at(NOW);
    change.audit = vec![event(patient, what)];
    change.answers = vec![Digest::of(what.as_bytes())];
    change
}

pub fn put(patient: Option<&str>, resource_type: &str, id: &str, body: &str) -> Put {
    Put {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        patient: patient.map(str::to_owned),
        source: "hearthstone".to_owned(),
        body: body.to_owned(),
        deleted: false,
        identifiers: Vec::new(),
    }
}

pub fn signer() -> Signer {
    Signer::new("postern.example/test", &[7; 32]).expect("a good name")
}

/// Signs the log as it is and checks all of it; comes out with the number of its events.
pub async fn verified(store: &Store) -> u64 {
    let origin = "postern.example/test";
    store
        .checkpoint(&signer(), origin, NOW)
        .await
        .expect("the log extends its last checkpoint");
    let notes = store.checkpoints().await.expect("reads");
    let held = notes.iter().map(|row| Held {
        name: row.size.to_string(),
        note: &row.note,
        stored: true,
    });
    let mut verifier = Verifier::new(origin, &[signer().verifier()], held, 0);
    let mut next = 0;
    loop {
        let page = store.audit_from(next, 100).await.expect("reads");
        let Some(last) = page.last() else { break };
        let nodes = store.audit_nodes(next, last.seq).await.expect("reads");
        for entry in &page {
            let own: Vec<_> = nodes
                .iter()
                .filter(|node| node.last() == entry.seq)
                .copied()
                .collect();
            let body = entry.body.as_deref().map(str::as_bytes);
            let stored = Entry {
                seq: entry.seq,
                body,
                leaf: entry.leaf,
                nodes: Some(&own),
            };
            verifier.entry(&stored, &entry.columns);
        }
        next = last.seq + 1;
    }
    let report = verifier.finish(store.head().await.expect("reads").as_ref());
    assert!(report.is_clean(), "{:?}", report.findings);
    report.entries
}

/// Runs all at once; verdicts in the order of the changes.
pub async fn together(
    store: &Store,
    changes: Vec<Change>,
) -> Vec<Result<postern::store::Receipt, postern::store::Refused>> {
    let start = Arc::new(tokio::sync::Barrier::new(changes.len()));
    let tasks: Vec<_> = changes
        .into_iter()
        .map(|change| {
            let (store, start) = (store.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                store.commit(change).await
            })
        })
        .collect();
    let mut verdicts = Vec::new();
    for task in tasks {
        verdicts.push(task.await.expect("commit does not panic"));
    }
    verdicts
}
