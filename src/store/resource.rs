//! Resources with their versions, and the lookup by identifier.
//! <https://hl7.org/fhir/R4/http.html#vread>

use std::collections::BTreeMap;

use postern_rules::fhir::Instant;

use super::bulk::Bulk;
use super::change::{Put, Rehomed};
use super::engine::{Arg, Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;
use super::{Store, Versions, stated};

/// A resource as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceRow {
    pub resource_type: String,
    pub id: String,
    pub version: i64,
    pub patient: Option<String>,
    pub source: String,
    pub updated: Instant,
    pub deleted: bool,
    /// JSON, byte for byte as it was put.
    pub body: String,
}

static KEEP_OLD: Bulk = Bulk::new(
    "INSERT INTO resource_version (type, id, version, patient, source, updated, deleted, body) \
     SELECT type, id, version, patient, source, updated, deleted, body FROM resource WHERE (type, id) IN (VALUES ",
    2,
    ")",
);
static PUT: Bulk = Bulk::new(
    "INSERT INTO resource (type, id, version, patient, source, updated, deleted, body) VALUES ",
    8,
    " ON CONFLICT (type, id) DO UPDATE SET version = resource.version + 1, source = excluded.source, \
     updated = excluded.updated, deleted = excluded.deleted, body = excluded.body \
     WHERE resource.patient IS NOT DISTINCT FROM excluded.patient",
);
static DROP_IDENTIFIERS: Bulk = Bulk::new("DELETE FROM identifier WHERE (type, id) IN (VALUES ", 2, ")");
static PUT_IDENTIFIERS: Bulk = Bulk::new(
    "INSERT INTO identifier (system, value, type, id) VALUES ",
    4,
    " ON CONFLICT DO NOTHING",
);
static SHARED: Bulk = Bulk::new(
    "SELECT type, id, version, patient, source, updated, deleted, body FROM resource \
     WHERE patient IS NULL AND deleted = 0 AND (type, id) IN (VALUES ",
    2,
    ")",
);

pub(super) async fn put(
    conn: &mut Conn,
    now: Instant,
    puts: &[Put],
    rehomed: &[Rehomed],
) -> Result<(), Stop> {
    let latest: BTreeMap<(&str, &str), &Put> = puts
        .iter()
        .map(|p| ((p.resource_type.as_str(), p.id.as_str()), p))
        .collect();
    let puts: Vec<&Put> = latest.into_values().collect();
    if puts.is_empty() {
        return Ok(());
    }
    let keys: Vec<Arg<'_>> = puts
        .iter()
        .flat_map(|p| [(&p.resource_type).into(), (&p.id).into()])
        .collect();
    let replaced = KEEP_OLD.execute_set(conn, &keys).await?;
    for one in rehomed {
        stated::rehome(conn, one).await?;
    }
    let rows: Vec<Arg<'_>> = puts
        .iter()
        .flat_map(|p| -> [Arg<'_>; 8] {
            [
                (&p.resource_type).into(),
                (&p.id).into(),
                1i64.into(),
                (&p.patient).into(),
                (&p.source).into(),
                now.0.into(),
                p.deleted.into(),
                (&p.body).into(),
            ]
        })
        .collect();
    if PUT.execute(conn, &rows).await? != puts.len() as u64 {
        return Err(Stop::STALE);
    }
    if replaced > 0 {
        DROP_IDENTIFIERS.execute_set(conn, &keys).await?;
    }
    let identifiers: Vec<Arg<'_>> = puts
        .iter()
        .filter(|p| !p.deleted)
        .flat_map(|p| {
            p.identifiers
                .iter()
                .map(move |(system, value)| (p, system, value))
        })
        .flat_map(|(p, system, value)| {
            [
                system.into(),
                value.into(),
                (&p.resource_type).into(),
                (&p.id).into(),
            ]
        })
        .collect();
    PUT_IDENTIFIERS.execute(conn, &identifiers).await?;
    Ok(())
}

