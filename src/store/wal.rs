//! Moves SQLite's WAL into the database. Most of it is moved beside the writer, on a connection of its own; what the writer
//! recorded meanwhile it moves itself, after its answers have gone, so that the WAL begins anew. SQLite would do it within a
//! COMMIT and keep the outcome to itself, yet a failed fsync here is as fatal as there.
//! <https://www.sqlite.org/wal.html#ckpt>

use tokio::task::JoinHandle;

use super::engine::{Address, Conn};

/// Roughly how much the WAL may grow before it is moved, in bytes.
const WAL_BYTES: usize = 8 * 1024 * 1024;
/// What the writer moves itself: a wait of some milliseconds.
const TAIL_BYTES: usize = 1024 * 1024;
/// From here on the writer waits for what is being moved: the disk does not keep up.
const MOST_BYTES: usize = 8 * WAL_BYTES;

type Moved = (Option<Conn>, Result<(), sqlx::Error>);

pub(super) struct Wal {
    address: Address,
    /// Bytes recorded since a move last began.
    fresh: usize,
    /// The connection that moves, while it does not.
    conn: Option<Conn>,
    moving: Option<JoinHandle<Moved>>,
}

impl Wal {
    pub(super) fn new(address: Address) -> Wal {
        Wal {
            address,
            fresh: 0,
            conn: None,
            moving: None,
        }
    }

    /// After a transaction that recorded so much, with the writer's own connection. An error is that of a move.
    pub(super) async fn recorded(&mut self, bytes: usize, writer: &mut Conn) -> Result<(), sqlx::Error> {
        self.fresh += bytes;
        let at_work = self.moving.as_ref().is_some_and(|moving| !moving.is_finished());
        if at_work && self.fresh < MOST_BYTES {
            return Ok(());
        }
        let Some(moved) = self.moved().await? else {
            if self.fresh >= WAL_BYTES {
                self.begin();
            }
            return Ok(());
        };
        self.conn = moved;
        if self.fresh > TAIL_BYTES {
            self.begin();
            return Ok(());
        }
        self.fresh = 0;
        writer.run(MOVE).await
    }

    /// Waits for what is being moved, if anything is.
    async fn moved(&mut self) -> Result<Option<Option<Conn>>, sqlx::Error> {
        let Some(moving) = self.moving.take() else {
            return Ok(None);
        };
        let (conn, done) = moving.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        done.map(|()| Some(conn))
    }

    fn begin(&mut self) {
        self.fresh = 0;
        let (address, conn) = (self.address.clone(), self.conn.take());
        #[expect(clippy::disallowed_methods, reason = "the writer waits for it")]
        let moving = tokio::spawn(async move {
            let mut conn = match conn {
                Some(conn) => conn,
                None => match address.connect().await {
                    Ok(conn) => conn,
                    Err(error) => return (None, Err(error)),
                },
            };
            let done = conn.run(MOVE).await;
            (Some(conn), done)
        });
        self.moving = Some(moving);
    }

    pub(super) async fn close(mut self) {
        if let Ok(Some(conn)) = self.moved().await {
            self.conn = conn;
        }
        if let Some(conn) = self.conn.take() {
            conn.close().await;
        }
    }
}

/// Moves what no reader still needs, and waits for nobody.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
