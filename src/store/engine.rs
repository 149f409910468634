//! SQLite and PostgreSQL behind one face: connections, pools, arguments and rows. Every other file of the store
//! speaks one SQL text for both; what differs between the engines stands here and in `schema`.
//! <https://www.sqlite.org/lang.html>, <https://www.postgresql.org/docs/current/protocol-flow.html>

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments, ConnectOptions, Connection, Postgres, Row as _, Sqlite};

use super::failure::{Damage, damage};

/// How long a caller waits for a connection before it is told that the store is unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a page in a new SQLite database.
const PAGE: u32 = 16 * 1024;
/// KiB of pages the writer keeps, so that it does not read back from the WAL what it wrote.
const WRITER_CACHE: &str = "-16384";

/// One value bound to a placeholder.
#[derive(Clone, Copy)]
pub(super) enum Arg<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Bytes(&'a [u8]),
    MaybeBytes(Option<&'a [u8]>),
}

macro_rules! arg_from {
    ($($source:ty => |$value:ident| $made:expr),* $(,)?) => {
        $(impl<'a> From<$source> for Arg<'a> {
            fn from($value: $source) -> Arg<'a> { $made }
        })*
    };
}

arg_from! {
    i64 => |v| Arg::Int(v),
    bool => |v| Arg::Int(i64::from(v)),
    Option<i64> => |v| Arg::MaybeInt(v),
    &'a str => |v| Arg::Text(v),
    &'a String => |v| Arg::Text(v),
    &'a Option<String> => |v| Arg::MaybeText(v.as_deref()),
    Option<&'a str> => |v| Arg::MaybeText(v),
    &'a [u8] => |v| Arg::Bytes(v),
    &'a [u8; 32] => |v| Arg::Bytes(v),
    &'a Vec<u8> => |v| Arg::Bytes(v),
    &'a Option<Vec<u8>> => |v| Arg::MaybeBytes(v.as_deref()),
}

/// `args![patient, 1, &body]`: the arguments of one statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::engine::Arg::from($value)),*] };
}
pub(super) use args;

/// Fills a driver's own argument list. A macro, because the drivers share no nameable bound.
macro_rules! filled {
    ($arguments:ty, $args:expr) => {{
        let mut filled = <$arguments>::default();
        for arg in $args {
            match *arg {
                Arg::Int(v) => Arguments::add(&mut filled, v),
                Arg::MaybeInt(v) => Arguments::add(&mut filled, v),
                Arg::Text(v) => Arguments::add(&mut filled, v),
                Arg::MaybeText(v) => Arguments::add(&mut filled, v),
                Arg::Bytes(v) => Arguments::add(&mut filled, v),
                Arg::MaybeBytes(v) => Arguments::add(&mut filled, v),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        filled
    }};
}

/// Where a database is, before anything is connected.
#[derive(Clone)]
pub(super) enum Address {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    pub(super) fn parse(url: &str) -> Option<Address> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return None;
            }
            let options = SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(5))
                .pragma("trusted_schema", "OFF")
                // an event of some KiB shares its page instead of spilling over three; files that are there keep theirs
                .page_size(PAGE)
                // the writer does it, where a failure can be seen
                .pragma("wal_autocheckpoint", "0")
                .statement_cache_capacity(200)
                .disable_statement_logging();
            return Some(Address::Sqlite(Box::new(options)));
        }
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return None;
        }
        let mut options: PgConnectOptions = url.parse().ok()?;
        options.get_database()?;
        if !url.contains("statement-cache-capacity") {
            options = options.statement_cache_capacity(256);
        }
        Some(Address::Postgres(Box::new(options.disable_statement_logging())))
    }

    /// One connection of its own, for writing.
    pub(super) async fn connect(&self) -> Result<Conn, sqlx::Error> {
        match self {
            Address::Sqlite(options) => {
                keep_private(options.get_filename());
                // An INSERT of many rows that could fail keeps the pages it changes aside: in a file made and removed for each.
                let writes = (**options)
                    .clone()
                    .pragma("cache_size", WRITER_CACHE)
                    .pragma("temp_store", "MEMORY");
                Ok(Conn::Sqlite(writes.connect().await?))
            }
            Address::Postgres(options) => {
                let connected = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
                Ok(Conn::Postgres(connected.map_err(|_| sqlx::Error::PoolTimedOut)??))
            }
        }
    }

    /// Connections for reading only.
    pub(super) fn readers(&self, most: u32) -> Pool {
        match self {
            Address::Sqlite(options) => Pool::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(most)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .test_before_acquire(false)
                    .connect_lazy_with(
                        (**options)
                            .clone()
                            .create_if_missing(false)
                            .pragma("query_only", "ON"),
                    ),
            ),
            Address::Postgres(options) => Pool::Postgres(
                PgPoolOptions::new()
                    .max_connections(most)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .test_before_acquire(false)
                    .connect_lazy_with((**options).clone()),
            ),
        }
    }
}

