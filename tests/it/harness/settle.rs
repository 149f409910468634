//! What must hold after every story, whatever it was about:
//! the log verifies; every 2xx that carried resources about a person has its disclosure events, with exactly those
//! resources in exactly those versions, and no event speaks of what did not leave; nothing that identifies a person
//! stands in an error or in the operators' log; what left and what was logged conforms to the guides (`conformance.rs`).
//! 45 CFR 164.528, 45 CFR 164.312(b), 42 CFR 2.25

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use postern_rules::fhir::{IssueCode, gate, json};
use serde_json::Value;

use super::exchange::reference;
use super::world::Exchange;
use super::{World, conformance, logs, people};

/// Per request, the resources with their versions.
type ByRequest = BTreeMap<String, BTreeSet<(String, String)>>;

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_unsettled() {
            return;
        }
        let wrong = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.settle()));
        assert!(
            wrong.is_empty(),
            "the world does not settle:\n{}",
            wrong.join("\n")
        );
    }
}

impl World {
    /// Everything that does not hold, in sentences.
    async fn settle(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Err(error) = self.gateway.seal().await {
            wrong.push(format!("the log cannot be signed: {error:?}"));
        }
        match self.gateway.verify_log(&[]).await {
            Ok(found) if found.report.is_clean() => {}
            Ok(found) => wrong.push(format!("the log does not verify: {:?}", found.report.findings)),
            Err(error) => wrong.push(format!("the log cannot be read: {error}")),
        }
        let (recorded, kinds) = self.recorded(&mut wrong).await;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = ByRequest::new();
        for exchange in seen.iter().filter(|e| e.ask.path.starts_with("/fhir/")) {
            check(exchange, &recorded, &kinds, &mut left, &mut wrong);
        }
        for exchange in seen.iter().filter(|e| (200..300).contains(&e.answer.status)) {
            self.hold_to_profiles(exchange, &mut wrong);
        }
        for (request, resources) in &left {
            let recorded = recorded.get(request).cloned().unwrap_or_default();
            if &recorded != resources {
                wrong.push(format!("{request}: left {resources:?}, recorded {recorded:?}"));
            }
        }
        for request in recorded.keys().filter(|r| {
            !seen
                .iter()
                .any(|e| &e.request == *r && (e.answer.status < 400 || e.answer.status == 409))
        }) {
            wrong.push(format!("{request}: a disclosure is recorded and nothing left"));
        }
        for exchange in seen.iter().filter(|e| e.answer.status >= 400) {
            if let Some(text) = people::named_in(&exchange.answer.text()) {
                wrong.push(format!(
                    "{} {}: the error names {text}",
                    exchange.answer.status, exchange.ask.path
                ));
            }
        }
        wrong.extend(
            people::named_in(&logs::written()).map(|text| format!("the operators' log names {text}")),
        );
        wrong.truncate(20);
        wrong
    }

    /// Each released resource names the closed profile it was released by, and is valid by it and by R4.
    fn hold_to_profiles(&self, exchange: &Exchange, wrong: &mut Vec<String>) {
        if !exchange.ask.path.starts_with("/fhir/") || exchange.answer.body.is_empty() {
            return;
        }
        if !exchange.answer.header("content-encoding").is_empty() {
            return;
        }
        if exchange
            .answer
            .resource()
            .is_none_or(|one| !one["resourceType"].is_string())
        {
            return;
        }
        for one in exchange.answer.resources() {
            let of = one["resourceType"].as_str().unwrap_or_default();
            let url = one["meta"]["profile"][0].as_str().unwrap_or_default();
            if url == format!("http://hl7.org/fhir/StructureDefinition/{of}") {
                // What a partner stated itself it has whole: no data set, R4 alone.
                let issues = gate::check(&one);
                wrong.extend(
                    issues
                        .iter()
                        .map(|issue| format!("{} {url}: {issue}", exchange.request)),
                );
                continue;
            }
            let sets = self.gateway.rules.data_sets.values();
            let Some(profile) = sets.filter_map(|set| set.profile(of)).find(|p| p.url() == url) else {
                wrong.push(format!(
                    "{}: {of} names no profile of a data set: {url}",
                    exchange.request
                ));
                continue;
            };
            // Of a part that was asked for, what is there counts.
            let part = one["meta"]["tag"][0]["code"] == "SUBSETTED";
            let mut issues = profile.validate(&one);
            issues.retain(|issue| !(part && issue.code == IssueCode::Required));
            wrong.extend(
                issues
                    .iter()
                    .map(|issue| format!("{} {url}: {issue}", exchange.request)),
            );
            let unlisted = if part {
                Vec::new()
            } else {
                conformance::unlisted(&one)
            };
            wrong.extend(unlisted.iter().map(|what| format!("{} {what}", exchange.request)));
        }
        if let Some(mut page) = exchange
            .answer
            .resource()
            .filter(|body| body["resourceType"] == "Bundle")
        {
            // Each entry was held to what it claims by itself; a part is no whole resource, and what is included is seen through the
            // references of others, by other guides than its own.
            if let Some(entries) = page["entry"].as_array_mut() {
                entries.retain(|entry| entry["resource"]["meta"]["tag"][0]["code"] != "SUBSETTED");
            }
            if page["entry"].as_array().is_some_and(Vec::is_empty)
                && let Some(page) = page.as_object_mut()
            {
                page.remove("entry");
            }
            for entry in page["entry"].as_array_mut().into_iter().flatten() {
                if let Some(meta) = entry.pointer_mut("/resource/meta").and_then(Value::as_object_mut) {
                    meta.remove("profile");
                }
            }
            let unlisted = conformance::unlisted(&page);
            wrong.extend(unlisted.iter().map(|what| format!("{} {what}", exchange.request)));
        }
    }

