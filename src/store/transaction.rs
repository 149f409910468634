//! Several changes in one transaction: hold the versions they rely on, run each in its own savepoint, append all
//! events, commit once. Locks are taken in one order (world, access tokens, people, rows of a change, log head), so that two
//! processes wait for each other and seldom collide; a collision is replayed.
//! <https://www.postgresql.org/docs/current/explicit-locking.html>

use std::collections::{BTreeMap, BTreeSet};

use super::bulk::Bulk;
use super::change::{Change, Guard};
use super::engine::{Arg, Conn, Held, args, held};
use super::failure::{Damage, Refused, damage, report};
use super::receipt::Receipt;
use super::{
    audit, checkpoint, grant, notice, parties, person, refresh, released, resource, reviewed, stated, work,
    written,
};

/// Why one change did not go through.
pub(super) enum Stop {
    Refused(Refused),
    Failed(sqlx::Error),
}

impl Stop {
    pub(super) const STALE: Stop = Stop::Refused(Refused::Stale);
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Stop {
        Stop::Failed(error)
    }
}

/// Why a whole transaction did not go through.
pub(super) struct Failure {
    pub(super) error: sqlx::Error,
    pub(super) stage: Stage,
}

/// How far a transaction had come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing had reached the database.
    Begin,
    Inside,
    /// COMMIT had been sent: it may have gone through.
    Commit,
}

impl Stage {
    pub(super) fn failed(self, error: sqlx::Error) -> Failure {
        Failure { error, stage: self }
    }
}

pub(super) type Verdict = Result<Receipt, Refused>;

/// Records the changes in this order; comes out with one verdict each. An error means that none of them was.
pub(super) async fn write(conn: &mut Conn, changes: &[&Change]) -> Result<Vec<Verdict>, Failure> {
    conn.begin().await.map_err(|error| Stage::Begin.failed(error))?;
    let (accepted, mut next) = run(conn, changes)
        .await
        .map_err(|error| Stage::Inside.failed(error))?;
    conn.run("COMMIT")
        .await
        .map_err(|error| Stage::Commit.failed(error))?;
    let verdicts = changes.iter().zip(accepted).map(|(change, accepted)| {
        accepted.map(|()| {
            let (first, events) = (next, change.audit.len() as u64);
            next += events;
            Receipt::new(change.answers.clone(), first, events)
        })
    });
    Ok(verdicts.collect())
}

/// Everything between BEGIN and COMMIT; comes out with who was accepted and where the first event went.
async fn run(conn: &mut Conn, changes: &[&Change]) -> Result<(Vec<Result<(), Refused>>, u64), sqlx::Error> {
    let mut versions = Locked::take(conn, changes).await?;
    let mut accepted = Vec::with_capacity(changes.len());
    for change in changes {
        accepted.push(one(conn, change, &mut versions).await?);
    }
    let in_log = changes
        .iter()
        .zip(&accepted)
        .filter(|(_, accepted)| accepted.is_ok());
    let events: Vec<_> = in_log.flat_map(|(change, _)| &change.audit).collect();
    let first = if events.is_empty() {
        0
    } else {
        audit::append(conn, &events).await?
    };
    Ok((accepted, first))
}

async fn one(
    conn: &mut Conn,
    change: &Change,
    versions: &mut Locked,
) -> Result<Result<(), Refused>, sqlx::Error> {
    if !versions.hold_for(change) {
        return Ok(Err(Refused::Stale));
    }
    if !change.writes() {
        return Ok(Ok(()));
    }
    conn.run("SAVEPOINT one").await?;
    let refused = match apply(conn, change, versions).await {
        Ok(()) => {
            conn.run("RELEASE SAVEPOINT one").await?;
            versions.moved_by(change);
            return Ok(Ok(()));
        }
        Err(Stop::Refused(refused)) => refused,
        Err(Stop::Failed(error)) if damage(&error, false) == Damage::Own => {
            report("change", &error);
            Refused::Unavailable
        }
        Err(Stop::Failed(error)) => return Err(error),
    };
    conn.run("ROLLBACK TO SAVEPOINT one").await?;
    conn.run("RELEASE SAVEPOINT one").await?;
    Ok(Err(refused))
}

async fn apply(conn: &mut Conn, change: &Change, versions: &Locked) -> Result<(), Stop> {
    for guard in &change.guards {
        take_guard(conn, change, guard).await?;
    }
    resource::put(conn, change.now, &change.puts, &change.rehomed).await?;
    stated::put(conn, change).await?;
    person::put(conn, &change.puts).await?;
    let touched: BTreeSet<&str> = change.touched().collect();
    for patient in touched {
        let sql = "UPDATE record SET version = $2 WHERE patient = $1";
        conn.execute(sql, args![patient, versions.record(patient) + 1])
            .await?;
    }
    parties::put(conn, change).await?;
    if change.moves_world() {
        conn.execute("UPDATE world SET version = version + 1 WHERE one = 1", args![])
            .await?;
    }
    released::put(conn, change).await?;
    refresh::put(conn, change).await?;
    work::put(conn, &change.work).await?;
    reviewed::put(conn, change).await?;
    written::put(conn, change).await?;
    grant::put(conn, change).await?;
    notice::put(conn, change).await?;
    if let Some(row) = &change.checkpoint {
        checkpoint::put(conn, row).await?;
    }
    if let Some(before) = change.forget_before {
        conn.execute("DELETE FROM guard WHERE until < $1", args![before.0])
            .await?;
        conn.execute("DELETE FROM access_token WHERE expires < $1", args![before.0])
            .await?;
    }
    Ok(())
}

