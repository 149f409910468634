//! The top of a mapping whose records are FHIR: what is taken, what is refused, what is believed.
//! `README.md` in this folder.

use super::super::compile::Compiler;
use super::super::problem::{At, Rule, suggestion};
use super::super::yaml::{Body, Key, Node};
use super::taken::may_be_taken;
use crate::fhir::element;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Keys of the file that only such a mapping has.
pub(in super::super) const KEYS: [&str; 7] = [
    "base",
    "take",
    "others",
    "unresolved",
    "unknown",
    "labels",
    "programs",
];

/// How records of this source become resources.
#[derive(Debug)]
pub(in super::super) struct Rules {
    take: HashMap<&'static str, At>,
    /// Addresses below which the source's own resources lie, without a slash at the end.
    pub bases: Vec<String>,
    /// `others: skip`: what is not taken is left out and counted; else it is a problem.
    pub skips_others: bool,
    /// `unresolved: drop`: a reference that leads nowhere goes and is counted; else it is a problem.
    pub drops_unresolved: bool,
    /// `unknown: drop`: an element that R4 does not define goes and is counted; else, and by default, it is a problem.
    pub drops_unknown: bool,
    /// On each resource about a person.
    pub labels: Vec<(At, Value)>,
    /// Organisations of the source that are Part 2 programs.
    pub programs: Vec<(At, Program)>,
    pub top: At,
}

/// How a mapping names an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Program {
    Identifier {
        system: String,
        value: String,
    },
    /// `Organization/…`, by the source's own id.
    Id(String),
}

impl Rules {
    /// The line that takes this type.
    pub fn takes(&self, kind: &str) -> Option<At> {
        self.take.get(kind).copied()
    }

    /// The line that takes this type, or the top of the file.
    pub fn line_of(&self, kind: &str) -> At {
        self.takes(kind).unwrap_or(self.top)
    }
}

type Entries = [(Key, Node)];

impl Compiler {
    /// Reads what the header of a FHIR source says; every problem is listed.
    pub fn fhir_rules(&mut self, top: At, entries: &Entries) -> Option<Rules> {
        let before = self.problems.len();
        let node = |name: &str| {
            entries
                .iter()
                .find(|(key, _)| key.text == name)
                .map(|(_, node)| node)
        };
        let take = self.take(top, node("take"));
        let bases = self.texts("base", node("base"));
        for (at, base) in &bases {
            if !base.starts_with("http://") && !base.starts_with("https://") {
                self.problem(*at, Rule::Key, "", "`base` is an address, http:// or https://");
            }
        }
        let skips_others = self.choice("others", node("others"), ["skip", "refuse"]);
        let drops_unresolved = self.choice("unresolved", node("unresolved"), ["drop", "refuse"]);
        let drops_unknown = !self.choice("unknown", node("unknown"), ["refuse", "drop"]);
        let labels = node("labels").map_or_else(Vec::new, |node| self.labels(node));
        let programs = self.programs(node("programs"));
        (self.problems.len() == before).then(|| Rules {
            take,
            bases: bases
                .into_iter()
                .map(|(_, base)| base.trim_end_matches('/').to_owned())
                .collect(),
            skips_others,
            drops_unresolved,
            drops_unknown,
            labels,
            programs,
            top,
        })
    }

    fn take(&mut self, top: At, node: Option<&Node>) -> HashMap<&'static str, At> {
        if node.is_none() {
            self.problem(
                top,
                Rule::Key,
                "",
                "the key `take` is missing: the types of resources that are taken",
            );
        }
        let mut take = HashMap::new();
        for (at, name) in self.texts("take", node) {
            match (element::table().resource(&name), may_be_taken(&name)) {
                (None, _) => {
                    let near = suggestion(&name, element::table().resource_types());
                    self.problem(
                        at,
                        Rule::Element,
                        "",
                        format!("R4 has no resource type `{name}`{near}"),
                    );
                }
                (_, Err(why)) => self.problem(at, Rule::Key, "", why),
                (Some(kind), Ok(())) => drop(take.insert(kind.name, at)),
            }
        }
        take
    }

    /// A list of texts, or one text alone.
    fn texts(&mut self, key: &str, node: Option<&Node>) -> Vec<(At, String)> {
        let items: &[Node] = match node {
            None => return Vec::new(),
            Some(Node {
                body: Body::List(items),
                ..
            }) => items,
            Some(one) => std::slice::from_ref(one),
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            match &item.body {
                Body::Scalar(scalar) if scalar.expression().is_none() && !scalar.text.trim().is_empty() => {
                    found.push((item.at, scalar.text.clone()));
                }
                _ => self.problem(item.at, Rule::Key, "", format!("`{key}` takes texts")),
            }
        }
        found
    }

    /// `true` for the first of the two words, which is also what nothing means.
    fn choice(&mut self, key: &str, node: Option<&Node>, words: [&str; 2]) -> bool {
        let said = self.texts(key, node);
        match said.as_slice() {
            [] => true,
            [(_, word)] if words.contains(&word.as_str()) => word == words[0],
            [(at, _), ..] => {
                self.problem(
                    *at,
                    Rule::Key,
                    "",
                    format!("`{key}` is {} or {}", words[0], words[1]),
                );
                true
            }
        }
    }

    fn labels(&mut self, node: &Node) -> Vec<(At, Value)> {
        let Body::List(items) = &node.body else {
            self.problem(node.at, Rule::Key, "", "`labels` takes a list of {system, code}");
            return Vec::new();
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let Body::Object(entries) = &item.body else {
                self.problem(
                    item.at,
                    Rule::Key,
                    "",
                    "an entry of `labels` is {system: …, code: …}",
                );
                continue;
            };
            let system = self.text(item.at, entries, "system");
            let code = self.text(item.at, entries, "code");
            if let (Some((_, system)), Some((_, code))) = (system, code) {
                found.push((item.at, json!({"system": system, "code": code})));
            }
        }
        found
    }

    fn programs(&mut self, node: Option<&Node>) -> Vec<(At, Program)> {
        let mut found = Vec::new();
        for (at, text) in self.texts("programs", node) {
            let program = match (text.split_once('|'), text.strip_prefix("Organization/")) {
                (Some((system, value)), _) if !system.is_empty() && !value.is_empty() => {
                    Program::Identifier {
                        system: system.to_owned(),
                        value: value.to_owned(),
                    }
                }
                (None, Some(id)) if !id.is_empty() => Program::Id(id.to_owned()),
                _ => {
                    let told = "an entry of `programs` is `system|value` of an organisation, or `Organization/its-id`";
                    self.problem(at, Rule::Key, "", told);
                    continue;
                }
            };
            found.push((at, program));
        }
        found
    }
}
