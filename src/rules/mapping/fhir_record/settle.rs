//! Every reference and attachment of a piece comes to rest: rewritten to an id of ours, or taken out by rule.
//! <https://hl7.org/fhir/R4/references.html>
//!
//! What cannot stay goes with the nearest thing that can be without it: an item, an optional element, at last the resource.
//! A modifier never goes alone: leaving it out would change what the rest means.

use super::super::problem::Rule;
use super::super::template::fits;
use super::Task;
use super::contained::Local;
use super::known::{Known, Target};
use super::pieces::{self, Piece, own_id};
use super::{attachment, medication};
use crate::fhir::element::{self, Child, Type};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Works on all pieces, and counts what was left out.
pub(super) fn all<'r>(
    task: &mut Task<'_>,
    known: &Known<'r>,
    patient: Option<&str>,
    pieces: &mut [Piece<'r>],
) {
    let mut used = vec![false; known.entries.len()];
    for piece in pieces {
        let kind = piece.kind;
        let Some(definition) = element::table().resource(kind) else {
            continue;
        };
        let mut body = std::mem::take(&mut piece.body);
        let mut settle = Settle {
            task,
            known,
            patient,
            piece,
            used: &mut used,
            steps: Vec::new(),
            labels: Vec::new(),
        };
        medication::settle(&mut settle, &mut body);
        let whole = settle.content(definition, &mut body);
        let labels = std::mem::take(&mut settle.labels);
        piece.body = body;
        for (label, place) in labels {
            piece.add_label(&label, Some(place));
        }
        if !whole {
            piece.left_out = true;
            task.leave_out(kind);
        }
    }
    pieces::others(task, known, &used);
}

enum Step {
    Key(String),
    Index(usize),
}

/// One piece being worked on.
pub(super) struct Settle<'t, 'm, 'r> {
    pub task: &'t mut Task<'m>,
    pub known: &'t Known<'r>,
    /// The source's id of the person.
    patient: Option<&'t str>,
    pub piece: &'t mut Piece<'r>,
    /// Entries that are not taken, and yet were of use.
    used: &'t mut [bool],
    steps: Vec<Step>,
    /// Labels of what was used, with their places.
    labels: Vec<(Value, String)>,
}

/// Where a reference of this piece leads.
pub(super) enum Leads<'r> {
    Ours {
        kind: &'static str,
        id: String,
    },
    /// To another person: nothing of it stays.
    SomebodyElse,
    /// To an entry, or a contained resource, that is not taken.
    Other(Other<'r>),
    Nowhere,
}

/// What is not taken, but may be looked into.
pub(super) struct Other<'r> {
    pub kind: &'static str,
    pub place: String,
    pub body: &'r Value,
    /// Its entry; a contained resource has none.
    entry: Option<usize>,
}

impl<'r> Settle<'_, '_, 'r> {
    /// Is the object still whole?
    fn content(&mut self, definition: &'static Type, map: &mut Map<String, Value>) -> bool {
        let keys: Vec<String> = map.keys().cloned().collect();
        let mut whole = true;
        for key in keys.iter().filter(|key| *key != "resourceType") {
            let Some(value) = map.get_mut(key) else { continue };
            self.steps.push(Step::Key(key.clone()));
            let beside = key.strip_prefix('_');
            let stays = match (definition.child(beside.unwrap_or(key)), beside) {
                (None, _) => {
                    self.left_out(); // R4 knows no such element, and the mapping drops those
                    false
                }
                (Some(_), Some(_)) => self.beside(value),
                (Some(child), None) => {
                    let stays = self.value(child, value);
                    whole &= stays || child.element.min == 0;
                    stays
                }
            };
            self.steps.pop();
            if !stays {
                map.shift_remove(key);
            }
        }
        whole && !map.is_empty()
    }

    /// The `_x` beside a primitive: its extensions may refer. `false` when nothing is left.
    fn beside(&mut self, value: &mut Value) -> bool {
        let element = element::table().datatype("Element").expect("R4 has Element");
        match value {
            Value::Object(map) => self.content(element, map),
            Value::Array(items) => {
                for item in items.iter_mut() {
                    if item
                        .as_object_mut()
                        .is_some_and(|map| !self.content(element, map))
                    {
                        *item = Value::Null;
                    }
                }
                items.iter().any(|item| !item.is_null())
            }
            _ => true,
        }
    }

    /// Does the value stay?
    fn value(&mut self, child: Child, value: &mut Value) -> bool {
        if element::is_primitive(child.type_name) {
            return true;
        }
        let Value::Array(items) = value else {
            return self.one(child, value);
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.steps.push(Step::Index(index));
            if !self.one(child, item) {
                *item = Value::Null;
            }
            self.steps.pop();
        }
        items.iter().any(|item| !item.is_null())
    }

    fn one(&mut self, child: Child, value: &mut Value) -> bool {
        let Value::Object(map) = value else {
            return true;
        };
        let stays = match child.type_name {
            "Reference" => self.reference(child.element.targets, map),
            "Attachment" => attachment::settle(self, map),
            _ => true,
        };
        let whole = stays
            && child
                .content()
                .is_none_or(|definition| self.content(definition, map));
        if !whole && child.element.modifier {
            let told = "leads nowhere, and leaving it out would change what the rest means";
            self.problem(Rule::Reference, told);
        }
        whole
    }

