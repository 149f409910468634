//! Signed checkpoints of the log and proofs from its stored nodes. A checkpoint is signed only when the tree extends
//! the one signed before: a changed database is noticed here, before its state gets a signature.
//! <https://c2sp.org/tlog-checkpoint>

use std::cell::RefCell;
use std::collections::HashMap;

use postern_rules::fhir::Instant;
use postern_rules::log::{Checkpoint, Digest, Nodes, Signer, root_at};

use super::bulk::Bulk;
use super::change::Change;
use super::engine::{Arg, Conn, Row, args};
use super::failure::{Refused, Unavailable};
use super::{Lane, Store};

/// A checkpoint as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Number of events under it.
    pub size: u64,
    /// The signed note.
    pub note: String,
    pub at: Instant,
}

/// Why no checkpoint was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The log is not what was signed before: run the check of the log.
    #[error("the log does not extend its last checkpoint")]
    Inconsistent,
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<Unavailable> for Unsigned {
    fn from(_: Unavailable) -> Unsigned {
        Unsigned::Refused(Refused::Unavailable)
    }
}

static NODES: Bulk = Bulk::new(
    "SELECT seq, level, hash FROM audit_node WHERE (seq, level) IN (VALUES ",
    2,
    ")",
);

/// Stored nodes, as the pure functions of the log ask for them.
pub struct StoredNodes {
    known: HashMap<(u8, u64), Digest>,
    /// While it is there, a node that is not known is noted and answered with a placeholder.
    wanted: Option<RefCell<Vec<(u8, u64)>>>,
}

impl Nodes for StoredNodes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        if let Some(wanted) = &self.wanted {
            wanted.borrow_mut().push((level, index));
            return Some(Digest([0; 32]));
        }
        self.known.get(&(level, index)).copied()
    }
}

pub(super) async fn put(conn: &mut Conn, row: &CheckpointRow) -> Result<(), sqlx::Error> {
    let sql =
        "INSERT INTO audit_checkpoint (size, note, at) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING";
    conn.execute(sql, args![row.size as i64, &row.note, row.at.0])
        .await?;
    Ok(())
}

fn read(row: &Row) -> Result<CheckpointRow, sqlx::Error> {
    Ok(CheckpointRow {
        size: row.get::<i64>(0)?.max(0) as u64,
        // what is no text is no signed note either, and the check of the log says so
        note: row.get(1).unwrap_or_default(),
        at: Instant(row.get(2).unwrap_or_default()),
    })
}

impl Store {
    /// Signs the log's head if it has grown, and keeps the note; `None` when there is nothing new.
    pub async fn checkpoint(
        &self,
        signer: &Signer,
        origin: &str,
        now: Instant,
    ) -> Result<Option<String>, Unsigned> {
        let before = self.latest_checkpoint().await?;
        let Some(head) = self.head().await? else {
            return Err(Unsigned::Inconsistent);
        };
        let size = before.as_ref().map_or(0, |row| row.size);
        if head.size() == size {
            return Ok(None);
        }
        if let Some(row) = &before {
            let signed = Checkpoint::parse(&row.note).map_err(|_| Unsigned::Inconsistent)?;
            let root = self.from_nodes(|nodes| root_at(nodes, signed.size)).await?;
            if signed.size != row.size || row.size > head.size() || root != Some(signed.root) {
                return Err(Unsigned::Inconsistent);
            }
        }
        if self.from_nodes(|nodes| root_at(nodes, head.size())).await? != Some(head.root()) {
            return Err(Unsigned::Inconsistent);
        }
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: head.size(),
            root: head.root(),
        };
        let note = checkpoint.sign(&[signer]);
        let mut change = Change::at(now);
        change.checkpoint = Some(CheckpointRow {
            size: head.size(),
            note: note.clone(),
            at: now,
        });
        self.commit_in(Lane::Urgent, change).await?;
        Ok(Some(note))
    }

    /// All checkpoints, smallest first.
    pub async fn checkpoints(&self) -> Result<Vec<CheckpointRow>, Unavailable> {
        let rows = self
            .readers()
            .rows(
                "SELECT size, note, at FROM audit_checkpoint ORDER BY size",
                args![],
            )
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The checkpoint of the most events.
    pub async fn latest_checkpoint(&self) -> Result<Option<CheckpointRow>, Unavailable> {
        let sql = "SELECT size, note, at FROM audit_checkpoint ORDER BY size DESC LIMIT 1";
        let row = self.readers().row(sql, args![]).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    /// Answers a question of the log's (`root_at`, `inclusion`, `consistency`) from stored nodes. It is asked twice:
    /// first to learn which nodes it needs (that depends on positions alone), then with them.
    pub async fn from_nodes<T>(
        &self,
        ask: impl Fn(&StoredNodes) -> Option<T>,
    ) -> Result<Option<T>, Unavailable> {
        let wanted = {
            let blank = StoredNodes {
                known: HashMap::new(),
                wanted: Some(RefCell::default()),
            };
            ask(&blank);
            blank.wanted.map(RefCell::into_inner).unwrap_or_default()
        };
        let last = |(level, index): &(u8, u64)| (((index + 1) << level) - 1) as i64;
        let keys: Vec<Arg<'_>> = wanted
            .iter()
            .flat_map(|w| [last(w).into(), i64::from(w.0).into()])
            .collect();
        let mut known = HashMap::new();
        for row in NODES.read(self.readers(), &keys).await? {
            let (seq, level) = (row.get::<i64>(0)? as u64, row.get::<i64>(1)? as u8);
            if let Some(hash) = Digest::from_slice(&row.get::<Vec<u8>>(2)?) {
                known.insert((level, ((seq + 1) >> level) - 1), hash);
            }
        }
        Ok(ask(&StoredNodes { known, wanted: None }))
    }
}
