//! One XML element while it is read, and the JSON member it becomes. <https://hl7.org/fhir/R4/xml.html>

use serde_json::{Map, Number, Value};

use super::element::{Child, Type};

/// An element whose end tag has not come yet.
pub(super) struct Open<'a> {
    pub(super) tag: &'a str,
    pub(super) holds: Holds,
    /// None for a resource, which has no name of its own in a path.
    pub(super) child: Option<Child>,
    /// Place in its list.
    pub(super) index: Option<usize>,
    pub(super) members: Map<String, Value>,
    /// Of a primitive.
    pub(super) value: Option<Value>,
    /// Position of the last child in the definition.
    pub(super) last: usize,
    /// Levels of the JSON form.
    pub(super) depth: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Holds {
    Resource(&'static Type),
    Members(&'static Type),
    Primitive(&'static Type),
    /// `contained`, `resource`: one resource inside.
    Wrapped,
    /// Unknown; named already, read over.
    Unknown,
}

/// A closed element, ready for its parent.
pub(super) enum Done<'a> {
    Nothing,
    Resource(Value),
    Child {
        tag: &'a str,
        child: Child,
        value: Option<Value>,
        shadow: Option<Value>,
    },
}

impl<'a> Open<'a> {
    pub(super) fn new(tag: &'a str, holds: Holds, child: Option<Child>, depth: usize) -> Open<'a> {
        Open {
            tag,
            holds,
            child,
            index: None,
            members: Map::new(),
            value: None,
            last: 0,
            depth,
        }
    }

    pub(super) fn finish(mut self) -> Done<'a> {
        self.drop_empty_places();
        let (tag, members) = (self.tag, Value::Object(self.members));
        match (self.holds, self.child) {
            (Holds::Resource(definition), _) => {
                let mut map = Map::new();
                map.insert(
                    "resourceType".to_owned(),
                    Value::String(definition.name.to_owned()),
                );
                if let Value::Object(members) = members {
                    map.extend(members);
                }
                Done::Resource(Value::Object(map))
            }
            (Holds::Members(_), Some(child)) => Done::Child {
                tag,
                child,
                value: Some(members),
                shadow: None,
            },
            (Holds::Wrapped, Some(child)) => Done::Child {
                tag,
                child,
                value: self.value,
                shadow: None,
            },
            (Holds::Primitive(_), Some(child)) => {
                let shadow = members
                    .as_object()
                    .is_some_and(|map| !map.is_empty())
                    .then_some(members);
                Done::Child {
                    tag,
                    child,
                    value: self.value,
                    shadow,
                }
            }
            _ => Done::Nothing,
        }
    }

    /// A list of primitives that all had extensions only has no plain form.
    fn drop_empty_places(&mut self) {
        let shadows = self
            .members
            .keys()
            .filter_map(|key| key.strip_prefix('_').map(str::to_owned));
        for name in shadows.collect::<Vec<_>>() {
            let all_null = |value: &Value| {
                value
                    .as_array()
                    .is_some_and(|list| list.iter().all(Value::is_null))
            };
            if self.members.get(&name).is_some_and(all_null) {
                self.members.shift_remove(&name);
            }
        }
    }

    /// False when a single element comes again.
    pub(super) fn add(
        &mut self,
        tag: &str,
        child: Child,
        value: Option<Value>,
        shadow: Option<Value>,
    ) -> bool {
        if !child.element.is_list() {
            let mut again = false;
            let shadow = shadow.map(|shadow| (format!("_{tag}"), shadow));
            for (key, value) in value
                .map(|value| (tag.to_owned(), value))
                .into_iter()
                .chain(shadow)
            {
                again |= self.members.insert(key, value).is_some();
            }
            return !again;
        }
        let list = self
            .members
            .entry(tag)
            .or_insert_with(|| Value::Array(Vec::new()));
        let place = list.as_array().map_or(0, Vec::len);
        push(list, value.unwrap_or(Value::Null));
        let key = format!("_{tag}");
        if shadow.is_some() || self.members.contains_key(&key) {
            let list = self
                .members
                .entry(key)
                .or_insert_with(|| Value::Array(vec![Value::Null; place]));
            push(list, shadow.unwrap_or(Value::Null));
        }
        true
    }
}

fn push(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}

/// The JSON scalar that an XML value stands for; numbers keep their text.
pub(super) fn scalar(type_name: &str, text: &str) -> Result<Value, &'static str> {
    match type_name {
        "boolean" => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("must be true or false"),
        },
        "decimal" | "integer" | "positiveInt" | "unsignedInt" => {
            let tight = !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace);
            let number = text.parse::<Number>().ok().filter(|_| tight);
            number.map(Value::Number).ok_or("must be a number")
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}
