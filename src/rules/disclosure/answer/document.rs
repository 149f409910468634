//! Reading a Binary of the released plan: its bytes are made from the release as it is then, and everything that is in them is
//! in the answer, so that the log names it. <https://hl7.org/fhir/R4/binary.html>
//!
//! Writing a long document takes time: what does it owns all it needs and can be handed to another thread.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::subset::subset;
use super::{Answer, Asking, Chosen, Reading, Subject, etag_names};
use crate::disclosure::plan_document::Form;
use crate::disclosure::provenance::Made;
use crate::disclosure::release::{Release, version_id};
use crate::document::{self, Material, Request, Unwritable, compose};
use crate::fhir::excerpt::Excerpt;
use crate::fhir::{Instant, json as door};
use crate::profile::{Profile, Withheld};

/// A document that is there for this client and has yet to be written.
#[derive(Debug)]
pub struct Writing {
    release: Arc<Release>,
    /// Place of its DocumentReference.
    at: usize,
    form: Form,
    audience: String,
    types: Vec<String>,
    source: (String, String),
    digest: [u8; 32],
}

/// The same, written.
#[derive(Debug)]
pub struct Written {
    writing: Writing,
    bytes: Vec<u8>,
    /// Places of the resources that are in it.
    members: Vec<usize>,
}

impl Release {
    /// The document behind the id of a Binary, when the release has one and the client may see it.
    pub fn document(self: &Arc<Self>, binary: &str, asking: &Asking<'_>) -> Option<Writing> {
        let (id, form) = Form::of_binary(binary)?;
        self.about
            .document
            .as_ref()
            .filter(|document| document.id == id)?;
        let at = self.find("DocumentReference", id)?;
        let (one, set) = (
            &self.resources[at],
            asking.rules.data_sets.get(&self.about.data_set)?,
        );
        // Who may see what a Binary belongs to may see it (`Binary.securityContext`).
        let permitted = ["DocumentReference", "Binary"]
            .iter()
            .any(|of| (asking.permits)(of, &one.values));
        if !permitted || !(asking.within)("DocumentReference", &one.values) || !self.document_fits(asking) {
            return None;
        }
        let source = asking.rules.agency.as_ref();
        let source = source.map(|agency| (agency.resource_type.clone(), agency.id.clone()));
        let hasher = Sha256::new()
            .chain_update(one.digest)
            .chain_update(one.changed_at.0.to_be_bytes());
        Some(Writing {
            release: Arc::clone(self),
            at,
            form,
            audience: set.title().to_owned(),
            types: set.order().to_vec(),
            source: source.unwrap_or_default(),
            digest: hasher.chain_update(form.media_type()).finalize().into(),
        })
    }
}

impl Writing {
    /// Id of the person it is about.
    pub fn patient(&self) -> &str {
        &self.release.about.patient
    }

    fn version(&self) -> String {
        version_id(&self.digest)
    }

    /// Is it the version that is wanted, where one is?
    pub fn is_wanted(&self, reading: &Reading<'_>) -> bool {
        reading.version.is_none_or(|wanted| wanted == self.version())
    }

    /// Has the client this version already?
    pub fn is_known(&self, reading: &Reading<'_>) -> bool {
        let version = self.version();
        let known = reading.known.into_iter().flat_map(|known| known.split(','));
        known.into_iter().any(|tag| etag_names(tag, &version))
    }

