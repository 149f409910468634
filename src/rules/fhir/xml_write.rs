//! A resource that passed the gate, as XML: elements in definition order, ids and extension urls as attributes.
//! <https://hl7.org/fhir/R4/xml.html>

use serde_json::{Map, Value};

use super::element::{self, Child, Type};
use super::{Issue, IssueCode, markup, xml};

/// Takes what the gate accepted, so it recurses no deeper than the gate allows.
pub(super) fn write(resource: &Value) -> Result<String, Issue> {
    let mut writer = Writer {
        out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
    };
    writer.resource(resource, true)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
}

/// One JSON member, or the two that make one primitive.
struct Member<'a> {
    index: usize,
    child: Child,
    key: &'a str,
    value: Option<&'a Value>,
    shadow: Option<&'a Value>,
}

impl Writer {
    fn resource(&mut self, resource: &Value, is_root: bool) -> Result<(), Issue> {
        let name = resource["resourceType"].as_str().unwrap_or_default();
        let (Some(definition), Value::Object(map)) = (element::table().resource(name), resource) else {
            return Err(Issue::error(IssueCode::Structure, "", "is no R4 resource"));
        };
        self.out.push('<');
        self.out.push_str(name);
        if is_root {
            self.attribute("xmlns", xml::NAMESPACE, name)?;
        }
        self.close_tag(name, |w| {
            members(definition, map, true)
                .iter()
                .try_for_each(|member| w.member(member))
        })
    }

    fn member(&mut self, member: &Member<'_>) -> Result<(), Issue> {
        if !member.child.element.is_list() {
            return self.item(member.child, member.key, member.value, member.shadow);
        }
        let list = |value: Option<&Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..list(member.value).max(list(member.shadow)) {
            self.item(
                member.child,
                member.key,
                at(member.value, index),
                at(member.shadow, index),
            )?;
        }
        Ok(())
    }

    fn item(
        &mut self,
        child: Child,
        key: &str,
        value: Option<&Value>,
        shadow: Option<&Value>,
    ) -> Result<(), Issue> {
        if child.type_name == "xhtml" {
            let div = value.and_then(Value::as_str).unwrap_or_default();
            // An XML reader would do the same; a reference to CR is not possible everywhere in a div.
            self.out.push_str(&div.replace("\r\n", "\n").replace('\r', "\n"));
            return Ok(());
        }
        self.out.push('<');
        self.out.push_str(key);
        if element::is_primitive(child.type_name) {
            return self.primitive(child, key, value, shadow);
        }
        match (value, child.content()) {
            (Some(Value::Object(map)), Some(definition)) => {
                self.attributes(definition, map)?;
                self.close_tag(key, |w| {
                    members(definition, map, false)
                        .iter()
                        .try_for_each(|m| w.member(m))
                })
            }
            (Some(resource), None) => self.close_tag(key, |w| w.resource(resource, false)),
            _ => Err(Issue::error(
                IssueCode::Structure,
                child.element.path,
                "has no content",
            )),
        }
    }

    fn primitive(
        &mut self,
        child: Child,
        key: &str,
        value: Option<&Value>,
        shadow: Option<&Value>,
    ) -> Result<(), Issue> {
        let base = element::table()
            .datatype("Element")
            .expect("R4 has a type Element");
        let beside = shadow.and_then(Value::as_object);
        if let Some(map) = beside {
            self.attributes(base, map)?;
        }
        match value {
            Some(Value::String(text)) => self.attribute("value", text, child.element.path)?,
            Some(scalar) => self.attribute("value", &scalar.to_string(), child.element.path)?,
            None => {}
        }
        self.close_tag(key, |w| match beside {
            Some(map) => members(base, map, false)
                .iter()
                .try_for_each(|member| w.member(member)),
            None => Ok(()),
        })
    }

    fn attributes(&mut self, definition: &'static Type, map: &Map<String, Value>) -> Result<(), Issue> {
        let names: &[&str] = if definition.name == "Extension" {
            &["id", "url"]
        } else {
            &["id"]
        };
        for name in names {
            if let Some(text) = map.get(*name).and_then(Value::as_str) {
                self.attribute(name, text, definition.name)?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str, place: &str) -> Result<(), Issue> {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        markup::escape(value, &mut self.out).map_err(|fault| Issue::error(IssueCode::Value, place, fault))?;
        self.out.push('"');
        Ok(())
    }

    /// Ends the open tag: with `/>` if nothing comes inside.
    fn close_tag(
        &mut self,
        name: &str,
        inside: impl FnOnce(&mut Writer) -> Result<(), Issue>,
    ) -> Result<(), Issue> {
        self.out.push('>');
        let start = self.out.len();
        inside(self)?;
        if self.out.len() == start {
            self.out.pop();
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        Ok(())
    }
}

/// Null keeps a place in a list, it is no value.
fn at(list: Option<&Value>, index: usize) -> Option<&Value> {
    list.and_then(|list| list.get(index))
        .filter(|item| !item.is_null())
}

/// The members in definition order, without those that are attributes.
fn members<'a>(definition: &'static Type, map: &'a Map<String, Value>, is_resource: bool) -> Vec<Member<'a>> {
    let is_attribute =
        |name: &str| !is_resource && (name == "id" || (name == "url" && definition.name == "Extension"));
    let mut out = Vec::with_capacity(map.len());
    for (key, value) in map {
        let (name, is_shadow) = match key.strip_prefix('_') {
            Some(name) => (name, true),
            None => (key.as_str(), false),
        };
        // A shadow beside its value is written with the value.
        if is_attribute(name) || (is_shadow && map.contains_key(name)) {
            continue;
        }
        let Some((index, child)) = definition.find(name) else {
            continue;
        };
        let (value, shadow) = match is_shadow {
            true => (None, Some(value)),
            false if element::is_primitive(child.type_name) => (Some(value), map.get(&format!("_{name}"))),
            false => (Some(value), None),
        };
        out.push(Member {
            index,
            child,
            key: name,
            value,
            shadow,
        });
    }
    out.sort_by_key(|member| member.index);
    out
}
