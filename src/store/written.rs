//! Values that partners wrote into resources of the agency: known again by place and SHA-256. <https://hl7.org/fhir/R4/provenance.html>

use postern_rules::fhir::Instant;

use super::Store;
use super::bulk::Bulk;
use super::change::Change;
use super::engine::{Arg, Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// One value at one place, without indexes: `Task.note`.
#[derive(Clone, PartialEq, Eq)]
pub struct WrittenValue {
    pub resource_type: String,
    pub id: String,
    pub partner: String,
    pub place: String,
    /// SHA-256 of the value.
    pub digest: Vec<u8>,
    /// Whose record; none for what is shared.
    pub patient: Option<String>,
    pub at: Instant,
}

static PUT: Bulk = Bulk::new(
    "INSERT INTO written_value (type, id, partner, place, digest, patient, at) VALUES ",
    7,
    " ON CONFLICT DO NOTHING",
);

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    let rows: Vec<Arg<'_>> = change
        .written
        .iter()
        .flat_map(|w| -> [Arg<'_>; 7] {
            [
                (&w.resource_type).into(),
                (&w.id).into(),
                (&w.partner).into(),
                (&w.place).into(),
                (&w.digest[..]).into(),
                (&w.patient).into(),
                w.at.0.into(),
            ]
        })
        .collect();
    PUT.execute(conn, &rows).await?;
    Ok(())
}

fn read(row: &Row) -> Result<WrittenValue, sqlx::Error> {
    Ok(WrittenValue {
        resource_type: row.get(0)?,
        id: row.get(1)?,
        partner: row.get(2)?,
        place: row.get(3)?,
        digest: row.get(4)?,
        patient: row.get(5)?,
        at: Instant(row.get(6)?),
    })
}

impl Store {
    /// What partners wrote into one person's resources. Read it after the resources: whoever writes moves the person's version.
    pub async fn written_values(&self, patient: &str) -> Result<Vec<WrittenValue>, Unavailable> {
        let sql =
            "SELECT type, id, partner, place, digest, patient, at FROM written_value WHERE patient = $1";
        let rows = self.readers().rows(sql, args![patient]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
