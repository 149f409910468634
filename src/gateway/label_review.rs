//! "Label this sentence": a text that sounds sensitive and carries no label is held back from those who may not have the
//! suspected kind, and a member of staff is asked what it is. <https://hl7.org/fhir/R4/security-labels.html>
//!
//! One work item for each text at its place in a resource; it names place and suspicion, never the text, which staff read from
//! the record. What they decide counts for this very text: other words at the place are suspect again.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::audit::{self, Act, Kind};
use postern_rules::fhir::{self, Instant, Issue, IssueCode, Value, id};
use postern_rules::label::{ReviewedTexts, Suspicion, label, label_reviewed, text_at, text_digest};
use postern_rules::log::digest::hex;
use postern_rules::terminology::Sensitivities;
use serde_json::json;

use super::intake::Intake;
use super::roles::Door;
use super::work::{OPEN, SETTLED, TAKEN, view};
use super::{Error, Gateway, StaffMember, WorkView};
use crate::store::{Change, Put, ReviewedText, Work, WorkItem};

/// Kind of these work items.
pub const LABEL_SENTENCE: &str = "label-sentence";

/// What a document may say that nobody has labelled.
const ANYTHING: &str = "anything";

/// Staff have three days: until then the sentence is held back, so nothing leaks while it waits.
const DUE_AFTER: i64 = 3 * 24 * 60 * 60 * 1_000_000;

/// What staff decided, as a decision over the record takes it.
pub fn gathered(rows: &[ReviewedText]) -> ReviewedTexts {
    let mut reviewed = ReviewedTexts::default();
    for row in rows {
        if let Ok(text) = <[u8; 32]>::try_from(row.text.as_slice()) {
            let codes = row.labels.split(' ').filter_map(Sensitivities::of);
            let labels = codes.fold(Sensitivities::NONE, Sensitivities::with);
            reviewed.insert(
                &format!("{}/{}", row.resource_type, row.id),
                &row.path,
                text,
                labels,
            );
        }
    }
    reviewed
}

impl Gateway {
    /// The work items that these resources open, new or (where a settled one left no judgement) again.
    pub async fn sentences_to_label(
        &self,
        intake: &Intake<'_>,
        puts: &[Put],
        resources: &[Value],
    ) -> Result<Vec<Work>, Error> {
        let raised: Vec<&str> = self.rules.policy.raised().iter().map(String::as_str).collect();
        let written: HashSet<(&str, &str)> = puts
            .iter()
            .filter(|put| !put.deleted)
            .map(|put| (put.resource_type.as_str(), put.id.as_str()))
            .collect();
        let named = resources.iter().filter_map(|resource| {
            let key = (resource["resourceType"].as_str()?, resource["id"].as_str()?);
            written.contains(&key).then_some((key, resource))
        });
        let suspect: Vec<_> = named
            .filter(|(_, resource)| !label(resource, self.rules.lists, &raised).suspicions.is_empty())
            .collect();
        if suspect.is_empty() {
            return Ok(Vec::new());
        }
        let patient = puts.iter().find_map(|put| put.patient.clone());
        let rows = self
            .store
            .reviewed_texts(patient.as_deref().unwrap_or_default())
            .await?;
        let reviewed = gathered(&rows);
        let mut work = Vec::new();
        for ((resource_type, id), resource) in suspect {
            let reviews = reviewed.of(resource_type, id);
            let labels = label_reviewed(resource, self.rules.lists, &raised, reviews);
            let put = puts
                .iter()
                .find(|put| put.resource_type == resource_type && put.id == id);
            let patient = put.and_then(|put| put.patient.clone());
            for suspicion in &labels.suspicions {
                let sentence = Sentence {
                    resource_type,
                    id,
                    patient: patient.clone(),
                    suspicion,
                    text: text_at(resource, &suspicion.path).unwrap_or_default(),
                };
                work.extend(self.sentence(intake, &sentence).await?);
            }
        }
        Ok(work)
    }

    /// One item, unless it is there and somebody still has to see to it.
    async fn sentence(&self, intake: &Intake<'_>, sentence: &Sentence<'_>) -> Result<Option<Work>, Error> {
        let digest = hex(&text_digest(sentence.text));
        let path = &sentence.suspicion.path;
        let parts = [LABEL_SENTENCE, sentence.resource_type, sentence.id, path, &digest];
        let Ok(item) = id::resource_id(&self.keys.id, &parts) else {
            return Ok(None);
        };
        let there = self.store.work_item(&item).await?;
        let expected_state = match there {
            None => None,
            Some(there) if there.state == SETTLED => Some(there.state),
            Some(_) => return Ok(None),
        };
        let now = self.clock.instant();
        let suspected: Vec<&str> = match path.ends_with(".data") {
            true => vec![ANYTHING],
            false => sentence.suspicion.sensitivity.codes().collect(),
        };
        let body = json!({
            "resource": format!("{}/{}", sentence.resource_type, sentence.id),
            "path": path,
            "suspected": suspected,
            "source": format!("{}/{}", intake.source, intake.record),
            "textSha256": digest,
        });
        Ok(Some(Work {
            expected_state,
            item: WorkItem {
                id: item,
                kind: LABEL_SENTENCE.to_owned(),
                patient: sentence.patient.clone(),
                state: OPEN.to_owned(),
                owner: None,
                due: Some(Instant(now.0 + DUE_AFTER)),
                opened: now,
                closed: None,
                body: body.to_string(),
            },
        }))
    }