    /// Writes it. Slow where much is in it.
    pub fn write(self) -> Result<Written, Unwritable> {
        let release = Arc::clone(&self.release);
        let document = release.about.document.as_ref().ok_or(Unwritable)?;
        let parsed: Vec<(usize, Value)> = release
            .resources
            .iter()
            .enumerate()
            .filter_map(|(at, one)| Some((at, door::parse(&one.body).ok()?)))
            .collect();
        let excerpts: Vec<(usize, Excerpt<'_>)> = parsed
            .iter()
            .map(|(at, resource)| {
                let mut excerpt = Excerpt::default();
                excerpt.value("", resource);
                (*at, excerpt)
            })
            .collect();
        let parts = excerpts
            .iter()
            .filter_map(|(at, excerpt)| Some((*at, excerpt.root()?)));
        let members: Vec<(usize, _)> = parts.filter(|(_, part)| document::takes_in(*part)).collect();
        let material = Material::of(members.iter().map(|(_, part)| *part));
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let date = self.changed_at().to_fhir();
        let request = Request {
            types: &types,
            audience: &self.audience,
            statements: &document.statements,
            source: (&self.source.0, &self.source.1),
            identifier: &document.identifier,
            version: &document.version,
            date: &date,
            at: self.changed_at(),
        };
        let content = compose(&material, &request);
        let bytes = match self.form {
            Form::Html => document::html(&content),
            Form::Pdf => document::pdf(&content)?,
        };
        let members = members.into_iter().map(|(at, _)| at).collect();
        Ok(Written {
            writing: self,
            bytes,
            members,
        })
    }

    fn changed_at(&self) -> Instant {
        self.release.resources[self.at].changed_at
    }

    /// The Binary with this body; it rests on what its DocumentReference rests on.
    fn made(&self, body: Arc<[u8]>) -> Chosen {
        Chosen::Made(Arc::new(Made {
            resource_type: "Binary",
            id: self.id(),
            digest: self.digest,
            changed_at: self.changed_at(),
            body,
            of: self.at,
        }))
    }

    fn id(&self) -> String {
        self.form.binary_id(&self.release.resources[self.at].id)
    }

    fn answer(self, status: u16, members: &[usize], body: Arc<[u8]>, request: &str) -> Answer {
        let (etag, changed_at) = (format!("W/\"{}\"", self.version()), self.changed_at());
        let mut chosen = vec![self.made(Arc::clone(&body)), Chosen::Released(self.at)];
        chosen.extend(members.iter().map(|at| Chosen::Released(*at)));
        let subjects = vec![Subject::shown(self.release, chosen)];
        Answer::new(status, Some(etag), Some(changed_at), subjects, body, request)
    }
}

impl Answer {
    /// The client has the document already: nothing is written.
    pub fn known_document(writing: Writing, request: &str) -> Answer {
        writing.answer(304, &[], Arc::from([]), request)
    }

    /// The document as a Binary. Every resource that is in it is in the answer.
    pub fn document(written: Written, reading: &Reading<'_>, asking: &Asking<'_>) -> Answer {
        let Written {
            writing,
            bytes,
            members,
        } = written;
        let set = asking.rules.data_sets.get(&writing.release.about.data_set);
        let body = set
            .and_then(|set| set.profile("Binary"))
            .and_then(|profile| binary(&writing, &bytes, profile));
        let shown = body.map(|body| match reading.view.is_whole() {
            true => body,
            false => subset(&body, "Binary", reading.view),
        });
        match shown {
            Some(body) => writing.answer(200, &members, body.into(), asking.request),
            None => Answer::not_found(asking.request),
        }
    }
}

/// Like every resource it passes the closed profile of its data set and names it; it carries the labels of its document.
fn binary(writing: &Writing, bytes: &[u8], profile: &Profile) -> Option<Vec<u8>> {
    let reference = &writing.release.resources[writing.at];
    let labels = door::parse(&reference.body).ok()?["meta"]["security"].clone();
    let whole = json!({
        "resourceType": "Binary",
        "id": writing.id(),
        "contentType": writing.form.media_type(),
        "securityContext": {"reference": reference.reference()},
        "data": STANDARD.encode(bytes)
    });
    let excerpt = profile.excerpt(&whole, Withheld::default())?.excerpt;
    let meta = json!({
        "versionId": writing.version(),
        "lastUpdated": reference.changed_at.to_fhir(),
        "profile": [profile.url()],
        "security": labels
    });
    let mut body = format!(
        "{{\"resourceType\":\"Binary\",\"id\":\"{}\",\"meta\":{meta}",
        writing.id()
    )
    .into_bytes();
    for part in excerpt
        .root()?
        .parts()
        .filter(|part| !matches!(part.name(), "resourceType" | "id"))
    {
        body.push(b',');
        part.write_name(&mut body);
        part.write(&mut body);
    }
    body.push(b'}');
    Some(body)
}
