//! A batch: each entry is carried out, judged, recorded and opened by itself, and what became of each stands in one Bundle.
//! <https://hl7.org/fhir/R4/http.html#transaction>

use std::sync::Arc;

use postern_rules::disclosure::{Reading, Shows};
use postern_rules::fhir::excerpt::write_string;
use postern_rules::fhir::{Issue, Value, issue::operation_outcome, json};
use serde_json::json;

use super::entry::{Asked, BundleKind, Entry, Wrong, read};
use crate::gateway::pull::Reply;
use crate::gateway::{Call, Error, Gateway};

/// What became of one entry: its response, and the bytes of a resource that were opened for it.
pub(super) struct Part {
    pub response: Value,
    pub shown: Option<(Option<String>, Arc<[u8]>)>,
}

impl Gateway {
    /// `POST /fhir`: a batch or a transaction.
    pub async fn bundle(&self, call: &Call, body: &Value, shows: Shows) -> Result<Reply, Error> {
        let (kind, entries) = read(body, &self.config.base()).map_err(Error::Invalid)?;
        let parts = match kind {
            BundleKind::Batch => {
                let mut parts = Vec::with_capacity(entries.len());
                for entry in entries {
                    parts.push(self.one_of_batch(call, entry, shows).await?);
                }
                parts
            }
            BundleKind::Transaction => return self.transaction(call, entries, (body, shows)).await,
        };
        Ok(bundle(kind, parts))
    }

    async fn one_of_batch(
        &self,
        call: &Call,
        entry: Result<Entry, Wrong>,
        shows: Shows,
    ) -> Result<Part, Error> {
        let entry = match entry {
            Ok(entry) => entry,
            Err((status, issues)) => return Ok(Part::refused(status, &issues)),
        };
        let first = entry.number == 0;
        match self.carried_out(call, &entry, shows).await {
            Ok(part) => Ok(part),
            // Nothing is done yet: what concerns the client, or everybody, is the answer to all of it. Later it stands at its entry.
            Err(error @ (Error::Unauthenticated | Error::TooMany(_) | Error::Busy | Error::Unavailable))
                if first =>
            {
                Err(error)
            }
            Err(error) => {
                let status = error.status();
                Ok(Part::refused(status, &error.issues()))
            }
        }
    }

    async fn carried_out(&self, call: &Call, entry: &Entry, shows: Shows) -> Result<Part, Error> {
        // The request itself counted once.
        if entry.number > 0 {
            self.count_request(&call.caller.client)?;
        }
        match &entry.asked {
            Asked::Write(intent) => {
                let written = self.write_entry(call, intent, shows, entry.number).await?;
                Ok(Part::opened(written.reply, written.location, None))
            }
            _ => self.fetch(call, entry).await,
        }
    }

    /// A read or a search, as by itself.
    pub(super) async fn fetch(&self, call: &Call, entry: &Entry) -> Result<Part, Error> {
        match &entry.asked {
            Asked::Read {
                resource_type,
                id,
                version,
                known,
                view,
            } => {
                let reading = Reading {
                    resource_type,
                    id,
                    version: version.as_deref(),
                    known: known.as_deref(),
                    view,
                };
                let reply = self.read(call, &reading).await?;
                let url = Some(format!("{}/{resource_type}/{id}", self.config.base()));
                Ok(Part::opened(reply, None, url))
            }
            Asked::Search { resource_type, pairs } => {
                let query = self.read_query(resource_type, pairs, false);
                let reply = self.search(call, &query.map_err(Error::Invalid)?).await?;
                Ok(Part::opened(reply, None, None))
            }
            Asked::Write(_) => Err(Error::NotSupported),
        }
    }
}

impl Part {
    pub fn refused(status: u16, issues: &[Issue]) -> Part {
        Part {
            response: json!({"status": status.to_string(), "outcome": operation_outcome(issues)}),
            shown: None,
        }
    }

    pub fn opened(reply: Reply, location: Option<String>, url: Option<String>) -> Part {
        let mut response = json!({"status": reply.status.to_string()});
        if let Some(location) = location {
            response["location"] = location.into();
        }
        if let Some(etag) = reply.etag {
            response["etag"] = etag.into();
        }
        if let Some(date) = reply.last_modified {
            response["lastModified"] = date.to_fhir().into();
        }
        let outcome = json::parse(&reply.body)
            .ok()
            .filter(|body| body["resourceType"] == "OperationOutcome");
        let shown = match outcome {
            Some(outcome) => {
                response["outcome"] = outcome;
                None
            }
            None => (!reply.body.is_empty()).then_some((url, reply.body)),
        };
        Part { response, shown }
    }
}

/// The parts as they are answered: bytes that were opened, each under its receipt.
pub(super) fn bundle(kind: BundleKind, parts: Vec<Part>) -> Reply {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":");
    write_string(kind.response(), &mut out);
    if parts.is_empty() {
        out.push(b'}');
        return opened(out);
    }
    out.extend_from_slice(b",\"entry\":[");
    for (at, part) in parts.into_iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        if let Some((url, body)) = part.shown {
            if let Some(url) = url {
                out.extend_from_slice(b"\"fullUrl\":");
                write_string(&url, &mut out);
                out.push(b',');
            }
            out.extend_from_slice(b"\"resource\":");
            out.extend_from_slice(&body);
            out.push(b',');
        }
        out.extend_from_slice(b"\"response\":");
        out.extend_from_slice(part.response.to_string().as_bytes());
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    opened(out)
}

fn opened(out: Vec<u8>) -> Reply {
    Reply {
        status: 200,
        etag: None,
        last_modified: None,
        body: out.into(),
    }
}
