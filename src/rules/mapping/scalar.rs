//! Scalars of a template: literals typed by the element they stand for, and expressions parsed once.
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>, SEMANTICS section 6.

use super::calls::{Call, calls};
use super::compile::Compiler;
use super::date::{self, Format};
use super::problem::{At, Rule, suggestion};
use super::template::{From, Made, Read, Shape, Slot, Source, fits};
use super::yaml::{Body, Node, Scalar};
use crate::fhir::{element, primitive};
use crate::fhirpath::{Dialect, Expression};
use serde_json::Value;

/// What bare paths and `%parent` mean at one place of a template, without indexes; `None` when not known.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    item: Option<String>,
    parent: Option<String>,
}

impl Context {
    /// Outside every `$each`: the record.
    pub fn record() -> Context {
        Context {
            item: Some(String::new()),
            parent: Some(String::new()),
        }
    }

    /// Inside a `$each` over this path.
    pub fn inside(&self, item: Option<String>) -> Context {
        Context {
            item,
            parent: self.item.clone(),
        }
    }

    /// The field of the record that a path names.
    fn resolve(&self, read: &Read) -> Option<String> {
        let base = match read.from {
            From::Record => "",
            From::Item => self.item.as_deref()?,
            From::Parent => self.parent.as_deref()?,
        };
        Some(match (base, read.path.as_str()) {
            ("", path) => path.to_owned(),
            (base, "") => base.to_owned(),
            (base, path) => format!("{base}.{path}"),
        })
    }

    /// The field at the front of an expression: what `$each: =goals.where(…)` runs over.
    pub fn leading(&self, expression: &str) -> Option<String> {
        let end = expression
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%' | '$')))
            .unwrap_or(expression.len());
        let mut path = &expression[..end];
        if expression[end..].starts_with('(') {
            path = path.rsplit_once('.').map_or("", |(before, _)| before);
        }
        self.resolve(&Read::of(path.trim_end_matches('.')))
    }
}

impl Read {
    /// A path as it is written: `client.id`, `%source.client.id`, `$this.x`.
    pub fn of(path: &str) -> Read {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        let (from, path) = match head {
            "%source" => (From::Record, rest),
            "%parent" => (From::Parent, rest),
            "%row" | "$this" => (From::Item, rest),
            _ => (From::Item, path),
        };
        Read {
            from,
            path: path.to_owned(),
        }
    }
}

/// `%patient` standing alone: the name, unless it is a variable of the language.
pub(super) fn names_of(expression: &str) -> Option<&str> {
    let name = expression.trim().strip_prefix('%')?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && !matches!(name, "source" | "row" | "now" | "parent")).then_some(name)
}

impl Compiler {
    pub fn scalar(&mut self, at: At, scalar: &Scalar, slot: Slot, path: &str) -> Option<Made> {
        let Some(text) = scalar.expression() else {
            let value = self.literal(at, &scalar.text, slot, path)?;
            return Some(Made {
                at,
                shape: Shape::Literal(value),
                dynamic: false,
            });
        };
        if let Some(name) = names_of(text) {
            let shape = Shape::Names(self.reference_to(scalar.place(1), name, slot, path)?);
            return Some(Made {
                at,
                shape,
                dynamic: true,
            });
        }
        let source = self.expression(scalar, Some(slot), path);
        if slot.is_resource()
            || !(slot.is_primitive() || matches!(slot.type_name(), "Coding" | "CodeableConcept"))
        {
            let told = format!(
                "one expression cannot make a {}: write its elements",
                slot.type_name()
            );
            self.problem(at, Rule::Type, path, told);
            return None;
        }
        Some(Made {
            at,
            shape: Shape::Expression(Box::new(source?)),
            dynamic: true,
        })
    }

    /// `=%name` where a reference is wanted: the number of the name.
    fn reference_to(&mut self, at: At, name: &str, slot: Slot, path: &str) -> Option<usize> {
        let number = self.named(at, name, path)?;
        let targets = match slot.type_name() {
            "Reference" => slot.child.element.targets,
            type_name if element::is_primitive(type_name) => slot.targets,
            _ => {
                self.problem(at, Rule::Type, path, "a name of `$as` is a reference");
                return None;
            }
        };
        if !fits(targets, self.kinds[number]) {
            let told = format!(
                "a reference here is to {}, not to {}",
                targets.join(" or "),
                self.kinds[number]
            );
            self.problem(at, Rule::Reference, path, told);
            return None;
        }
        Some(number)
    }

    /// A value of `$if` or `$each`.
    pub fn bare_expression(&mut self, node: &Node, path: &str, key: &str) -> Option<Source> {
        match &node.body {
            Body::Scalar(scalar) if scalar.expression().is_some() => self.expression(scalar, None, path),
            _ => {
                self.problem(
                    node.at,
                    Rule::Key,
                    path,
                    format!("`{key}` takes an expression: start it with `=`"),
                );
                None
            }
        }
    }

    /// The number of a `$as` name.
    pub fn named(&mut self, at: At, name: &str, path: &str) -> Option<usize> {
        let found = self.names.iter().position(|known| known == name);
        if found.is_none() {
            let hint = suggestion(name, self.names.iter().map(String::as_str));
            let told = format!("no template above is named `{name}` with `$as`{hint}");
            self.problem(at, Rule::Key, path, told);
        }
        found
    }

