//! Work items: what a member of staff has to do, who has taken it, until when.
//! <https://hl7.org/fhir/R4/task.html>

use postern_rules::fhir::Instant;

use super::Store;
use super::change::Work;
use super::engine::{Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// A work item. What its kinds and states mean is the business of the use cases.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkItem {
    pub id: String,
    pub kind: String,
    pub patient: Option<String>,
    pub state: String,
    /// The member of staff who has taken it.
    pub owner: Option<String>,
    pub due: Option<Instant>,
    pub opened: Instant,
    pub closed: Option<Instant>,
    /// JSON.
    pub body: String,
}

/// Which work items to list; an empty filter lists all.
#[derive(Clone, Default)]
pub struct WorkFilter {
    pub state: Option<String>,
    pub kind: Option<String>,
    pub patient: Option<String>,
    pub owner: Option<String>,
    /// Only what is due before this.
    pub due_before: Option<Instant>,
}

pub(super) async fn put(conn: &mut Conn, work: &[Work]) -> Result<(), Stop> {
    for Work { expected_state, item } in work {
        let (due, closed) = (item.due.map(|t| t.0), item.closed.map(|t| t.0));
        let changed = match expected_state {
            None => {
                let sql = "INSERT INTO work_item (id, kind, patient, state, owner, due, opened, closed, body) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
                let args = args![
                    &item.id,
                    &item.kind,
                    &item.patient,
                    &item.state,
                    &item.owner,
                    due,
                    item.opened.0,
                    closed,
                    &item.body,
                ];
                conn.execute(sql, args).await?
            }
            Some(expected) => {
                let sql = "UPDATE work_item SET state = $2, owner = $3, due = $4, closed = $5, body = $6 \
                           WHERE id = $1 AND state = $7";
                let args = args![
                    &item.id,
                    &item.state,
                    &item.owner,
                    due,
                    closed,
                    &item.body,
                    expected
                ];
                conn.execute(sql, args).await?
            }
        };
        if changed == 0 {
            return Err(Stop::STALE);
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<WorkItem, sqlx::Error> {
    Ok(WorkItem {
        id: row.get(0)?,
        kind: row.get(1)?,
        patient: row.get(2)?,
        state: row.get(3)?,
        owner: row.get(4)?,
        due: row.get::<Option<i64>>(5)?.map(Instant),
        opened: Instant(row.get(6)?),
        closed: row.get::<Option<i64>>(7)?.map(Instant),
        body: row.get(8)?,
    })
}

impl Store {
    /// Work items that fit the filter, those due first ahead, at most `limit`.
    pub async fn work_items(&self, filter: &WorkFilter, limit: i64) -> Result<Vec<WorkItem>, Unavailable> {
        // an absent filter is an empty text: every parameter keeps its type on PostgreSQL
        let sql = "SELECT id, kind, patient, state, owner, due, opened, closed, body FROM work_item \
                   WHERE ($1 = '' OR state = $1) AND ($2 = '' OR kind = $2) AND ($3 = '' OR patient = $3) \
                   AND ($4 = '' OR owner = $4) AND (due < $5 OR $5 = 9223372036854775807) \
                   ORDER BY CASE WHEN due IS NULL THEN 1 ELSE 0 END, due, opened, id LIMIT $6";
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (state, kind) = (text(&filter.state), text(&filter.kind));
        let (patient, owner) = (text(&filter.patient), text(&filter.owner));
        let due = filter.due_before.unwrap_or(Instant::MAX).0;
        let rows = self
            .readers()
            .rows(sql, args![&state, &kind, &patient, &owner, due, limit])
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    pub async fn work_item(&self, id: &str) -> Result<Option<WorkItem>, Unavailable> {
        let sql =
            "SELECT id, kind, patient, state, owner, due, opened, closed, body FROM work_item WHERE id = $1";
        let row = self.readers().row(sql, args![id]).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }
}
