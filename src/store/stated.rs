//! Which source records state a resource. A resource stays in force while one of them does; whose form is kept is another
//! matter: `gateway/statement.rs`. 45 CFR 164.312(c)(1)

use std::collections::BTreeSet;

use super::Store;
use super::bulk::Bulk;
use super::change::{Change, Rehomed, Statement};
use super::engine::{Arg, Conn, args};
use super::failure::Unavailable;
use super::transaction::Stop;

static STATE: Bulk = Bulk::new(
    "INSERT INTO stated_by (source, type, id) VALUES ",
    3,
    " ON CONFLICT DO NOTHING",
);
static UNSTATE: Bulk = Bulk::new(
    "DELETE FROM stated_by WHERE (source, type, id) IN (VALUES ",
    3,
    ")",
);

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    UNSTATE.execute_set(conn, &rows(&change.unstates)).await?;
    STATE.execute(conn, &rows(&change.states)).await?;
    Ok(())
}

fn rows(statements: &[Statement]) -> Vec<Arg<'_>> {
    let unique: BTreeSet<&Statement> = statements.iter().collect();
    unique
        .into_iter()
        .flat_map(|s| -> [Arg<'_>; 3] { [(&s.source).into(), (&s.resource_type).into(), (&s.id).into()] })
        .collect()
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
    /// (type, id) of everything this source record states.
    pub async fn stated_in(&self, source: &str) -> Result<BTreeSet<(String, String)>, Unavailable> {
        let sql = "SELECT type, id FROM stated_by WHERE source = $1";
        let rows = self.readers().rows(sql, args![source]).await?;
        Ok(rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
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
