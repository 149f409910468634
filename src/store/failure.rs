//! What can go wrong with the store, told apart by what the caller can do about it.
//! <https://www.sqlite.org/rescode.html>, <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use sqlx::error::DatabaseError;

/// Why a [`Change`](super::Change) was not recorded. Nothing of it was kept, unless the answer is
/// `Unavailable` after a connection broke during COMMIT: then it may have been, so repeat it under the same guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A version or state the decision relied on has moved: load and decide again.
    #[error("what the decision relied on has changed")]
    Stale,
    /// A guard's key is taken; holds the outcome that was kept with it.
    #[error("already done")]
    Duplicate(Option<Vec<u8>>),
    /// The queue is full: tell the caller to come back.
    #[error("too much is waiting to be recorded")]
    Busy,
    /// The database did not accept it.
    #[error("the store is unavailable")]
    Unavailable,
}

/// A read that could not be answered. The reason is in the log, without any value from a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is unavailable")]
pub struct Unavailable;

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Refused {
        Refused::Unavailable
    }
}

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Unavailable {
        report("read", &error);
        Unavailable
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("a database address starts with sqlite: or postgres://, and names a file or a database")]
    Address,
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// Written by a newer Postern; an older one would misread it.
    #[error("the database has schema {found}, this program knows schemas up to {known}: use a newer postern")]
    Newer { found: i64, known: i64 },
    #[error("schema {version} could not be set up: {reason}")]
    Migration { version: i64, reason: String },
    /// PostgreSQL set up so that a COMMIT is not durable, or text is not UTF-8.
    #[error("the database server's setting {0} does not do: {1}")]
    Setting(&'static str, String),
}

/// What an error means for the transaction it happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Another transaction was in the way: run the whole transaction again.
    Replay,
    /// This statement's data was refused; its savepoint can be rolled back and the others go on.
    Own,
    /// The connection or the database is not usable: everything waiting is unavailable.
    Broken,
    /// The disk lost what it had acknowledged: this process may not say anything is durable any more.
    Fatal,
}

const SQLITE_IOERR: i32 = 10;
const SQLITE_BUSY_SNAPSHOT: i32 = 517;
const SQLITE_IOERR_FSYNC: i32 = 1034;
const SQLITE_IOERR_DIR_FSYNC: i32 = 1290;
/// The shared-memory index is rebuilt from the WAL; failing to grow it loses nothing.
const SQLITE_IOERR_SHM: [i32; 4] = [4618, 4874, 5130, 5386];

/// `committing` says the error came from COMMIT itself, where any failed write may be a failed fsync.
pub(super) fn damage(error: &sqlx::Error, committing: bool) -> Damage {
    match error {
        sqlx::Error::Database(error) => database_damage(error.as_ref(), committing),
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Damage::Own,
        _ => Damage::Broken,
    }
}

fn database_damage(error: &dyn DatabaseError, committing: bool) -> Damage {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return sqlite_damage(code.parse().unwrap_or(0), committing);
    }
    match code.as_ref() {
        "40001" | "40P01" => Damage::Replay,
        // cardinality, data, constraint, undefined or too long: what this statement brought along
        code if ["21", "22", "23", "42", "54"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Damage::Own
        }
        _ => Damage::Broken,
    }
}

fn sqlite_damage(code: i32, committing: bool) -> Damage {
    match code {
        SQLITE_BUSY_SNAPSHOT => Damage::Replay,
        SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC => Damage::Fatal,
        code if committing && code & 0xff == SQLITE_IOERR && !SQLITE_IOERR_SHM.contains(&code) => {
            Damage::Fatal
        }
        // TOOBIG, CONSTRAINT, MISMATCH, RANGE
        code if matches!(code & 0xff, 18 | 19 | 20 | 25) => Damage::Own,
        _ => Damage::Broken,
    }
}

/// Writes the error to the operator's log. A server's `detail` may quote rows, so only code and kind are kept.
pub(super) fn report(doing: &'static str, error: &sqlx::Error) {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            tracing::warn!(doing, %code, kind = ?error.kind(), "database error");
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) => {
            tracing::warn!(doing, "a value did not have the column's type");
        }
        error => tracing::warn!(doing, %error, "database error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_passes_and_a_lost_fsync_does_not() {
        assert_eq!(sqlite_damage(13, true), Damage::Broken);
        assert_eq!(sqlite_damage(8, true), Damage::Broken);
        assert_eq!(sqlite_damage(4874, true), Damage::Broken);
        assert_eq!(sqlite_damage(778, false), Damage::Broken);
        assert_eq!(sqlite_damage(778, true), Damage::Fatal);
        assert_eq!(sqlite_damage(SQLITE_IOERR_FSYNC, false), Damage::Fatal);
        assert_eq!(sqlite_damage(2067, false), Damage::Own);
        assert_eq!(sqlite_damage(SQLITE_BUSY_SNAPSHOT, false), Damage::Replay);
    }
}
