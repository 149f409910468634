//! The tables, as numbered migrations. A migration that has been released is never edited: add the next one.
//! `{BYTES}`, `{SEQ}`, `{TEXT}` (ordered by bytes) and `{CLUSTERED}` are the only words that differ between the engines.
//! <https://www.sqlite.org/datatype3.html>, <https://www.postgresql.org/docs/current/datatype.html>

use super::engine::{Conn, args, held};
use super::failure::{Damage, OpenError, damage};

/// The migrations this program knows, oldest first; schema *n* is what the first *n* of them make.
const MIGRATIONS: [&str; 8] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
];

/// The schema this program reads and writes.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// The schema that began to index people: who was there before it is indexed when it comes.
const PEOPLE_INDEXED: i64 = 2;

/// The schema that began to keep what a source last stated: what is there counts as that.
const STATEMENTS_KEPT: i64 = 7;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)";

/// How often a start that collides with another process's start tries again.
const ATTEMPTS: usize = 5;

/// Brings the database to `known` schemas, in one transaction. A schema newer than that is refused and left alone.
/// Of several processes that start at once, one migrates while the others wait for the ledger's row.
pub(super) async fn migrate(conn: &mut Conn, known: i64) -> Result<(), OpenError> {
    let mut attempt = 1;
    loop {
        match migrate_once(conn, known).await {
            Err(Stopped::Database(version, error)) => {
                // fails by itself when the connection is gone, and then so does the next attempt
                let _ = conn.run("ROLLBACK").await;
                // two processes creating one table collide in PostgreSQL's catalogue as a unique violation
                let passing = matches!(damage(&error, false), Damage::Replay | Damage::Own);
                if !passing || attempt == ATTEMPTS {
                    return Err(OpenError::Migration {
                        version,
                        reason: error.to_string(),
                    });
                }
                attempt += 1;
            }
            Err(Stopped::Newer(found)) => {
                let _ = conn.run("ROLLBACK").await;
                return Err(OpenError::Newer { found, known });
            }
            Ok(()) => return Ok(()),
        }
    }
}

enum Stopped {
    Newer(i64),
    Database(i64, sqlx::Error),
}

async fn migrate_once(conn: &mut Conn, known: i64) -> Result<(), Stopped> {
    let at = |version| move |error| Stopped::Database(version, error);
    conn.run(LEDGER).await.map_err(at(0))?;
    conn.begin().await.map_err(at(0))?;
    conn.execute(
        "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT (version) DO NOTHING",
        args![0i64],
    )
    .await
    .map_err(at(0))?;
    conn.hold(
        &held!("SELECT version FROM schema_version WHERE version = 0"),
        args![],
    )
    .await
    .map_err(at(0))?;
    let found = conn
        .row("SELECT max(version) FROM schema_version", args![])
        .await
        .map_err(at(0))?;
    let found = match found {
        Some(row) => row.get::<Option<i64>>(0).map_err(at(0))?.unwrap_or(0),
        None => 0,
    };
    if found > known {
        return Err(Stopped::Newer(found));
    }
    for (version, text) in (1i64..).zip(MIGRATIONS) {
        if version > found && version <= known {
            apply(conn, text).await.map_err(at(version))?;
            if version == PEOPLE_INDEXED {
                super::person::index_all(conn).await.map_err(at(version))?;
            }
            if version == STATEMENTS_KEPT {
                super::stated::keep_all(conn).await.map_err(at(version))?;
            }
            conn.execute("INSERT INTO schema_version (version) VALUES ($1)", args![version])
                .await
                .map_err(at(version))?;
        }
    }
    if known > 0 {
        super::audit::found(conn).await.map_err(at(known))?;
    }
    conn.run("COMMIT").await.map_err(at(known))
}

async fn apply(conn: &mut Conn, text: &'static str) -> Result<(), sqlx::Error> {
    let words = if conn.is_postgres() {
        ["BYTEA", "BIGINT", "TEXT COLLATE \"C\"", ""]
    } else {
        ["BLOB", "INTEGER", "TEXT", " WITHOUT ROWID"]
    };
    let places = ["{BYTES}", "{SEQ}", "{TEXT}", "{CLUSTERED}"];
    let filled = places
        .iter()
        .zip(words)
        .fold(text.to_owned(), |text, (place, word)| text.replace(place, word));
    // our own constants with such a word put in: nothing from outside can be in it
    conn.run(sqlx::AssertSqlSafe(filled)).await
}
