//! From the YAML tree to a template, checked against the R4 element table; every problem is listed.
//! <https://hl7.org/fhir/R4/elementdefinition.html>
//!
//! This file holds what is made around values: objects, lists, `$each`, `$if`, `$as`, `$do`. Scalars are in `scalar.rs`.

use super::MappingFiles;
use super::calls::calls;
use super::code_map::CodeMap;
use super::date::Format;
use super::problem::{At, Problem, Rule, suggestion};
use super::scalar::{Context, names_of};
use super::template::{Control, Each, Field, Made, Object, Required, Shape, Slot};
use super::yaml::{Body, Key, Node};
use crate::fhir::element::{self, Type};
use jiff::tz::TimeZone;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What compiling gathers besides the template.
pub(super) struct Compiler {
    pub file: String,
    pub maps: HashMap<String, CodeMap>,
    pub formats: HashMap<String, Format>,
    pub zones: HashMap<String, TimeZone>,
    /// `$as` names, in the order they were declared.
    pub names: Vec<String>,
    /// The type of resource behind each name.
    pub kinds: Vec<&'static str>,
    /// Source fields that some expression names, without indexes.
    pub reads: HashSet<String>,
    /// Code maps that some expression names.
    pub used: BTreeSet<String>,
    pub problems: Vec<Problem>,
    /// What bare paths mean at this place of the template.
    pub context: Context,
}

/// The control keys of one object, as they stand.
#[derive(Default)]
struct Controls<'n> {
    each: Option<&'n Node>,
    condition: Option<&'n Node>,
    name: Option<&'n Node>,
    body: Option<&'n Node>,
}

const CONTROLS: [&str; 4] = ["$if", "$each", "$as", "$do"];

impl Compiler {
    /// Reads the code maps; their problems are the first.
    pub fn new(files: &MappingFiles<'_>) -> Compiler {
        let folder = files
            .map_name
            .rsplit_once('/')
            .map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let mut compiler = Compiler {
            file: String::new(),
            maps: HashMap::new(),
            formats: HashMap::new(),
            zones: HashMap::new(),
            names: Vec::new(),
            kinds: Vec::new(),
            reads: HashSet::new(),
            used: BTreeSet::new(),
            problems: Vec::new(),
            context: Context::record(),
        };
        for (name, text) in &files.codes {
            compiler.file = format!("{folder}codes/{name}.csv");
            match CodeMap::read(text) {
                Ok(map) => drop(compiler.maps.insert((*name).to_owned(), map)),
                Err(wrong) => {
                    wrong
                        .into_iter()
                        .for_each(|(at, why)| compiler.problem(at, Rule::Map, "", why));
                    // known, though bad: its absence is not a second problem
                    compiler.maps.insert((*name).to_owned(), CodeMap::default());
                }
            }
        }
        compiler.file = files.map_name.to_owned();
        compiler
    }