/// A fresh database file belongs to its owner alone; SQLite gives the WAL beside it the same permissions.
pub(super) fn keep_private(path: &std::path::Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // an existing file is left as the operator set it; an impossible path is reported by SQLite itself
        let _ = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// One connection, used by one task.
pub(super) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Connections shared by readers.
#[derive(Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One row of an answer; columns count from 0.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The same statement through either driver.
macro_rules! on_either {
    ($target:expr, $sql:expr, $args:expr, |$executor:ident| $reach:expr, $method:ident) => {
        match $target {
            Either::Sqlite($executor) => sqlx::query_with::<Sqlite, _>($sql, filled!(SqliteArguments, $args))
                .$method($reach)
                .await?
                .into(),
            Either::Postgres($executor) => sqlx::query_with::<Postgres, _>($sql, filled!(PgArguments, $args))
                .$method($reach)
                .await?
                .into(),
        }
    };
}

impl Conn {
    /// Runs one statement; comes out with the number of rows it changed.
    pub(super) async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, sqlx::Error> {
        use Conn as Either;
        let done: Done = on_either!(self, sql, args, |c| &mut *c, execute);
        Ok(done.0)
    }

    /// Runs one statement and takes all its rows.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        use Conn as Either;
        let rows: Rows = on_either!(self, sql, args, |c| &mut *c, fetch_all);
        Ok(rows.0)
    }

    /// The first row, if there is one.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs statements without arguments, as they stand, in one round trip.
    pub(super) async fn run(&mut self, sql: impl sqlx::SqlSafeStr) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(sql);
        match self {
            Conn::Sqlite(c) => sql.execute(&mut *c).await.map(drop),
            Conn::Postgres(c) => sql.execute(&mut *c).await.map(drop),
        }
    }

    /// Begins a transaction that may write. On PostgreSQL a process that stalls inside it cannot hold the others up.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Conn::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
            Conn::Postgres(_) => {
                self.run(
                    "BEGIN; SET LOCAL lock_timeout = '4s'; SET LOCAL idle_in_transaction_session_timeout = '10s'",
                )
                .await
            }
        }
    }

    /// Reads rows and holds them until the transaction ends. SQLite has one writer at a time: it needs no words for it.
    pub(super) async fn hold(&mut self, text: &Held, args: &[Arg<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        let sql = if self.is_postgres() {
            text.postgres
        } else {
            text.sqlite
        };
        self.rows(sql, args).await
    }

    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Conn::Postgres(_))
    }

    /// Ends the connection in good order.
    pub(super) async fn close(self) {
        let closed = match self {
            Conn::Sqlite(c) => c.close().await,
            Conn::Postgres(c) => c.close().await,
        };
        if let Err(error) = closed {
            super::failure::report("close", &error);
        }
    }
}

impl Pool {
    /// Runs one reading statement, one snapshot, and takes all its rows. Connections are not tried before use: one
    /// that a restarted server has dropped shows here, is given up, and the read goes to another.
    pub(super) async fn rows(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        let mut spare = match self {
            Pool::Sqlite(_) => 0,
            Pool::Postgres(pool) => pool.options().get_max_connections(),
        };
        loop {
            match self.rows_once(sql, args).await {
                Err(error) if spare > 0 && lost(&error) => spare -= 1,
                done => return done,
            }
        }
    }

    async fn rows_once(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        use Pool as Either;
        let rows: Rows = on_either!(self, sql, args, |p| p, fetch_all);
        Ok(rows.0)
    }

    pub(super) async fn row(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    pub(super) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// The connection is gone, and nothing is known against the next one.
fn lost(error: &sqlx::Error) -> bool {
    let of_connection = matches!(error, sqlx::Error::Io(_) | sqlx::Error::Database(_));
    of_connection && damage(error, false) == Damage::Broken
}

struct Done(u64);
struct Rows(Vec<Row>);

impl From<sqlx::sqlite::SqliteQueryResult> for Done {
    fn from(done: sqlx::sqlite::SqliteQueryResult) -> Done {
        Done(done.rows_affected())
    }
}

impl From<sqlx::postgres::PgQueryResult> for Done {
    fn from(done: sqlx::postgres::PgQueryResult) -> Done {
        Done(done.rows_affected())
    }
}

impl From<Vec<SqliteRow>> for Rows {
    fn from(rows: Vec<SqliteRow>) -> Rows {
        Rows(rows.into_iter().map(Row::Sqlite).collect())
    }
}

impl From<Vec<PgRow>> for Rows {
    fn from(rows: Vec<PgRow>) -> Rows {
        Rows(rows.into_iter().map(Row::Postgres).collect())
    }
}

/// What a column can be read as: `i64`, `String`, `Vec<u8>`, and each in an `Option` where the column may be null.
pub(super) trait Column:
    for<'r> sqlx::Decode<'r, Sqlite>
    + sqlx::Type<Sqlite>
    + for<'r> sqlx::Decode<'r, Postgres>
    + sqlx::Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> sqlx::Decode<'r, Sqlite>
        + sqlx::Type<Sqlite>
        + for<'r> sqlx::Decode<'r, Postgres>
        + sqlx::Type<Postgres>
{
}

impl Row {
    pub(super) fn get<T: Column>(&self, column: usize) -> Result<T, sqlx::Error> {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }

    /// Zero is no, anything else yes: neither engine's own boolean is portable.
    pub(super) fn flag(&self, column: usize) -> Result<bool, sqlx::Error> {
        Ok(self.get::<i64>(column)? != 0)
    }
}

/// A reading statement with the words that hold its rows on PostgreSQL.
pub(super) struct Held {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// `held!("SELECT …")` holds its rows against everyone, `held!("SELECT …", share)` against writers only.
macro_rules! held {
    ($sql:literal) => {
        $crate::store::engine::Held {
            sqlite: $sql,
            postgres: concat!($sql, " FOR UPDATE"),
        }
    };
    ($sql:literal, share) => {
        $crate::store::engine::Held {
            sqlite: $sql,
            postgres: concat!($sql, " FOR SHARE"),
        }
    };
}
pub(super) use held;
