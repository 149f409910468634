//! A data set: what one class of recipient needs, as profiles, with the list of what makes it sufficient.
//! 45 CFR 164.514(d)(3) (standard protocols for routine disclosures); <https://hl7.org/fhir/R4/profilelist.html>

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Profile;
use super::closed::hex;
use super::problem::nearest;
use crate::fhir::element::table;
use crate::fhir::{Issue, IssueCode};

/// `profiles/<name>/`: `data-set.json` and one profile for each resource type that may be released.
#[derive(Debug)]
pub struct DataSet {
    name: String,
    title: String,
    profiles: HashMap<String, Profile>,
    order: Vec<String>,
    directory: Vec<String>,
    made: Vec<String>,
    excluded: Vec<Sufficient>,
    sufficient: Vec<Sufficient>,
    digest: String,
}

/// What `data-set.json` may say; anything else is a slip of the pen.
const KEYS: &[&str] = &[
    "name",
    "title",
    "description",
    "version",
    "order",
    "directory",
    "made",
    "excluded",
    "sufficient",
];

/// Something a recipient of this data set should find. Not finding it is a named gap in the staff view and
/// never shows in what the recipient gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sufficient {
    /// For staff: "Early warning signs".
    pub label: String,
    pub resource_type: String,
    /// The element that holds `code`, `code` unless said otherwise.
    pub element: String,
    /// (system, code); `None`: any resource of the type will do.
    pub code: Option<(String, String)>,
}

impl Sufficient {
    /// Does a released resource fill this item?
    pub fn met_by(&self, released: &Value) -> bool {
        released.get("resourceType").and_then(Value::as_str) == Some(self.resource_type.as_str())
            && self.code.as_ref().is_none_or(|(system, code)| {
                released
                    .get(self.element.as_str())
                    .is_some_and(|concept| has_coding(concept, system, code))
            })
    }
}

/// A CodeableConcept, or a list of them, with this coding.
fn has_coding(value: &Value, system: &str, code: &str) -> bool {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    match value {
        Value::Array(items) => items.iter().any(|v| has_coding(v, system, code)),
        _ => value
            .get("coding")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|c| {
                text(c, "system").as_deref() == Some(system) && text(c, "code").as_deref() == Some(code)
            }),
    }
}

impl DataSet {
    /// `files`: name (`CarePlan.json`) and content of each profile; `set`: `data-set.json`. `Err` lists every
    /// problem, with the file's name before the element.
    pub fn load(name: &str, files: Vec<(String, Value)>, set: &Value) -> Result<DataSet, Vec<Issue>> {
        let mut problems = Vec::new();
        let mut digest = Sha256::new();
        digest.update(set.to_string());
        let mut profiles = HashMap::new();
        for (file, sd) in files {
            digest.update(format!("\n{file}\n{sd}"));
            match Profile::load(&sd) {
                Ok(profile) if file != format!("{}.json", profile.resource_type()) => {
                    problems.push(problem(name, &file, "is not named after the type it profiles"));
                }
                Ok(profile) => {
                    profiles.insert(profile.resource_type().to_owned(), profile);
                }
                Err(issues) => problems.extend(issues.into_iter().map(|mut issue| {
                    issue.expression = format!("{name}/{file}: {}", issue.expression);
                    issue
                })),
            }
        }
        let mut read = |key: &str| {
            strings(set, key).unwrap_or_else(|why| {
                problems.push(problem(name, key, why));
                Vec::new()
            })
        };
        let (order, directory, made) = (read("order"), read("directory"), read("made"));
        let excluded = named_resources(name, set, "excluded", &mut problems);
        let sufficient = named_resources(name, set, "sufficient", &mut problems);
        if sufficient.is_empty() {
            problems.push(problem(name, "sufficient", "names what a recipient should find"));
        }
        for (key, why) in unknown_keys(set, KEYS) {
            problems.push(problem(name, &key, why));
        }
        let title = set
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if title.is_empty() || set.get("name").and_then(Value::as_str) != Some(name) {
            problems.push(problem(
                name,
                "data-set.json",
                "needs a title, and the folder's name as name",
            ));
        }
        let named = order
            .iter()
            .chain(directory.iter().chain(&made))
            .chain(excluded.iter().chain(&sufficient).map(|s| &s.resource_type));
        for t in named.filter(|t| !profiles.contains_key(*t)) {
            let why = if table().resource(t).is_some() {
                "has no profile here"
            } else {
                "is not an R4 resource type"
            };
            problems.push(problem(name, "data-set.json", format!("{t} {why}")));
        }
        for t in profiles.keys().filter(|t| !order.contains(t)) {
            problems.push(problem(
                name,
                "data-set.json",
                format!("{t} has a profile but no place in `order`"),
            ));
        }
        let digest = hex(&digest.finalize());
        match problems.is_empty() {
            true => Ok(DataSet {
                name: name.to_owned(),
                title,
                profiles,
                order,
                directory,
                made,
                excluded,
                sufficient,
                digest,
            }),
            false => Err(problems),
        }
    }

