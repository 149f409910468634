//! One value of an element, with its `_x` and its declared type. <https://hl7.org/fhir/R4/json.html#primitive>

use serde_json::{Map, Value};

use crate::fhir::element::{Child, Element, Type, is_primitive, table};
use crate::fhirpath::Item;

static NULL: Value = Value::Null;

#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'v> {
    /// Null where there are only extensions.
    pub value: &'v Value,
    /// `_x` beside a primitive `x`.
    pub beside: Option<&'v Value>,
    /// `None` for a resource that a reference led to.
    pub child: Option<Child>,
    /// Of a resource, its own type.
    pub type_name: &'static str,
    pub index: Option<usize>,
}

impl<'v> Spot<'v> {
    /// A resource of a type that R4 has.
    pub(super) fn resource(value: &'v Value) -> Option<Spot<'v>> {
        let named = table().resource(value.get("resourceType")?.as_str()?)?;
        Some(Spot {
            value,
            beside: None,
            child: None,
            type_name: named.name,
            index: None,
        })
    }

    fn of(value: &'v Value, beside: Option<&'v Value>, child: Child, index: Option<usize>) -> Spot<'v> {
        let stated = match child.type_name {
            "Resource" => Spot::resource(value).map(|spot| spot.type_name),
            _ => None,
        };
        Spot {
            value,
            beside,
            child: Some(child),
            type_name: stated.unwrap_or(child.type_name),
            index,
        }
    }

    pub(super) fn item(&self) -> Item<'v> {
        match self.child {
            Some(child) if child.type_name != "Resource" => Item::element(self.value, self.beside, &child),
            _ => Item::resource(self.value),
        }
    }

    /// The type whose elements it has; `Element` for a primitive.
    pub(super) fn content(&self) -> Option<&'static Type> {
        match self.child {
            Some(child) if child.type_name != "Resource" => {
                child.content().or_else(|| table().datatype("Element"))
            }
            _ => table().resource(self.type_name),
        }
    }

    /// Its members: of a primitive those of its `_x`.
    pub(super) fn members(&self) -> Option<&'v Map<String, Value>> {
        self.value.as_object().or_else(|| self.beside?.as_object())
    }

    pub(super) fn text(&self, name: &str) -> Option<&'v str> {
        self.value.get(name)?.as_str()
    }

    pub(super) fn is_resource(&self) -> bool {
        self.child.is_none_or(|child| child.type_name == "Resource")
    }
}

/// The values of one element of an object, whatever types a choice has here.
pub(super) fn of_element<'v>(
    map: &'v Map<String, Value>,
    of: &'static Type,
    element: &'static Element,
) -> Vec<Spot<'v>> {
    let mut found = Vec::new();
    if !element.is_choice() {
        if let Some(child) = of.child(element.name) {
            of_key(map, element.name, child, &mut found);
        }
        return found;
    }
    for key in map.keys() {
        let plain = key.strip_prefix('_');
        if plain.is_some_and(|plain| map.contains_key(plain)) {
            continue;
        }
        let name = plain.unwrap_or(key);
        let child = name.starts_with(element.stem()).then(|| of.child(name)).flatten();
        if let Some(child) = child.filter(|child| std::ptr::eq(child.element, element)) {
            of_key(map, name, child, &mut found);
        }
    }
    found
}

/// The values under one JSON key, written without underscore.
pub(super) fn of_key<'v>(map: &'v Map<String, Value>, key: &str, child: Child, out: &mut Vec<Spot<'v>>) {
    let value = map.get(key);
    let beside = is_primitive(child.type_name)
        .then(|| shadow_of(map, key))
        .flatten();
    let list = |value: Option<&'v Value>| value.and_then(Value::as_array);
    match (value, list(value), list(beside)) {
        (Some(Value::Array(_)), Some(values), besides) => {
            for (at, value) in values.iter().enumerate() {
                let beside = besides.and_then(|all| all.get(at)).filter(|b| !b.is_null());
                if !value.is_null() || beside.is_some() {
                    out.push(Spot::of(value, beside, child, Some(at)));
                }
            }
        }
        (None, _, Some(besides)) => {
            for (at, beside) in besides.iter().enumerate().filter(|(_, b)| !b.is_null()) {
                out.push(Spot::of(&NULL, Some(beside), child, Some(at)));
            }
        }
        (None, _, None) if beside.is_none() => {}
        _ => out.push(Spot::of(value.unwrap_or(&NULL), beside, child, None)),
    }
}

/// `_x` of `x`, found without building its name.
fn shadow_of<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    map.iter()
        .find(|(key, _)| key.strip_prefix('_') == Some(name))
        .map(|(_, value)| value)
}
