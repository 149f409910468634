//! The top of a mapping file: its name, version, source, namespace, and the fields it leaves out on purpose.
//! `README.md`, "The file".

use super::compile::Compiler;
use super::fhir_record;
use super::problem::{At, Rule, suggestion};
use super::yaml::{Body, Key, Node};

/// What the top of a file says.
#[derive(Debug)]
pub(super) struct Header {
    /// `source/record`.
    pub name: String,
    pub version: u32,
    pub kind: Kind,
    pub namespace: String,
    pub ignore: Vec<Ignored>,
    /// Field that names the member of staff who acted, by its names; for the log.
    pub staff: Vec<String>,
    /// `about`: the `$as` name of what a record is chiefly about.
    pub about: Option<(At, String)>,
    /// `part2: whole`: the source is a Part 2 program in all it does.
    pub part2_whole: bool,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    /// An object of strings; an empty one is absent.
    Csv,
    /// A Bundle or a list of resources.
    Fhir,
}

/// A source field that is deliberately not mapped, with everything below it.
#[derive(Debug)]
pub(super) struct Ignored {
    /// Names without indexes; `*` is any one name.
    path: Vec<String>,
}

impl Ignored {
    /// Does it cover this field, given by its names without indexes?
    pub fn covers(&self, field: &[&str]) -> bool {
        field.len() >= self.path.len()
            && self
                .path
                .iter()
                .zip(field)
                .all(|(own, name)| own == "*" || own == name)
    }
}

const KEYS: [&str; 9] = [
    "mapping",
    "version",
    "source",
    "namespace",
    "part2",
    "staff",
    "about",
    "ignore",
    "resources",
];

impl Compiler {
    /// Reads the keys of the file but `resources`, which is handed back as it stands.
    pub fn header<'n>(&mut self, root: &'n Node, wanted: &str) -> (Option<Header>, Option<&'n Node>) {
        let Body::Object(entries) = &root.body else {
            self.problem(
                root.at,
                Rule::Key,
                "",
                "a mapping is an object with the keys mapping, version, source, namespace, resources",
            );
            return (None, None);
        };
        self.known_keys(entries);
        let name = self.text(root.at, entries, "mapping");
        if let Some((at, name)) = &name
            && name != wanted
        {
            self.problem(
                *at,
                Rule::Key,
                "",
                format!("`mapping` must say `{wanted}`, after the folder and the file"),
            );
        }
        let version = self.text(root.at, entries, "version").and_then(|(at, text)| {
            let number = text.parse::<u32>().ok().filter(|number| *number > 0);
            if number.is_none() {
                self.problem(at, Rule::Key, "", "`version` is a whole number from 1");
            }
            number
        });
        let kind = self
            .text(root.at, entries, "source")
            .and_then(|(at, text)| match text.as_str() {
                "json" => Some(Kind::Json),
                "csv" => Some(Kind::Csv),
                "fhir" => Some(Kind::Fhir),
                _ => {
                    self.problem(at, Rule::Key, "", "`source` is json, csv or fhir");
                    None
                }
            });
        let namespace = self.text(root.at, entries, "namespace").map(|(_, text)| text);
        let stated = entries.iter().any(|(key, _)| key.text == "staff");
        let staff = stated.then(|| self.text(root.at, entries, "staff")).flatten();
        let staff = staff.map_or_else(Vec::new, |(_, path)| path.split('.').map(str::to_owned).collect());
        let about = entries.iter().any(|(key, _)| key.text == "about");
        let about = about.then(|| self.text(root.at, entries, "about")).flatten();
        let part2 = entries.iter().any(|(key, _)| key.text == "part2");
        let part2 = part2.then(|| self.text(root.at, entries, "part2")).flatten();
        if let Some((at, _)) = part2.as_ref().filter(|(_, text)| text != "whole") {
            self.problem(*at, Rule::Key, "", "`part2` is `whole`, or left out");
        }
        let ignore = entries
            .iter()
            .find(|(key, _)| key.text == "ignore")
            .map_or_else(Vec::new, |(_, n)| self.ignored(n));
        let resources = entries
            .iter()
            .find(|(key, _)| key.text == "resources")
            .map(|(_, node)| node);
        if resources.is_none() && kind != Some(Kind::Fhir) {
            self.problem(root.at, Rule::Key, "", "the key `resources` is missing");
        }
        let header = match (name, version, kind, namespace) {
            (Some((_, name)), Some(version), Some(kind), Some(namespace)) => Some(Header {
                name,
                version,
                kind,
                namespace,
                ignore,
                staff,
                about,
                part2_whole: part2.is_some(),
            }),
            _ => None,
        };
        (header, resources)
    }

    /// A file whose records are FHIR says what is taken, every other what is made.
    fn known_keys(&mut self, entries: &[(Key, Node)]) {
        let is_fhir = |(key, node): &(Key, Node)| {
            key.text == "source" && matches!(&node.body, Body::Scalar(scalar) if scalar.text == "fhir")
        };
        let of_templates = ["staff", "about", "ignore", "resources"];
        let known: Vec<&str> = if entries.iter().any(is_fhir) {
            let own = KEYS.into_iter().filter(|key| !of_templates.contains(key));
            own.chain(fhir_record::KEYS).collect()
        } else {
            KEYS.to_vec()
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.text.as_str()))
        {
            let near = suggestion(&key.text, known.iter().copied());
            self.problem(
                key.at,
                Rule::Key,
                "",
                format!("no top-level key `{}`{near}", key.text),
            );
        }
    }

    pub(super) fn text(&mut self, at: At, entries: &[(Key, Node)], key: &str) -> Option<(At, String)> {
        match entries.iter().find(|(found, _)| found.text == key) {
            None => self.problem(at, Rule::Key, "", format!("the key `{key}` is missing")),
            Some((
                _,
                Node {
                    body: Body::Scalar(scalar),
                    at,
                },
            )) if scalar.expression().is_none() && !scalar.text.trim().is_empty() => {
                return Some((*at, scalar.text.clone()));
            }
            Some((_, node)) => self.problem(node.at, Rule::Key, "", format!("`{key}` takes a text")),
        }
        None
    }

    fn ignored(&mut self, node: &Node) -> Vec<Ignored> {
        let Body::List(items) = &node.body else {
            self.problem(node.at, Rule::Key, "", "`ignore` takes a list of {field, reason}");
            return Vec::new();
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let Body::Object(entries) = &item.body else {
                self.problem(
                    item.at,
                    Rule::Key,
                    "",
                    "an entry of `ignore` is {field: …, reason: …}",
                );
                continue;
            };
            for (key, _) in entries
                .iter()
                .filter(|(key, _)| !["field", "reason"].contains(&key.text.as_str()))
            {
                self.problem(
                    key.at,
                    Rule::Key,
                    "",
                    "an entry of `ignore` has the keys field and reason only",
                );
            }
            let field = self.text(item.at, entries, "field");
            let reason = self.text(item.at, entries, "reason");
            if let (Some((at, field)), Some(_)) = (field, reason) {
                let path: Vec<String> = field
                    .strip_suffix(".*")
                    .unwrap_or(&field)
                    .split('.')
                    .map(str::to_owned)
                    .collect();
                if path.iter().any(|name| name.is_empty() || name.contains('[')) {
                    self.problem(
                        at,
                        Rule::Key,
                        "",
                        "`field` is names with dots between, without indexes",
                    );
                } else {
                    found.push(Ignored { path });
                }
            }
        }
        found
    }
}
