//! Notices: what somebody has to be told, queued in the transaction of what it is about, so that neither stands without
//! the other. 45 CFR 164.308(a)(6), <https://microservices.io/patterns/data/transactional-outbox.html>

use postern_rules::fhir::Instant;

use super::Store;
use super::change::Change;
use super::engine::{Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// A notice to one addressee. It waits (`queued`) until delivery settles it.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: String,
    pub kind: String,
    /// A member of staff, a role of staff, or an address, as configured.
    pub addressee: String,
    pub patient: Option<String>,
    pub state: String,
    pub queued: Instant,
    pub settled: Option<Instant>,
    /// JSON.
    pub body: String,
}

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    for n in &change.notices {
        let sql = "INSERT INTO notice (id, kind, addressee, patient, state, queued, settled, body) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
        let args = args![
            &n.id,
            &n.kind,
            &n.addressee,
            &n.patient,
            &n.state,
            n.queued.0,
            n.settled.map(|at| at.0),
            &n.body,
        ];
        if conn.execute(sql, args).await? == 0 {
            return Err(Stop::STALE);
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<Notice, sqlx::Error> {
    Ok(Notice {
        id: row.get(0)?,
        kind: row.get(1)?,
        addressee: row.get(2)?,
        patient: row.get(3)?,
        state: row.get(4)?,
        queued: Instant(row.get(5)?),
        settled: row.get::<Option<i64>>(6)?.map(Instant),
        body: row.get(7)?,
    })
}

impl Store {
    /// Notices in this state, the oldest first, at most `limit`.
    pub async fn notices(&self, state: &str, limit: i64) -> Result<Vec<Notice>, Unavailable> {
        let sql = "SELECT id, kind, addressee, patient, state, queued, settled, body FROM notice WHERE state = $1 \
                   ORDER BY queued, id LIMIT $2";
        let rows = self.readers().rows(sql, args![state, limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
