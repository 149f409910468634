//! What in a released resource points elsewhere: References, canonicals and urls, by paths that a projection takes.
//! The slow way, which projection is held against. <https://hl7.org/fhir/R4/references.html>

use std::fmt::Write;

use serde_json::{Map, Value};

use super::super::plan::{Content, Node, Plan};

/// One pointer. The path given with it is the element that goes when the pointer may not stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Link<'a> {
    /// A whole Reference: `reference`, `type` and `identifier` say what it points to.
    Reference(&'a Map<String, Value>),
    Canonical(&'a str),
    /// An element of type `url`, `Attachment.url` above all.
    Url(&'a str),
}

impl<'a> Link<'a> {
    /// The literal reference, canonical or url, if there is one.
    pub(in super::super) fn target(&self) -> Option<&'a str> {
        match self {
            Link::Reference(map) => map.get("reference").and_then(Value::as_str),
            Link::Canonical(text) | Link::Url(text) => Some(text),
        }
    }
}

pub(in super::super) fn visit<'v>(plan: &Plan, released: &'v Value, see: &mut dyn FnMut(&str, Link<'v>)) {
    let (Some(root), Some(map)) = (plan.nodes.first(), released.as_object()) else {
        return;
    };
    let mut walk = Walk {
        plan,
        path: root.content.name().to_owned(),
        see,
    };
    walk.object(root, map);
}

struct Walk<'a, 'v> {
    plan: &'a Plan,
    path: String,
    see: &'a mut dyn FnMut(&str, Link<'v>),
}

impl<'v> Walk<'_, 'v> {
    fn object(&mut self, node: &Node, map: &'v Map<String, Value>) {
        if node.content.name() == "Reference" {
            (self.see)(&self.path, Link::Reference(map));
        }
        for (key, value) in map {
            let (name, twin) = key
                .strip_prefix('_')
                .map_or((key.as_str(), false), |name| (name, true));
            let Some((opened, form)) = node.find(name) else {
                continue;
            };
            let mark = self.path.len();
            self.path.push('.');
            self.path.push_str(name);
            let items = value.as_array().filter(|_| opened.is_list());
            for (at, item) in items
                .map_or(std::slice::from_ref(value), Vec::as_slice)
                .iter()
                .enumerate()
            {
                let mark = self.path.len();
                if items.is_some() {
                    // Writing to a String does not fail.
                    let _ = write!(self.path, "[{at}]");
                }
                let slice = opened
                    .slices
                    .iter()
                    .find(|s| !twin && s.wants.iter().all(|w| w.met_by(item)));
                self.value(&self.plan.nodes[slice.map_or(form.node, |s| s.node)], item);
                self.path.truncate(mark);
            }
            self.path.truncate(mark);
        }
    }

    fn value(&mut self, node: &Node, value: &'v Value) {
        match (node.content, value) {
            (Content::Primitive("canonical"), Value::String(text)) => {
                (self.see)(&self.path, Link::Canonical(text))
            }
            (Content::Primitive("url"), Value::String(text)) => (self.see)(&self.path, Link::Url(text)),
            (_, Value::Object(map)) => self.object(node, map),
            _ => {}
        }
    }
}