pub(super) fn read(row: &Row, first: usize) -> Result<ResourceRow, sqlx::Error> {
    Ok(ResourceRow {
        resource_type: row.get(first)?,
        id: row.get(first + 1)?,
        version: row.get(first + 2)?,
        patient: row.get(first + 3)?,
        source: row.get(first + 4)?,
        updated: Instant(row.get(first + 5)?),
        deleted: row.flag(first + 6)?,
        body: row.get(first + 7)?,
    })
}

impl Store {
    /// The versions a decision about this person relies on; a person without a record is at 0.
    pub async fn record_versions(&self, patient: &str) -> Result<Versions, Unavailable> {
        let sql =
            "SELECT w.version, r.version FROM world w LEFT JOIN record r ON r.patient = $1 WHERE w.one = 1";
        let row = self.readers().row(sql, args![patient]).await?;
        let Some(row) = row else { return Err(Unavailable) };
        Ok(Versions {
            world: row.get(0)?,
            record: row.get::<Option<i64>>(1)?.unwrap_or(0),
        })
    }

    /// All that belongs to one person, with the versions it was read at, in one snapshot; in no particular order.
    pub async fn load_record(&self, patient: &str) -> Result<(Versions, Vec<ResourceRow>), Unavailable> {
        let sql = "SELECT w.version, c.version, r.type, r.id, r.version, r.patient, r.source, r.updated, r.deleted, \
                   r.body FROM world w LEFT JOIN record c ON c.patient = $1 \
                   LEFT JOIN resource r ON r.patient = $1 AND r.deleted = 0 WHERE w.one = 1";
        let rows = self.readers().rows(sql, args![patient]).await?;
        let Some(first) = rows.first() else {
            return Err(Unavailable);
        };
        let versions = Versions {
            world: first.get(0)?,
            record: first.get::<Option<i64>>(1)?.unwrap_or(0),
        };
        if first.get::<Option<String>>(2)?.is_none() {
            return Ok((versions, Vec::new()));
        }
        let resources = rows.iter().map(|row| read(row, 2)).collect::<Result<_, _>>()?;
        Ok((versions, resources))
    }

    /// Shared resources (those of no person) by (type, id); absent ones are left out. Read the world's version first.
    pub async fn load_shared(&self, wanted: &[(String, String)]) -> Result<Vec<ResourceRow>, Unavailable> {
        let keys: Vec<Arg<'_>> = wanted.iter().flat_map(|(t, id)| [t.into(), id.into()]).collect();
        let rows = SHARED.read(self.readers(), &keys).await?;
        Ok(rows.iter().map(|row| read(row, 0)).collect::<Result<_, _>>()?)
    }

    /// One resource as it is now, deleted or not, whoever it belongs to.
    pub async fn resource(&self, resource_type: &str, id: &str) -> Result<Option<ResourceRow>, Unavailable> {
        let sql = "SELECT type, id, version, patient, source, updated, deleted, body FROM resource \
                   WHERE type = $1 AND id = $2";
        let row = self.readers().row(sql, args![resource_type, id]).await?;
        Ok(row.map(|row| read(&row, 0)).transpose()?)
    }

    /// One version of a resource.
    pub async fn resource_version(
        &self,
        resource_type: &str,
        id: &str,
        version: i64,
    ) -> Result<Option<ResourceRow>, Unavailable> {
        let sql = "SELECT type, id, version, patient, source, updated, deleted, body FROM resource \
                   WHERE type = $1 AND id = $2 AND version = $3 UNION ALL \
                   SELECT type, id, version, patient, source, updated, deleted, body FROM resource_version \
                   WHERE type = $1 AND id = $2 AND version = $3";
        let row = self.readers().row(sql, args![resource_type, id, version]).await?;
        Ok(row.map(|row| read(&row, 0)).transpose()?)
    }

    /// The resources that carry this identifier, as (type, id, patient).
    pub async fn find_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<(String, String, Option<String>)>, Unavailable> {
        let sql = "SELECT r.type, r.id, r.patient FROM identifier i \
                   JOIN resource r ON r.type = i.type AND r.id = i.id \
                   WHERE i.system = $1 AND i.value = $2 AND r.deleted = 0 ORDER BY r.type, r.id";
        let rows = self.readers().rows(sql, args![system, value]).await?;
        Ok(rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
