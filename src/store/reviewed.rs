//! What staff decided about sentences that sounded sensitive. The text is not here, only its SHA-256.
//! <https://hl7.org/fhir/R4/security-labels.html>

use postern_rules::fhir::Instant;

use super::Store;
use super::change::Change;
use super::engine::{Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// One text at one place of one resource, judged.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewedText {
    pub resource_type: String,
    pub id: String,
    /// FHIRPath with indexes: `CarePlan.note[1].text`.
    pub path: String,
    /// SHA-256 of the text.
    pub text: Vec<u8>,
    /// Whose record; none for what is shared.
    pub patient: Option<String>,
    /// Sensitivity codes with blanks between; empty: nothing sensitive in it.
    pub labels: String,
    /// Who judged it.
    pub staff: String,
    pub at: Instant,
}

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    for r in &change.reviewed {
        let sql = "INSERT INTO reviewed_text (type, id, path, text, patient, labels, staff, at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (type, id, path, text) \
                   DO UPDATE SET labels = excluded.labels, staff = excluded.staff, at = excluded.at";
        let args = args![
            &r.resource_type,
            &r.id,
            &r.path,
            &r.text,
            &r.patient,
            &r.labels,
            &r.staff,
            r.at.0
        ];
        conn.execute(sql, args).await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<ReviewedText, sqlx::Error> {
    Ok(ReviewedText {
        resource_type: row.get(0)?,
        id: row.get(1)?,
        path: row.get(2)?,
        text: row.get(3)?,
        patient: row.get(4)?,
        labels: row.get(5)?,
        staff: row.get(6)?,
        at: Instant(row.get(7)?),
    })
}

impl Store {
    /// What was judged of one person's texts, and of those of shared resources. Read it after the resources: who judges
    /// moves the version of the person, or of the world.
    pub async fn reviewed_texts(&self, patient: &str) -> Result<Vec<ReviewedText>, Unavailable> {
        let sql = "SELECT type, id, path, text, patient, labels, staff, at FROM reviewed_text \
                   WHERE patient = $1 OR patient IS NULL";
        let rows = self.readers().rows(sql, args![patient]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
