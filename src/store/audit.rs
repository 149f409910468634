//! The audit log as stored: events with their search columns, the nodes of the tree, the head. Appending is the last
//! thing a transaction does, so the head is held for as short as can be, and the log never forks.
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>

use postern_rules::audit::{Columns, Event};
use postern_rules::fhir::Instant;
use postern_rules::log::{Digest, Frontier, Node};

use super::Store;
use super::bulk::Bulk;
use super::engine::{Arg, Conn, Held, Row, args, held};
use super::failure::Unavailable;

/// An event as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Position in the log, from 0.
    pub seq: u64,
    pub columns: Columns,
    /// None when pruned.
    pub body: Option<String>,
    /// The leaf hash stored beside it.
    pub leaf: Digest,
}

const HEAD: Held = held!("SELECT frontier FROM log_head WHERE one = 1");

static EVENTS: Bulk = Bulk::new(
    "INSERT INTO audit_event (seq, id, recorded, kind, patient, actor, partner, purpose, outcome, basis, request, \
     withheld, released, leaf, body) VALUES ",
    15,
    "",
);
static NODES: Bulk = Bulk::new("INSERT INTO audit_node (seq, level, hash) VALUES ", 3, "");

macro_rules! events_where {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, recorded, kind, patient, actor, partner, purpose, outcome, basis, request, withheld, ",
            "released, leaf, body FROM audit_event WHERE ",
            $rest
        )
    };
}

/// The empty log, where there is none yet.
pub(super) async fn found(conn: &mut Conn) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO log_head (one, size, frontier) VALUES (1, 0, $1) ON CONFLICT (one) DO NOTHING";
    conn.execute(sql, args![&Frontier::new().to_bytes()]).await?;
    Ok(())
}

/// Appends events in this order; comes out with the sequence number of the first. The head stays held until the
/// transaction ends.
pub(super) async fn append(conn: &mut Conn, events: &[&Event]) -> Result<u64, sqlx::Error> {
    let head = conn.hold(&HEAD, args![]).await?;
    let mut frontier = frontier(head.first())?;
    let first = frontier.size();
    let mut nodes = Vec::with_capacity(events.len() * 2);
    let leaves: Vec<Digest> = events.iter().map(|event| event.leaf()).collect();
    for leaf in &leaves {
        frontier.append(*leaf, &mut nodes);
    }
    let rows: Vec<Arg<'_>> = events
        .iter()
        .zip(&leaves)
        .zip(first as i64..)
        .flat_map(|((event, leaf), seq)| row(seq, event, leaf))
        .collect();
    EVENTS.execute(conn, &rows).await?;
    let rows: Vec<Arg<'_>> = nodes
        .iter()
        .flat_map(|node| {
            [
                (node.last() as i64).into(),
                i64::from(node.level).into(),
                (&node.hash.0).into(),
            ]
        })
        .collect();
    NODES.execute(conn, &rows).await?;
    let sql = "UPDATE log_head SET size = $1, frontier = $2 WHERE one = 1";
    conn.execute(sql, args![frontier.size() as i64, &frontier.to_bytes()])
        .await?;
    Ok(first)
}

fn row<'a>(seq: i64, event: &'a Event, leaf: &'a Digest) -> [Arg<'a>; 15] {
    let columns = &event.columns;
    [
        seq.into(),
        (&columns.id).into(),
        columns.recorded.0.into(),
        (&columns.kind).into(),
        (&columns.patient).into(),
        (&columns.actor).into(),
        (&columns.partner).into(),
        (&columns.purpose).into(),
        (&columns.outcome).into(),
        (&columns.basis).into(),
        (&columns.request).into(),
        columns.withheld_count.into(),
        columns.released_count.into(),
        (&leaf.0).into(),
        (&event.body).into(),
    ]
}

