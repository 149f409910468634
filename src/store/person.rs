//! Finding people without their id: an index of birth date with family name, and of identifiers. It gives candidates;
//! whether one of them is meant is for `postern_rules::identity` to say.
//! <https://hl7.org/fhir/R4/patient-operation-match.html>

use std::collections::BTreeMap;

use postern_rules::fhir::{Value, json};
use postern_rules::identity;

use super::Store;
use super::bulk::Bulk;
use super::change::Put;
use super::engine::{Arg, Conn, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// Ids that one read gives at most: more people than a caller looks through.
const MOST: i64 = 100;

static PUT: Bulk = Bulk::new(
    "INSERT INTO person_key (key, patient) VALUES ",
    2,
    " ON CONFLICT DO NOTHING",
);

/// Keeps the index in step with the `Patient` resources of a change.
pub(super) async fn put(conn: &mut Conn, puts: &[Put]) -> Result<(), Stop> {
    let own = |put: &&Put| put.resource_type == "Patient" && put.patient.as_ref() == Some(&put.id);
    let latest: BTreeMap<&str, &Put> = puts
        .iter()
        .filter(own)
        .map(|put| (put.id.as_str(), put))
        .collect();
    for (patient, put) in latest {
        conn.execute("DELETE FROM person_key WHERE patient = $1", args![patient])
            .await?;
        if !put.deleted {
            index(conn, patient, &put.body).await?;
        }
    }
    Ok(())
}

/// Indexes everyone who was kept before there was an index.
pub(super) async fn index_all(conn: &mut Conn) -> Result<(), sqlx::Error> {
    let sql =
        "SELECT id, body FROM resource WHERE type = 'Patient' AND patient = id AND deleted = 0 ORDER BY id";
    for row in conn.rows(sql, args![]).await? {
        let (patient, body): (String, String) = (row.get(0)?, row.get(1)?);
        index(conn, &patient, &body).await?;
    }
    Ok(())
}

async fn index(conn: &mut Conn, patient: &str, body: &str) -> Result<(), sqlx::Error> {
    // What does not parse was never let in as a resource; it is found by nothing.
    let keys = json::parse(body.as_bytes()).map_or_else(|_| Vec::new(), |body: Value| identity::keys(&body));
    let rows: Vec<Arg<'_>> = keys
        .iter()
        .flat_map(|key| [Arg::from(key), Arg::from(patient)])
        .collect();
    PUT.execute(conn, &rows).await?;
    Ok(())
}

impl Store {
    /// Ids of the people behind one key of `identity::keys`, at most 100.
    pub async fn people_by_key(&self, key: &str) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT patient FROM person_key WHERE key = $1 ORDER BY patient LIMIT $2";
        let rows = self.readers().rows(sql, args![key, MOST]).await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }

    /// Ids of the people whose `Patient` carries this identifier, at most 100.
    pub async fn people_by_identifier(&self, system: &str, value: &str) -> Result<Vec<String>, Unavailable> {
        let sql = "SELECT r.id FROM identifier i JOIN resource r ON r.type = i.type AND r.id = i.id \
                   WHERE i.system = $1 AND i.value = $2 AND i.type = 'Patient' AND r.patient = r.id \
                   AND r.deleted = 0 ORDER BY r.id LIMIT $3";
        let rows = self.readers().rows(sql, args![system, value, MOST]).await?;
        Ok(rows
            .iter()
            .map(|row| row.get(0))
            .collect::<Result<_, sqlx::Error>>()?)
    }
}
