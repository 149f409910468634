//! Paths of what is made, kept as links while converting and written out only when somebody asks.
//! <https://hl7.org/fhir/R4/fhirpath.html#simple>

use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;

/// One step of a target path, linked to the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'m> {
    before: u32,
    part: Part<'m>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'m> {
    Key(&'m str),
    Index(u32),
}

/// A target path: the number of its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path(u32);

impl Path {
    /// Before every step.
    pub const START: Path = Path(u32::MAX);
}

/// All target paths of one conversion.
#[derive(Debug, Default)]
pub(super) struct Paths<'m> {
    steps: Vec<Step<'m>>,
}

impl<'m> Paths<'m> {
    pub fn key(&mut self, before: Path, key: &'m str) -> Path {
        self.push(before, Part::Key(key))
    }

    pub fn index(&mut self, before: Path, index: usize) -> Path {
        self.push(before, Part::Index(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    fn push(&mut self, before: Path, part: Part<'m>) -> Path {
        // a conversion makes at most 10 000 values, so their number fits
        let number = u32::try_from(self.steps.len()).unwrap_or(u32::MAX - 1);
        self.steps.push(Step {
            before: before.0,
            part,
        });
        Path(number)
    }

    /// `CarePlan.activity[2].detail.code`.
    pub fn text(&self, path: Path) -> String {
        let mut parts = Vec::with_capacity(16);
        let mut at = path.0;
        while let Some(step) = self.steps.get(at as usize) {
            parts.push(step.part);
            at = step.before;
        }
        let length = parts.iter().map(|part| match part {
            Part::Key(key) => key.len() + 1,
            Part::Index(_) => 4,
        });
        let mut out = String::with_capacity(length.sum());
        for part in parts.iter().rev() {
            match part {
                Part::Key(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(key);
                }
                // writing to a String does not fail
                Part::Index(index) => {
                    let _ = write!(out, "[{index}]");
                }
            }
        }
        out
    }
}

/// Where each node of a record stands, by its address; written out only for the nodes somebody asks for.
pub(super) struct Places<'r> {
    by_address: HashMap<usize, (Path, bool)>,
    paths: Paths<'r>,
}

/// The address of a node, by which a read of it is remembered.
pub(super) fn address(node: &Value) -> usize {
    std::ptr::from_ref(node).addr()
}

impl<'r> Places<'r> {
    /// Without recursion, as records come from outside.
    pub fn of(record: &'r Value) -> Places<'r> {
        let (mut by_address, mut paths) = (HashMap::new(), Paths::default());
        let mut waiting = vec![(Path::START, record)];
        while let Some((path, node)) = waiting.pop() {
            by_address.insert(address(node), (path, is_leaf(node)));
            match node {
                Value::Object(members) => {
                    waiting.extend(members.iter().map(|(key, member)| (paths.key(path, key), member)));
                }
                Value::Array(items) => {
                    let items = items.iter().enumerate();
                    waiting.extend(items.map(|(index, item)| (paths.index(path, index), item)));
                }
                _ => {}
            }
        }
        Places { by_address, paths }
    }

    /// The path of the node at this address, empty for the record itself; `None` for a node of no record.
    pub fn text(&self, address: usize) -> Option<String> {
        self.by_address
            .get(&address)
            .map(|(path, _)| self.paths.text(*path))
    }

    /// The paths of the values read, without repeats; of objects and lists only where no value was read.
    pub fn read(&self, addresses: &[usize]) -> Vec<String> {
        let known = || {
            addresses
                .iter()
                .filter_map(|address| self.by_address.get(address))
        };
        let any_leaf = known().any(|(_, leaf)| *leaf);
        let mut found: Vec<String> = Vec::new();
        for (path, _) in known().filter(|(_, leaf)| *leaf == any_leaf) {
            let text = self.paths.text(*path);
            if !text.is_empty() && !found.contains(&text) {
                found.push(text);
            }
        }
        found
    }
}

pub(super) fn is_leaf(node: &Value) -> bool {
    !matches!(node, Value::Object(_) | Value::Array(_))
}

/// Visits every node with the names that lead to it, without indexes. Without recursion, as records come from outside.
pub(super) fn each_node<'r>(record: &'r Value, mut visit: impl FnMut(&[&'r str], &'r Value)) {
    let mut waiting: Vec<(Vec<&'r str>, &'r Value)> = vec![(Vec::new(), record)];
    while let Some((names, node)) = waiting.pop() {
        visit(&names, node);
        match node {
            Value::Object(members) => waiting.extend(members.iter().rev().map(|(key, member)| {
                let names = names.iter().copied().chain([key.as_str()]).collect();
                (names, member)
            })),
            Value::Array(items) => waiting.extend(items.iter().rev().map(|item| (names.clone(), item))),
            _ => {}
        }
    }
}

/// What is too much about a record, if anything.
pub(super) fn oversize(record: &Value, depth: usize, nodes: usize) -> Option<&'static str> {
    let mut waiting = vec![(record, 1)];
    let mut left = nodes;
    while let Some((node, level)) = waiting.pop() {
        if level > depth {
            return Some("the record is nested deeper than 64 levels");
        }
        let members = match node {
            Value::Object(members) => members.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        let Some(rest) = left.checked_sub(members) else {
            return Some("the record has more than 10 000 fields and items");
        };
        left = rest;
        let inner = |node: &&Value| !is_leaf(node);
        match node {
            Value::Object(members) => waiting.extend(members.values().filter(inner).map(|n| (n, level + 1))),
            Value::Array(items) => waiting.extend(items.iter().filter(inner).map(|n| (n, level + 1))),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn target_paths_are_written_from_their_links() {
        let mut paths = Paths::default();
        let plan = paths.key(Path::START, "CarePlan");
        let activity = paths.key(plan, "activity");
        let third = paths.index(activity, 2);
        let detail = paths.key(third, "detail");
        assert_eq!(paths.text(detail), "CarePlan.activity[2].detail");
        assert_eq!(paths.text(Path::START), "");
    }

    #[test]
    fn places_name_the_values_read() {
        let record = json!({"a": {"b": [1, {"c": "x"}]}});
        let places = Places::of(&record);
        let list = address(&record["a"]["b"]);
        let leaf = address(&record["a"]["b"][1]["c"]);
        assert_eq!(places.read(&[list, leaf, leaf]), ["a.b[1].c"]);
        assert_eq!(places.read(&[list]), ["a.b"]);
        assert_eq!(places.text(address(&record)).as_deref(), Some(""));
        assert_eq!(oversize(&record, 4, 5), None);
        assert!(oversize(&record, 3, 9).is_some() && oversize(&record, 9, 4).is_some());
    }
}