    fn literal(&mut self, at: At, text: &str, slot: Slot, path: &str) -> Option<Value> {
        let type_name = slot.type_name();
        if !slot.is_primitive() {
            let told = format!("a {type_name} is an object: write its elements");
            self.problem(at, Rule::Element, path, told);
            return None;
        }
        let value = typed(type_name, text);
        let wrong = primitive::check(type_name, &value).err();
        if let Some(why) = wrong {
            self.problem(
                at,
                Rule::Literal,
                path,
                format!("no value of type {type_name}: {why}"),
            );
            return None;
        }
        if !slot.targets.is_empty()
            && let Some((target, _)) = text.split_once('/')
            && element::table().resource(target).is_some()
            && !fits(slot.targets, target)
        {
            let told = format!("a reference here is to {}", slot.targets.join(" or "));
            self.problem(at, Rule::Reference, path, told);
            return None;
        }
        Some(value)
    }

    fn expression(&mut self, scalar: &Scalar, slot: Option<Slot>, path: &str) -> Option<Source> {
        let text = scalar.expression()?;
        // the `=` is part of the scalar, not of the expression
        let expression = match Expression::parse(text, Dialect::Mapping) {
            Ok(expression) => expression,
            Err(error) => {
                let hint = error
                    .suggestion
                    .map(|name| format!(" (did you mean `{name}`?)"))
                    .unwrap_or_default();
                let at = scalar.place(1 + error.offset);
                self.problem(at, Rule::Syntax, path, format!("{}{hint}", error.message));
                return None;
            }
        };
        let before = self.problems.len();
        for call in calls(text) {
            self.call(&call, slot, scalar.place(1 + call.offset), path);
        }
        let reads: Vec<Read> = expression
            .source_paths()
            .iter()
            .map(|path| Read::of(path.as_ref()))
            .collect();
        self.reads
            .extend(reads.iter().filter_map(|read| self.context.resolve(read)));
        (self.problems.len() == before).then(|| Source {
            expression,
            scalar: scalar.clone(),
            reads,
        })
    }

    fn call(&mut self, call: &Call<'_>, slot: Option<Slot>, at: At, path: &str) {
        let first = call.arguments.first().cloned().flatten();
        match (call.name, first) {
            ("code" | "coding", Some(map)) => self.map_is_known(call.name, &map, at, path),
            ("id" | "reference", Some(name)) => {
                if element::table().resource(&name).is_none() {
                    let hint = suggestion(&name, element::table().resource_types());
                    let told = format!("`{name}` is no R4 resource type{hint}");
                    self.problem(at, Rule::Reference, path, told);
                } else if let Some(slot) = slot {
                    self.type_fits(call.name, &name, slot, at, path);
                }
            }
            ("date", Some(format)) => self.date_format(call, &format, at, path),
            ("id", None) if call.arguments.is_empty() => {}
            (name, None) => {
                let told = format!(
                    "the first argument of `{name}` is a text in quotes, known when the mapping is loaded"
                );
                self.problem(at, Rule::Syntax, path, told);
            }
            _ => {}
        }
    }

    /// An id is of the resource that has it; a reference is to a type the element allows.
    fn type_fits(&mut self, function: &str, name: &str, slot: Slot, at: At, path: &str) {
        let owner = slot
            .child
            .element
            .path
            .strip_suffix(".id")
            .filter(|_| slot.type_name() == "id");
        if function == "reference" && !fits(slot.targets, name) {
            let told = format!(
                "a reference here is to {}, not to {name}",
                slot.targets.join(" or ")
            );
            self.problem(at, Rule::Reference, path, told);
        } else if let (true, Some(owner)) = (function == "id", owner)
            && owner != name
        {
            self.problem(
                at,
                Rule::Id,
                path,
                format!("the id of a {owner} made as that of a {name}"),
            );
        }
    }

    fn map_is_known(&mut self, function: &str, name: &str, at: At, path: &str) {
        let Some(map) = self.maps.get(name) else {
            let hint = suggestion(name, self.maps.keys().map(String::as_str));
            self.problem(
                at,
                Rule::Map,
                path,
                format!("no code map `codes/{name}.csv`{hint}"),
            );
            return;
        };
        self.used.insert(name.to_owned());
        if let (true, Some(row)) = (function == "coding", map.without_system) {
            let told = format!(
                "`coding` needs a system in every row, and `codes/{name}.csv` line {} has none",
                row.line
            );
            self.problem(at, Rule::Map, path, told);
        }
    }

    fn date_format(&mut self, call: &Call<'_>, pattern: &str, at: At, path: &str) {
        let format = match Format::parse(pattern) {
            Ok(format) => format,
            Err(why) => {
                self.problem(at, Rule::Date, path, format!("the date format `{pattern}` {why}"));
                return;
            }
        };
        match call.arguments.get(1) {
            None if format.needs_zone() => {
                let told = "a time needs a zone: add an IANA name, `date('…', 'America/New_York')`";
                self.problem(at, Rule::Date, path, told);
            }
            None => {}
            Some(None) => self.problem(at, Rule::Date, path, "the zone is a text in quotes"),
            Some(Some(name)) => match date::zone(name) {
                Some(zone) => {
                    self.zones.insert(name.clone(), zone);
                }
                None => self.problem(at, Rule::Date, path, format!("`{name}` is no IANA time zone")),
            },
        }
        self.formats.insert(pattern.to_owned(), format);
    }
}

/// The JSON value that a literal stands for; numbers keep their digits. What does not fit stays text, for the check.
fn typed(type_name: &str, text: &str) -> Value {
    let json = match type_name {
        "boolean" => matches!(text, "true" | "false"),
        "integer" | "positiveInt" | "unsignedInt" | "decimal" => true,
        _ => false,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) if json => value,
        _ => Value::String(text.to_owned()),
    }
}
