//! One record through a compiled template: everything or nothing, with a link from each value to its source.
//! SEMANTICS section 6; <https://hl7.org/fhir/R4/json.html>
//!
//! An expression may yield several values, an object whose expressions all came to nothing is not written, and
//! every problem is kept; whether there were any is asked once, at the end.

use super::host::Functions;
use super::leaf::Out;
use super::path::{Path, Paths, address};
use super::problem::{At, Rule};
use super::template::{Control, Each, Field, Made, Object, Shape, Slot, Source};
use crate::fhir::Instant;
use crate::fhirpath::{Item, Recorder};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What expressions see at one place.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub item: &'f Value,
    pub parent: &'f Value,
    pub index: Option<usize>,
    /// For an item that is no node of the record: what the `$each` that made it read.
    pub each: Option<(u32, u32)>,
}

/// One value of a resource: where it went, what was read for it, which line made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced {
    pub path: Path,
    pub read: (u32, u32),
    pub at: At,
}

/// A problem whose paths are not written out yet.
pub(super) struct Raw<'m> {
    pub at: At,
    pub rule: Rule,
    pub path: Path,
    pub message: String,
    pub origin: Origin<'m>,
    /// The target, where somebody else has written it out.
    pub stated: Option<String>,
}

pub(super) enum Origin<'m> {
    Nothing,
    Read(u32, u32),
    /// Nothing was there: the fields that the expression names, seen from these nodes.
    Named {
        source: &'m Source,
        item: usize,
        parent: usize,
        each: Option<(u32, u32)>,
    },
}

/// A resource named by `$as`.
pub(super) struct Reference {
    pub text: String,
    pub read: (u32, u32),
}

/// One conversion while it runs.
pub(super) struct Run<'m, 'r> {
    pub record: &'r Value,
    pub now: Instant,
    pub functions: &'r Functions<'r>,
    pub recorder: &'r Recorder,
    pub resources: Vec<Value>,
    /// For each resource, where its traces start and where its template stands.
    pub starts: Vec<(u32, At)>,
    pub paths: Paths<'m>,
    pub trace: Vec<Traced>,
    /// Addresses of the nodes read, in order.
    pub touched: Vec<usize>,
    pub problems: Vec<Raw<'m>>,
    pub names: Vec<Vec<Reference>>,
    pub by_id: HashMap<(&'static str, String), usize>,
    pub values: usize,
    pub stopped: bool,
    /// A resource that others refer to by name has no id.
    pub unnamed: bool,
}

impl<'m, 'r> Run<'m, 'r> {
    pub fn new(
        record: &'r Value,
        now: Instant,
        functions: &'r Functions<'r>,
        recorder: &'r Recorder,
        names: usize,
    ) -> Run<'m, 'r> {
        Run {
            record,
            now,
            functions,
            recorder,
            resources: Vec::new(),
            starts: Vec::new(),
            paths: Paths::default(),
            trace: Vec::new(),
            touched: Vec::new(),
            problems: Vec::new(),
            names: std::iter::repeat_with(Vec::new).take(names).collect(),
            by_id: HashMap::new(),
            values: 0,
            stopped: false,
            unnamed: false,
        }
    }

    /// Makes all resources of the mapping.
    pub fn resources(&mut self, template: &'m Made, slot: &'m Slot) {
        let frame = Frame {
            item: self.record,
            parent: self.record,
            index: None,
            each: None,
        };
        // resources are placed one by one as they are made, so nothing gathers here
        self.make(template, slot, &frame, Path::START, &mut Out::Many(Vec::new()));
    }

    /// Makes one thing; says whether an expression in it had a value.
    fn make(&mut self, made: &'m Made, slot: &'m Slot, frame: &Frame<'_>, path: Path, out: &mut Out) -> bool {
        if self.stopped {
            return false;
        }
        match &made.shape {
            Shape::Literal(value) => {
                let place = self.place(path, out);
                self.note(place, (0, 0), made.at);
                self.put(value.clone(), made.at, path, out);
                false
            }
            Shape::Expression(source) => self.expression(made.at, source, slot, frame, path, out),
            Shape::Names(name) => self.references(made.at, *name, slot, path, out),
            Shape::Object(object) => self.object(made, object, frame, path, out),
            Shape::List(items) => {
                let mut live = false;
                for item in items {
                    live |= self.make(item, slot, frame, path, out);
                }
                live
            }
            Shape::Control(control) => self.control(control, slot, frame, path, out),
        }
    }

