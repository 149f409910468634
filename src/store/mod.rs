//! The database: snapshot reads, and `commit(Change) -> Receipt`. The only home of sqlx and the only maker of
//! receipts. No transaction leaves it. Tables, lanes and rules: `README.md` in this folder.
//! <https://www.sqlite.org/atomiccommit.html>, 45 CFR 164.312(b)

mod failure;
mod engine;
mod bulk;
mod schema;
mod change;
mod receipt;
mod transaction;
mod writer;
mod resource;
mod released;
mod candidates;
mod refresh;
mod stated;
mod lookup;
mod work;
mod grant;
mod notice;
mod reviewed;
mod written;
mod person;
mod parties;
mod audit;
mod checkpoint;
mod upkeep;
mod wal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use audit::AuditEntry;
pub use candidates::{Candidate, KeyRange, Looking, Order};
pub use change::{Change, Guard, Put, Refreshed, Rehomed, Released, Statement, Swept, Work};
pub use checkpoint::{CheckpointRow, StoredNodes, Unsigned};
pub use failure::{OpenError, Refused, Unavailable};
pub use grant::{EndedGrant, GrantRow};
pub use notice::Notice;
pub use parties::{AccessToken, Client, Partner, Source, Staff, TokenUse};
pub use receipt::Receipt;
pub use refresh::Sweep;
pub use released::{Release, ReleasedRow};
pub use resource::ResourceRow;
pub use reviewed::ReviewedText;
pub use upkeep::{BackupError, Deployment};
pub use work::{WorkFilter, WorkItem};
pub use writer::{Lane, OnFatal};
pub use written::WrittenValue;

use engine::{Address, Pool};
use writer::Queue;

/// The versions a decision relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Of one person's record; 0 when there is none.
    pub record: i64,
    /// Of all that is shared.
    pub world: i64,
}

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Changes that may wait to be recorded; more are refused as `Busy`.
    pub places: usize,
    /// Further places that only urgent changes get.
    pub reserved: usize,
    /// Connections for reading.
    pub readers: u32,
    /// Called when the disk has lost what it acknowledged; afterwards nothing is recorded any more.
    pub on_fatal: OnFatal,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            places: 512,
            reserved: 64,
            readers: 4,
            on_fatal: Arc::new(end_process),
        }
    }
}

/// What was acknowledged may be lost, and a second fsync would hide it: only a restart reads what is really there.
#[expect(
    clippy::disallowed_methods,
    reason = "the fatal hook of the store ends the process"
)]
fn end_process() {
    std::process::exit(70)
}

/// A database, open. Cloning is cheap; all clones share one writer.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    readers: Pool,
    reads: AtomicU64,
    queue: Queue,
}

impl Store {
    /// Opens `sqlite:path` (made if absent, readable by its owner alone) or `postgres://…/database`, brings its
    /// schema up to date, and starts the writer in the current tokio runtime.
    pub async fn open(url: &str, options: Options) -> Result<Store, OpenError> {
        Store::open_as(url, options, schema::KNOWN).await
    }

    /// Opens it as a program would that knows `known` schemas: for tests of what an older program does.
    #[doc(hidden)]
    pub async fn open_as(url: &str, options: Options, known: i64) -> Result<Store, OpenError> {
        let address = Address::parse(url).ok_or(OpenError::Address)?;
        let connected = address.connect().await;
        let mut conn = connected.map_err(|error| OpenError::Unreachable(error.to_string()))?;
        upkeep::check_settings(&mut conn).await?;
        schema::migrate(&mut conn, known).await?;
        let readers = address.readers(options.readers);
        let queue = Queue::start(
            address.clone(),
            conn,
            options.places,
            options.reserved,
            options.on_fatal,
        );
        Ok(Store {
            shared: Arc::new(Shared {
                address,
                readers,
                reads: AtomicU64::new(0),
                queue,
            }),
        })
    }

    /// Records a change, whole or not at all. The receipt comes when it is durable.
    pub async fn commit(&self, change: Change) -> Result<Receipt, Refused> {
        self.commit_in(Lane::Ordinary, change).await
    }

    /// As `commit`, in another lane.
    pub async fn commit_in(&self, lane: Lane, change: Change) -> Result<Receipt, Refused> {
        self.shared.queue.commit(lane, change).await
    }

    /// Records many changes, each for itself; they wait in line together. Verdicts in the order of the changes.
    pub async fn commit_all(&self, lane: Lane, changes: Vec<Change>) -> Vec<Result<Receipt, Refused>> {
        self.shared.queue.commit_all(lane, changes).await
    }

    /// Refuses new changes, records those that wait, and closes every connection.
    pub async fn close(&self) {
        self.shared.queue.close().await;
        self.shared.readers.close().await;
    }

    /// How often this store was read: for tests of what a miss costs.
    #[doc(hidden)]
    pub fn reads(&self) -> u64 {
        self.shared.reads.load(Ordering::Relaxed)
    }

    fn readers(&self) -> &Pool {
        self.shared.reads.fetch_add(1, Ordering::Relaxed);
        &self.shared.readers
    }
}
