//! Code systems and value sets of packages: is a code in a set, as far as it can be told here?
//! <https://hl7.org/fhir/R4/valueset.html#compose>, <https://hl7.org/fhir/R4/codesystem.html>

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// What can be said about a code and a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    In,
    Out,
    /// The set names codes that are not here: a system kept elsewhere, a filter, a set that is not loaded.
    Unknown,
}

/// The codes of one system, each with the codes directly above it.
#[derive(Debug, Default)]
pub(super) struct CodeSystem {
    codes: HashMap<Box<str>, Vec<Box<str>>>,
    /// Every code of the system is here.
    pub complete: bool,
}

/// <https://hl7.org/fhir/R4/valueset.html>
#[derive(Debug, Default)]
pub(super) struct ValueSet {
    pub include: Vec<Part>,
    pub exclude: Vec<Part>,
}

/// All of these hold: the system, the codes, each of the sets.
#[derive(Debug)]
pub(super) struct Part {
    pub system: Option<Box<str>>,
    pub codes: Codes,
    pub value_sets: Vec<Box<str>>,
}

#[derive(Debug)]
pub(super) enum Codes {
    All,
    Listed(HashSet<Box<str>>),
    Filtered(Vec<Filter>),
}

#[derive(Debug)]
pub(super) enum Filter {
    IsA(Box<str>),
    DescendentOf(Box<str>),
    IsNotA(Box<str>),
    /// A property that is not followed here.
    Other,
}

impl CodeSystem {
    pub(super) fn read(value: &Value) -> CodeSystem {
        let mut system = CodeSystem {
            complete: value["content"] == "complete",
            ..CodeSystem::default()
        };
        system.add(value, None, 0);
        system
    }

    fn add(&mut self, holder: &Value, above: Option<&str>, depth: usize) {
        // No hierarchy that people made is as deep as the door lets JSON be.
        let list = holder
            .get("concept")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for concept in list.filter(|_| depth < 64) {
            let Some(code) = concept["code"].as_str() else {
                continue;
            };
            let stated = concept
                .get("property")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let stated = stated.filter(|p| p["code"] == "parent" || p["code"] == "subsumedBy");
            let stated = stated.filter_map(|p| p["valueCode"].as_str());
            let parents = self.codes.entry(code.into()).or_default();
            parents.extend(above.into_iter().chain(stated).map(Box::from));
            self.add(concept, Some(code), depth + 1);
        }
    }

    pub(super) fn holds(&self, code: &str) -> Held {
        match (self.codes.contains_key(code), self.complete) {
            (true, _) => Held::In,
            (false, true) => Held::Out,
            (false, false) => Held::Unknown,
        }
    }

    fn is_a(&self, code: &str, ancestor: &str, left: usize) -> bool {
        code == ancestor
            || left > 0
                && self
                    .codes
                    .get(code)
                    .into_iter()
                    .flatten()
                    .any(|parent| self.is_a(parent, ancestor, left - 1))
    }

    pub(super) fn meets(&self, code: &str, filter: &Filter) -> Held {
        const DEEPEST: usize = 64;
        let known = self.holds(code);
        if known != Held::In {
            return known;
        }
        let holds = match filter {
            Filter::IsA(ancestor) => self.is_a(code, ancestor, DEEPEST),
            Filter::DescendentOf(ancestor) => code != &**ancestor && self.is_a(code, ancestor, DEEPEST),
            Filter::IsNotA(ancestor) => !self.is_a(code, ancestor, DEEPEST),
            Filter::Other => return Held::Unknown,
        };
        if holds { Held::In } else { Held::Out }
    }
}

impl ValueSet {
    /// From what it composes, or where it only lists an expansion, from that.
    pub(super) fn read(value: &Value) -> ValueSet {
        let parts = |name: &str| -> Vec<Part> {
            let list = value
                .pointer(&format!("/compose/{name}"))
                .and_then(Value::as_array);
            list.into_iter().flatten().map(Part::read).collect()
        };
        let mut set = ValueSet {
            include: parts("include"),
            exclude: parts("exclude"),
        };
        if set.include.is_empty() {
            let mut listed: HashMap<&str, HashSet<Box<str>>> = HashMap::new();
            if let Some(expansion) = value.get("expansion") {
                expanded(expansion, &mut listed, 0);
            }
            set.include = listed
                .into_iter()
                .map(|(system, codes)| Part::listed(system, codes))
                .collect();
        }
        set
    }
}

fn expanded<'v>(holder: &'v Value, listed: &mut HashMap<&'v str, HashSet<Box<str>>>, depth: usize) {
    let list = holder
        .get("contains")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for one in list.filter(|_| depth < 64) {
        if let (Some(system), Some(code)) = (one["system"].as_str(), one["code"].as_str())
            && one["abstract"] != true
        {
            listed.entry(system).or_default().insert(code.into());
        }
        expanded(one, listed, depth + 1);
    }
}

impl Part {
    fn listed(system: &str, codes: HashSet<Box<str>>) -> Part {
        Part {
            system: Some(system.into()),
            codes: Codes::Listed(codes),
            value_sets: Vec::new(),
        }
    }

    fn read(value: &Value) -> Part {
        let list = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_array)
                .filter(|list| !list.is_empty())
        };
        let sets = list("valueSet").into_iter().flatten().filter_map(Value::as_str);
        Part {
            system: value.get("system").and_then(Value::as_str).map(Box::from),
            codes: match (list("concept"), list("filter")) {
                (Some(concepts), _) => Codes::Listed(
                    concepts
                        .iter()
                        .filter_map(|c| c["code"].as_str())
                        .map(Box::from)
                        .collect(),
                ),
                (None, Some(filters)) => Codes::Filtered(filters.iter().map(Filter::read).collect()),
                (None, None) => Codes::All,
            },
            value_sets: sets.map(Box::from).collect(),
        }
    }
}

impl Filter {
    fn read(value: &Value) -> Filter {
        let (property, op) = (value["property"].as_str(), value["op"].as_str());
        match (property, op, value["value"].as_str()) {
            (Some("concept" | "code"), Some("is-a"), Some(code)) => Filter::IsA(code.into()),
            (Some("concept" | "code"), Some("descendent-of"), Some(code)) => {
                Filter::DescendentOf(code.into())
            }
            (Some("concept" | "code"), Some("is-not-a"), Some(code)) => Filter::IsNotA(code.into()),
            _ => Filter::Other,
        }
    }
}