    fn control(
        &mut self,
        control: &'m Control,
        slot: &'m Slot,
        frame: &Frame<'_>,
        path: Path,
        out: &mut Out,
    ) -> bool {
        let Some((at, each)) = &control.each else {
            return self.conditional(control, slot, frame, path, out);
        };
        match each {
            Each::Names(name) => {
                let texts: Vec<Value> = self.names[*name]
                    .iter()
                    .map(|r| Value::String(r.text.clone()))
                    .collect();
                let mut live = false;
                for (index, text) in texts.iter().enumerate() {
                    let read = self.names[*name][index].read;
                    let inner = Frame {
                        item: text,
                        parent: frame.item,
                        index: Some(index),
                        each: Some(read),
                    };
                    live |= self.turn(*at, control, slot, &inner, path, out);
                }
                live
            }
            Each::Source(source) => {
                let Some((items, read)) = self.evaluate(source, frame, path) else {
                    return true;
                };
                let mut live = false;
                for (index, item) in items.iter().enumerate() {
                    let owned;
                    let (node, each) = match item {
                        Item::Node(node) => (node.value(), None),
                        made => {
                            owned = made.to_json();
                            (&owned, Some(read))
                        }
                    };
                    let inner = Frame {
                        item: node,
                        parent: frame.item,
                        index: Some(index),
                        each,
                    };
                    live |= self.turn(*at, control, slot, &inner, path, out);
                }
                live
            }
        }
    }

    fn turn(
        &mut self,
        at: At,
        control: &'m Control,
        slot: &'m Slot,
        frame: &Frame<'_>,
        path: Path,
        out: &mut Out,
    ) -> bool {
        self.count(at, path);
        !self.stopped && self.conditional(control, slot, frame, path, out)
    }

    /// What stands under a condition that holds counts as a value, literals included.
    fn conditional(
        &mut self,
        control: &'m Control,
        slot: &'m Slot,
        frame: &Frame<'_>,
        path: Path,
        out: &mut Out,
    ) -> bool {
        if let Some((at, source)) = &control.condition {
            let Some((items, read)) = self.evaluate(source, frame, path) else {
                return true;
            };
            let holds = match items.as_slice() {
                [] => Some(false),
                [item] => match item {
                    Item::Bool(holds) => Some(*holds),
                    other => other
                        .value()
                        .and_then(|v| if v.is_null() { Some(false) } else { v.as_bool() }),
                },
                _ => None,
            };
            match holds {
                Some(true) => {}
                Some(false) => return false,
                None => {
                    let told = "`$if` wants true or false".to_owned();
                    self.problem(*at, Rule::Condition, path, told, Origin::Read(read.0, read.1));
                    return true;
                }
            }
        }
        let before = out.len();
        let live = self.make(&control.body, slot, frame, path, out);
        live || out.len() > before
    }

    fn object(
        &mut self,
        made: &'m Made,
        object: &'m Object,
        frame: &Frame<'_>,
        path: Path,
        out: &mut Out,
    ) -> bool {
        self.count(made.at, path);
        if self.stopped {
            return false;
        }
        let top = path == Path::START;
        let place = if top {
            self.paths.key(Path::START, object.kind.name)
        } else {
            self.place(path, out)
        };
        let outer = self.functions.resource.get();
        if object.resource {
            self.functions.resource.set(object.kind.name);
        }
        let (traces, problems) = (self.trace.len(), self.problems.len());
        let mut map = Map::with_capacity(object.fields.len() + 1);
        if object.resource {
            map.insert(
                "resourceType".to_owned(),
                Value::String(object.kind.name.to_owned()),
            );
        }
        let mut live = false;
        let mut id_read = (0, 0);
        for field in &object.fields {
            let before = self.touched.len();
            live |= self.field(object, field, frame, place, &mut map);
            if top && field.key == "id" {
                id_read = (short(before), short(self.touched.len()));
            }
        }
        self.functions.resource.set(outer);
        let empty = map.len() == usize::from(object.resource);
        if empty || (made.dynamic && !live) {
            let failed = self.problems.len() > problems;
            self.unnamed |= failed && object.name.is_some();
            self.trace.truncate(traces);
            return live && failed;
        }
        if self.problems.len() == problems {
            self.required(made.at, object, &map, frame, place);
        }
        if top {
            self.resource(made.at, object, map, place, traces, id_read);
        } else {
            self.put(Value::Object(map), made.at, path, out);
        }
        live
    }

