//! The log as its readers use it: verified, listed, sealed by checkpoints.

use std::path::PathBuf;

use postern_rules::audit::{Act, Kind, Line, Person};
use postern_rules::fhir::Value;
use postern_rules::fhir::json;
use postern_rules::log::{Checkpoint, Entry, Held, Node, Report, Verifier};

use super::{Error, Gateway};
use crate::config::{append_line, read_lines};
use crate::store::{Change, Unsigned};

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
/// The last sequence number a database can hold: what follows it would be read as the first again.
const LAST: u64 = i64::MAX as u64;

impl Gateway {
    /// Signs the head when the log has grown, and keeps the checkpoint outside the database too.
    pub async fn seal(&self) -> Result<Option<String>, Unsigned> {
        let signed = self
            .store
            .checkpoint(&self.signer, &self.config.log.origin, self.clock.instant())
            .await?;
        if let Some(note) = &signed {
            let line = Value::from(note.as_str()).to_string();
            if let Err(error) = append_line(&self.anchor_file(), &line) {
                tracing::error!(%error, "the checkpoint could not be kept outside the database");
            }
        }
        Ok(signed)
    }

    /// Checkpoints kept outside the database, with where they stand.
    pub fn anchors(&self) -> Vec<(String, String)> {
        let file = self.anchor_file();
        let notes = read_lines(&file)
            .into_iter()
            .enumerate()
            .filter_map(|(index, line)| {
                let note = json::parse(line.as_bytes()).ok()?.as_str()?.to_owned();
                Some((format!("{}:{}", file.display(), index + 1), note))
            });
        notes.collect()
    }

    fn anchor_file(&self) -> PathBuf {
        self.config.paths.keys.join("checkpoints.log")
    }

    /// The first event of every log.
    pub async fn note_start(&self) -> Result<(), Error> {
        self.note(Kind::Started, "", "").await
    }

    /// Puts the making of a backup on the log.
    pub async fn note_backup(&self, operator: &str) -> Result<(), Error> {
        self.note(Kind::Backup, "", operator).await
    }

    /// Reads the whole log again: bodies, columns, tree and signatures.
    ///
    /// `anchors` are checkpoints kept outside the database, by name: they alone show a log that was cut short
    /// together with its own checkpoints.
    pub async fn verify_log(&self, anchors: &[(String, String)]) -> Result<Verification, Error> {
        let stored = self.store.checkpoints().await?;
        let inside = stored.iter().map(|row| Held {
            name: format!("checkpoint of {} entries", row.size),
            // A row that claims another size than its note is no checkpoint.
            note: if says(&row.note, row.size) { &row.note } else { "" },
            stored: true,
        });
        let outside = anchors.iter().map(|(name, note)| Held {
            name: name.clone(),
            note,
            stored: false,
        });
        let keys = [self.signer.verifier()];
        let mut verifier = Verifier::new(&self.config.log.origin, &keys, inside.chain(outside), 0);
        // The log may grow meanwhile: the head is read after the entries, and what it counts more is read then.
        let mut next = self.verify_entries(&mut verifier, 0, u64::MAX).await?;
        let head = self.store.head().await?;
        if let Some(head) = &head {
            next = self.verify_entries(&mut verifier, next, head.size()).await?;
        }
        Ok(Verification {
            report: verifier.finish(head.as_ref()),
            entries: next,
        })
    }

    /// Feeds the entries from `next` on and below `end`; comes out with where the following ones begin.
    async fn verify_entries(&self, verifier: &mut Verifier, mut next: u64, end: u64) -> Result<u64, Error> {
        while next < end && next <= LAST {
            let page = self.store.audit_from(next, PAGE).await?;
            let Some(last) = page.last() else { break };
            let nodes = self.store.audit_nodes(next, last.seq).await?;
            next = last.seq + 1;
            for entry in page.iter().filter(|entry| entry.seq < end) {
                let body = entry.body.as_deref().map(str::as_bytes);
                let columns = &entry.columns;
                let nodes: Vec<Node> = nodes
                    .iter()
                    .filter(|node| node.last() == entry.seq)
                    .cloned()
                    .collect();
                verifier.entry(
                    &Entry {
                        seq: entry.seq,
                        body,
                        leaf: entry.leaf,
                        nodes: Some(&nodes),
                    },
                    columns,
                );
            }
        }
        Ok(next.min(end))
    }

    /// Lines of the log, oldest first. Reading it is itself on the log.
    pub async fn list_log(&self, filter: &AuditFilter, operator: &str) -> Result<Vec<Line>, Error> {
        let patient = filter
            .patient
            .as_deref()
            .map(|p| format!("Patient/{}", p.trim_start_matches("Patient/")));
        let mut lines = Vec::new();
        let mut next = 0;
        while next <= LAST {
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
                    lines.push(Line::of(&entry.columns, &body.unwrap_or(Value::Null)));
                }
            }
        }
        self.note(Kind::AuditRead, patient.as_deref().unwrap_or_default(), operator)
            .await?;
        Ok(lines)
    }

    async fn note(&self, kind: Kind, patient: &str, operator: &str) -> Result<(), Error> {
        let at = self.clock.instant();
        let mut change = Change::at(at);
        self.with_occasion(at, &self.request_id(), |occasion, salt| {
            let act = Act {
                patient,
                ..Act::of(
                    kind,
                    Person {
                        name: operator,
                        id: operator,
                    },
                )
            };
            change.audit.push(act.event(occasion, salt));
        });
        self.store.commit(change).await?;
        Ok(())
    }
}

fn says(note: &str, size: u64) -> bool {
    Checkpoint::parse(note).is_ok_and(|checkpoint| checkpoint.size == size)
}
