//! What surrounds one evaluation: variables, the host's functions, and who wants to know which nodes were read.
//! <http://hl7.org/fhirpath/N1/#environment-variables>

use super::{EvalError, Item};
use crate::fhir::Instant;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// Functions and references that only the caller can answer.
pub trait Host {
    /// A host function: `name` is `code`, `coding`, `id`, `reference`, `date` or `required`; `at` is the byte
    /// offset of the call. What cannot be answered is `EvalError::host(at, message)`, without source values.
    fn call<'a>(
        &'a self,
        name: &'static str,
        receiver: &[Item<'a>],
        args: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError>;

    /// `resolve()`: the resource a literal reference names, if the caller has it.
    fn resolve(&self, _reference: &str) -> Option<&Value> {
        None
    }

    /// `memberOf(url)`: is this code, Coding or concept in a value set? `None` where that cannot be told.
    fn is_member(&self, _item: &Item<'_>, _value_set: &str) -> Option<bool> {
        None
    }

    /// `conformsTo(url)`: does this resource conform to a profile? `None` where the profile is not known.
    fn conforms(&self, _item: &Item<'_>, _profile: &str) -> Option<bool> {
        None
    }
}

/// Everything an evaluation may see besides its input. Start from `Scope::default()`.
#[derive(Clone, Default)]
pub struct Scope<'a> {
    /// `%source`: the whole source record
    pub source: Option<&'a Value>,
    /// `%row`: the row or item being mapped
    pub row: Option<&'a Value>,
    /// `%parent`: the item around the row
    pub parent: Option<&'a Value>,
    /// `%now`
    pub now: Option<Instant>,
    /// `$index` outside any `where` or `select`
    pub index: Option<usize>,
    /// `%resource`; the input if absent
    pub resource: Option<&'a Value>,
    /// `%rootResource`; `%resource` if absent
    pub root_resource: Option<&'a Value>,
    /// variables by the names given to `Expression::parse_with`
    pub named: Vec<(&'a str, Vec<Item<'a>>)>,
    pub host: Option<&'a dyn Host>,
    pub recorder: Option<&'a Recorder>,
    /// Steps left to everything that is evaluated with it, beside the limit of each evaluation.
    pub steps: Option<&'a Cell<usize>>,
    /// type or element path of the input where it is not a resource: `HumanName`, `Patient.contact` (Search)
    pub input_type: Option<&'a str>,
    /// Unknown members of typed nodes and paths about other resource types are empty, not errors (Search).
    pub lenient: bool,
}

/// Collects the input nodes that made a value, and those that were only tested by a condition.
#[derive(Debug, Default)]
pub struct Recorder {
    made: RefCell<Vec<usize>>,
    tested: RefCell<Vec<usize>>,
}

impl Recorder {
    pub(super) fn note(&self, address: usize, tested: bool) {
        let list = if tested { &self.tested } else { &self.made };
        let mut list = list.borrow_mut();
        if list.last() != Some(&address) {
            list.push(address);
        }
    }

    /// Addresses of nodes whose value went into the result, in order, and forgets them.
    pub fn take_made(&self) -> Vec<usize> {
        unique(self.made.take())
    }

    /// Addresses of nodes that only decided what went in (`where`, `iif`), and forgets them.
    pub fn take_tested(&self) -> Vec<usize> {
        unique(self.tested.take())
    }
}

fn unique(mut list: Vec<usize>) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    list.retain(|address| seen.insert(*address));
    list
}

/// The path of every node below `root`, by address: `clients[0].name`. The root itself is `""`.
pub fn source_index(root: &Value) -> HashMap<usize, String> {
    let mut index = HashMap::new();
    let mut open = vec![(root, String::new())];
    while let Some((value, path)) = open.pop() {
        match value {
            Value::Object(object) => {
                for (key, child) in object {
                    let dot = if path.is_empty() { "" } else { "." };
                    open.push((child, format!("{path}{dot}{key}")));
                }
            }
            Value::Array(list) => {
                for (at, child) in list.iter().enumerate() {
                    open.push((child, format!("{path}[{at}]")));
                }
            }
            _ => {}
        }
        index.insert(std::ptr::from_ref(value).addr(), path);
    }
    index
}
