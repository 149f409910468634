//! What taking a FHIR record gave, and on demand where each value came from.
//! <https://hl7.org/fhir/R4/provenance.html>

use super::super::conversion::Trace;
use super::super::problem::At;
use super::Task;
use super::pieces::Piece;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// The resources of a record that is whole.
#[derive(Debug)]
pub(in super::super) struct Taken {
    pub resources: Vec<Value>,
    /// Types that were left out, and references by their element, with how many.
    pub left_out: BTreeMap<String, usize>,
    origins: Vec<Origin>,
}

/// Where one resource came from.
#[derive(Debug)]
struct Origin {
    place: String,
    at: At,
    /// With null where an item of a list went.
    body: Map<String, Value>,
    made: HashMap<String, Vec<String>>,
}

impl Taken {
    /// Holds each resource against R4 once more, now that it is what will be kept.
    pub(super) fn of(task: &mut Task<'_>, pieces: Vec<Piece<'_>>) -> Taken {
        let mut taken = Taken {
            resources: Vec::with_capacity(pieces.len()),
            left_out: BTreeMap::new(),
            origins: Vec::with_capacity(pieces.len()),
        };
        for piece in pieces.into_iter().filter(|piece| !piece.left_out) {
            let mut whole = piece.body.clone();
            prune(&mut whole);
            let whole = Value::Object(whole);
            let at = task.rules.line_of(piece.kind);
            // What is known to be wrong already needs no second telling.
            if task.problems.is_empty() {
                task.gate(at, &piece.place, &whole, true);
            }
            taken.resources.push(whole);
            taken.origins.push(Origin {
                place: piece.place,
                at,
                body: piece.body,
                made: piece.made,
            });
        }
        taken.left_out = std::mem::take(&mut task.left_out);
        taken
    }

    /// One entry for each value, in the order of the resources.
    pub fn trace(&self, resources: &[Value]) -> Vec<Trace> {
        let mut found = Vec::new();
        for (resource, origin) in resources.iter().zip(&self.origins) {
            let part = |key: &str| resource[key].as_str().unwrap_or_default();
            let name = format!("{}/{}", part("resourceType"), part("id"));
            for (key, value) in origin.body.iter().filter(|(key, _)| *key != "resourceType") {
                let target = format!("{}.{key}", part("resourceType"));
                origin.leaves(value, &target, key, None, &mut |target, sources| {
                    found.push(Trace {
                        resource: name.clone(),
                        target,
                        sources,
                        line: origin.at.line,
                        column: origin.at.column,
                    });
                });
            }
        }
        found
    }
}

impl Origin {
    /// `target` counts as the resource does, `source` as the record; `from` is what a made value was made from.
    fn leaves(
        &self,
        value: &Value,
        target: &str,
        source: &str,
        from: Option<&Vec<String>>,
        say: &mut dyn FnMut(String, Vec<String>),
    ) {
        let from = self.made.get(source).or(from);
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    self.leaves(
                        inner,
                        &format!("{target}.{key}"),
                        &format!("{source}.{key}"),
                        from,
                        say,
                    );
                }
            }
            Value::Array(items) => {
                let pruned = is_pruned(source.rsplit('.').next().unwrap_or(source), items);
                let mut number = 0;
                for (index, item) in items.iter().enumerate() {
                    if item.is_null() && pruned {
                        continue;
                    }
                    self.leaves(
                        item,
                        &format!("{target}[{number}]"),
                        &format!("{source}[{index}]"),
                        from,
                        say,
                    );
                    number += 1;
                }
            }
            Value::Null => {}
            _ => {
                let own = || vec![format!("{}.{source}", self.place)];
                say(target.to_owned(), from.cloned().unwrap_or_else(own));
            }
        }
    }
}

/// Takes out the nulls that stand for what went.
fn prune(map: &mut Map<String, Value>) {
    for (key, value) in map {
        match value {
            Value::Object(inner) => prune(inner),
            Value::Array(items) => {
                if is_pruned(key, items) {
                    items.retain(|item| !item.is_null());
                }
                items.iter_mut().filter_map(Value::as_object_mut).for_each(prune);
            }
            _ => {}
        }
    }
}

/// In a list of objects null is what went; beside primitives it keeps `_x` and `x` in step, and stays.
fn is_pruned(key: &str, items: &[Value]) -> bool {
    !key.starts_with('_') && items.iter().any(Value::is_object)
}
