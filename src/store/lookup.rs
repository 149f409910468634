//! Small reads that use cases need beside a person's whole record.
//! <https://hl7.org/fhir/R4/http.html#read>

use super::engine::args;
use super::failure::Unavailable;
use super::Store;

impl Store {
    /// The version of what is shared: moves when partners, policy or shared resources change.
    pub async fn world_version(&self) -> Result<i64, Unavailable> {
        let row = self
            .readers()
            .row("SELECT version FROM world WHERE one = 1", args![])
            .await?;
        let Some(row) = row else { return Err(Unavailable) };
        Ok(row.get(0)?)
    }

    /// Whose a resource is, without reading it: `Some(None)` for a shared one, `None` for one that is not there.
    pub async fn person_of(
        &self,
        resource_type: &str,
        id: &str,
    ) -> Result<Option<Option<String>>, Unavailable> {
        let sql = "SELECT patient FROM resource WHERE type = $1 AND id = $2 AND deleted = 0";
        let row = self.readers().row(sql, args![resource_type, id]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }

    /// The people in whose releases this recipient was last shown a resource, for this purpose.
    pub async fn shown_in(
        &self,
        recipient: &str,
        purpose: &str,
        resource_type: &str,
        id: &str,
    ) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT patient FROM released WHERE recipient = $1 AND purpose = $2 AND type = $3 AND id = $4 \
                   AND gone = 0 ORDER BY patient";
        let rows = self
            .readers()
            .rows(sql, args![recipient, purpose, resource_type, id])
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }

    /// People one of whose resources refers to this one (`Organization/x`).
    pub async fn people_referring(&self, reference: &str) -> Result<Vec<String>, Unavailable> {
        let quoted = format!("%\"{reference}\"%");
        let sql = "SELECT DISTINCT patient FROM resource WHERE patient IS NOT NULL AND deleted = 0 AND body LIKE $1 \
                   ORDER BY patient";
        let rows = self.readers().rows(sql, args![quoted.as_str()]).await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
