//! What each recipient could see, as digests: `meta.lastUpdated` is `changed_at`, and `seq` orders what changed for a
//! recipient. A change it cannot see leaves no trace here.
//! <https://hl7.org/fhir/R4/resource.html#Meta>

use std::collections::{BTreeMap, HashMap};

use postern_rules::fhir::Instant;

use super::Store;
use super::bulk::Bulk;
use super::change::Released;
use super::engine::{Arg, Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// One resource as one recipient, for one purpose, could see it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleasedRow {
    pub purpose: String,
    pub patient: String,
    pub resource_type: String,
    pub id: String,
    /// SHA-256 of the released form; empty when gone.
    pub digest: Vec<u8>,
    /// When the released form last changed.
    pub changed_at: Instant,
    /// Grows with each visible change; unique per recipient.
    pub seq: i64,
    /// It was released and is no longer.
    pub gone: bool,
}

static PUT: Bulk = Bulk::new(
    "INSERT INTO released (recipient, purpose, patient, type, id, digest, changed_at, seq, gone) VALUES ",
    9,
    " ON CONFLICT (recipient, purpose, patient, type, id) DO UPDATE SET digest = excluded.digest, \
     changed_at = excluded.changed_at, seq = excluded.seq, gone = excluded.gone",
);

/// The rows of one release by type and id.
type Release<'a> = BTreeMap<(&'a str, &'a str), &'a Released>;

/// Records what differs. The record rows of the people concerned are held by then, so no one else compares meanwhile.
pub(super) async fn put(conn: &mut Conn, now: Instant, rows: &[Released]) -> Result<(), Stop> {
    let mut releases: BTreeMap<(&str, &str, &str), Release<'_>> = BTreeMap::new();
    for row in rows {
        let release = releases
            .entry((&row.recipient, &row.purpose, &row.patient))
            .or_default();
        release.insert((&row.resource_type, &row.id), row);
    }
    let mut moved: BTreeMap<&str, Vec<&Released>> = BTreeMap::new();
    for ((recipient, purpose, patient), rows) in releases {
        let kept = kept(conn, recipient, purpose, patient).await?;
        let differs = |row: &&Released| {
            let before = kept.get(&(row.resource_type.clone(), row.id.clone()));
            match row.digest {
                Some(digest) => before.map(Vec::as_slice) != Some(&digest.0[..]),
                None => before.is_some_and(|digest| !digest.is_empty()),
            }
        };
        moved
            .entry(recipient)
            .or_default()
            .extend(rows.into_values().filter(differs));
    }
    for (recipient, rows) in moved {
        if !rows.is_empty() {
            write(conn, now, recipient, &rows).await?;
        }
    }
    Ok(())
}

type Kept = HashMap<(String, String), Vec<u8>>;

async fn kept(conn: &mut Conn, recipient: &str, purpose: &str, patient: &str) -> Result<Kept, sqlx::Error> {
    let sql = "SELECT type, id, digest FROM released WHERE recipient = $1 AND purpose = $2 AND patient = $3";
    let rows = conn.rows(sql, args![recipient, purpose, patient]).await?;
    rows.iter()
        .map(|row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))
        .collect()
}

async fn write(conn: &mut Conn, now: Instant, recipient: &str, moved: &[&Released]) -> Result<(), Stop> {
    let sql = "INSERT INTO released_seq (recipient, seq) VALUES ($1, $2) \
               ON CONFLICT (recipient) DO UPDATE SET seq = released_seq.seq + excluded.seq RETURNING seq";
    let count = moved.len() as i64;
    let last = conn
        .row(sql, args![recipient, count])
        .await?
        .ok_or(sqlx::Error::RowNotFound)?
        .get::<i64>(0)?;
    let rows: Vec<Arg<'_>> = moved
        .iter()
        .zip(last - count + 1..)
        .flat_map(|(row, seq)| -> [Arg<'_>; 9] {
            let digest = row.digest.as_ref().map_or(&[][..], |digest| &digest.0[..]);
            [
                recipient.into(),
                (&row.purpose).into(),
                (&row.patient).into(),
                (&row.resource_type).into(),
                (&row.id).into(),
                digest.into(),
                now.0.into(),
                seq.into(),
                row.digest.is_none().into(),
            ]
        })
        .collect();
    PUT.execute(conn, &rows).await?;
    Ok(())
}

fn read(row: &Row) -> Result<ReleasedRow, sqlx::Error> {
    Ok(ReleasedRow {
        purpose: row.get(0)?,
        patient: row.get(1)?,
        resource_type: row.get(2)?,
        id: row.get(3)?,
        digest: row.get(4)?,
        changed_at: Instant(row.get(5)?),
        seq: row.get(6)?,
        gone: row.flag(7)?,
    })
}

impl Store {
    /// One release as last recorded, gone resources included, by type and id.
    pub async fn released(
        &self,
        recipient: &str,
        purpose: &str,
        patient: &str,
    ) -> Result<Vec<ReleasedRow>, Unavailable> {
        let sql = "SELECT purpose, patient, type, id, digest, changed_at, seq, gone FROM released \
                   WHERE recipient = $1 AND purpose = $2 AND patient = $3 ORDER BY type, id";
        let rows = self
            .readers()
            .rows(sql, args![recipient, purpose, patient])
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// What changed for a recipient after `seq`, oldest first, at most `limit` rows.
    pub async fn released_after(
        &self,
        recipient: &str,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<ReleasedRow>, Unavailable> {
        let sql = "SELECT purpose, patient, type, id, digest, changed_at, seq, gone FROM released \
                   WHERE recipient = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = self.readers().rows(sql, args![recipient, seq, limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The releases that hold something of this person, as (recipient, purpose).
    pub async fn releases_of(&self, patient: &str) -> Result<Vec<(String, String)>, Unavailable> {
        let sql =
            "SELECT DISTINCT recipient, purpose FROM released WHERE patient = $1 ORDER BY recipient, purpose";
        let rows = self.readers().rows(sql, args![patient]).await?;
        Ok(rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
