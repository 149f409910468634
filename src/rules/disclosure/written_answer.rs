//! What a writer is answered: the written resource as it is released to it then, or that it was written, or that staff were
//! asked. What is refused names nothing but the writer's own words and what it sees.
//! <https://hl7.org/fhir/R4/http.html#ops>, <https://hl7.org/fhir/R4/http.html#trules>

use std::sync::Arc;

use serde_json::json;

use super::answer::{Answer, Subject};
use super::release::{Release, version_id};
use crate::fhir::excerpt::write_string;
use crate::fhir::issue::{Severity, operation_outcome};
use crate::fhir::{Instant, Issue, IssueCode};
use crate::log::{Digest, digest::hex};

/// What the answer to a write shows (`Prefer: return=…`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    #[default]
    Representation,
    Minimal,
    Outcome,
}

/// Said of every write that is done, where the client asked for an outcome or the resource is not released to it any more.
const DONE: &str = "the change is recorded";

/// Said of every proposal, whatever it is about.
const PROPOSED: &str = "this is not yours to change directly: it has been passed to the agency's staff as a proposal, and nothing is \
                        changed unless they accept it";

/// One entry of a transaction's or a batch's answer.
#[derive(Debug)]
pub struct Part {
    pub status: u16,
    pub etag: Option<String>,
    pub last_modified: Option<Instant>,
    pub location: Option<String>,
    /// The resource it shows, if any.
    pub shown: Option<(Arc<Release>, String, String)>,
    /// Else what is said of it.
    pub outcome: Option<Vec<Issue>>,
}

impl Answer {
    /// A write that is done; `release`: as the person is released to the writer after it.
    pub fn written(
        status: u16,
        release: Option<Arc<Release>>,
        (resource_type, id): (&str, &str),
        shows: Shows,
        request: &str,
    ) -> Answer {
        let Some((release, index)) = release.and_then(|r| r.find(resource_type, id).map(|at| (r, at))) else {
            // Who declines a referral has nothing to do with the person any more.
            return Answer::stating(status, done(), request);
        };
        let one = &release.resources[index];
        let etag = Some(format!("W/\"{}\"", version_id(&one.digest)));
        let last_modified = Some(one.changed_at);
        if shows == Shows::Representation {
            let body = Arc::clone(&one.body);
            let subjects = vec![Subject::of(release, vec![index])];
            return Answer::new(status, etag, last_modified, subjects, body, request);
        }
        let body = if shows == Shows::Outcome {
            done()
        } else {
            String::new()
        };
        let stated = etag.clone().unwrap_or_default();
        let mut answer = Answer::stating(status, body, &format!("{request}\n{stated}"));
        (answer.etag, answer.last_modified) = (etag, last_modified);
        answer
    }

    /// Staff are asked. It looks the same whatever was proposed.
    pub fn proposed(request: &str) -> Answer {
        Answer::stating(202, said(PROPOSED), request)
    }

    /// What was not done, and why. `about`: the resource whose released state the reasons speak of.
    pub fn refused(
        status: u16,
        issues: &[Issue],
        about: Option<(Arc<Release>, (&str, &str))>,
        request: &str,
    ) -> Answer {
        let body = operation_outcome(issues).to_string();
        let spoken_of =
            about.and_then(|(release, (kind, id))| release.find(kind, id).map(|at| (release, at)));
        let Some((release, index)) = spoken_of else {
            return Answer::stating(status, body, request);
        };
        let subjects = vec![Subject::of(release, vec![index])];
        Answer::new(
            status,
            None,
            None,
            subjects,
            Arc::from(body.into_bytes()),
            request,
        )
    }

    /// A Bundle of what became of each entry, in order. `kind`: `transaction-response` or `batch-response`.
    pub fn parts(kind: &str, parts: Vec<Part>, base: &str, request: &str) -> Answer {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":");
        write_string(kind, &mut out);
        out.extend_from_slice(b",\"entry\":[");
        let mut subjects: Vec<Subject> = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.push(b'{');
            if let Some((release, kind, id)) = part.shown.clone()
                && let Some(index) = release.find(&kind, &id)
            {
                out.extend_from_slice(b"\"fullUrl\":");
                write_string(&format!("{base}/{kind}/{id}"), &mut out);
                out.extend_from_slice(b",\"resource\":");
                out.extend_from_slice(&release.resources[index].body);
                out.push(b',');
                Subject::add(&mut subjects, release, index);
            }
            out.extend_from_slice(b"\"response\":");
            out.extend_from_slice(part.response().to_string().as_bytes());
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        // What became of each entry is part of what the receipt has to cover.
        let request = format!("{request}\n{}", hex(&Digest::of(&out).0));
        Answer::new(200, None, None, subjects, out.into(), &request)
    }
}

impl Part {
    /// As `Answer::written`.
    pub fn written(
        status: u16,
        release: Option<Arc<Release>>,
        (resource_type, id): (&str, &str),
        shows: Shows,
    ) -> Part {
        let found = release.and_then(|r| r.find(resource_type, id).map(|at| (r, at)));
        let Some((release, index)) = found else {
            return Part::told(status, vec![information(DONE)]);
        };
        let one = &release.resources[index];
        let (etag, last_modified) = (format!("W/\"{}\"", version_id(&one.digest)), one.changed_at);
        let name = (resource_type.to_owned(), id.to_owned());
        Part {
            etag: Some(etag),
            last_modified: Some(last_modified),
            outcome: (shows == Shows::Outcome).then(|| vec![information(DONE)]),
            shown: (shows == Shows::Representation).then_some((release, name.0, name.1)),
            ..Part::told(status, Vec::new())
        }
    }

    /// Staff are asked.
    pub fn proposed() -> Part {
        Part::told(202, vec![information(PROPOSED)])
    }

    /// A status and what is said of it; nothing, where there is nothing to say.
    pub fn told(status: u16, issues: Vec<Issue>) -> Part {
        Part {
            status,
            etag: None,
            last_modified: None,
            location: None,
            shown: None,
            outcome: (!issues.is_empty()).then_some(issues),
        }
    }

    fn response(&self) -> serde_json::Value {
        let mut response = json!({"status": self.status.to_string()});
        if let Some(location) = &self.location {
            response["location"] = location.as_str().into();
        }
        if let Some(etag) = &self.etag {
            response["etag"] = etag.as_str().into();
        }
        if let Some(date) = self.last_modified {
            response["lastModified"] = date.to_fhir().into();
        }
        if let Some(issues) = &self.outcome {
            response["outcome"] = operation_outcome(issues);
        }
        response
    }
}

fn done() -> String {
    said(DONE)
}

fn said(sentence: &str) -> String {
    operation_outcome(&[information(sentence)]).to_string()
}

fn information(sentence: &str) -> Issue {
    Issue {
        severity: Severity::Information,
        ..Issue::error(IssueCode::Informational, "", sentence)
    }
}