    /// Rewrites one reference; `false` when nothing of it is left.
    fn reference(&mut self, targets: &'static [&'static str], map: &mut Map<String, Value>) -> bool {
        let Some(text) = map.get("reference").and_then(Value::as_str).map(str::to_owned) else {
            return true;
        };
        match self.leads(&text) {
            Leads::Ours { kind, id } => {
                let typed = map
                    .get("type")
                    .and_then(Value::as_str)
                    .is_some_and(|stated| stated != kind);
                if typed || !fits(targets, kind) {
                    self.problem(
                        Rule::Reference,
                        &format!("a reference to {kind} may not stand here"),
                    );
                }
                map.insert("reference".to_owned(), Value::String(format!("{kind}/{id}")));
                true
            }
            Leads::SomebodyElse => {
                self.left_out();
                false
            }
            Leads::Other(_) => {
                self.left_out();
                without(map)
            }
            Leads::Nowhere => {
                self.unresolved();
                without(map)
            }
        }
    }

    /// Where `text` leads, seen from here.
    pub fn leads(&mut self, text: &str) -> Leads<'r> {
        if let Some(local) = text.strip_prefix('#') {
            return match self.piece.local.get(local).cloned() {
                Some(Local::Resource { kind, id }) => Leads::Ours { kind, id },
                Some(Local::Other { kind, place, body }) => Leads::Other(Other {
                    kind,
                    place,
                    body,
                    entry: None,
                }),
                None => Leads::Nowhere,
            };
        }
        match self.known.resolve(text, self.piece.url) {
            Target::Entry(index) => {
                let entry = &self.known.entries[index];
                self.named(entry.kind, entry.id).unwrap_or_else(|| {
                    Leads::Other(Other {
                        kind: entry.kind,
                        place: entry.place.clone(),
                        body: entry.body,
                        entry: Some(index),
                    })
                })
            }
            Target::Elsewhere(kind, id) => self.elsewhere(kind, &id),
            Target::Nowhere => Leads::Nowhere,
        }
    }

    /// What is not in the record keeps its id, for another record may bring it.
    fn elsewhere(&mut self, kind: &'static str, id: &str) -> Leads<'r> {
        if !self.task.rules.programs.is_empty() && crate::fhir::is_shared(kind) {
            let told = "it is not in the record, and might be of a Part 2 program: the mapping names some";
            self.problem(Rule::Reference, told);
        }
        self.named(kind, id).unwrap_or(Leads::Nowhere)
    }

    /// Nothing for what is not taken.
    fn named(&mut self, kind: &'static str, id: &str) -> Option<Leads<'r>> {
        self.task.rules.takes(kind)?;
        if kind == "Patient" && self.patient != Some(id) {
            return Some(Leads::SomebodyElse);
        }
        let place = self.piece.place.clone();
        let id = own_id(self.task, kind, &[id], &place)?;
        Some(Leads::Ours { kind, id })
    }

    /// Something that is not taken stood here, or was referred to.
    fn left_out(&mut self) {
        let path = self.path(false);
        self.task.leave_out(&format!("{}.{path}", self.piece.kind));
    }

    /// Something led nowhere here: counted, or a problem.
    pub fn unresolved(&mut self) {
        if self.task.rules.drops_unresolved {
            self.left_out();
        } else {
            self.problem(Rule::Reference, "leads to nothing in the record");
        }
    }

    /// Something not taken went into this piece: it is not left out, and its labels hold here too.
    pub fn uses(&mut self, other: &Other<'r>) {
        if let Some(entry) = other.entry {
            self.used[entry] = true;
        }
        let labels = other.body["meta"]["security"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (index, label) in labels.iter().enumerate() {
            self.labels
                .push((label.clone(), format!("{}.meta.security[{index}]", other.place)));
        }
    }

    pub fn problem(&mut self, rule: Rule, message: &str) {
        let path = self.path(true);
        self.problem_at(&path, &path, rule, message);
    }

    /// `target` and `source` from the top of the resource.
    pub fn problem_at(&mut self, target: &str, source: &str, rule: Rule, message: &str) {
        let at = self.task.rules.line_of(self.piece.kind);
        let target = format!("{}.{target}", self.piece.kind);
        let source = format!("{}.{source}", self.piece.place);
        self.task.problem(at, rule, &target, &source, message);
    }

    /// This value was made from these places of the record.
    pub fn made_from(&mut self, below: &str, places: Vec<String>) {
        let path = self.path(true);
        let path = if path.is_empty() {
            below.to_owned()
        } else {
            format!("{path}.{below}")
        };
        self.piece.made.insert(path, places);
    }

    fn path(&self, indexes: bool) -> String {
        let mut path = String::new();
        for step in &self.steps {
            // writing to a String does not fail
            let _ = match step {
                Step::Key(key) if path.is_empty() => write!(path, "{key}"),
                Step::Key(key) => write!(path, ".{key}"),
                Step::Index(index) if indexes => write!(path, "[{index}]"),
                Step::Index(_) => Ok(()),
            };
        }
        path
    }
}

/// A reference that leads nowhere, as far as it says something without: its identifier, its words.
fn without(map: &mut Map<String, Value>) -> bool {
    map.shift_remove("reference");
    map.shift_remove("type");
    map.contains_key("identifier") || map.contains_key("display")
}
