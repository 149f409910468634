//! Which source records state a resource. A resource stays in force while one of them does; whose form is kept is another
//! matter: `gateway/statement.rs`. 45 CFR 164.312(c)(1)

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::log::Digest;

use super::Store;
use super::bulk::Bulk;
use super::change::{Change, Rehomed, Statement};
use super::engine::{Arg, Conn, args};
use super::failure::Unavailable;
use super::transaction::Stop;

static STATE: Bulk = Bulk::new(
    "INSERT INTO stated_by (source, type, id, digest) VALUES ",
    4,
    " ON CONFLICT (source, type, id) DO UPDATE SET digest = excluded.digest",
);
static UNSTATE: Bulk = Bulk::new(
    "DELETE FROM stated_by WHERE (source, type, id) IN (VALUES ",
    3,
    ")",
);

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    let unstates: BTreeSet<[&str; 3]> = change.unstates.iter().map(key).collect();
    let rows: Vec<Arg<'_>> = unstates.into_iter().flatten().map(Arg::from).collect();
    UNSTATE.execute_set(conn, &rows).await?;
    // Of one thing stated twice the last counts.
    let states: BTreeMap<[&str; 3], &Statement> = change.states.iter().map(|s| (key(s), s)).collect();
    let rows: Vec<Arg<'_>> = states
        .into_iter()
        .flat_map(|([source, resource_type, id], s)| {
            [
                source.into(),
                resource_type.into(),
                id.into(),
                (&s.digest.0[..]).into(),
            ]
        })
        .collect();
    STATE.execute(conn, &rows).await?;
    Ok(())
}

fn key(s: &Statement) -> [&str; 3] {
    [&s.source, &s.resource_type, &s.id]
}

/// Takes what is stored for what was last stated, of everything kept before statements were.
pub(super) async fn keep_all(conn: &mut Conn) -> Result<(), sqlx::Error> {
    let sql = "SELECT r.type, r.id, r.body FROM resource r WHERE r.deleted = 0 AND EXISTS \
               (SELECT 1 FROM stated_by s WHERE s.type = r.type AND s.id = r.id) ORDER BY r.type, r.id";
    for row in conn.rows(sql, args![]).await? {
        let (resource_type, id, body): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let digest = Digest::of(body.as_bytes());
        let sql = "UPDATE stated_by SET digest = $3 WHERE type = $1 AND id = $2";
        conn.execute(sql, args![&resource_type, &id, &digest.0[..]])
            .await?;
    }
    Ok(())
}

/// Gives a resource to the person it is about, before its new form is put; `Stale` when it is not where it was.
pub(super) async fn rehome(conn: &mut Conn, rehomed: &Rehomed) -> Result<(), Stop> {
    let sql = "UPDATE resource SET patient = $4 WHERE type = $1 AND id = $2 AND patient = $3";
    let Rehomed {
        resource_type,
        id,
        from,
        to,
    } = rehomed;
    match conn.execute(sql, args![resource_type, id, from, to]).await? {
        1 => Ok(()),
        _ => Err(Stop::STALE),
    }
}

impl Store {
    /// (type, id) of everything this source record states, each with the SHA-256 of the form it stated last.
    pub async fn stated_in(&self, source: &str) -> Result<BTreeMap<(String, String), Vec<u8>>, Unavailable> {
        let sql = "SELECT type, id, digest FROM stated_by WHERE source = $1";
        let rows = self.readers().rows(sql, args![source]).await?;
        Ok(rows
            .iter()
            .map(|row| {
                let digest = row.get::<Option<Vec<u8>>>(2)?.unwrap_or_default();
                Ok(((row.get(0)?, row.get(1)?), digest))
            })
            .collect::<Result<_, sqlx::Error>>()?)
    }

    /// Does another source record state this resource too?
    pub async fn stated_elsewhere(
        &self,
        source: &str,
        resource_type: &str,
        id: &str,
    ) -> Result<bool, Unavailable> {
        let sql = "SELECT source FROM stated_by WHERE type = $1 AND id = $2 AND source <> $3 LIMIT 1";
        let row = self.readers().row(sql, args![resource_type, id, source]).await?;
        Ok(row.is_some())
    }

    /// The names of the other source records that state this resource.
    pub async fn others_stating(
        &self,
        source: &str,
        resource_type: &str,
        id: &str,
    ) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT source FROM stated_by WHERE type = $1 AND id = $2 AND source <> $3 ORDER BY source";
        let rows = self.readers().rows(sql, args![resource_type, id, source]).await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
