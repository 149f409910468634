//! Whose releases have to be decided anew, and when: people whose record moved, people for whom a date comes, and everybody
//! after what is shared has changed. A version that moves makes its person due in the same transaction, so nobody is missed.
//! <https://hl7.org/fhir/R4/resource.html#Meta>

use std::collections::BTreeSet;

use postern_rules::fhir::Instant;

use super::Store;
use super::bulk::Bulk;
use super::change::{Change, Refreshed, Swept};
use super::engine::{Arg, Conn, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// Who refreshes, by which rules, and how far everybody has been made due since what is shared last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Moves with every change of this row.
    pub version: i64,
    /// The process that refreshes, until then.
    pub holder: String,
    pub until: Instant,
    /// Names the rules it decides by.
    pub rules: String,
    /// The version of the world it makes everybody due for.
    pub world: i64,
    /// The last person made due, in the database's own order; none when everybody has been.
    pub reached: Option<String>,
}

static DUE: Bulk = Bulk::new(
    "INSERT INTO refresh (patient, due) VALUES ",
    2,
    " ON CONFLICT (patient) DO UPDATE SET due = excluded.due WHERE refresh.due > excluded.due",
);

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    let due: BTreeSet<&str> = change
        .touched()
        .chain(change.due.iter().map(String::as_str))
        .collect();
    let rows: Vec<Arg<'_>> = due
        .into_iter()
        .flat_map(|patient| [Arg::Text(patient), Arg::Int(change.now.0)])
        .collect();
    DUE.execute(conn, &rows).await?;
    for Refreshed { patient, again } in &change.refreshed {
        match again {
            Some(due) => {
                let sql = "INSERT INTO refresh (patient, due) VALUES ($1, $2) \
                           ON CONFLICT (patient) DO UPDATE SET due = excluded.due";
                conn.execute(sql, args![patient, due.0]).await?;
            }
            None => {
                conn.execute("DELETE FROM refresh WHERE patient = $1", args![patient])
                    .await?;
            }
        }
    }
    match &change.sweep {
        Some(swept) => sweep(conn, swept).await,
        None => Ok(()),
    }
}

async fn sweep(conn: &mut Conn, Swept { expected, next }: &Swept) -> Result<(), Stop> {
    let sql = "UPDATE sweep SET version = version + 1, holder = $2, until = $3, rules = $4, world = $5, reached = $6 \
               WHERE one = 1 AND version = $1";
    let args = args![
        *expected,
        &next.holder,
        next.until.0,
        &next.rules,
        next.world,
        &next.reached
    ];
    match conn.execute(sql, args).await? {
        1 => Ok(()),
        _ => Err(Stop::STALE),
    }
}

impl Store {
    /// The row of the sweep; there is always one.
    pub async fn sweep(&self) -> Result<Sweep, Unavailable> {
        let sql = "SELECT version, holder, until, rules, world, reached FROM sweep WHERE one = 1";
        let row = self.readers().row(sql, args![]).await?.ok_or(Unavailable)?;
        Ok(Sweep {
            version: row.get(0)?,
            holder: row.get(1)?,
            until: Instant(row.get(2)?),
            rules: row.get(3)?,
            world: row.get(4)?,
            reached: row.get(5)?,
        })
    }

    /// People whose releases are due at `now`, those due longest first, at most `limit`.
    pub async fn people_due(&self, now: Instant, limit: i64) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT patient FROM refresh WHERE due <= $1 ORDER BY due, patient LIMIT $2";
        self.people(sql, args![now.0, limit]).await
    }

    /// When this person's releases are due; none when nothing can make them differ but a change.
    pub async fn due(&self, patient: &str) -> Result<Option<Instant>, Unavailable> {
        let sql = "SELECT due FROM refresh WHERE patient = $1";
        let row = self.readers().row(sql, args![patient]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?.map(Instant))
    }

    /// People with a record who follow this one (nobody: from the first), at most `limit`.
    pub async fn people_after(&self, patient: &str, limit: i64) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT patient FROM record WHERE patient > $1 ORDER BY patient LIMIT $2";
        self.people(sql, args![patient, limit]).await
    }

    async fn people(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<String>, Unavailable> {
        let rows = self.readers().rows(sql, args).await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
