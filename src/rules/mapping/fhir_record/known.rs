//! Where a reference of a FHIR record leads: to an entry, to something of the source that is not in the record, or nowhere.
//! <https://hl7.org/fhir/R4/references.html>, <https://hl7.org/fhir/R4/bundle.html#references>

use super::super::problem::Rule;
use super::Task;
use super::entries::Entry;
use crate::fhir::element;
use serde_json::Value;
use std::collections::HashMap;

/// The entries of a record, by every name a reference may use.
pub(super) struct Known<'r> {
    pub entries: &'r [Entry<'r>],
    by_url: HashMap<&'r str, usize>,
    by_name: HashMap<(&'static str, &'r str), usize>,
    by_identifier: HashMap<(&'static str, &'r str, &'r str), Vec<usize>>,
    bases: Vec<String>,
}

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Entry(usize),
    /// The source's own, not in this record.
    Elsewhere(&'static str, String),
    Nowhere,
}

impl<'r> Known<'r> {
    /// Two different resources under one name or address are problems; the same one twice is one.
    pub fn of(task: &mut Task<'_>, entries: &'r [Entry<'r>]) -> Known<'r> {
        let mut known = Known {
            entries,
            by_url: HashMap::new(),
            by_name: HashMap::new(),
            by_identifier: HashMap::new(),
            bases: task.rules.bases.clone(),
        };
        for (index, entry) in entries.iter().enumerate() {
            let first = entry.url.and_then(|url| known.by_url.get(url).copied());
            let named = Some((entry.kind, entry.id)).filter(|(_, id)| !id.is_empty());
            let same = named.and_then(|name| known.by_name.get(&name).copied());
            for other in [first, same].into_iter().flatten() {
                if entries[other].body != entry.body {
                    let told = "another entry has the same name or address, and is not equal";
                    let at = task.rules.line_of(entry.kind);
                    task.problem(at, Rule::Duplicate, entry.kind, &entry.place, told);
                    break;
                }
            }
            if same.is_some() {
                continue;
            }
            if let Some(url) = entry.url {
                known.by_url.entry(url).or_insert(index);
            }
            if let Some(name) = named {
                known.by_name.insert(name, index);
            }
            for (system, value) in identifiers(entry.body) {
                known
                    .by_identifier
                    .entry((entry.kind, system, value))
                    .or_default()
                    .push(index);
            }
        }
        known
    }

    /// Is this the first entry of its name?
    pub fn is_first(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        entry.id.is_empty() || self.by_name.get(&(entry.kind, entry.id)) == Some(&index)
    }

    /// Where `text` leads when it stands in an entry with the address `from`. Local references (`#…`) are not for here.
    pub fn resolve(&self, text: &str, from: Option<&str>) -> Target {
        let text = text.split("/_history/").next().unwrap_or_default();
        if let Some(index) = self.by_url.get(text) {
            return Target::Entry(*index);
        }
        if let Some((kind, query)) = text.split_once('?') {
            return self.search(kind, query);
        }
        let Some(relative) = self.own_part(text) else {
            return Target::Nowhere;
        };
        let Some((name, id)) = relative.split_once('/') else {
            return Target::Nowhere;
        };
        // In a Bundle a relative reference is read from the address of the entry it stands in.
        let base = from
            .and_then(|url| url.rsplitn(3, '/').nth(2))
            .filter(|base| base.starts_with("http"));
        let whole = base
            .filter(|_| relative == text)
            .map(|base| format!("{base}/{relative}"));
        if let Some(index) = whole.and_then(|whole| self.by_url.get(whole.as_str())) {
            return Target::Entry(*index);
        }
        let Some(kind) = element::table().resource(name) else {
            return Target::Nowhere;
        };
        match self.by_name.get(&(kind.name, id)) {
            Some(index) => Target::Entry(*index),
            None if crate::fhir::primitive::is_id(id) => Target::Elsewhere(kind.name, id.to_owned()),
            None => Target::Nowhere,
        }
    }

    /// `Type/id` of a relative address, or of one below a base of the source.
    fn own_part<'t>(&self, text: &'t str) -> Option<&'t str> {
        if !text.contains(':') {
            return Some(text);
        }
        let below = |base: &String| text.strip_prefix(base.as_str())?.strip_prefix('/');
        self.bases.iter().find_map(below)
    }

    /// Is it an address of the source's own, or one that only makes sense inside the record?
    pub fn is_own(&self, text: &str) -> bool {
        self.by_url.contains_key(text) || text.starts_with("urn:") || self.own_part(text).is_some()
    }

    /// `Type?identifier=system|value` that names one entry.
    fn search(&self, kind: &str, query: &str) -> Target {
        let Some(kind) = element::table().resource(kind) else {
            return Target::Nowhere;
        };
        let token = query
            .strip_prefix("identifier=")
            .filter(|token| !token.contains('&'));
        let token = token.and_then(unescaped).unwrap_or_default();
        let found = token.split_once('|').and_then(|(system, value)| {
            let key = (kind.name, system, value);
            self.by_identifier.get(&key)
        });
        match found.map(Vec::as_slice) {
            Some([one]) => Target::Entry(*one),
            _ => Target::Nowhere,
        }
    }
}

/// `system` and `value` of each identifier of a resource.
pub(super) fn identifiers(resource: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = match &resource["identifier"] {
        Value::Array(list) => list.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    list.iter()
        .filter_map(|i| Some((i["system"].as_str()?, i["value"].as_str()?)))
}

/// Percent escapes of a query undone; nothing when they are not UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
