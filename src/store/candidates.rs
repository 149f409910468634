//! Where a search across people may find its matches: rows of `released`, so only what this recipient could see for this purpose,
//! in the order of the answer. They are candidates: whether one matches, and is released still, the release says.
//! <https://hl7.org/fhir/R4/http.html#paging>

use postern_rules::fhir::{Instant, is_shared};

use super::Store;
use super::engine::{Row, args};
use super::failure::Unavailable;
use super::released::shared_types;

/// A resource that was released, and in whose release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub changed_at: Instant,
    pub id: String,
    pub patient: String,
}

/// How an answer is ordered; ties of the same instant go by id, upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Changed,
    ChangedLast,
    Id,
    IdLast,
}

/// Values of one parameter, `[from, to)`.
#[derive(Clone, Copy)]
pub struct KeyRange<'a> {
    pub parameter: &'a str,
    pub from: &'a [u8],
    pub to: &'a [u8],
}

/// Which rows are asked for.
#[derive(Clone, Copy)]
pub struct Looking<'a> {
    pub recipient: &'a str,
    pub purpose: &'a str,
    pub resource_type: &'a str,
    /// When it last changed: from this instant on, and before that one.
    pub changed: (Instant, Instant),
    /// Found by one of these; none: whatever it is found by.
    pub key: Option<KeyRange<'a>>,
    pub order: Order,
    /// Only what stands after this place.
    pub after: Option<(Instant, &'a str)>,
    pub limit: i64,
}

macro_rules! rows {
    ($select:literal, $from:literal, $after:literal, $once:expr, $order:literal) => {
        concat!(
            $select,
            " r.changed_at, r.id, r.patient FROM ",
            $from,
            " AND r.gone = 0 AND r.changed_at >= $4 AND r.changed_at < $5 AND ",
            $after,
            $once,
            " ORDER BY ",
            $order,
            " LIMIT $8"
        )
    };
}

/// The four orders of one way to look.
macro_rules! in_order {
    ($select:literal, $from:literal, $once:expr) => {
        [
            rows!(
                $select,
                $from,
                "(r.changed_at, r.id) > ($6, $7)",
                $once,
                "r.changed_at, r.id"
            ),
            rows!(
                $select,
                $from,
                "(r.changed_at < $6 OR (r.changed_at = $6 AND r.id > $7))",
                $once,
                "r.changed_at DESC, r.id"
            ),
            rows!($select, $from, "r.changed_at >= $6 AND r.id > $7", $once, "r.id"),
            rows!(
                $select,
                $from,
                "r.changed_at >= $6 AND ($7 = '' OR r.id < $7)",
                $once,
                "r.id DESC"
            ),
        ]
    };
}

/// What is somebody's own, then what is shared: that stands in the releases of many, and the row of the first person counts: one
/// resource, one date.
macro_rules! ways {
    ($select:literal, $from:literal) => {
        [
            in_order!($select, $from, ""),
            in_order!(
                $select,
                $from,
                concat!(
                    " AND NOT EXISTS (SELECT 1 FROM released o WHERE o.recipient = r.recipient AND o.purpose = r.purpose ",
                    "AND o.type = r.type AND o.id = r.id AND o.gone = 0 AND o.patient < r.patient AND o.type IN ",
                    shared_types!(),
                    ")"
                )
            ),
        ]
    };
}

const BY_TYPE: [[&str; 4]; 2] = ways!(
    "SELECT",
    "released r WHERE r.recipient = $1 AND r.purpose = $2 AND r.type = $3"
);
/// A cross join: SQLite then begins with the keys, as it should. Several keys can lead to one row.
const BY_KEY: [[&str; 4]; 2] = ways!(
    "SELECT DISTINCT",
    "released_key k CROSS JOIN released r WHERE k.recipient = $1 AND k.purpose = $2 AND k.type = $3 \
     AND k.parameter = $9 AND k.value >= $10 AND k.value < $11 AND r.recipient = k.recipient AND r.seq = k.seq"
);

impl Looking<'_> {
    /// The place to begin after, as the statement of its order takes it.
    fn begins(&self) -> (Instant, &str) {
        const FIRST: Instant = Instant(i64::MIN);
        match (self.order, self.after) {
            (Order::Changed | Order::ChangedLast, Some(after)) => after,
            (Order::Id | Order::IdLast, Some((_, id))) => (FIRST, id),
            (Order::ChangedLast, None) => (Instant::MAX, ""),
            (_, None) => (FIRST, ""),
        }
    }
}

impl Store {
    /// The rows that are asked for, at most `limit`.
    pub async fn candidates(&self, looking: &Looking<'_>) -> Result<Vec<Candidate>, Unavailable> {
        let Looking {
            recipient,
            purpose,
            resource_type,
            changed: (from, to),
            key,
            order,
            limit,
            ..
        } = *looking;
        let (after, id) = looking.begins();
        let shared = usize::from(is_shared(resource_type));
        let rows = match key {
            None => {
                let args = args![
                    recipient,
                    purpose,
                    resource_type,
                    from.0,
                    to.0,
                    after.0,
                    id,
                    limit
                ];
                self.readers().rows(BY_TYPE[shared][order as usize], args).await?
            }
            Some(KeyRange {
                parameter,
                from: least,
                to: below,
            }) => {
                let args = args![
                    recipient,
                    purpose,
                    resource_type,
                    from.0,
                    to.0,
                    after.0,
                    id,
                    limit,
                    parameter,
                    least,
                    below
                ];
                self.readers().rows(BY_KEY[shared][order as usize], args).await?
            }
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row) -> Result<Candidate, sqlx::Error> {
    Ok(Candidate {
        changed_at: Instant(row.get(0)?),
        id: row.get(1)?,
        patient: row.get(2)?,
    })
}