async fn take_guard(conn: &mut Conn, change: &Change, guard: &Guard) -> Result<(), Stop> {
    let sql = "INSERT INTO guard (kind, key, until, outcome) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) \
               DO UPDATE SET until = excluded.until, outcome = excluded.outcome WHERE guard.until <= $5";
    let args = args![
        guard.kind,
        &guard.key,
        guard.until.0,
        &guard.outcome,
        change.now.0
    ];
    if conn.execute(sql, args).await? > 0 {
        return Ok(());
    }
    let sql = "SELECT outcome FROM guard WHERE kind = $1 AND key = $2";
    let row = conn.row(sql, args![guard.kind, &guard.key]).await?;
    let outcome = row.map(|row| row.get(0)).transpose()?.flatten();
    Err(Stop::Refused(Refused::Duplicate(outcome)))
}

const WORLD_TO_READ: Held = held!("SELECT version FROM world WHERE one = 1", share);
const WORLD_TO_MOVE: Held = held!("SELECT version FROM world WHERE one = 1");
static RECORDS: Bulk = Bulk::holding(
    "SELECT patient, version FROM record WHERE patient IN (VALUES ",
    1,
    ") ORDER BY patient",
);
static NEW_RECORDS: Bulk = Bulk::new(
    "INSERT INTO record (patient, version) VALUES ",
    2,
    " ON CONFLICT (patient) DO NOTHING",
);

static TOKENS: Bulk = Bulk::sharing(
    "SELECT hash FROM access_token WHERE hash IN (VALUES ",
    1,
    ") ORDER BY hash",
);
static TOKENS_TO_END: Bulk = Bulk::holding(
    "SELECT hash FROM access_token WHERE hash IN (VALUES ",
    1,
    ") ORDER BY hash",
);

/// The versions this transaction holds, as they are after the changes accepted so far.
struct Locked {
    world: i64,
    records: BTreeMap<String, i64>,
    /// Of the access tokens that were used, those that are there.
    tokens: BTreeSet<Vec<u8>>,
}

impl Locked {
    async fn take(conn: &mut Conn, changes: &[&Change]) -> Result<Locked, sqlx::Error> {
        let mut locked = Locked {
            world: 0,
            records: BTreeMap::new(),
            tokens: BTreeSet::new(),
        };
        let moves = changes.iter().any(|change| change.moves_world());
        if moves || changes.iter().any(|change| change.expects_world.is_some()) {
            let world = conn
                .hold(if moves { &WORLD_TO_MOVE } else { &WORLD_TO_READ }, args![])
                .await?;
            locked.world = world.first().ok_or(sqlx::Error::RowNotFound)?.get(0)?;
        }
        locked.read_tokens(conn, changes).await?;
        let mut patients: BTreeSet<&str> = BTreeSet::new();
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        for change in changes {
            patients.extend(change.expects.iter().map(|(patient, _)| patient.as_str()));
            patients.extend(change.released.iter().map(|row| row.patient.as_str()));
            patients.extend(change.refreshed.iter().map(|row| row.patient.as_str()));
            touched.extend(change.touched());
        }
        patients.extend(&touched);
        locked.read(conn, patients.into_iter()).await?;
        // a person who is new here: two processes may be adding the same one
        touched.retain(|patient| !locked.records.contains_key(*patient));
        if !touched.is_empty() {
            let rows: Vec<Arg<'_>> = touched
                .iter()
                .flat_map(|patient| [Arg::Text(patient), Arg::Int(0)])
                .collect();
            NEW_RECORDS.execute(conn, &rows).await?;
            locked.read(conn, touched.into_iter()).await?;
        }
        Ok(locked)
    }

    async fn read_tokens(&mut self, conn: &mut Conn, changes: &[&Change]) -> Result<(), sqlx::Error> {
        let used = changes.iter().filter_map(|change| change.expects_token.as_ref());
        let ended = changes.iter().flat_map(|change| &change.revoked_tokens);
        let statement = match ended.clone().next() {
            None => &TOKENS,
            Some(_) => &TOKENS_TO_END,
        };
        let hashes: BTreeSet<&[u8]> = used.chain(ended).map(Vec::as_slice).collect();
        let args: Vec<Arg<'_>> = hashes.into_iter().map(Arg::Bytes).collect();
        for row in statement.rows(conn, &args).await? {
            self.tokens.insert(row.get(0)?);
        }
        Ok(())
    }

    async fn read(
        &mut self,
        conn: &mut Conn,
        patients: impl Iterator<Item = &str>,
    ) -> Result<(), sqlx::Error> {
        let args: Vec<Arg<'_>> = patients.map(Arg::Text).collect();
        for row in RECORDS.rows(conn, &args).await? {
            self.records.insert(row.get(0)?, row.get(1)?);
        }
        Ok(())
    }

    fn record(&self, patient: &str) -> i64 {
        self.records.get(patient).copied().unwrap_or(0)
    }

    fn hold_for(&self, change: &Change) -> bool {
        change.expects_world.is_none_or(|version| version == self.world)
            && change
                .expects_token
                .as_ref()
                .is_none_or(|hash| self.tokens.contains(hash))
            && change
                .expects
                .iter()
                .all(|(patient, version)| *version == self.record(patient))
    }

    fn moved_by(&mut self, change: &Change) {
        if change.moves_world() {
            self.world += 1;
        }
        for hash in &change.revoked_tokens {
            self.tokens.remove(hash);
        }
        let touched: BTreeSet<&str> = change.touched().collect();
        for patient in touched {
            let next = self.record(patient) + 1;
            self.records.insert(patient.to_owned(), next);
        }
    }
}
