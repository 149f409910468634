//! What stands in a FHIR record: the entries of a Bundle, or the lines of an export, each with its place, name and address.
//! <https://hl7.org/fhir/R4/bundle.html>, <https://hl7.org/fhir/uv/bulkdata/export.html>

use super::super::path::oversize;
use super::super::problem::Rule;
use super::super::yaml::MAX_DEPTH;
use super::Task;
use crate::fhir::element;
use serde_json::Value;

/// More entries are not taken as one record.
pub(super) const MAX_ENTRIES: usize = 10_000;
const MAX_NODES: usize = 2_000_000;

/// One resource of the record.
pub(super) struct Entry<'r> {
    /// `entry[3].resource`, or `[3]` in a list.
    pub place: String,
    /// `Bundle.entry.fullUrl`.
    pub url: Option<&'r str>,
    pub kind: &'static str,
    /// The source's own id.
    pub id: &'r str,
    /// Where that id stands.
    pub id_place: String,
    pub body: &'r Value,
}

/// Kinds of Bundle that state what is.
const STATES: [&str; 5] = ["transaction", "batch", "collection", "searchset", "document"];

/// The resources of a record, in its order.
pub(super) fn read<'r>(task: &mut Task<'_>, record: &'r Value) -> Vec<Entry<'r>> {
    let top = task.rules.top;
    if oversize(record, MAX_DEPTH, MAX_NODES).is_some() {
        let told = "the record is nested deeper than 64 levels, or has more than 2 000 000 fields and items";
        task.problem(top, Rule::Limit, "", "", told);
        return Vec::new();
    }
    let stated: Vec<(String, &Value, Option<&Value>)> = match record {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, body)| (format!("[{index}]"), body, None))
            .collect(),
        Value::Object(_) if record["resourceType"] == "Bundle" => {
            bundle(task, record);
            let list = record["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .enumerate()
                .filter(|(_, entry)| entry["search"]["mode"] != "outcome")
                .map(|(index, entry)| {
                    (
                        format!("entry[{index}].resource"),
                        &entry["resource"],
                        Some(entry),
                    )
                })
                .collect()
        }
        _ => {
            let told = "a record is a FHIR Bundle, or a list of FHIR resources";
            task.problem(top, Rule::Type, "", "", told);
            return Vec::new();
        }
    };
    if stated.len() > MAX_ENTRIES {
        task.problem(
            top,
            Rule::Limit,
            "Bundle.entry",
            "entry",
            "more than 10 000 entries in one record",
        );
        return Vec::new();
    }
    stated
        .into_iter()
        .filter_map(|(place, body, entry)| one(task, place, body, entry))
        .collect()
}

/// Does this Bundle say what is, and all of it?
fn bundle(task: &mut Task<'_>, bundle: &Value) {
    let top = task.rules.top;
    if !STATES.iter().any(|kind| bundle["type"] == **kind) {
        let told = format!("a Bundle that states a record is one of {}", STATES.join(", "));
        task.problem(top, Rule::Value, "Bundle.type", "type", told);
    }
    let links = bundle["link"].as_array().map(Vec::as_slice).unwrap_or_default();
    if links.iter().any(|link| link["relation"] == "next") {
        let told = "one page of a search, and more follow: what it leaves out would count as gone";
        task.problem(top, Rule::Value, "Bundle.link", "link", told);
    }
}

fn one<'r>(
    task: &mut Task<'_>,
    place: String,
    body: &'r Value,
    entry: Option<&'r Value>,
) -> Option<Entry<'r>> {
    let top = task.rules.top;
    let entry = entry.unwrap_or(&Value::Null);
    let method = entry["request"]["method"].as_str().unwrap_or("PUT");
    if !["PUT", "POST"].contains(&method) {
        let told = "a record states what is: an entry is PUT or POST, or has no request";
        task.problem(top, Rule::Value, "Bundle.entry.request.method", &place, told);
        return None;
    }
    let Some(name) = body["resourceType"].as_str() else {
        task.problem(
            top,
            Rule::Required,
            "Bundle.entry.resource",
            &place,
            "a FHIR resource is required",
        );
        return None;
    };
    let Some(kind) = element::table().resource(name) else {
        task.problem(
            top,
            Rule::Element,
            "Bundle.entry.resource",
            &place,
            "not a resource type of R4",
        );
        return None;
    };
    let url = entry["fullUrl"].as_str();
    let Some((id, id_place)) = id_of(kind.name, body, entry, &place) else {
        // What is not taken needs no name.
        if task.rules.takes(kind.name).is_some() {
            let told = "no id: neither the resource, nor its request, nor its fullUrl names it";
            task.problem(
                task.rules.line_of(kind.name),
                Rule::Id,
                &format!("{}.id", kind.name),
                &place,
                told,
            );
            return None;
        }
        return Some(Entry {
            place,
            url,
            kind: kind.name,
            id: "",
            id_place: String::new(),
            body,
        });
    };
    if disagrees(url, kind.name, body["id"].as_str()) {
        let told = "fullUrl and id name two different resources";
        task.problem(
            task.rules.line_of(kind.name),
            Rule::Value,
            "Bundle.entry.fullUrl",
            &place,
            told,
        );
    }
    Some(Entry {
        place,
        url,
        kind: kind.name,
        id,
        id_place,
        body,
    })
}

/// The id that the source gives it: its own, else that of `PUT Type/id`, else the end of its address.
fn id_of<'r>(kind: &str, body: &'r Value, entry: &'r Value, place: &str) -> Option<(&'r str, String)> {
    if let Some(id) = body["id"].as_str() {
        return Some((id, format!("{place}.id")));
    }
    let of_entry = |field: &str| place.replacen("resource", field, 1);
    let put = entry["request"]["url"]
        .as_str()
        .filter(|_| entry["request"]["method"] == "PUT");
    if let Some(id) = put
        .and_then(|url| url.strip_prefix(kind)?.strip_prefix('/'))
        .filter(|id| is_id(id))
    {
        return Some((id, of_entry("request.url")));
    }
    let id = entry["fullUrl"].as_str()?.rsplit(['/', ':']).next()?;
    is_id(id).then(|| (id, of_entry("fullUrl")))
}

/// An address that ends in `Type/id` of something else than the resource.
fn disagrees(url: Option<&str>, kind: &str, id: Option<&str>) -> bool {
    let (Some(url), Some(id)) = (url.filter(|url| url.starts_with("http")), id) else {
        return false;
    };
    !url.ends_with(&format!("/{kind}/{id}"))
}

fn is_id(text: &str) -> bool {
    crate::fhir::primitive::is_id(text)
}
