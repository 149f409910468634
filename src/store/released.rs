//! What each recipient could see, as digests: `meta.lastUpdated` is `changed_at`, and `seq` orders what changed for a
//! recipient. Beside them what it finds them by: search values of what was released, never of what is stored. A change it
//! cannot see leaves no trace here.
//! <https://hl7.org/fhir/R4/resource.html#Meta>

use std::collections::{BTreeMap, HashMap};

use postern_rules::fhir::Instant;

use super::Store;
use super::bulk::Bulk;
use super::change::{Change, Released};
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
    /// Names the keys it is found by; 0 for none.
    pub keyed: i64,
}

/// The types of which one resource can stand in the releases of many, as the index over them names them.
macro_rules! shared_types {
    () => {
        "('Practitioner', 'PractitionerRole', 'Organization', 'Location', 'HealthcareService', 'Endpoint')"
    };
}
pub(super) use shared_types;

/// A release that holds something: recipient and purpose.
pub type Release = (String, String);

static PUT: Bulk = Bulk::new(
    "INSERT INTO released (patient, recipient, purpose, type, id, digest, changed_at, seq, gone, keyed) VALUES ",
    10,
    " ON CONFLICT (patient, recipient, purpose, type, id) DO UPDATE SET digest = excluded.digest, \
     changed_at = excluded.changed_at, seq = excluded.seq, gone = excluded.gone, keyed = excluded.keyed",
);
static DROP_KEYS: Bulk = Bulk::new(
    "DELETE FROM released_key WHERE (recipient, seq) IN (VALUES ",
    2,
    ")",
);
static PUT_KEYS: Bulk = Bulk::new(
    "INSERT INTO released_key (recipient, purpose, type, parameter, value, seq) VALUES ",
    6,
    " ON CONFLICT DO NOTHING",
);

/// The rows of one release by type and id.
type Rows<'a> = BTreeMap<(&'a str, &'a str), &'a Released>;

/// What is kept of one resource of a release.
struct Kept {
    digest: Vec<u8>,
    seq: i64,
    keyed: i64,
}

/// A row with what was kept of it before.
type Moving<'a> = (&'a Released, Option<Kept>);

/// Records what differs. The record rows of the people concerned are held by then, so no one else compares meanwhile. An
/// answer states the date of each of its rows: it is `Stale` when someone has dated one of them first.
pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    let (now, rows) = (change.now, &change.released);
    let stated = !change.answers.is_empty();
    let mut releases: BTreeMap<(&str, &str, &str), Rows<'_>> = BTreeMap::new();
    for row in rows {
        let release = releases
            .entry((&row.recipient, &row.purpose, &row.patient))
            .or_default();
        release.insert((&row.resource_type, &row.id), row);
    }
    let mut moved: BTreeMap<&str, Vec<Moving<'_>>> = BTreeMap::new();
    let mut rekeyed: Vec<(&Released, Kept)> = Vec::new();
    for ((recipient, purpose, patient), rows) in releases {
        let mut kept = kept(conn, recipient, purpose, patient).await?;
        for row in rows.into_values() {
            let before = kept.remove(&(row.resource_type.clone(), row.id.clone()));
            if differs(row, before.as_ref()) {
                moved.entry(recipient).or_default().push((row, before));
            } else if stated && row.digest.is_some() {
                return Err(Stop::STALE);
            } else if let Some(before) = before.filter(|before| before.keyed != name_of(row)) {
                rekeyed.push((row, before));
            }
        }
    }
    for (recipient, rows) in moved {
        write(conn, now, recipient, &rows).await?;
    }
    rekey(conn, &rekeyed).await
}

fn differs(row: &Released, before: Option<&Kept>) -> bool {
    match row.digest {
        Some(digest) => before.is_none_or(|before| before.digest != digest.0),
        None => before.is_some_and(|before| !before.digest.is_empty()),
    }
}

/// What is gone is found by nothing.
fn name_of(row: &Released) -> i64 {
    row.digest.map_or(0, |_| row.keys.name)
}

async fn kept(
    conn: &mut Conn,
    recipient: &str,
    purpose: &str,
    patient: &str,
) -> Result<HashMap<(String, String), Kept>, sqlx::Error> {
    let sql = "SELECT type, id, digest, seq, keyed FROM released \
               WHERE recipient = $1 AND purpose = $2 AND patient = $3";
    let rows = conn.rows(sql, args![recipient, purpose, patient]).await?;
    rows.iter()
        .map(|row| {
            let kept = Kept {
                digest: row.get(2)?,
                seq: row.get(3)?,
                keyed: row.get(4)?,
            };
            Ok(((row.get(0)?, row.get(1)?), kept))
        })
        .collect()
}

