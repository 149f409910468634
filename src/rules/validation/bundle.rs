//! Bundles: identity of entries, and which entry a reference means.
//! <https://hl7.org/fhir/R4/bundle.html#bundle-unique>, <https://hl7.org/fhir/R4/bundle.html#references>

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::walk::{Place, Walk};
use crate::fhir::{IssueCode, Severity};

/// Entries by what references may call them.
#[derive(Debug, Default)]
pub(super) struct Index<'v> {
    by_url: HashMap<&'v str, &'v Value>,
    /// `None`: two entries share type and id.
    by_id: HashMap<(&'v str, &'v str), Option<&'v Value>>,
}

impl<'v> Index<'v> {
    fn of(bundle: &'v Value) -> Index<'v> {
        let mut index = Index::default();
        for entry in entries(bundle) {
            let Some(resource) = entry.get("resource") else {
                continue;
            };
            if let Some(url) = entry.get("fullUrl").and_then(Value::as_str) {
                index.by_url.insert(url, resource);
            }
            if let (Some(kind), Some(id)) = (text(resource, "resourceType"), text(resource, "id")) {
                let known = index.by_id.entry((kind, id));
                known.and_modify(|one| *one = None).or_insert(Some(resource));
            }
        }
        index
    }

    /// What a reference that is not to something contained means; `base` is that of the entry it stands in.
    pub(super) fn find(&self, reference: &str, base: Option<&str>) -> Option<&'v Value> {
        let current = reference
            .split_once("/_history/")
            .map_or(reference, |(current, _)| current);
        if let Some(found) = self.by_url.get(current) {
            return Some(found);
        }
        if is_absolute(current) {
            return None;
        }
        let absolute = base.and_then(|base| self.by_url.get(format!("{base}{current}").as_str()));
        // A fullUrl that is no address (urn:uuid) leaves a relative reference only its type and id.
        absolute.copied().or_else(|| {
            let (kind, id) = current.split_once('/')?;
            *self.by_id.get(&(kind, id))?
        })
    }
}

fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle
        .get("entry")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

pub(super) fn is_absolute(reference: &str) -> bool {
    reference.contains(':')
}

/// `http://host/fhir/` of `http://host/fhir/Patient/1`, for that type and id.
pub(super) fn base_of<'v>(full_url: &'v str, resource: &Value) -> Option<&'v str> {
    let (kind, id) = (text(resource, "resourceType")?, text(resource, "id")?);
    let rest = full_url.strip_suffix(id)?.strip_suffix('/')?.strip_suffix(kind)?;
    (rest.ends_with('/') && rest.starts_with("http")).then_some(rest)
}

impl<'v> Walk<'v> {
    /// Enters a Bundle: what its entries are to each other. The caller restores the frame.
    pub(super) fn enter_bundle(&mut self, bundle: &'v Value) {
        self.frame.bundle = Some(Rc::new(Index::of(bundle)));
        let kind = text(bundle, "type").unwrap_or_default();
        for (at, entry) in entries(bundle).enumerate() {
            self.places.extend([Place::Name("entry"), Place::Index(at)]);
            self.entry(kind, entry);
            self.places.truncate(self.places.len() - 2);
        }
        if matches!(kind, "document" | "message") {
            self.first_entry_reaches(bundle);
        }
    }

    fn entry(&mut self, kind: &str, entry: &'v Value) {
        let full_url = text(entry, "fullUrl");
        let Some(resource) = entry.get("resource") else {
            return;
        };
        // Without one, nothing in the Bundle can refer to it; what is yet to be created has none.
        if full_url.is_none()
            && matches!(
                kind,
                "document" | "message" | "collection" | "searchset" | "history"
            )
        {
            let severity = if matches!(kind, "searchset" | "history") {
                Severity::Warning
            } else {
                Severity::Error
            };
            self.report_at(
                "fullUrl",
                severity,
                IssueCode::Required,
                format_args!("is required in a Bundle of this type"),
            );
        }
        let Some(url) = full_url else { return };
        if !is_absolute(url) {
            let what = format_args!("must be an absolute address");
            self.report_at("fullUrl", Severity::Error, IssueCode::Invalid, what);
        }
        let id = text(resource, "id");
        let is_address = url.starts_with("http://") || url.starts_with("https://");
        if is_address && id.is_some_and(|id| url.rsplit('/').next() != Some(id)) {
            let what = format_args!("must end with the id of the resource");
            self.report_at("fullUrl", Severity::Error, IssueCode::Invalid, what);
        }
    }

    /// A document and a message stand by themselves: what their first entry refers to directly is in them.
    fn first_entry_reaches(&mut self, bundle: &'v Value) {
        let Some(first) = entries(bundle).next() else {
            return;
        };
        let (Some(resource), Some(index)) = (first.get("resource"), self.frame.bundle.clone()) else {
            return;
        };
        let base = text(first, "fullUrl").and_then(|url| base_of(url, resource));
        let wanted: &[&[&str]] = match text(resource, "resourceType") {
            Some("Composition") => &[&["subject"], &["encounter"], &["author"], &["section", "entry"]],
            Some("MessageHeader") => &[&["focus"]],
            _ => return,
        };
        self.places
            .extend([Place::Name("entry"), Place::Index(0), Place::Name("resource")]);
        for path in wanted {
            self.reaches(resource, path, &index, base);
        }
        self.places.truncate(self.places.len() - 3);
    }

    fn reaches(&mut self, value: &'v Value, path: &[&'static str], index: &Index<'v>, base: Option<&str>) {
        let [name, rest @ ..] = path else {
            let Some(reference) = text(value, "reference") else {
                return;
            };
            if !reference.starts_with('#') && index.find(reference, base).is_none() {
                self.error(IssueCode::NotFound, format_args!("must be in the Bundle"));
            }
            return;
        };
        let Some(found) = value.get(name) else { return };
        self.places.push(Place::Name(name));
        match found {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.places.push(Place::Index(at));
                    self.reaches(item, rest, index, base);
                    // Sections hold sections.
                    if *name == "section" {
                        self.reaches(item, path, index, base);
                    }
                    self.places.pop();
                }
            }
            one => self.reaches(one, rest, index, base),
        }
        self.places.pop();
    }
}
