//! Functions that know FHIR's trees: children, extensions, references, types.
//! <https://hl7.org/fhir/R4/fhirpath.html#functions>, <http://hl7.org/fhirpath/N1/#tree-navigation>

use super::ast::Call;
use super::eval::{Evaluator, Focus, Items, Outcome, only};
use super::function::Function;
use super::item::Item;
use super::types::{self, FhirType};
use super::{EvalCode, EvalError};
use serde_json::{Value, json};

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn tree(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        let at = call.at;
        let mut out = Vec::new();
        match (call.function, &call.wanted) {
            (Function::Is, Some(wanted)) => return self.type_is(receiver, wanted, at),
            (Function::As, Some(wanted)) => return self.type_as(receiver.to_vec(), wanted, at),
            (Function::OfType, Some(wanted)) => return Ok(only(receiver.to_vec(), wanted)),
            (Function::Children, _) => {
                for item in receiver {
                    self.children(item, at, &mut out)?;
                }
            }
            (Function::Descendants, _) => {
                let mut level = receiver.to_vec();
                while !level.is_empty() {
                    let mut next = Vec::new();
                    for item in &level {
                        self.children(item, at, &mut next)?;
                    }
                    out.extend_from_slice(&next);
                    self.check_size(out.len(), at)?;
                    level = next;
                }
            }
            (Function::Repeat, _) => return self.repeat(call, receiver),
            (Function::Extension, _) => {
                let found = call
                    .args
                    .first()
                    .map(|url| self.expr(url, focus))
                    .transpose()?
                    .unwrap_or_default();
                let Some(url) = self.text_of(&found, "extension()", at)? else {
                    return Ok(out);
                };
                for item in receiver {
                    self.extension(item, &url, at, &mut out)?;
                }
            }
            (Function::HtmlChecks, _) => {
                let divs = receiver.iter().filter_map(Item::string);
                let mut sound = true;
                for div in divs {
                    self.charge(div.len() / 8, at)?;
                    sound &= crate::fhir::primitive::check("xhtml", &Value::String(div.into_owned())).is_ok();
                }
                out.push(Item::Bool(sound));
            }
            (Function::MemberOf | Function::ConformsTo, _) => return self.asked(call, receiver, focus),
            (Function::HasValue, _) => {
                let single = if let [item] = receiver { Some(item) } else { None };
                let has = single.is_some_and(|item| match item.value() {
                    Some(value) => !value.is_null() && !value.is_object(),
                    None => !matches!(item, Item::Delete),
                });
                out.push(Item::Bool(has));
            }
            _ => {
                for item in receiver {
                    self.charge(1, at)?;
                    self.note(item);
                    out.extend(self.resolve(item));
                }
            }
        }
        Ok(out)
    }

    /// What only the host can tell; what it cannot tell is no answer.
    fn asked(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        let at = call.at;
        let Some(item) = self.one(receiver, call.function.name(), at)? else {
            return Ok(Vec::new());
        };
        let argument = call.args.first().map(|url| self.expr(url, focus)).transpose()?;
        let Some(url) = self.text_of(&argument.unwrap_or_default(), call.function.name(), at)? else {
            return Ok(Vec::new());
        };
        self.charge(1000, at)?;
        let told = self.scope.host.and_then(|host| match call.function {
            Function::MemberOf => host.is_member(item, &url),
            _ => host.conforms(item, &url),
        });
        let unknown = || {
            EvalError::new(
                EvalCode::Unsupported,
                at,
                "what this asks about is not known here",
            )
        };
        told.map(|holds| vec![Item::Bool(holds)]).ok_or_else(unknown)
    }

    /// Every member of the item, in document order.
    fn children(&self, item: &Item<'a>, at: usize, out: &mut Items<'a>) -> Result<(), EvalError> {
        let Item::Node(node) = item else { return Ok(()) };
        let beside = node.beside.and_then(Value::as_object);
        let Some(object) = node.value.as_object().or(beside) else {
            return Ok(());
        };
        let holder = if node.value.is_object() {
            node.of.and_then(|of| of.content)
        } else {
            None
        };
        self.charge(object.len(), at)?;
        for (key, value) in object {
            if key == "resourceType" {
                continue;
            }
            let (plain, value, beside) = match key.strip_prefix('_') {
                Some(plain) if object.contains_key(plain) => continue,
                Some(plain) => (plain, &Value::Null, Some(value)),
                None => (key.as_str(), value, object.get(&format!("_{key}"))),
            };
            let of = holder
                .and_then(|h| h.child(plain))
                .map(|c| FhirType::of_child(&c));
            let of = of.or_else(|| {
                (plain == "extension")
                    .then(|| FhirType::named("Extension"))
                    .flatten()
            });
            self.push(value, beside, of, false, 0, at, out)?;
        }
        Ok(())
    }

    /// The projection of each new item, again and again, until nothing new comes.
    fn repeat(&self, call: &'a Call, receiver: &[Item<'a>]) -> Outcome<'a> {
        let Some(projection) = call.args.first() else {
            return Ok(Vec::new());
        };
        let mut out: Items<'a> = Vec::new();
        let mut level = receiver.to_vec();
        while !level.is_empty() {
            let mut next = Vec::new();
            for (index, item) in level.iter().enumerate() {
                self.charge(1, call.at)?;
                let focus = Focus {
                    items: std::slice::from_ref(item),
                    index: Some(index),
                };
                for found in self.expr(projection, focus)? {
                    if !self.holds(&out, &found, call.at)? {
                        out.push(found.clone());
                        next.push(found);
                    }
                }
            }
            self.check_size(out.len(), call.at)?;
            level = next;
        }
        Ok(out)
    }

    fn extension(&self, item: &Item<'a>, url: &str, at: usize, out: &mut Items<'a>) -> Result<(), EvalError> {
        let Item::Node(node) = item else { return Ok(()) };
        let holder = node.value.as_object().or(node.beside.and_then(Value::as_object));
        let Some(list) = holder.and_then(|o| o.get("extension")) else {
            return Ok(());
        };
        let mut found = Vec::new();
        self.push(list, None, FhirType::named("Extension"), false, 0, at, &mut found)?;
        out.extend(
            found
                .into_iter()
                .filter(|e| e.value().and_then(|v| v.get("url")).and_then(Value::as_str) == Some(url)),
        );
        Ok(())
    }

    /// A contained resource, what the host has, or else a stand-in that knows only its type and id.
    fn resolve(&self, item: &Item<'a>) -> Option<Item<'a>> {
        let (reference, stated) = match item {
            Item::Node(node) => match node.value {
                Value::String(text) => (text.as_str(), None),
                Value::Object(object) => (
                    object.get("reference")?.as_str()?,
                    object.get("type").and_then(Value::as_str),
                ),
                _ => return None,
            },
            Item::Text(std::borrow::Cow::Borrowed(text)) => (*text, None),
            _ => return None,
        };
        if let Some(id) = reference.strip_prefix('#') {
            let resource = self.scope.resource.unwrap_or(self.input);
            let root = self.scope.root_resource.unwrap_or(resource);
            if id.is_empty() {
                return Some(self.typed_item(root, None, None, false));
            }
            let contained = root.get("contained")?.as_array()?;
            let found = contained.iter().find(|c| c.get("id").is_some_and(|v| v == id))?;
            return Some(self.typed_item(found, None, None, false));
        }
        if let Some(found) = self.scope.host.and_then(|host| host.resolve(reference)) {
            return Some(self.typed_item(found, None, None, false));
        }
        let (kind, id) = literal_target(reference).or_else(|| stated.map(|kind| (kind, "")))?;
        let mut stand_in = json!({ "resourceType": kind });
        if !id.is_empty() {
            stand_in["id"] = Value::String(id.to_owned());
        }
        Some(Item::made(stand_in))
    }
}

/// `Patient/123`, `https://host/fhir/Patient/123/_history/2`.
fn literal_target(reference: &str) -> Option<(&str, &str)> {
    let current = reference
        .split_once("/_history/")
        .map_or(reference, |(current, _)| current);
    let (before, id) = current.rsplit_once('/')?;
    let kind = before.rsplit_once('/').map_or(before, |(_, kind)| kind);
    (types::is_resource_name(kind) && !id.is_empty()).then_some((kind, id))
}
