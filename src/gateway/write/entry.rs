//! A Bundle of requests, read: what each entry asks for, or everything wrong with it. <https://hl7.org/fhir/R4/bundle.html#transaction>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::fhir::element::table;
use postern_rules::fhir::{Issue, IssueCode, Value, gate, json};
use postern_rules::search::View;

use super::{Intent, Target};

/// More entries than this are refused.
pub const MOST_ENTRIES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// Each entry by itself.
    Batch,
    /// All of them, or none.
    Transaction,
}

impl BundleKind {
    pub(super) fn response(self) -> &'static str {
        match self {
            BundleKind::Batch => "batch-response",
            BundleKind::Transaction => "transaction-response",
        }
    }
}

/// What one entry asks for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Write(Intent),
    Read {
        resource_type: &'static str,
        id: String,
        version: Option<String>,
        known: Option<String>,
        view: View,
    },
    Search {
        resource_type: &'static str,
        pairs: Vec<(String, String)>,
    },
}

/// One entry, in its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub number: usize,
    pub full_url: Option<String>,
    pub asked: Asked,
}

/// Why an entry cannot be carried out: a status and its reasons.
pub(super) type Wrong = (u16, Vec<Issue>);

/// The entries of a Bundle, in order.
pub(super) type Entries = Vec<Result<Entry, Wrong>>;

/// The kind of the Bundle, and its entries or what is wrong with each.
pub(super) fn read(bundle: &Value, base: &str) -> Result<(BundleKind, Entries), Vec<Issue>> {
    let mut issues = gate::check(&requests(bundle));
    let kind = match (bundle["resourceType"].as_str(), bundle["type"].as_str()) {
        (Some("Bundle"), Some("batch")) => BundleKind::Batch,
        (Some("Bundle"), Some("transaction")) => BundleKind::Transaction,
        _ => {
            let why = "a Bundle of type batch or transaction is expected";
            issues.push(Issue::error(IssueCode::Value, "Bundle.type", why));
            return Err(issues);
        }
    };
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.len() > MOST_ENTRIES {
        let why = format!("at most {MOST_ENTRIES} entries");
        issues.push(Issue::error(IssueCode::TooCostly, "Bundle.entry", why));
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    Ok((
        kind,
        entries
            .iter()
            .enumerate()
            .map(|(n, one)| entry(n, one, base))
            .collect(),
    ))
}

/// The Bundle without what its entries carry: each of those is judged by itself.
fn requests(bundle: &Value) -> Value {
    let mut bundle = bundle.clone();
    let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.shift_remove("resource");
        }
    }
    bundle
}

fn entry(number: usize, entry: &Value, base: &str) -> Result<Entry, Wrong> {
    let request = &entry["request"];
    let text = |name: &str| request[name].as_str().map(str::to_owned);
    let url = text("url").ok_or_else(|| wrong(400, IssueCode::Required, "the entry has no request.url"))?;
    let path = url.strip_prefix(base).unwrap_or(&url).trim_start_matches('/');
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let (kind, id) = path
        .split_once('/')
        .map_or((path, None), |(kind, id)| (kind, Some(id)));
    let known = table().resource_types().find(|known| *known == kind);
    let kind = known.ok_or_else(|| wrong(404, IssueCode::NotFound, "no such resource"))?;
    let target = |id: &str| Target {
        resource_type: kind,
        id: id.to_owned(),
        version: text("ifMatch"),
    };
    let asked = match (request["method"].as_str(), id, query) {
        (Some("GET"), Some(id), query) => reading(kind, id, (query, text("ifNoneMatch")))?,
        (Some("GET"), None, query) => Asked::Search {
            resource_type: kind,
            pairs: pairs(query),
        },
        (Some("POST"), None, None) => Asked::Write(Intent::Create {
            body: body(entry, kind)?,
            unless: text("ifNoneExist"),
        }),
        (Some("PUT"), Some(id), None) => Asked::Write(Intent::Update {
            target: target(id),
            body: body(entry, kind)?,
        }),
        (Some("PATCH"), Some(id), None) => Asked::Write(Intent::Patch {
            target: target(id),
            patch: patch(&entry["resource"])?,
        }),
        _ => {
            return Err(wrong(
                405,
                IssueCode::NotSupported,
                "this interaction is not supported here",
            ));
        }
    };
    Ok(Entry {
        number,
        full_url: entry["fullUrl"].as_str().map(str::to_owned),
        asked,
    })
}

