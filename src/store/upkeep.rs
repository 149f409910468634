//! What keeps a deployment in order: its identity, the readiness probe, backups, the server's settings.
//! <https://www.sqlite.org/lang_vacuum.html#vacuuminto>

use std::path::Path;

use postern_rules::fhir::Instant;

use super::change::{Change, Guard};
use super::engine::{Address, Conn, args, keep_private};
use super::failure::{OpenError, Refused, Unavailable, report};
use super::{Lane, Store};

/// What this deployment is called on its checkpoints, and which id key made its resource ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub id: String,
    /// A digest of the id key, which itself is kept beside the database, never in it.
    pub key_fingerprint: String,
    pub founded: Instant,
}

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "a PostgreSQL database is backed up with its own tools (pg_dump), then checked with restore --verify"
    )]
    NotSqlite,
    #[error("the backup's file exists already")]
    Exists,
    #[error("the backup's file cannot be written: {0}")]
    File(#[from] std::io::Error),
    #[error("the backup failed")]
    Failed,
}

/// Refuses a server on which COMMIT is not durable or text is not UTF-8.
pub(super) async fn check_settings(conn: &mut Conn) -> Result<(), OpenError> {
    if !conn.is_postgres() {
        return Ok(());
    }
    let checks = [
        ("server_encoding", "SHOW server_encoding"),
        ("synchronous_commit", "SHOW synchronous_commit"),
    ];
    for (name, sql) in checks {
        let row = conn
            .row(sql, args![])
            .await
            .map_err(|error| OpenError::Unreachable(error.to_string()))?;
        let value = row.and_then(|row| row.get::<String>(0).ok()).unwrap_or_default();
        let bad = if name == "server_encoding" {
            value != "UTF8"
        } else {
            value == "off"
        };
        if bad {
            return Err(OpenError::Setting(name, value));
        }
    }
    Ok(())
}

impl Store {
    /// Founds the deployment if the database has none yet; comes out with the one it belongs to. A caller whose key
    /// has another fingerprint must not go on: it would give every resource a new id.
    pub async fn found(&self, deployment: &Deployment) -> Result<Deployment, Unavailable> {
        let mut conn = self.shared.address.connect().await?;
        let sql = "INSERT INTO deployment (one, id, key_fingerprint, founded) VALUES (1, $1, $2, $3) \
                   ON CONFLICT (one) DO NOTHING";
        let d = deployment;
        let founded = conn
            .execute(sql, args![&d.id, &d.key_fingerprint, d.founded.0])
            .await;
        conn.close().await;
        founded?;
        self.deployment().await?.ok_or(Unavailable)
    }

    /// The deployment the database belongs to.
    pub async fn deployment(&self) -> Result<Option<Deployment>, Unavailable> {
        let sql = "SELECT id, key_fingerprint, founded FROM deployment WHERE one = 1";
        let Some(row) = self.readers().row(sql, args![]).await? else {
            return Ok(None);
        };
        Ok(Some(Deployment {
            id: row.get(0)?,
            key_fingerprint: row.get(1)?,
            founded: Instant(row.get(2)?),
        }))
    }

    /// Writes one row through the queue and commits: what a readiness check wants to know. Urgent, so that it fails
    /// for lack of a database and not for load.
    pub async fn probe(&self, now: Instant) -> Result<(), Refused> {
        let mut change = Change::at(now);
        change.guards = vec![Guard {
            kind: "probe",
            key: "write".to_owned(),
            until: now,
            outcome: None,
        }];
        match self.commit_in(Lane::Urgent, change).await {
            // another process wrote it with a clock a little ahead: it is written
            Ok(_) | Err(Refused::Duplicate(_)) => Ok(()),
            Err(refused) => Err(refused),
        }
    }

    /// Copies a SQLite database, as it is now, into a new file readable by its owner alone, and syncs it.
    pub async fn backup_to(&self, path: &Path) -> Result<(), BackupError> {
        let Address::Sqlite(_) = &self.shared.address else {
            return Err(BackupError::NotSqlite);
        };
        if path.exists() {
            return Err(BackupError::Exists);
        }
        let name = path.to_str().ok_or(BackupError::Failed)?;
        keep_private(path);
        let failed = |error: sqlx::Error| {
            report("backup", &error);
            BackupError::Failed
        };
        let mut conn = self.shared.address.connect().await.map_err(failed)?;
        let copied = conn.execute("VACUUM INTO $1", args![name]).await;
        conn.close().await;
        copied.map_err(failed)?;
        tokio::fs::File::open(path).await?.sync_all().await?;
        Ok(())
    }
}
