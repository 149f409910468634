//! The one task of a process that writes. It takes what is waiting, without a timer: the slower the disk, the larger
//! the batch. Everything waits in a bounded queue; what does not fit is refused at once.
//! <https://www.sqlite.org/wal.html>

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::change::Change;
use super::engine::{Address, Conn};
use super::failure::{Damage, Refused, damage, report};
use super::transaction::{Failure, Stage, Verdict, write};
use super::wal::Wal;

/// Most changes of one transaction.
const BATCH: usize = 64;
/// Most places that bulk imports hold together.
const BULK_PLACES: usize = 8;
/// How often a transaction that collided with another process's is run again.
const REPLAYS: u32 = 5;
/// A PostgreSQL server that does not answer within this is taken as gone.
const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How urgent a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Crisis intake, and events about what must not go unrecorded: has places no one else gets, and goes first.
    Urgent,
    Ordinary,
    /// Imports: waits for one of eight places instead of being refused.
    Bulk,
}

/// What to do when the disk has lost what it had acknowledged. The default ends the process.
pub type OnFatal = Arc<dyn Fn() + Send + Sync>;

struct Job {
    change: Change,
    reply: oneshot::Sender<Verdict>,
    places: Vec<OwnedSemaphorePermit>,
}

/// The way to the writer; cloned with the store.
pub(super) struct Queue {
    urgent: mpsc::UnboundedSender<Job>,
    ordinary: mpsc::UnboundedSender<Job>,
    places: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    stopped: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Queue {
    /// Starts the writer with its connection. `places` changes may wait, and `reserved` urgent ones beside them.
    pub(super) fn start(
        address: Address,
        conn: Conn,
        places: usize,
        reserved: usize,
        on_fatal: OnFatal,
    ) -> Queue {
        let (urgent, urgent_jobs) = mpsc::unbounded_channel();
        let (ordinary, ordinary_jobs) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let writer = Writer {
            wal: Wal::new(address.clone()),
            address,
            conn: Some(conn),
            urgent: urgent_jobs,
            ordinary: ordinary_jobs,
            stopping,
            on_fatal,
        };
        #[expect(clippy::disallowed_methods, reason = "the one task that writes starts here")]
        let task = tokio::spawn(writer.run());
        Queue {
            urgent,
            ordinary,
            places: Arc::new(Semaphore::new(places)),
            reserved: Arc::new(Semaphore::new(reserved)),
            bulk: Arc::new(Semaphore::new(BULK_PLACES)),
            stop,
            stopped: tokio::sync::Mutex::new(Some(task)),
        }
    }

    /// Waits in line, and comes out when the change is durable or refused.
    pub(super) async fn commit(&self, lane: Lane, change: Change) -> Verdict {
        let verdict = self.enqueue(lane, change).await?;
        verdict.await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Lets many wait in line together, and comes out when each is durable or refused.
    pub(super) async fn commit_all(&self, lane: Lane, changes: Vec<Change>) -> Vec<Verdict> {
        let mut waiting = Vec::with_capacity(changes.len());
        for change in changes {
            waiting.push(self.enqueue(lane, change).await);
        }
        let mut verdicts = Vec::with_capacity(waiting.len());
        for verdict in waiting {
            verdicts.push(match verdict {
                Ok(verdict) => verdict.await.unwrap_or(Err(Refused::Unavailable)),
                Err(refused) => Err(refused),
            });
        }
        verdicts
    }

    async fn enqueue(&self, lane: Lane, change: Change) -> Result<oneshot::Receiver<Verdict>, Refused> {
        let places = self.places(lane).await?;
        let (reply, verdict) = oneshot::channel();
        let job = Job {
            change,
            reply,
            places,
        };
        let line = if lane == Lane::Urgent {
            &self.urgent
        } else {
            &self.ordinary
        };
        line.send(job).map_err(|_| Refused::Unavailable)?;
        Ok(verdict)
    }

    async fn places(&self, lane: Lane) -> Result<Vec<OwnedSemaphorePermit>, Refused> {
        let busy = |error| match error {
            tokio::sync::TryAcquireError::NoPermits => Refused::Busy,
            tokio::sync::TryAcquireError::Closed => Refused::Unavailable,
        };
        let place = || self.places.clone().try_acquire_owned().map_err(busy);
        match lane {
            Lane::Ordinary => Ok(vec![place()?]),
            Lane::Urgent => match place() {
                Err(Refused::Busy) => Ok(vec![self.reserved.clone().try_acquire_owned().map_err(busy)?]),
                place => Ok(vec![place?]),
            },
            Lane::Bulk => {
                let bulk = self
                    .bulk
                    .clone()
                    .acquire_owned()
                    .await
                    .map_err(|_| Refused::Unavailable)?;
                Ok(vec![bulk, place()?])
            }
        }
    }

    /// Takes nothing new, records what is waiting, and ends the writer.
    pub(super) async fn close(&self) {
        for places in [&self.places, &self.reserved, &self.bulk] {
            places.close();
        }
        self.stop.send_replace(true);
        if let Some(writer) = self.stopped.lock().await.take()
            && writer.await.is_err()
        {
            tracing::error!("the writer had ended early");
        }
    }
}

struct Writer {
    address: Address,
    conn: Option<Conn>,
    urgent: mpsc::UnboundedReceiver<Job>,
    ordinary: mpsc::UnboundedReceiver<Job>,
    stopping: watch::Receiver<bool>,
    on_fatal: OnFatal,
    wal: Wal,
}

/// The disk cannot be trusted any more.
struct Fatal;

impl Writer {
    async fn run(mut self) {
        while let Some(jobs) = self.next().await {
            if let Err(Fatal) = self.record(jobs).await {
                tracing::error!("a write could not be made durable; nothing can be acknowledged any more");
                (self.on_fatal)();
                return;
            }
        }
        if let Err(error) = self.wal.close().await
            && is_fatal(&error)
        {
            (self.on_fatal)();
            return;
        }
        if let Some(conn) = self.conn.take() {
            conn.close().await;
        }
    }

    /// What is waiting, urgent first; `None` when the store has ended.
    async fn next(&mut self) -> Option<Vec<Job>> {
        let first = loop {
            if let Some(job) = self.waiting() {
                break job;
            }
            if *self.stopping.borrow() {
                return None;
            }
            tokio::select! {
                biased;
                Some(job) = self.urgent.recv() => break job,
                Some(job) = self.ordinary.recv() => break job,
                changed = self.stopping.changed() => if changed.is_err() { return None },
                else => return None,
            }
        };
        let mut jobs = vec![first];
        while jobs.len() < BATCH
            && let Some(job) = self.waiting()
        {
            jobs.push(job);
        }
        Some(jobs)
    }

    fn waiting(&mut self) -> Option<Job> {
        self.urgent.try_recv().or_else(|_| self.ordinary.try_recv()).ok()
    }

    async fn record(&mut self, jobs: Vec<Job>) -> Result<(), Fatal> {
        match self.attempt(&jobs).await {
            Ok(verdicts) => {
                let bytes = jobs.iter().map(|job| weight(&job.change)).sum();
                answer(jobs, verdicts);
                self.move_wal(bytes).await?;
            }
            Err(Damage::Fatal) => {
                let nothing = jobs.iter().map(|_| Err(Refused::Unavailable)).collect();
                answer(jobs, nothing);
                return Err(Fatal);
            }
            // the data of one of them spoilt the common statements: let each stand for itself
            Err(Damage::Own) if jobs.len() > 1 => {
                for job in jobs {
                    Box::pin(self.record(vec![job])).await?;
                }
            }
            Err(_) => {
                let nothing = jobs.iter().map(|_| Err(Refused::Unavailable)).collect();
                answer(jobs, nothing);
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Damage> {
        let changes: Vec<&Change> = jobs.iter().map(|job| &job.change).collect();
        for replay in 0..=REPLAYS {
            let reused = self.conn.as_ref().is_some_and(Conn::is_postgres);
            let failure = match self.once(&changes).await {
                Ok(verdicts) => return Ok(verdicts),
                Err(failure) => failure,
            };
            let damage = damage(&failure.error, failure.stage == Stage::Commit);
            self.recover(damage).await;
            // a server that was restarted since the last transaction shows at BEGIN: a new connection will do
            let lost_while_idle = damage == Damage::Broken && reused && failure.stage == Stage::Begin;
            if !(damage == Damage::Replay || lost_while_idle) || replay == REPLAYS {
                report("commit", &failure.error);
                return Err(damage);
            }
            tokio::time::sleep(Duration::from_millis(u64::from(replay) * 5)).await;
        }
        Err(Damage::Broken)
    }

    async fn once(&mut self, changes: &[&Change]) -> Result<Vec<Verdict>, Failure> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(
                self.address
                    .connect()
                    .await
                    .map_err(|error| Stage::Begin.failed(error))?,
            ),
        };
        if !conn.is_postgres() {
            return write(conn, changes).await;
        }
        let written = tokio::time::timeout(SERVER_TIMEOUT, write(conn, changes)).await;
        written.unwrap_or_else(|_| Err(Stage::Inside.failed(sqlx::Error::PoolTimedOut)))
    }

    async fn move_wal(&mut self, recorded: usize) -> Result<(), Fatal> {
        let Some(conn) = self.conn.as_mut().filter(|conn| !conn.is_postgres()) else {
            return Ok(());
        };
        let Err(error) = self.wal.recorded(recorded, conn).await else {
            return Ok(());
        };
        if is_fatal(&error) { Err(Fatal) } else { Ok(()) }
    }

    /// Leaves no transaction open: rolled back where the connection still works, else the connection goes.
    async fn recover(&mut self, damage: Damage) {
        let Some(mut conn) = self.conn.take() else { return };
        if matches!(damage, Damage::Replay | Damage::Own) && conn.run("ROLLBACK").await.is_ok() {
            self.conn = Some(conn);
        } else if !conn.is_postgres() {
            conn.close().await;
        }
    }
}

/// Of an error in moving the WAL: was something lost that the disk had taken?
fn is_fatal(error: &sqlx::Error) -> bool {
    report("move the WAL", error);
    damage(error, true) == Damage::Fatal
}

/// Bytes a change brings to the WAL, without the pages around them.
fn weight(change: &Change) -> usize {
    let puts: usize = change.puts.iter().map(|put| put.body.len() + 512).sum();
    let events: usize = change.audit.iter().map(|event| event.body.len() + 1024).sum();
    512 + puts + events
}

fn answer(jobs: Vec<Job>, verdicts: Vec<Verdict>) {
    for (job, verdict) in jobs.into_iter().zip(verdicts) {
        drop(job.places);
        // whoever asked may have gone away; what was recorded stays recorded
        let _ = job.reply.send(verdict);
    }
}
