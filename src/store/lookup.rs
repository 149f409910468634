//! Small reads that use cases need beside a person's whole record.
//! <https://hl7.org/fhir/R4/http.html#read>

use postern_rules::fhir::{Instant, is_shared};

use super::Store;
use super::engine::args;
use super::failure::Unavailable;
use super::released::shared_types;

/// Of those who hold something shared, so many are looked at: one would do, were none of them stale.
const HOLDERS: i64 = 8;

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

    /// The outcome that was kept with a guard's key and still holds at `now`.
    pub async fn outcome(&self, kind: &str, key: &str, now: Instant) -> Result<Option<Vec<u8>>, Unavailable> {
        let sql = "SELECT outcome FROM guard WHERE kind = $1 AND key = $2 AND until > $3";
        let row = self.readers().row(sql, args![kind, key, now.0]).await?;
        Ok(row.map(|row| row.get(0)).transpose()?.flatten())
    }

    /// Whose releases could hold a resource: its own person's; of a shared one the first few of those in which this recipient
    /// was last shown it for this purpose. One read, whatever is there.
    pub async fn people_holding(
        &self,
        (recipient, purpose): (&str, &str),
        resource_type: &str,
        id: &str,
    ) -> Result<Vec<String>, Unavailable> {
        let rows = if is_shared(resource_type) {
            let sql = concat!(
                "SELECT patient FROM released WHERE recipient = $1 AND purpose = $2 AND type = $3 AND id = $4 ",
                "AND gone = 0 AND type IN ",
                shared_types!(),
                " ORDER BY patient LIMIT $5"
            );
            let args = args![recipient, purpose, resource_type, id, HOLDERS];
            self.readers().rows(sql, args).await?
        } else {
            let sql = "SELECT patient FROM resource WHERE type = $1 AND id = $2 AND deleted = 0 AND patient IS NOT NULL";
            self.readers().rows(sql, args![resource_type, id]).await?
        };
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }

    /// The same by an identifier that resources of this type carry.
    pub async fn people_identified(
        &self,
        (recipient, purpose): (&str, &str),
        resource_type: &str,
        (system, value): (&str, &str),
    ) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT r.patient FROM identifier i JOIN resource r ON r.type = i.type AND r.id = i.id \
                   WHERE i.system = $4 AND i.value = $5 AND i.type = $3 AND r.deleted = 0 AND r.patient IS NOT NULL \
                   UNION SELECT s.patient FROM identifier i JOIN released s ON s.type = i.type AND s.id = i.id \
                   WHERE i.system = $4 AND i.value = $5 AND i.type = $3 AND s.recipient = $1 AND s.purpose = $2 \
                   AND s.gone = 0 ORDER BY 1";
        let args = args![recipient, purpose, resource_type, system, value];
        let rows = self.readers().rows(sql, args).await?;
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