    /// The sentence an item asks about, from the record; nothing when another text stands there now.
    pub async fn sentence_of(&self, item: &WorkItem) -> Result<Option<String>, Error> {
        let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
        let Some((resource_type, id)) = body["resource"].as_str().and_then(|r| r.split_once('/')) else {
            return Ok(None);
        };
        let row = self.store.resource(resource_type, id).await?;
        let Some(row) = row.filter(|row| !row.deleted) else {
            return Ok(None);
        };
        let resource = fhir::json::parse(row.body.as_bytes()).map_err(|_| Error::Unavailable)?;
        let text = text_at(&resource, body["path"].as_str().unwrap_or_default());
        let path = body["path"].as_str().unwrap_or_default();
        let same = text.filter(|text| body["textSha256"] == hex(&text_digest(text)));
        Ok(same.map(|text| match path.strip_suffix(".data") {
            Some(holder) => document(&resource, holder, text),
            None => text.to_owned(),
        }))
    }

    /// Settles a `label-sentence` item this person has taken: `labels` (sensitivity codes of v3-ActCode) become the
    /// sentence's labels, an empty list clears it. When the text has changed meanwhile nothing is judged: its successor has
    /// an item of its own.
    pub async fn work_settle_labels(
        &self,
        staff: &StaffMember,
        id: &str,
        labels: &[String],
        outcome: Option<&str>,
        request: &str,
    ) -> Result<WorkView, Error> {
        staff.may(Door::Label)?;
        let labels = sensitivities(labels)?;
        let mut item = self.store.work_item(id).await?.ok_or(Error::NotFound)?;
        if item.kind != LABEL_SENTENCE {
            let details = "only an item of kind label-sentence is settled with labels";
            return Err(invalid("labels", details));
        }
        if item.state != TAKEN || item.owner.as_deref() != Some(&staff.id) {
            return Err(Error::Conflict);
        }
        let versions = self
            .store
            .record_versions(item.patient.as_deref().unwrap_or_default())
            .await?;
        let there = self.sentence_of(&item).await?.is_some();
        let now = self.clock.instant();
        let mut body: Value = serde_json::from_str(&item.body).unwrap_or_else(|_| json!({}));
        let codes: Vec<&str> = labels.codes().collect();
        let mut change = Change::at(now);
        if there {
            change
                .reviewed
                .extend(judged(&item, &body, &codes.join(" "), staff, now));
            match &item.patient {
                Some(patient) => change.expects.push((patient.clone(), versions.record)),
                None => change.expects_world = Some(versions.world),
            }
        }
        body["labels"] = json!(codes);
        body["textChanged"] = json!(!there);
        let said = if codes.is_empty() { "no label" } else { "labelled" };
        body["outcome"] = json!(
            outcome
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .unwrap_or(said)
        );
        item.body = body.to_string();
        item.state = SETTLED.to_owned();
        item.closed = Some(now);
        let shown = view(&item);
        let noted = if codes.is_empty() {
            "none".to_owned()
        } else {
            codes.join(" ")
        };
        self.settled(staff, &mut change, &item, &noted, request);
        change.work.push(Work {
            expected_state: Some(TAKEN.to_owned()),
            item,
        });
        self.store.commit(change).await?;
        Ok(WorkView(shown))
    }

    fn settled(
        &self,
        staff: &StaffMember,
        change: &mut Change,
        item: &WorkItem,
        labels: &str,
        request: &str,
    ) {
        let patient = item.patient.as_ref().map(|id| format!("Patient/{id}"));
        let task = format!("Task/{}", item.id);
        self.with_occasion(change.now, request, |occasion, salt| {
            let person = audit::Person {
                name: &staff.name,
                id: &staff.id,
            };
            let details = [("labels", labels)];
            let act = Act {
                patient: patient.as_deref().unwrap_or_default(),
                item: &task,
                details: &details,
                ..Act::of(Kind::WorkSettled, person)
            };
            change.audit.push(act.event(occasion, salt));
        });
    }
}

/// A document as staff read it here: text as it is, anything else by its kind, to be opened in the system it came from.
fn document(resource: &Value, holder: &str, data: &str) -> String {
    let kind = text_at(resource, &format!("{holder}.contentType")).unwrap_or("application/octet-stream");
    let bytes = STANDARD.decode(data).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(text) if kind.starts_with("text/") => text,
        Ok(text) => not_here(kind, text.len()),
        Err(bytes) => not_here(kind, bytes.as_bytes().len()),
    }
}

fn not_here(kind: &str, bytes: usize) -> String {
    format!("a document of {bytes} bytes ({kind}): open it in the system it came from")
}

/// A suspect text and where it stands.
struct Sentence<'a> {
    resource_type: &'a str,
    id: &'a str,
    patient: Option<String>,
    suspicion: &'a Suspicion,
    text: &'a str,
}

fn judged(
    item: &WorkItem,
    body: &Value,
    labels: &str,
    staff: &StaffMember,
    at: Instant,
) -> Option<ReviewedText> {
    let (resource_type, id) = body["resource"].as_str()?.split_once('/')?;
    Some(ReviewedText {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        path: body["path"].as_str()?.to_owned(),
        text: bytes(body["textSha256"].as_str()?)?,
        patient: item.patient.clone(),
        labels: labels.to_owned(),
        staff: staff.id.clone(),
        at,
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

fn sensitivities(codes: &[String]) -> Result<Sensitivities, Error> {
    let mut set = Sensitivities::NONE;
    for code in codes {
        let details = "each label is a sensitivity code of v3-ActCode, for example SUD, HIV, PSY, SDV";
        set = set.with(Sensitivities::of(code).ok_or_else(|| invalid("labels", details))?);
    }
    Ok(set)
}

fn invalid(at: &str, details: &str) -> Error {
    Error::Invalid(vec![Issue::error(IssueCode::CodeInvalid, at, details)])
}