    fn field(
        &mut self,
        object: &'m Object,
        field: &'m Field,
        frame: &Frame<'_>,
        place: Path,
        map: &mut Map<String, Value>,
    ) -> bool {
        if field
            .follows
            .is_some_and(|other| !map.contains_key(&object.fields[other].key))
        {
            return false;
        }
        let path = self.paths.key(place, &field.key);
        let mut out = if field.slot.is_list() {
            Out::Many(Vec::new())
        } else {
            Out::One(None)
        };
        let live = self.make(&field.made, &field.slot, frame, path, &mut out);
        if let Some(value) = out.value() {
            map.insert(field.key.clone(), value);
        }
        live
    }

    /// What R4 requires and the record did not give. Only where nothing else went wrong: that would say it twice.
    fn required(
        &mut self,
        at: At,
        object: &'m Object,
        map: &Map<String, Value>,
        frame: &Frame<'_>,
        place: Path,
    ) {
        for required in &object.required {
            let fields = || required.fields.iter().map(|index| &object.fields[*index]);
            if fields().any(|field| map.contains_key(&field.key)) {
                continue;
            }
            let origin = fields().find_map(|field| match &field.made.shape {
                Shape::Expression(source) => Some(named(source, frame)),
                _ => None,
            });
            if self.unnamed && origin.is_none() {
                // what is missing may be a reference to a resource whose own problems are listed
                continue;
            }
            let at = fields().next().map_or(at, |field| field.made.at);
            let path = self.paths.key(place, required.element.name);
            let told = format!(
                "R4 requires `{}`, and the record gave it no value",
                required.element.name
            );
            self.problem(at, Rule::Required, path, told, origin.unwrap_or(Origin::Nothing));
        }
    }

    /// A finished resource takes its place; the same one twice is one.
    fn resource(
        &mut self,
        at: At,
        object: &'m Object,
        map: Map<String, Value>,
        place: Path,
        traces: usize,
        read: (u32, u32),
    ) {
        let Some(id) = map.get("id").and_then(Value::as_str).map(str::to_owned) else {
            self.unnamed |= object.name.is_some();
            if self.problems.is_empty() {
                self.problem(
                    at,
                    Rule::Id,
                    place,
                    "the resource got no id".to_owned(),
                    Origin::Nothing,
                );
            }
            return;
        };
        if let Some(name) = object.name {
            let text = format!("{}/{id}", object.kind.name);
            if !self.names[name].iter().any(|known| known.text == text) {
                self.names[name].push(Reference { text, read });
            }
        }
        let value = Value::Object(map);
        match self.by_id.get(&(object.kind.name, id.clone())) {
            Some(first) if self.resources[*first] == value => self.trace.truncate(traces),
            Some(_) => {
                let told =
                    "another resource of this record has the same type and id, and is not equal".to_owned();
                self.problem(at, Rule::Duplicate, place, told, Origin::Read(read.0, read.1));
            }
            None => {
                self.by_id.insert((object.kind.name, id), self.resources.len());
                self.starts.push((short(traces), at));
                self.resources.push(value);
            }
        }
    }
}

pub(super) fn named<'m>(source: &'m Source, frame: &Frame<'_>) -> Origin<'m> {
    Origin::Named {
        source,
        item: address(frame.item),
        parent: address(frame.parent),
        each: frame.each,
    }
}

/// Positions in the lists of one conversion, which its limits keep small.
pub(super) fn short(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
