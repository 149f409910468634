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
        match next(self.fresh, self.moving.as_ref().map(JoinHandle::is_finished)) {
            Step::Leave => Ok(()),
            Step::Begin => {
                self.moved().await?;
                self.begin();
                Ok(())
            }
            Step::Finish => {
                self.moved().await?;
                self.fresh = 0;
                writer.run(MOVE).await
            }
        }
    }

    /// Waits for what is being moved, if anything is.
    async fn moved(&mut self) -> Result<(), sqlx::Error> {
        let Some(moving) = self.moving.take() else {
            return Ok(());
        };
        let (conn, done) = moving.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        self.conn = conn;
        done
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

    /// Waits for what is being moved; an error is that of the move.
    pub(super) async fn close(mut self) -> Result<(), sqlx::Error> {
        let done = self.moved().await;
        if let Some(conn) = self.conn.take() {
            conn.close().await;
        }
        done
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Leave,
    /// Move what is there, beside the writer.
    Begin,
    /// Wait for what is being moved, and move the rest here: only then does the WAL begin anew.
    Finish,
}

/// What follows when so much is fresh. `moved`: is the move that was begun at its end; none when none was.
fn next(fresh: usize, moved: Option<bool>) -> Step {
    match moved {
        // The disk does not keep up: whatever was begun again would find as much once more.
        Some(_) if fresh >= MOST_BYTES => Step::Finish,
        Some(false) => Step::Leave,
        Some(true) if fresh > TAIL_BYTES => Step::Begin,
        Some(true) => Step::Finish,
        None if fresh >= WAL_BYTES => Step::Begin,
        None => Step::Leave,
    }
}

/// Moves what no reader still needs, and waits for nobody.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_moves_a_tail_or_what_the_disk_cannot_keep_up_with() {
        for (fresh, moved, step) in [
            (WAL_BYTES - 1, None, Step::Leave),
            (WAL_BYTES, None, Step::Begin),
            (MOST_BYTES - 1, Some(false), Step::Leave),
            (MOST_BYTES, Some(false), Step::Finish),
            (TAIL_BYTES, Some(true), Step::Finish),
            (TAIL_BYTES + 1, Some(true), Step::Begin),
            (MOST_BYTES, Some(true), Step::Finish),
        ] {
            assert_eq!(next(fresh, moved), step, "{fresh} {moved:?}");
        }
    }
}
