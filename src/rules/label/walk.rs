//! One pass over a resource that collects codes, inline labels and texts with their paths.
//! <https://hl7.org/fhir/R4/security-labels.html>

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::source::Stated;
use super::{Basis, CodeLists, Labels, NoteKind, Reason, Suspicion, terms};
use crate::terminology::{Confidentiality, Sensitivities};

/// The JSON door lets 64 levels in; what is deeper did not come through it and is not followed.
const MAX_DEPTH: usize = 128;

/// Members that never hold a sentence a person wrote about health.
const NO_TEXT: [&str; 19] = [
    "reference", "system", "url", "code", "id", "contentType", "data", "profile", "versionId", "lastUpdated", "status",
    "use", "family", "given", "resourceType", "identifier", "telecom", "address", "unit",
];

struct Walk<'a> {
    lists: &'a CodeLists,
    raised: Sensitivities,
    path: String,
    /// Code hits: path of the coded element, how deep it stands below the resource, what was found.
    codes: Vec<(String, usize, Sensitivities, u32)>,
    inline: Vec<(String, Stated)>,
    contained: Vec<(String, Labels)>,
    texts: Vec<Suspicion>,
}

pub(super) fn label_resource(resource: &Value, lists: &CodeLists, raised: Sensitivities, depth: usize) -> Labels {
    let path = resource["resourceType"].as_str().unwrap_or("Resource").to_owned();
    let mut walk =
        Walk { lists, raised, path, codes: Vec::new(), inline: Vec::new(), contained: Vec::new(), texts: Vec::new() };
    if let Some(members) = resource.as_object() {
        walk.members(members, depth, 0);
    }
    walk.finish(Stated::of_meta(resource))
}

impl Walk<'_> {
    fn members(&mut self, members: &Map<String, Value>, depth: usize, level: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for (key, value) in members {
            if (level == 0 && key == "meta") || key == "extension" && self.inline_label(value) {
                continue;
            }
            let length = self.path.len();
            self.path.push('.');
            // `_x` and `x` are one element.
            self.path.push_str(key.strip_prefix('_').unwrap_or(key));
            self.value(key, value, depth + 1, level);
            self.path.truncate(length);
        }
    }

    fn value(&mut self, key: &str, value: &Value, depth: usize, level: usize) {
        match value {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let length = self.path.len();
                    let _ = write!(self.path, "[{i}]");
                    match key {
                        "contained" if level == 0 => self.contained_resource(item, depth),
                        _ => self.value(key, item, depth, level),
                    }
                    self.path.truncate(length);
                }
            }
            Value::Object(members) => {
                self.coding(key, members, level);
                self.members(members, depth, level + 1);
            }
            Value::String(text) if !NO_TEXT.contains(&key) => self.text(text),
            _ => {}
        }
    }

    /// A Coding, or a Quantity-like pair of system and code: both are looked up.
    fn coding(&mut self, key: &str, members: &Map<String, Value>, level: usize) {
        let (Some(system), Some(code)) =
            (members.get("system").and_then(Value::as_str), members.get("code").and_then(Value::as_str))
        else {
            return;
        };
        let Some(hit) = self.lists.lookup(system, code) else { return };
        // `level` counts the objects above this one; inside a CodeableConcept the concept is the element.
        let (path, level) = match key {
            "coding" => (self.path.rsplit_once(".coding").map_or(&*self.path, |(concept, _)| concept), level.saturating_sub(1)),
            _ => (&*self.path, level),
        };
        self.codes.push((path.to_owned(), level, hit.sensitivity, hit.line));
    }

    fn inline_label(&mut self, extensions: &Value) -> bool {
        let Some(stated) = Stated::of_extensions(extensions) else { return false };
        self.inline.push((self.path.clone(), stated));
        // Other extensions beside the label are still walked.
        extensions.as_array().is_some_and(|list| list.len() == 1)
    }

    fn contained_resource(&mut self, resource: &Value, depth: usize) {
        if depth < MAX_DEPTH && resource.is_object() {
            let mut labels = label_resource(resource, self.lists, self.raised, depth + 1);
            // Paths inside are those of the container, so that one list serves the projection.
            let type_length = resource["resourceType"].as_str().unwrap_or("Resource").len();
            let here = |path: &str| format!("{}{}", self.path, path.get(type_length..).unwrap_or_default());
            for (path, inner) in std::mem::take(&mut labels.elements) {
                self.contained.push((here(&path), inner));
            }
            self.texts.extend(
                std::mem::take(&mut labels.suspicions).into_iter().map(|s| Suspicion { path: here(&s.path), ..s }),
            );
            self.contained.push((self.path.clone(), labels));
        }
    }

    fn text(&mut self, text: &str) {
        let sensitivity = terms::suspect(text);
        if !sensitivity.is_empty() {
            self.texts.push(Suspicion { path: self.path.clone(), sensitivity });
        }
    }

    fn finish(self, stated: Stated) -> Labels {
        let (own, below): (Vec<_>, Vec<_>) = self.codes.into_iter().partition(|(_, level, _, _)| *level == 0);
        let mut labels = compose(stated, &own, self.raised);
        for (path, inline) in self.inline {
            let codes: Vec<_> = below.iter().filter(|(p, ..)| *p == path).cloned().collect();
            labels.elements.push((path, compose(inline, &codes, self.raised)));
        }
        for hit in below {
            if !labels.elements.iter().any(|(path, _)| *path == hit.0) {
                let path = hit.0.clone();
                labels.elements.push((path, compose(Stated::default(), &[hit], self.raised)));
            } else if let Some((_, element)) = labels.elements.iter_mut().find(|(path, _)| *path == hit.0) {
                add(element, &hit);
            }
        }
        labels.elements.extend(self.contained.into_iter().filter(|(_, inner)| {
            inner.part2 || inner.note_kind != NoteKind::General || !inner.sensitivity.is_empty()
                || inner.confidentiality > Confidentiality::Normal
        }));
        labels.suspicions = self.texts;
        drop_labelled(&mut labels);
        labels
    }
}