/// Gives each row its place in the recipient's order of changes, and its keys.
async fn write(
    conn: &mut Conn,
    now: Instant,
    recipient: &str,
    moved: &[Moving<'_>],
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO released_seq (recipient, seq) VALUES ($1, $2) \
               ON CONFLICT (recipient) DO UPDATE SET seq = released_seq.seq + excluded.seq RETURNING seq";
    let count = moved.len() as i64;
    let last = conn
        .row(sql, args![recipient, count])
        .await?
        .ok_or(sqlx::Error::RowNotFound)?
        .get::<i64>(0)?;
    let first = last - count + 1;
    let rows: Vec<Arg<'_>> = moved
        .iter()
        .zip(first..)
        .flat_map(|((row, _), seq)| -> [Arg<'_>; 10] {
            let digest = row.digest.as_ref().map_or(&[][..], |digest| &digest.0[..]);
            [
                (&row.patient).into(),
                recipient.into(),
                (&row.purpose).into(),
                (&row.resource_type).into(),
                (&row.id).into(),
                digest.into(),
                now.milliseconds().0.into(),
                seq.into(),
                row.digest.is_none().into(),
                name_of(row).into(),
            ]
        })
        .collect();
    PUT.execute(conn, &rows).await?;
    let before = moved
        .iter()
        .filter_map(|(row, kept)| Some((*row, kept.as_ref()?)));
    drop_keys(conn, before).await?;
    put_keys(conn, moved.iter().zip(first..).map(|((row, _), seq)| (*row, seq))).await
}

/// Other keys for what stays as it is: its place in the order of changes stays too.
async fn rekey(conn: &mut Conn, rows: &[(&Released, Kept)]) -> Result<(), Stop> {
    drop_keys(conn, rows.iter().map(|(row, kept)| (*row, kept))).await?;
    put_keys(conn, rows.iter().map(|(row, kept)| (*row, kept.seq))).await?;
    for (row, kept) in rows {
        let sql = "UPDATE released SET keyed = $3 WHERE recipient = $1 AND seq = $2";
        conn.execute(sql, args![&row.recipient, kept.seq, name_of(row)])
            .await?;
    }
    Ok(())
}

async fn drop_keys<'a>(
    conn: &mut Conn,
    rows: impl Iterator<Item = (&'a Released, &'a Kept)>,
) -> Result<(), sqlx::Error> {
    let args: Vec<Arg<'_>> = rows
        .filter(|(_, kept)| kept.keyed != 0)
        .flat_map(|(row, kept)| [Arg::from(&row.recipient), kept.seq.into()])
        .collect();
    DROP_KEYS.execute_set(conn, &args).await?;
    Ok(())
}

async fn put_keys<'a>(
    conn: &mut Conn,
    rows: impl Iterator<Item = (&'a Released, i64)>,
) -> Result<(), sqlx::Error> {
    let args: Vec<Arg<'_>> = rows
        .filter(|(row, _)| row.digest.is_some())
        .flat_map(|(row, seq)| row.keys.list.iter().map(move |key| (row, seq, key)))
        .flat_map(|(row, seq, (parameter, value))| -> [Arg<'_>; 6] {
            [
                (&row.recipient).into(),
                (&row.purpose).into(),
                (&row.resource_type).into(),
                (*parameter).into(),
                value.into(),
                seq.into(),
            ]
        })
        .collect();
    PUT_KEYS.execute(conn, &args).await?;
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
        keyed: row.get(8)?,
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
        let sql = "SELECT purpose, patient, type, id, digest, changed_at, seq, gone, keyed FROM released \
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
        let sql = "SELECT purpose, patient, type, id, digest, changed_at, seq, gone, keyed FROM released \
                   WHERE recipient = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = self.readers().rows(sql, args![recipient, seq, limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Every release of this person as last recorded, gone resources included, by recipient and purpose.
    pub async fn releases_of(
        &self,
        patient: &str,
    ) -> Result<BTreeMap<Release, Vec<ReleasedRow>>, Unavailable> {
        let sql = "SELECT purpose, patient, type, id, digest, changed_at, seq, gone, keyed, recipient FROM released \
                   WHERE patient = $1 ORDER BY recipient, purpose, type, id";
        let mut found: BTreeMap<Release, Vec<ReleasedRow>> = BTreeMap::new();
        for row in &self.readers().rows(sql, args![patient]).await? {
            let one = read(row)?;
            let release = (row.get(9)?, one.purpose.clone());
            found.entry(release).or_default().push(one);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use postern_rules::fhir::element::table;
    use postern_rules::fhir::is_shared;

    #[test]
    fn the_index_names_the_types_that_are_shared() {
        for named in table().resource_types() {
            let quoted = format!("'{named}'");
            assert_eq!(shared_types!().contains(&quoted), is_shared(named), "{named}");
        }
        assert!(
            include_str!("schema/0005.sql").contains(shared_types!()),
            "another list takes another migration"
        );
    }
}