fn frontier(row: Option<&Row>) -> Result<Frontier, sqlx::Error> {
    let bytes: Vec<u8> = row.ok_or(sqlx::Error::RowNotFound)?.get(0)?;
    Frontier::from_bytes(&bytes).ok_or_else(|| sqlx::Error::Protocol("the log's head is damaged".to_owned()))
}

fn digest(row: &Row, column: usize) -> Digest {
    // a wrong type or length cannot be a hash of anything; zeros make the check of the log say so at this entry
    let bytes = row.get::<Vec<u8>>(column).unwrap_or_default();
    Digest::from_slice(&bytes).unwrap_or(Digest([0; 32]))
}

fn read(row: &Row) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.get::<i64>(0)?.max(0) as u64,
        columns: Columns {
            id: text(row, 1).unwrap_or_default(),
            recorded: Instant(number(row, 2)),
            kind: text(row, 3).unwrap_or_default(),
            patient: text(row, 4),
            actor: text(row, 5),
            partner: text(row, 6),
            purpose: text(row, 7),
            outcome: text(row, 8).unwrap_or_default(),
            basis: text(row, 9),
            request: text(row, 10),
            withheld_count: number(row, 11),
            released_count: number(row, 12),
        },
        leaf: digest(row, 13),
        body: text(row, 14),
    })
}

// SQLite holds values of any type in any column. One that is not of the column's type was not written by us: it is read
// as something that no event says, so that the check of the log names the entry instead of ending there.
const DAMAGED: &str = "(not a text)";

fn text(row: &Row, column: usize) -> Option<String> {
    row.get::<Option<String>>(column)
        .unwrap_or_else(|_| Some(DAMAGED.to_owned()))
}

fn number(row: &Row, column: usize) -> i64 {
    row.get(column).unwrap_or(i64::MIN)
}

fn key(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

impl Store {
    /// Events from `seq` on, in the order of the log, at most `limit`: ask again from the last one's `seq` + 1.
    pub async fn audit_from(&self, seq: u64, limit: i64) -> Result<Vec<AuditEntry>, Unavailable> {
        let sql = events_where!("seq >= $1 ORDER BY seq LIMIT $2");
        let rows = self.readers().rows(sql, args![key(seq), limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Events about one person from `seq` on, in the order of the log, at most `limit`.
    pub async fn audit_of(
        &self,
        patient: &str,
        seq: u64,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, Unavailable> {
        let sql = events_where!("patient = $1 AND seq >= $2 ORDER BY seq LIMIT $3");
        let rows = self.readers().rows(sql, args![patient, key(seq), limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The event with this id.
    pub async fn audit_event(&self, id: &str) -> Result<Option<AuditEntry>, Unavailable> {
        let sql = events_where!("id = $1 ORDER BY seq LIMIT 1");
        let row = self.readers().row(sql, args![id]).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    /// The nodes completed by the events `from..=to`, in the order they were made.
    pub async fn audit_nodes(&self, from: u64, to: u64) -> Result<Vec<Node>, Unavailable> {
        let sql = "SELECT seq, level, hash FROM audit_node WHERE seq >= $1 AND seq <= $2 ORDER BY seq, level";
        let rows = self.readers().rows(sql, args![key(from), key(to)]).await?;
        let node = |row: &Row| {
            let seq = row.get::<i64>(0)?.max(0) as u64;
            // a level no node has: the node then counts as missing
            let level = u8::try_from(number(row, 1)).map_or(62, |level| level.min(62));
            Ok(Node {
                level,
                index: ((seq + 1) >> level).saturating_sub(1),
                hash: digest(row, 2),
            })
        };
        Ok(rows.iter().map(node).collect::<Result<_, sqlx::Error>>()?)
    }

    /// The right edge of the log: its size and root. `None` when its row is gone or damaged.
    pub async fn head(&self) -> Result<Option<Frontier>, Unavailable> {
        let row = self.readers().row(HEAD.sqlite, args![]).await?;
        Ok(frontier(row.as_ref()).ok())
    }
}