fn reading(
    kind: &'static str,
    id: &str,
    (query, known): (Option<&str>, Option<String>),
) -> Result<Asked, Wrong> {
    let view = View::parse(kind, &pairs(query), false).map_err(|issues| (400, issues))?;
    let (id, version) = id
        .split_once("/_history/")
        .map_or((id, None), |(id, version)| (id, Some(version.to_owned())));
    Ok(Asked::Read {
        resource_type: kind,
        id: id.to_owned(),
        version,
        known,
        view,
    })
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let query = query.unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn body(entry: &Value, kind: &str) -> Result<Value, Wrong> {
    match entry["resource"]["resourceType"] == kind {
        true => Ok(entry["resource"].clone()),
        false => Err(wrong(
            400,
            IssueCode::Invalid,
            "the resource of the entry and its address differ",
        )),
    }
}

/// A JSON Patch travels in a Binary. <https://hl7.org/fhir/R4/http.html#patch>
fn patch(binary: &Value) -> Result<Value, Wrong> {
    let media = binary["contentType"].as_str().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if binary["resourceType"] != "Binary" || media != "application/json-patch+json" {
        let why = "a patch stands in a Binary of contentType application/json-patch+json";
        return Err(wrong(415, IssueCode::NotSupported, why));
    }
    let data = binary["data"]
        .as_str()
        .and_then(|data| STANDARD.decode(data).ok());
    let data =
        data.ok_or_else(|| wrong(400, IssueCode::Structure, "the data of the Binary is not base64"))?;
    json::parse(&data).map_err(|issues| (400, issues))
}

pub(super) fn wrong(status: u16, code: IssueCode, why: &str) -> Wrong {
    (status, vec![Issue::error(code, "", why)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BASE: &str = "https://postern.test/fhir";

    fn only(request: Value, resource: Value) -> Result<Entry, Wrong> {
        let mut entry =
            json!({"request": request, "fullUrl": "urn:uuid:5a7f1f1e-0000-4000-8000-000000000000"});
        if !resource.is_null() {
            entry["resource"] = resource;
        }
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        let (kind, mut entries) = read(&bundle, BASE).expect("a bundle");
        assert_eq!(kind, BundleKind::Transaction);
        entries.remove(0)
    }

    #[test]
    fn each_interaction_is_read_from_its_method_and_address() {
        let goal = json!({"resourceType": "Goal", "id": "g", "lifecycleStatus": "active", "description": {"text": "x"},
            "subject": {"reference": "Patient/p"}});
        let put = only(
            json!({"method": "PUT", "url": "Goal/g", "ifMatch": "W/\"1\""}),
            goal.clone(),
        )
        .expect("an update");
        assert!(
            matches!(put.asked, Asked::Write(Intent::Update { target, .. }) if target.version.as_deref() == Some("W/\"1\""))
        );
        let read = only(
            json!({"method": "GET", "url": format!("{BASE}/Goal/g")}),
            Value::Null,
        )
        .expect("a read");
        assert!(matches!(
            read.asked,
            Asked::Read {
                resource_type: "Goal",
                ..
            }
        ));
        let search = only(json!({"method": "GET", "url": "Goal?patient=p"}), Value::Null).expect("a search");
        assert!(matches!(search.asked, Asked::Search { .. }));
        let data = STANDARD.encode("[]");
        let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json; charset=utf-8", "data": data});
        let patch = only(json!({"method": "PATCH", "url": "Goal/g"}), binary).expect("a patch");
        assert!(matches!(patch.asked, Asked::Write(Intent::Patch { .. })));
        for (request, status) in [
            (json!({"method": "DELETE", "url": "Goal/g"}), 405),
            (json!({"method": "POST", "url": "Task"}), 400),
            (json!({"method": "GET", "url": "Nothing/g"}), 404),
            (json!({"method": "GET", "url": "Goal/g?unknown=1"}), 400),
            (json!({"method": "PATCH", "url": "Goal/g"}), 415),
        ] {
            let found = only(request.clone(), goal.clone());
            assert_eq!(found.err().map(|wrong| wrong.0), Some(status), "{request}");
        }
    }
}
