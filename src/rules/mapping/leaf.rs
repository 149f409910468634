//! The leaves of a conversion: expressions evaluated and written, each value noted with what was read for it.
//! SEMANTICS section 6; <http://hl7.org/fhirpath/N1/>

use super::path::{Path, address};
use super::problem::{At, Rule};
use super::run::{Frame, Origin, Raw, Reference, Run, Traced, named, short};
use super::template::{Slot, Source};
use super::written::written;
use crate::fhirpath::{Item, Scope};
use serde_json::{Map, Value};

/// More values than this are not made from one record.
pub(super) const MAX_VALUES: usize = 10_000;

/// Problems beyond this are not listed.
const MAX_PROBLEMS: usize = 1_000;

/// Where made values go.
pub(super) enum Out {
    One(Option<Value>),
    Many(Vec<Value>),
}

impl Out {
    pub fn is_list(&self) -> bool {
        matches!(self, Out::Many(_))
    }

    pub fn len(&self) -> usize {
        match self {
            Out::One(value) => usize::from(value.is_some()),
            Out::Many(list) => list.len(),
        }
    }

    pub fn value(self) -> Option<Value> {
        match self {
            Out::One(value) => value,
            Out::Many(list) => (!list.is_empty()).then_some(Value::Array(list)),
        }
    }
}

impl<'m, 'r> Run<'m, 'r> {
    pub(super) fn expression(
        &mut self,
        at: At,
        source: &'m Source,
        slot: &'m Slot,
        frame: &Frame<'_>,
        path: Path,
        out: &mut Out,
    ) -> bool {
        let functions = self.functions;
        let Some((items, read)) = self.evaluate(source, frame, path) else {
            return true;
        };
        let mut live = false;
        let mut filled = 0;
        for item in &items {
            match written(item, slot, functions) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    filled += 1;
                    live = true;
                    let read = self.read_for(item, read, frame);
                    let place = self.place(path, out);
                    self.note(place, read, at);
                    if filled == 1 || out.is_list() {
                        self.put(value, at, path, out);
                    }
                }
                Err((rule, why)) => {
                    live = true;
                    let origin = match item.address() {
                        Some(_) => {
                            let read = self.read_for(item, (0, 0), frame);
                            Origin::Read(read.0, read.1)
                        }
                        None => Origin::Read(read.0, read.1),
                    };
                    let place = self.place(path, out);
                    self.problem(at, rule, place, why, origin);
                }
            }
        }
        if filled > 1 && !out.is_list() {
            let told = format!("{filled} values where R4 takes one: choose with `first()` or `where(…)`");
            self.problem(at, Rule::Many, path, told, Origin::Read(read.0, read.1));
        }
        live
    }

    /// What was read for one of several values: itself, where it is a node of the record.
    pub(super) fn read_for(&mut self, item: &Item<'_>, read: (u32, u32), frame: &Frame<'_>) -> (u32, u32) {
        match item.address() {
            Some(node) if read.1 != read.0 + 1 && self.is_of_record(node, frame) => {
                let from = short(self.touched.len());
                self.touched.push(node);
                (from, from + 1)
            }
            _ => read,
        }
    }

    fn is_of_record(&self, node: usize, frame: &Frame<'_>) -> bool {
        let made = frame.each.is_some() && node == address(frame.item);
        !made && !self.functions.handed.borrow().contains(&node)
    }

    pub(super) fn references(
        &mut self,
        at: At,
        name: usize,
        slot: &'m Slot,
        path: Path,
        out: &mut Out,
    ) -> bool {
        let mut live = false;
        for index in 0..self.names[name].len() {
            live = true;
            let Reference { text, read } = &self.names[name][index];
            let (text, read) = (Value::String(text.clone()), *read);
            let place = self.place(path, out);
            self.note(place, read, at);
            let value = if slot.type_name() == "Reference" {
                let mut reference = Map::new();
                reference.insert("reference".to_owned(), text);
                Value::Object(reference)
            } else {
                text
            };
            self.put(value, at, path, out);
        }
        live
    }

    /// The values of an expression and what was read for them; `None` after an error.
    pub(super) fn evaluate<'f>(
        &mut self,
        source: &'m Source,
        frame: &Frame<'f>,
        path: Path,
    ) -> Option<(Vec<Item<'f>>, (u32, u32))>
    where
        'm: 'f,
        'r: 'f,
    {
        self.functions.handed.borrow_mut().clear();
        let scope = Scope {
            source: Some(self.record),
            row: Some(frame.item),
            parent: Some(frame.parent),
            now: Some(self.now),
            index: frame.index,
            host: Some(self.functions),
            recorder: Some(self.recorder),
            ..Scope::default()
        };
        let result = source.expression.evaluate(frame.item, &scope);
        let from = short(self.touched.len());
        self.touched.extend(self.recorder.take_made());
        let mut read = (from, short(self.touched.len()));
        if let Some(each) = frame.each {
            // an item that the mapping made was read from wherever its `$each` read
            let own = address(frame.item);
            if self.touched[from as usize..].iter().all(|node| *node == own) {
                read = each;
            }
        }
        self.touched.extend(self.recorder.take_tested());
        match result {
            Ok(items) => Some((items, read)),
            Err(error) => {
                let rule = self.functions.broken.take().unwrap_or(Rule::Expression);
                let origin = match rule {
                    Rule::Required => named(source, frame),
                    _ if read.0 == read.1 => named(source, frame),
                    _ => Origin::Read(read.0, read.1),
                };
                let at = source.scalar.place(1 + error.offset);
                self.problem(at, rule, path, error.message, origin);
                None
            }
        }
    }

    /// The path of what is put next.
    pub(super) fn place(&mut self, path: Path, out: &Out) -> Path {
        match out {
            Out::Many(list) => self.paths.index(path, list.len()),
            Out::One(_) => path,
        }
    }

    pub(super) fn put(&mut self, value: Value, at: At, path: Path, out: &mut Out) {
        match out {
            Out::Many(list) => list.push(value),
            Out::One(place @ None) => *place = Some(value),
            Out::One(Some(_)) => {
                let told = "more than one value where R4 takes one".to_owned();
                self.problem(at, Rule::Many, path, told, Origin::Nothing);
            }
        }
    }

    pub(super) fn note(&mut self, path: Path, read: (u32, u32), at: At) {
        self.count(at, path);
        self.trace.push(Traced { path, read, at });
    }

    pub(super) fn count(&mut self, at: At, path: Path) {
        self.values += 1;
        if self.values > MAX_VALUES && !self.stopped {
            self.stopped = true;
            let told = format!("more than {MAX_VALUES} values from one record");
            self.problem(at, Rule::Limit, path, told, Origin::Nothing);
        }
    }

    pub(super) fn problem(&mut self, at: At, rule: Rule, path: Path, message: String, origin: Origin<'m>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Raw {
                at,
                rule,
                path,
                message,
                origin,
                stated: None,
            });
        } else {
            self.stopped = true;
        }
    }

    /// A problem at a target that is already written out.
    pub(super) fn stated(&mut self, at: At, rule: Rule, target: String, message: String, origin: Origin<'m>) {
        let stated = Some(target);
        self.problems.push(Raw {
            at,
            rule,
            path: Path::START,
            message,
            origin,
            stated,
        });
    }
}
