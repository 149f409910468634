//! From a node to its members: lists flatten, null is nothing, choices are found by their stem, `_x` stays with `x`.
//! <https://hl7.org/fhir/R4/fhirpath.html#polymorphism>, <https://hl7.org/fhir/R4/json.html#primitive>

use super::eval::{Evaluator, Items};
use super::item::{Item, Node, is_delete};
use super::types::{self, FhirType};
use super::{Dialect, EvalCode, EvalError};
use serde_json::{Map, Value};

static NULL: Value = Value::Null;
const MAX_LISTS: usize = 64;

/// The members that every element and resource has, whatever the table lists.
const EVERYWHERE: [&str; 3] = ["id", "extension", "resourceType"];

impl<'a> Evaluator<'_, 'a> {
    /// The members called `name` of one item, appended to `out`.
    pub(super) fn member(
        &self,
        item: &Item<'a>,
        name: &str,
        beside: &str,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        self.charge(1, at)?;
        match item {
            Item::Node(node) => match node.value {
                Value::Object(object) if self.dialect == Dialect::Mapping => match object.get(name) {
                    Some(value) => self.push(value, None, None, false, 0, at, out),
                    None => Ok(()),
                },
                Value::Object(object) => self.typed_member(node, object, name, beside, at, out),
                _ => self.primitive_member(node, name, at, out),
            },
            Item::Made(value) => {
                match value.get(name) {
                    Some(Value::Array(list)) => {
                        out.extend(list.iter().filter(|v| !v.is_null()).cloned().map(Item::made))
                    }
                    Some(Value::Null) | None => {}
                    Some(found) => out.push(Item::made(found.clone())),
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn typed_member(
        &self,
        node: &Node<'a>,
        object: &'a Map<String, Value>,
        name: &str,
        beside: &str,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        let holder = node.of.and_then(|of| of.content);
        let direct = object.get(name);
        let Some(holder) = holder else {
            let besides = object.get(beside);
            if direct.is_some() || besides.is_some() {
                return self.push(direct.unwrap_or(&NULL), besides, None, false, 0, at, out);
            }
            return self.untyped_choice(object, name, at, out);
        };
        if let Some(child) = holder.child(name) {
            if !child.element.is_choice() {
                // only primitives have a `_x`
                let complex = child.type_name.starts_with(|c: char| c.is_ascii_uppercase());
                let besides = if complex { None } else { object.get(beside) };
                if direct.is_none() && besides.is_none() {
                    return Ok(());
                }
                let of = FhirType::of_child(&child);
                return self.push(direct.unwrap_or(&NULL), besides, Some(of), node.exact, 0, at, out);
            }
        } else if holder.elements.iter().any(|e| e.is_choice() && e.stem() == name) {
            return self.typed_choice(object, holder, name, at, out);
        } else if EVERYWHERE.contains(&name) {
            return direct.map_or(Ok(()), |value| self.push(value, None, None, false, 0, at, out));
        }
        if node.exact && !self.scope.lenient {
            let stems = holder.elements.iter().map(|e| e.stem());
            let meant = super::nearest(name, stems)
                .map(|n| format!("; did you mean {n}?"))
                .unwrap_or_default();
            let message = format!("{} has no element of this name{meant}", holder.name);
            return Err(EvalError::new(EvalCode::UnknownMember, at, message));
        }
        Ok(())
    }

    /// `value` finds `valueQuantity` (and `_valueString`) of the type that R4 allows.
    fn typed_choice(
        &self,
        object: &'a Map<String, Value>,
        holder: &'static crate::fhir::element::Type,
        name: &str,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        self.charge(object.len() / 8, at)?;
        for (key, value) in object {
            let (plain, alone) = match key.strip_prefix('_') {
                Some(rest) => (rest, true),
                None => (key.as_str(), false),
            };
            if !plain.starts_with(name) || (alone && object.contains_key(plain)) {
                continue;
            }
            let Some(child) = holder
                .child(plain)
                .filter(|c| c.element.is_choice() && c.element.stem() == name)
            else {
                continue;
            };
            let of = Some(FhirType {
                name: child.type_name,
                content: None,
            });
            let (value, beside) = if alone {
                (&NULL, Some(value))
            } else {
                (value, beside_of(object, plain))
            };
            self.push(value, beside, of, false, 0, at, out)?;
        }
        Ok(())
    }

    /// Without a known type: the stem followed by the name of a type.
    fn untyped_choice(
        &self,
        object: &'a Map<String, Value>,
        name: &str,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        self.charge(object.len() / 8, at)?;
        for (key, value) in object {
            let Some(rest) = key
                .strip_prefix(name)
                .filter(|r| r.starts_with(|c: char| c.is_ascii_uppercase()))
            else {
                continue;
            };
            let mut lower = rest.to_owned();
            if let Some(first) = lower.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            let known = [lower.as_str(), rest].into_iter().find(|n| types::is_known(n));
            if let Some(of) = known.and_then(FhirType::named) {
                self.push(value, beside_of(object, key), Some(of), false, 0, at, out)?;
            }
        }
        Ok(())
    }

    /// A primitive has an id and extensions, and its value.
    fn primitive_member(
        &self,
        node: &Node<'a>,
        name: &str,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        if self.dialect == Dialect::Mapping {
            return Ok(());
        }
        match node.beside.and_then(|b| b.as_object()).and_then(|b| b.get(name)) {
            Some(found) => {
                let of = if name == "extension" {
                    FhirType::named("Extension")
                } else {
                    None
                };
                self.push(found, None, of, false, 0, at, out)
            }
            None if node.exact && !self.scope.lenient && !EVERYWHERE.contains(&name) && name != "value" => {
                let message = "this element is a single value and has no members";
                Err(EvalError::new(EvalCode::UnknownMember, at, message))
            }
            None => Ok(()),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a node, not worth a type of their own"
    )]
    pub(super) fn push(
        &self,
        value: &'a Value,
        beside: Option<&'a Value>,
        of: Option<FhirType>,
        exact: bool,
        lists: usize,
        at: usize,
        out: &mut Items<'a>,
    ) -> Result<(), EvalError> {
        match value {
            Value::Array(list) => {
                if lists >= MAX_LISTS {
                    return Err(EvalError::new(
                        EvalCode::Limit,
                        at,
                        "lists are nested deeper than 64",
                    ));
                }
                self.charge(list.len(), at)?;
                out.reserve(list.len());
                let besides = beside.and_then(Value::as_array);
                for (index, value) in list.iter().enumerate() {
                    let beside = besides.and_then(|b| b.get(index));
                    self.push(value, beside, of, exact, lists + 1, at, out)?;
                }
                Ok(())
            }
            // `_given` alone, as a list
            Value::Null if beside.is_some_and(Value::is_array) => {
                for beside in beside.and_then(Value::as_array).into_iter().flatten() {
                    self.push(&NULL, Some(beside), of, exact, lists + 1, at, out)?;
                }
                Ok(())
            }
            Value::Null if !beside.is_some_and(Value::is_object) => Ok(()),
            _ => {
                out.push(self.typed_item(value, beside, of, exact));
                self.check_size(out.len(), at)
            }
        }
    }

    /// A node with its type; a resource inside a resource states its own.
    pub(super) fn typed_item(
        &self,
        value: &'a Value,
        beside: Option<&'a Value>,
        of: Option<FhirType>,
        exact: bool,
    ) -> Item<'a> {
        if is_delete(value) {
            return Item::Delete;
        }
        let open = of.is_none_or(|of| of.name == "Resource");
        if self.dialect.is_typed() && open && value.is_object() {
            let of = FhirType::of_resource(value);
            return Item::Node(Node {
                value,
                beside,
                of,
                exact: false,
            });
        }
        Item::Node(Node {
            value,
            beside,
            of,
            exact,
        })
    }

    /// `Patient.name` on a Patient: the name of the type stands for the item itself.
    /// `None`: the name is no type here, so it is a member.
    pub(super) fn root(&self, item: &Item<'a>, name: &str, at: usize) -> Result<Option<bool>, EvalError> {
        let Item::Node(node) = item else { return Ok(None) };
        let Some(object) = node.value.as_object() else {
            return Ok(None);
        };
        if self.dialect == Dialect::Mapping {
            let stated = object.get("resourceType").and_then(Value::as_str);
            return Ok((stated == Some(name) && !object.contains_key(name)).then_some(true));
        }
        if node.of.is_some_and(|of| of.name == name) {
            return Ok(Some(true));
        }
        if !types::is_resource_name(name) {
            return Ok(None);
        }
        let Some(of) = node.of else {
            return Ok(object.get("resourceType").map(|t| t == name));
        };
        if of.is_a(name) {
            return Ok(Some(true));
        }
        if node.exact && !self.scope.lenient && !self.roots.iter().any(|r| of.is_a(r)) {
            let message = format!("this path starts at another type, the input is a {}", of.name);
            return Err(EvalError::new(EvalCode::UnknownMember, at, message));
        }
        Ok(Some(false))
    }
}

fn beside_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(&format!("_{key}"))
}
