//! Break-glass grants: who opened whom, why, until when. A grant is written once, ended at most once, and never deleted:
//! it is the written record of an emergency disclosure. 42 CFR 2.51(c), 45 CFR 164.312(a)(2)(ii)

use postern_rules::fhir::Instant;

use super::Store;
use super::change::Change;
use super::engine::{Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// One grant with what 42 CFR 2.51(c) wants documented of it.
#[derive(Clone, PartialEq, Eq)]
pub struct GrantRow {
    pub id: String,
    /// The partner it was given to.
    pub recipient: String,
    pub patient: String,
    /// The medical personnel to whom is disclosed, as the partner named them, and where they belong.
    pub personnel: String,
    pub affiliation: String,
    pub role: String,
    /// Who makes the disclosure: the policy and the person responsible for it.
    pub discloser: String,
    pub opened: Instant,
    /// Nature of the emergency, as a code.
    pub nature: String,
    /// `no`, `refused` or `unknown`.
    pub consent_obtainable: String,
    /// What the requester wrote beside it.
    pub narrative: Option<String>,
    pub until: Instant,
    /// When staff ended it, and who; none for one that ran or runs its time.
    pub ended: Option<(Instant, String)>,
}

/// A grant that staff end before its time.
#[derive(Clone, PartialEq, Eq)]
pub struct EndedGrant {
    pub id: String,
    /// The member of staff.
    pub by: String,
}

/// A reading statement over the whole row.
macro_rules! grants {
    ($rest:literal) => {
        concat!(
            "SELECT id, recipient, patient, personnel, affiliation, role, discloser, opened, nature, ",
            "consent_obtainable, narrative, until, ended, ended_by FROM break_glass ",
            $rest
        )
    };
}

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    for g in &change.grants {
        let sql = "INSERT INTO break_glass (id, recipient, patient, personnel, affiliation, role, discloser, opened, \
                   nature, consent_obtainable, narrative, until) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING";
        let args = args![
            &g.id,
            &g.recipient,
            &g.patient,
            &g.personnel,
            &g.affiliation,
            &g.role,
            &g.discloser,
            g.opened.0,
            &g.nature,
            &g.consent_obtainable,
            &g.narrative,
            g.until.0,
        ];
        if conn.execute(sql, args).await? == 0 {
            return Err(Stop::STALE);
        }
    }
    for ended in &change.ended_grants {
        let sql =
            "UPDATE break_glass SET ended = $2, ended_by = $3 WHERE id = $1 AND ended IS NULL AND until > $2";
        if conn
            .execute(sql, args![&ended.id, change.now.0, &ended.by])
            .await?
            == 0
        {
            return Err(Stop::STALE);
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<GrantRow, sqlx::Error> {
    let ended: Option<i64> = row.get(12)?;
    let by: Option<String> = row.get(13)?;
    Ok(GrantRow {
        id: row.get(0)?,
        recipient: row.get(1)?,
        patient: row.get(2)?,
        personnel: row.get(3)?,
        affiliation: row.get(4)?,
        role: row.get(5)?,
        discloser: row.get(6)?,
        opened: Instant(row.get(7)?),
        nature: row.get(8)?,
        consent_obtainable: row.get(9)?,
        narrative: row.get(10)?,
        until: Instant(row.get(11)?),
        ended: ended.map(|at| (Instant(at), by.unwrap_or_default())),
    })
}

impl Store {
    /// Grants of this recipient for this person that nobody ended and whose time is not over at `now`, the newest first.
    pub async fn grants_in_force(
        &self,
        recipient: &str,
        patient: &str,
        now: Instant,
    ) -> Result<Vec<GrantRow>, Unavailable> {
        let sql = grants!(
            "WHERE recipient = $1 AND patient = $2 AND until > $3 AND ended IS NULL ORDER BY opened DESC, id"
        );
        let rows = self.readers().rows(sql, args![recipient, patient, now.0]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// One grant, in force or not.
    pub async fn grant(&self, id: &str) -> Result<Option<GrantRow>, Unavailable> {
        let row = self.readers().row(grants!("WHERE id = $1"), args![id]).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    /// Grants that end or ended after this instant, the newest first, at most `limit`.
    pub async fn grants(&self, until_after: Instant, limit: i64) -> Result<Vec<GrantRow>, Unavailable> {
        let sql = grants!("WHERE until > $1 ORDER BY opened DESC, id LIMIT $2");
        let rows = self.readers().rows(sql, args![until_after.0, limit]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}