    pub fn problem(&mut self, at: At, rule: Rule, target: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            target: target.to_owned(),
            source: String::new(),
            rule,
            message: message.into(),
        });
    }

    /// The number of the template that a record is chiefly about.
    pub fn about(&mut self, at: At, name: &str) -> Option<usize> {
        let found = self.names.iter().position(|known| known == name);
        if found.is_none() {
            let told = format!(
                "`about` names no `$as`{}",
                suggestion(name, self.names.iter().map(String::as_str))
            );
            self.problem(at, Rule::Key, "", told);
        }
        found
    }

    /// What a key of an object holds: one thing, or a list of them.
    pub fn value(&mut self, node: &Node, slot: Slot, path: &str) -> Option<Made> {
        let Body::List(items) = &node.body else {
            return self.entry(node, slot, path);
        };
        if !slot.is_list() {
            let told = format!("`{path}` takes one {}, not a list", slot.type_name());
            self.problem(node.at, Rule::List, path, told);
            return None;
        }
        self.list(node.at, items, slot, path)
    }

    fn list(&mut self, at: At, items: &[Node], slot: Slot, path: &str) -> Option<Made> {
        if items.is_empty() {
            self.problem(at, Rule::Key, path, "an empty list: leave the key out");
        }
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            if let Body::List(_) = item.body {
                self.problem(item.at, Rule::List, path, "a list inside a list");
            } else {
                made.extend(self.entry(item, slot, path));
            }
        }
        let dynamic = made.iter().any(|item| item.dynamic);
        (made.len() == items.len()).then_some(Made {
            at,
            shape: Shape::List(made),
            dynamic,
        })
    }

    fn entry(&mut self, node: &Node, slot: Slot, path: &str) -> Option<Made> {
        match &node.body {
            Body::Scalar(scalar) => self.scalar(node.at, scalar, slot, path),
            Body::Object(entries) if entries.iter().any(|(key, _)| key.text.starts_with('$')) => {
                self.controlled(node.at, entries, slot, path)
            }
            Body::Object(entries) => self.object(node.at, entries, slot, path),
            Body::List(items) if slot.is_list() => self.list(node.at, items, slot, path),
            Body::List(_) => {
                self.problem(node.at, Rule::List, path, "a list where one value is wanted");
                None
            }
        }
    }

    fn controlled(&mut self, at: At, entries: &[(Key, Node)], slot: Slot, path: &str) -> Option<Made> {
        let before = self.problems.len();
        let controls = self.controls(entries, path);
        let outer = self.context.clone();
        let each = controls
            .each
            .and_then(|node| Some((node.at, self.each(node, path)?)));
        let condition = controls.condition.and_then(|node| {
            let found = self.bare_expression(node, path, "$if")?;
            Some((node.at, found))
        });
        let mut body = match controls.body {
            Some(node) => self.entry(node, slot, path),
            None => {
                let rest: Vec<&(Key, Node)> = entries
                    .iter()
                    .filter(|(key, _)| !key.text.starts_with('$'))
                    .collect();
                self.object_of(at, &rest, slot, path)
            }
        };
        if let (Some(node), Some(body)) = (controls.name, body.as_mut()) {
            self.declare(node, body, path);
        }
        self.context = outer;
        if self.problems.len() > before {
            return None;
        }
        let body = body?;
        if each.is_none() && condition.is_none() {
            return Some(body);
        }
        Some(Made {
            at,
            shape: Shape::Control(Box::new(Control {
                each,
                condition,
                body,
            })),
            dynamic: true,
        })
    }

    fn controls<'n>(&mut self, entries: &'n [(Key, Node)], path: &str) -> Controls<'n> {
        let mut found = Controls::default();
        for (key, node) in entries {
            match key.text.as_str() {
                "$each" => found.each = Some(node),
                "$if" => found.condition = Some(node),
                "$as" => found.name = Some(node),
                "$do" => found.body = Some(node),
                other if other.starts_with('$') => {
                    let told = format!("no control key `{other}`{}", suggestion(other, CONTROLS));
                    self.problem(key.at, Rule::Key, path, told);
                }
                _ => {}
            }
        }
        if found.body.is_some() {
            for (key, _) in entries.iter().filter(|(key, _)| !key.text.starts_with('$')) {
                self.problem(
                    key.at,
                    Rule::Key,
                    path,
                    format!("`{}` stands beside `$do`: put it inside", key.text),
                );
            }
        }
        found
    }

    fn each(&mut self, node: &Node, path: &str) -> Option<Each> {
        if let Body::Scalar(scalar) = &node.body
            && let Some(name) = scalar.expression().and_then(names_of)
        {
            self.context = self.context.inside(None);
            return self.named(scalar.place(1), name, path).map(Each::Names);
        }
        let source = self.bare_expression(node, path, "$each")?;
        let text = source.scalar.expression().unwrap_or_default();
        self.context = self.context.inside(self.context.leading(text));
        Some(Each::Source(source))
    }

    /// `$as: name` on a resource.
    fn declare(&mut self, node: &Node, body: &mut Made, path: &str) {
        let Body::Scalar(scalar) = &node.body else {
            self.problem(node.at, Rule::Key, path, "`$as` takes a name");
            return;
        };
        let name = scalar.text.as_str();
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !plain || ["source", "row", "now", "parent"].contains(&name) {
            self.problem(
                node.at,
                Rule::Key,
                path,
                "`$as` takes a name of letters, digits and `_` that is not in use",
            );
        } else if self.names.iter().any(|known| known == name) {
            self.problem(
                node.at,
                Rule::Key,
                path,
                format!("`{name}` already names an earlier template"),
            );
        } else if let (true, Shape::Object(object)) = (path.is_empty(), &mut body.shape) {
            object.name = Some(self.names.len());
            self.names.push(name.to_owned());
            self.kinds.push(object.kind.name);
        } else {
            self.problem(node.at, Rule::Key, path, "`$as` names one resource template");
        }
    }

    fn object(&mut self, at: At, entries: &[(Key, Node)], slot: Slot, path: &str) -> Option<Made> {
        self.object_of(at, &entries.iter().collect::<Vec<_>>(), slot, path)
    }

    fn object_of(&mut self, at: At, entries: &[&(Key, Node)], slot: Slot, path: &str) -> Option<Made> {
        if entries.is_empty() {
            self.problem(at, Rule::Key, path, "an empty object: leave the key out");
            return None;
        }
        let (kind, resource) = if slot.is_resource() {
            (self.resource_type(at, entries, path)?, true)
        } else if let Some(kind) = slot.content() {
            (kind, false)
        } else {
            let told = format!(
                "a {} is one value; extensions of a primitive go beside it, under `_` and its name",
                slot.type_name()
            );
            self.problem(at, Rule::Element, path, told);
            return None;
        };
        let path = if path.is_empty() { kind.name } else { path };
        let before = self.problems.len();
        let mut fields = Vec::with_capacity(entries.len());
        for (key, node) in entries
            .iter()
            .filter(|(key, _)| !(resource && key.text == "resourceType"))
        {
            fields.extend(self.field(key, node, kind, slot, path));
        }
        let required = self.required(at, entries, &fields, kind, path);
        self.pairs(&mut fields);
        if resource && path == kind.name {
            self.id_is_made(at, &fields, path);
        }
        if self.problems.len() > before {
            return None;
        }
        let dynamic = fields.iter().any(|field| field.made.dynamic);
        let object = Object {
            kind,
            resource,
            name: None,
            fields,
            required,
        };
        Some(Made {
            at,
            shape: Shape::Object(Box::new(object)),
            dynamic,
        })
    }

    /// An identifier of the source never becomes an id as it stands: ids go into URLs and logs.
    fn id_is_made(&mut self, at: At, fields: &[Field], path: &str) {
        let target = format!("{path}.id");
        let Some(field) = fields.iter().find(|field| field.key == "id") else {
            self.problem(
                at,
                Rule::Key,
                &target,
                "every resource of a mapping needs an `id`",
            );
            return;
        };
        let made = match &field.made.shape {
            Shape::Expression(source) => {
                let text = source.scalar.expression().unwrap_or_default();
                calls(text).iter().any(|call| call.name == "id")
            }
            _ => false,
        };
        if !made {
            self.problem(
                field.made.at,
                Rule::Id,
                &target,
                "the id of a resource is made by `.id(…)`",
            );
        }
    }

    fn resource_type(&mut self, at: At, entries: &[&(Key, Node)], path: &str) -> Option<&'static Type> {
        let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "resourceType") else {
            self.problem(at, Rule::Key, path, "a resource needs `resourceType`");
            return None;
        };
        let found = match &node.body {
            Body::Scalar(scalar) => element::table().resource(&scalar.text),
            _ => None,
        };
        if found.is_none() {
            let hint = match &node.body {
                Body::Scalar(scalar) => suggestion(&scalar.text, element::table().resource_types()),
                _ => String::new(),
            };
            self.problem(
                node.at,
                Rule::Element,
                path,
                format!("`resourceType` names an R4 resource type{hint}"),
            );
        }
        found
    }

    fn field(
        &mut self,
        key: &Key,
        node: &Node,
        kind: &'static Type,
        holder: Slot,
        path: &str,
    ) -> Option<Field> {
        let (beside, name) = match key.text.strip_prefix('_') {
            Some(name) => (true, name),
            None => (false, key.text.as_str()),
        };
        let target = format!("{path}.{}", key.text);
        let Some(child) = kind.child(name) else {
            let keys = json_keys(kind);
            let hint = suggestion(name, keys.iter().map(String::as_str));
            let told = format!("R4 has no element `{}` in {}{hint}", key.text, kind.name);
            self.problem(key.at, Rule::Element, &target, told);
            return None;
        };
        let mut slot = Slot {
            beside,
            ..Slot::new(child)
        };
        if kind.name == "Reference" && name == "reference" {
            slot.targets = holder.child.element.targets;
        }
        if beside && (!element::is_primitive(child.type_name) || child.element.is_list()) {
            let told = if child.element.is_list() {
                "`_` beside a repeating primitive is not part of mappings"
            } else {
                "`_` stands beside primitives only: put the extension inside the element"
            };
            self.problem(key.at, Rule::Element, &target, told);
            return None;
        }
        let made = self.value(node, slot, &target)?;
        Some(Field {
            key: key.text.clone(),
            slot,
            made,
            follows: None,
        })
    }

    /// The elements that R4 requires, each with the fields that can make it.
    fn required(
        &mut self,
        at: At,
        entries: &[&(Key, Node)],
        fields: &[Field],
        kind: &'static Type,
        path: &str,
    ) -> Vec<Required> {
        let mut found = Vec::new();
        for element in kind.elements.iter().filter(|element| element.min > 0) {
            let is = |key: &str| {
                kind.child(key.strip_prefix('_').unwrap_or(key))
                    .is_some_and(|c| c.element.path == element.path)
            };
            if entries.iter().any(|(key, _)| is(&key.text)) {
                let makers = fields
                    .iter()
                    .enumerate()
                    .filter(|(_, field)| is(&field.key))
                    .map(|(i, _)| i)
                    .collect();
                found.push(Required {
                    element,
                    fields: makers,
                });
            } else {
                let told = format!("R4 requires `{}`, and nothing here makes it", element.name);
                self.problem(at, Rule::Required, &format!("{path}.{}", element.name), told);
            }
        }
        found
    }

    /// `_x` is written only where `x` is.
    fn pairs(&self, fields: &mut [Field]) {
        for index in 0..fields.len() {
            if fields[index].slot.beside {
                let name = fields[index].key[1..].to_owned();
                fields[index].follows = fields.iter().position(|field| field.key == name);
            }
        }
    }
}

/// Every JSON key of a type: a choice once for each of its types.
fn json_keys(kind: &Type) -> Vec<String> {
    let keys = kind.elements.iter().flat_map(|element| {
        let types: &[&str] = if element.is_choice() { element.types } else { &[""] };
        types.iter().map(|name| element.json_key(name))
    });
    keys.collect()
}
