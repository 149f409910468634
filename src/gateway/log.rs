//! The log as its readers use it: verified, listed, sealed by checkpoints.

use postern_rules::audit::{Act, Columns, Kind, Line, Person};
use postern_rules::fhir::json;
use postern_rules::log::{Entry, Report, Verifier};

use super::{Error, Gateway, events};
use crate::store::{Change, CheckpointRow};

/// What `audit verify` found.
#[derive(Debug)]
pub struct Verification {
    pub report: Report,
    pub entries: u64,
}

/// Which entries `audit list` shows.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// `Patient/…` or an id.
    pub patient: Option<String>,
    /// Also requests, tokens and acts; else disclosures and refusals only.
    pub all: bool,
}

const PAGE: i64 = 1000;

impl Gateway {
    /// Signs the head when the log has grown.
    pub async fn seal(&self) -> Result<Option<CheckpointRow>, String> {
        self.store
            .checkpoint(&self.signer, &self.config.log.origin, self.clock.instant())
            .await
            .map_err(|error| error.to_string())
    }

    /// Reads the whole log again: bodies, columns, tree and signatures.
    pub async fn verify_log(&self) -> Result<Verification, Error> {
        let notes: Vec<String> = self.store.checkpoints().await?.into_iter().map(|row| row.note).collect();
        let head = self.store.head().await?;
        let mut verifier = Verifier::new(&self.config.log.origin, &[self.signer.verifier()], &notes);
        let mut next = 0;
        loop {
            let page = self.store.audit_from(next, PAGE).await?;
            let Some(last) = page.last() else { break };
            next = last.seq + 1;
            for entry in &page {
                let body = entry.body.as_deref().map(str::as_bytes);
                let columns = columns(&entry.columns);
                verifier.entry(&Entry { seq: entry.seq, body, leaf: &entry.leaf }, &columns);
            }
        }
        Ok(Verification { report: verifier.finish(head.as_ref()), entries: next })
    }

    /// Lines of the log, oldest first. Reading it is itself on the log.
    pub async fn list_log(&self, filter: &AuditFilter, operator: &str) -> Result<Vec<Line>, Error> {
        let patient = filter.patient.as_deref().map(|p| format!("Patient/{}", p.trim_start_matches("Patient/")));
        let mut lines = Vec::new();
        let mut next = 0;
        loop {
            let page = match &patient {
                Some(patient) => self.store.audit_of(patient, next, PAGE).await?,
                None => self.store.audit_from(next, PAGE).await?,
            };
            let Some(last) = page.last() else { break };
            next = last.seq + 1;
            for entry in &page {
                let kind = Kind::parse(&entry.columns.kind);
                if filter.all || matches!(kind, Some(Kind::Disclosure | Kind::Refusal | Kind::BreakGlass)) {
                    let body = entry.body.as_deref().and_then(|b| json::parse(b.as_bytes()).ok());
                    lines.push(Line::new(entry.seq, &columns(&entry.columns), body.as_ref()));
                }
            }
        }
        self.note_reading(patient.as_deref().unwrap_or_default(), operator).await?;
        Ok(lines)
    }

    async fn note_reading(&self, patient: &str, operator: &str) -> Result<(), Error> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        self.with_occasion(at, &self.request_id(), |occasion, salt| {
            let act = Act { patient, ..Act::of(Kind::AuditRead, Person { name: operator, id: operator }) };
            change.audit.push(events::row(act.event(occasion, salt)));
        });
        self.store.commit(change).await?;
        Ok(())
    }
}

fn columns(stored: &crate::store::AuditColumns) -> Columns {
    Columns {
        id: stored.id.clone(),
        recorded: stored.recorded,
        kind: stored.kind.clone(),
        patient: stored.patient.clone(),
        actor: stored.actor.clone(),
        partner: stored.partner.clone(),
        purpose: stored.purpose.clone(),
        outcome: stored.outcome.clone(),
        basis: stored.basis.clone(),
        request: stored.request.clone(),
        withheld_count: stored.withheld,
        released_count: stored.released,
    }
}