    /// Disclosure events by request, and the kinds of all events by request. Each event is held to the profile it claims.
    async fn recorded(&self, wrong: &mut Vec<String>) -> (ByRequest, BTreeMap<String, BTreeSet<String>>) {
        let (mut released, mut kinds) = (ByRequest::new(), BTreeMap::<_, BTreeSet<_>>::new());
        let mut next = 0;
        loop {
            let page = self
                .gateway
                .store
                .audit_from(next, 1000)
                .await
                .expect("the log reads");
            let Some(last) = page.last() else { break };
            next = last.seq + 1;
            for entry in &page {
                let request = entry.columns.request.clone().unwrap_or_default();
                kinds
                    .entry(request.clone())
                    .or_default()
                    .insert(entry.columns.kind.clone());
                let body = entry.body.as_deref().and_then(|b| json::parse(b.as_bytes()).ok());
                wrong.extend(body.iter().flat_map(conformance::unlisted));
                if entry.columns.kind == "disclosure" {
                    let body = body.expect("an event is JSON");
                    let of_request = released.entry(request).or_default();
                    of_request.extend(entities(&body));
                }
            }
        }
        (released, kinds)
    }
}

/// The resources an event says have left: those of its entities that have a version.
fn entities(event: &Value) -> Vec<(String, String)> {
    let list = event["entity"].as_array().cloned().unwrap_or_default();
    let version = |entity: &Value| {
        let details = entity["detail"].as_array().cloned().unwrap_or_default();
        let found = details
            .iter()
            .find(|d| d["type"] == "version")
            .map(|d| d["valueString"].clone());
        found.and_then(|v| v.as_str().map(str::to_owned))
    };
    list.iter()
        .filter_map(|entity| Some((entity["what"]["reference"].as_str()?.to_owned(), version(entity)?)))
        .collect()
}

/// The document and the form that a path to a Binary names.
fn document(path: &str) -> Option<(&str, &str)> {
    let id = path.strip_prefix("/fhir/Binary/")?.split(['?', '/']).next()?;
    let form = ["-html", "-pdf"].into_iter().find(|form| id.ends_with(form))?;
    Some((id.strip_suffix(form)?, form))
}

fn check(
    exchange: &Exchange,
    recorded: &ByRequest,
    kinds: &BTreeMap<String, BTreeSet<String>>,
    left: &mut ByRequest,
    wrong: &mut Vec<String>,
) {
    let Exchange { ask, request, answer } = exchange;
    if answer.status == 409 {
        // What is said of a step that is none speaks of the state that is released.
        let told = recorded.get(request).cloned().unwrap_or_default();
        left.entry(request.clone()).or_default().extend(told);
        return;
    }
    if !(200..300).contains(&answer.status) {
        return;
    }
    // A HEAD and a compressed answer do not show what they carry; that they are on the log is all that can be seen.
    let opaque = answer.body.is_empty() || !answer.header("content-encoding").is_empty();
    if opaque {
        let about_people = !ask.path.contains("metadata")
            && !ask.path.contains(".well-known")
            && !ask.path.contains("StructureDefinition");
        if about_people && !kinds.contains_key(request) {
            wrong.push(format!("{request} {}: nothing on the log", ask.path));
        }
        left.entry(request.clone())
            .or_default()
            .extend(recorded.get(request).cloned().unwrap_or_default());
        return;
    }
    if let Some((document, form)) = document(&ask.path) {
        // What is in it a story looks at; that it is this one in this version can be seen from outside.
        let version = answer
            .header("etag")
            .trim_start_matches("W/")
            .trim_matches('"')
            .to_owned();
        let recorded = recorded.get(request).cloned().unwrap_or_default();
        let itself = (format!("Binary/{document}{form}"), version);
        let reference = format!("DocumentReference/{document}");
        if !recorded.contains(&itself) || !recorded.iter().any(|(name, _)| *name == reference) {
            wrong.push(format!("{request}: {itself:?} is not on the log: {recorded:?}"));
        }
        left.entry(request.clone()).or_default().extend(recorded);
        return;
    }
    let version = |one: &Value| one["meta"]["versionId"].as_str().unwrap_or_default().to_owned();
    let resources = answer.resources();
    left.entry(request.clone())
        .or_default()
        .extend(resources.iter().map(|one| (reference(one), version(one))));
}
