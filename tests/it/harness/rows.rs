//! What is kept of the releases, read past the store: for what no answer shows. <https://www.sqlite.org/lang_select.html>

use std::collections::BTreeSet;

use sqlx::Connection as _;

use super::World;

/// Recipient, purpose, person, type, id; bytes; when it changed; whether it is gone.
type Kept = (String, String, String, String, String, Vec<u8>, i64, i64);

const ROWS: &str = "SELECT recipient, purpose, patient, type, id, digest, changed_at, gone FROM released";
const KEYS: &str = "SELECT k.recipient, k.purpose, r.patient, k.type, r.id || ' by ' || k.parameter, k.value, r.changed_at, r.gone \
                    FROM released_key k JOIN released r ON r.recipient = k.recipient AND r.seq = k.seq";

impl World {
    /// Each row of `released`, but those of an emergency, and each key that leads to one; without the order they came in.
    pub async fn released(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for sql in [ROWS, KEYS] {
            let rows: Vec<Kept> = if self.url().starts_with("postgres") {
                let mut conn = sqlx::PgConnection::connect(self.url()).await.expect("connects");
                sqlx::query_as(sql).fetch_all(&mut conn).await.expect("reads")
            } else {
                let mut conn = sqlx::SqliteConnection::connect(self.url())
                    .await
                    .expect("connects");
                sqlx::query_as(sql).fetch_all(&mut conn).await.expect("reads")
            };
            let rows = rows.into_iter().filter(|row| row.1 != "ETREAT");
            found.extend(rows.map(|row| {
                let (recipient, purpose, patient, kind, id, bytes, changed_at, gone) = row;
                let bytes =
                    String::from_utf8(bytes).unwrap_or_else(|error| format!("{:?}", error.as_bytes()));
                format!("{recipient} {purpose} {patient} {kind}/{id}: {bytes} {changed_at} {gone}")
            }));
        }
        found
    }
}