/// Labels from what is stated and what codes imply; the source's word is kept when it says the same more exactly.
fn compose(stated: Stated, codes: &[(String, usize, Sensitivities, u32)], raised: Sensitivities) -> Labels {
    let mut labels = Labels {
        confidentiality: Confidentiality::Normal,
        sensitivity: stated.sensitivity,
        reasons: Vec::new(),
        part2: stated.part2,
        note_kind: stated.note_kind,
        elements: Vec::new(),
        suspicions: Vec::new(),
    };
    if !stated.sensitivity.is_empty() {
        labels.reasons.push(Reason { sensitivity: stated.sensitivity, basis: Basis::Source });
    }
    for hit in codes {
        add(&mut labels, hit);
    }
    let restricted =
        stated.part2 || stated.note_kind != NoteKind::General || labels.sensitivity.intersects(raised);
    let by_rule = if restricted { Confidentiality::Restricted } else { Confidentiality::Normal };
    labels.confidentiality = stated.confidentiality.unwrap_or(by_rule);
    labels
}

fn add(labels: &mut Labels, (path, _, sensitivity, line): &(String, usize, Sensitivities, u32)) {
    let stated = labels.reasons.first().filter(|r| r.basis == Basis::Source).map_or(Sensitivities::NONE, |r| r.sensitivity);
    let new = sensitivity.codes().filter_map(Sensitivities::of).filter(|code| {
        // The source said as much: the same, something below it, or a code that a deny treats as one with it.
        !stated.intersects(code.denied_with())
    });
    let new = new.fold(Sensitivities::NONE, Sensitivities::with);
    if !new.is_empty() {
        labels.sensitivity = labels.sensitivity.with(new);
        labels.reasons.push(Reason { sensitivity: new, basis: Basis::Code { path: path.clone(), line: *line } });
    }
}

/// A suspicion that a label already covers, on the resource or on an element around the text, says nothing new.
fn drop_labelled(labels: &mut Labels) {
    let suspicions = std::mem::take(&mut labels.suspicions);
    for mut suspicion in suspicions {
        let mut known = labels.sensitivity;
        for (path, element) in &labels.elements {
            if covers(path, &suspicion.path) {
                known = known.with(element.sensitivity);
            }
        }
        let open = suspicion.sensitivity.codes().filter_map(Sensitivities::of).filter(|c| !known.intersects(c.denied_with()));
        suspicion.sensitivity = open.fold(Sensitivities::NONE, Sensitivities::with);
        if !suspicion.sensitivity.is_empty() {
            labels.suspicions.push(suspicion);
        }
    }
}

fn covers(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