    /// For trying out what a wider data set would release: every type may be referred to, nothing is demanded.
    pub(super) fn for_trial(name: &str, profiles: Vec<Profile>) -> DataSet {
        let profiles: HashMap<String, Profile> = profiles
            .into_iter()
            .map(|profile| (profile.resource_type().to_owned(), profile))
            .collect();
        let order: Vec<String> = profiles.keys().cloned().collect();
        DataSet {
            name: name.to_owned(),
            title: name.to_owned(),
            directory: order.clone(),
            order,
            profiles,
            made: Vec::new(),
            excluded: Vec::new(),
            sufficient: Vec::new(),
            digest: String::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people: "Crisis team".
    pub fn title(&self) -> &str {
        &self.title
    }

    /// `None`: resources of this type are not released.
    pub fn profile(&self, resource_type: &str) -> Option<&Profile> {
        self.profiles.get(resource_type)
    }

    /// The profile this stored resource is released by; `None`: it is not released, because its type has none here or
    /// because the set excludes what it is, or takes nothing of the type from the record. A stored Provenance speaks of sources:
    /// the one that is released is made anew.
    pub fn profile_of(&self, stored: &Value) -> Option<&Profile> {
        let kind = stored.get("resourceType")?.as_str()?;
        let profile = self.profile(kind).filter(|_| kind != "Provenance")?;
        let stays = self.excluded.iter().any(|item| item.met_by(stored));
        let only_made = self.made.iter().any(|of| of == profile.resource_type());
        (!stays && !only_made).then_some(profile)
    }

    /// Types of which only what is made from the release is released, nothing that is stored.
    pub fn made(&self) -> &[String] {
        &self.made
    }

    /// Resources that stay at home although their type has a profile.
    pub fn excluded(&self) -> &[Sufficient] {
        &self.excluded
    }

    /// All profiles in reading order.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.order.iter().filter_map(|t| self.profiles.get(t))
    }

    /// Resource types in reading order, the person first.
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// Types whose resources may be referred to although they are not in the release.
    pub fn directory(&self) -> &[String] {
        &self.directory
    }

    pub fn sufficient(&self) -> &[Sufficient] {
        &self.sufficient
    }

    /// What of `sufficient` no released resource fills, in the order of the list.
    pub fn gaps<'r>(&self, released: impl IntoIterator<Item = &'r Value>) -> Vec<&Sufficient> {
        let mut open: Vec<&Sufficient> = self.sufficient.iter().collect();
        for resource in released {
            open.retain(|item| !item.met_by(resource));
        }
        open
    }

    /// SHA-256 over all files, hexadecimal: part of what a decision depends on.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn named_resources(name: &str, set: &Value, key: &str, problems: &mut Vec<Issue>) -> Vec<Sufficient> {
    let items = set
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let read = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        let code = match (text("system"), text("code")) {
            (Some(system), Some(code)) => Some((system, code)),
            (None, None) => None,
            _ => return None,
        };
        let element = text("element").unwrap_or_else(|| "code".to_owned());
        Some(Sufficient {
            label: text("label")?,
            resource_type: text("type")?,
            element,
            code,
        })
    };
    let read: Vec<Sufficient> = items.iter().filter_map(read).collect();
    let list = set.get(key).is_none_or(Value::is_array);
    if read.len() != items.len() || !list {
        problems.push(problem(
            name,
            key,
            "each item has a type and a label, and system and code or neither",
        ));
    }
    read
}

/// The keys of `of` that are not among `known`, each with what is wrong with it.
pub(super) fn unknown_keys(of: &Value, known: &[&str]) -> Vec<(String, String)> {
    let keys = of.as_object().into_iter().flat_map(serde_json::Map::keys);
    keys.filter(|key| !known.contains(&key.as_str()))
        .map(|key| {
            let near = nearest(key, known.iter().copied());
            let hint = near.map(|near| format!("; nearest: {near}")).unwrap_or_default();
            (key.clone(), format!("{key} is not a key of this file{hint}"))
        })
        .collect()
}

/// A list of strings, empty when absent.
pub(super) fn strings(of: &Value, key: &str) -> Result<Vec<String>, &'static str> {
    match of.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|v| v.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or("holds something that is not text"),
        Some(_) => Err("is not a list"),
    }
}

fn problem(set: &str, at: &str, why: impl std::fmt::Display) -> Issue {
    Issue::error(
        IssueCode::BusinessRule,
        format!("{set}/{at}"),
        format!("data-set: {why}"),
    )
}
