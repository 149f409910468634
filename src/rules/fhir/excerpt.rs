//! A part of a resource, borrowed from where it is stored: its nodes in the order in which they are written, each with the
//! number of those below it. Taking out what was just put in is cutting the end off, and nothing of the stored tree
//! is cloned. <https://hl7.org/fhir/R4/json.html>

use serde_json::{Map, Value};

#[derive(Clone, Debug, Default)]
pub struct Excerpt<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    /// Name of the member; empty for list items and for the resource.
    name: &'a str,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Scalar(&'a Value),
    /// With the number of nodes below.
    Object(usize),
    List(usize),
}

static NULL: Value = Value::Null;

impl<'a> Excerpt<'a> {
    pub fn with_capacity(nodes: usize) -> Excerpt<'a> {
        Excerpt {
            nodes: Vec::with_capacity(nodes),
        }
    }

    /// Nodes so far: where the next one will stand.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Begins an object; what is put in until `close` belongs to it. `name` is a name of R4 and needs no escape in JSON.
    pub fn open_object(&mut self, name: &'a str) -> usize {
        self.push(name, What::Object(0))
    }

    pub fn open_list(&mut self, name: &'a str) -> usize {
        self.push(name, What::List(0))
    }

    /// Ends the object or list that was opened at `at`.
    pub fn close(&mut self, at: usize) {
        let inside = self.nodes.len() - at - 1;
        match &mut self.nodes[at].what {
            What::Object(below) | What::List(below) => *below = inside,
            What::Scalar(_) => {}
        }
    }

    pub fn scalar(&mut self, name: &'a str, value: &'a Value) {
        self.push(name, What::Scalar(value));
    }

    pub fn null(&mut self, name: &'a str) {
        self.scalar(name, &NULL);
    }

    /// A whole value with everything below it.
    pub fn value(&mut self, name: &'a str, value: &'a Value) {
        match value {
            Value::Object(map) => {
                let at = self.open_object(name);
                map.iter().for_each(|(name, value)| self.value(name, value));
                self.close(at);
            }
            Value::Array(items) => {
                let at = self.open_list(name);
                items.iter().for_each(|item| self.value("", item));
                self.close(at);
            }
            scalar => self.scalar(name, scalar),
        }
    }

    /// Takes out everything from `at` on.
    pub fn cut(&mut self, at: usize) {
        self.nodes.truncate(at);
    }

    /// The same, handing it over.
    pub fn take_from(&mut self, at: usize) -> Excerpt<'a> {
        Excerpt {
            nodes: self.nodes.split_off(at),
        }
    }

    pub fn append(&mut self, mut other: Excerpt<'a>) {
        self.nodes.append(&mut other.nodes);
    }

    /// The part that begins at `at`, once it is closed.
    pub fn part(&self, at: usize) -> Option<Part<'_, 'a>> {
        let rest = self.nodes.get(at..)?;
        let nodes = rest.get(..rest.first()?.whole())?;
        Some(Part { nodes })
    }

    pub fn root(&self) -> Option<Part<'_, 'a>> {
        self.part(0)
    }

    /// Every scalar in it, where it is stored.
    pub fn scalars(&self) -> impl Iterator<Item = &'a Value> {
        self.nodes.iter().filter_map(|node| match node.what {
            What::Scalar(value) => Some(value),
            _ => None,
        })
    }

    fn push(&mut self, name: &'a str, what: What<'a>) -> usize {
        self.nodes.push(Node { name, what });
        self.nodes.len() - 1
    }
}

impl Node<'_> {
    /// Itself and what is below it.
    fn whole(&self) -> usize {
        match self.what {
            What::Scalar(_) => 1,
            What::Object(below) | What::List(below) => below + 1,
        }
    }
}

/// One node of an excerpt with everything below it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'e, 'a> {
    /// Never empty.
    nodes: &'e [Node<'a>],
}

impl<'e, 'a> Part<'e, 'a> {
    fn node(self) -> &'e Node<'a> {
        &self.nodes[0]
    }

    pub fn name(self) -> &'a str {
        self.node().name
    }

    pub fn scalar(self) -> Option<&'a Value> {
        match self.node().what {
            What::Scalar(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_str(self) -> Option<&'a str> {
        self.scalar().and_then(Value::as_str)
    }

    pub fn is_object(self) -> bool {
        matches!(self.node().what, What::Object(_))
    }

    pub fn is_list(self) -> bool {
        matches!(self.node().what, What::List(_))
    }

    pub fn is_null(self) -> bool {
        self.scalar().is_some_and(Value::is_null)
    }

    /// Members of an object, items of a list; nothing for a scalar.
    pub fn parts(self) -> Parts<'e, 'a> {
        Parts {
            nodes: &self.nodes[1..],
        }
    }

    pub fn member(self, name: &str) -> Option<Part<'e, 'a>> {
        self.parts().find(|part| part.name() == name && self.is_object())
    }

    /// Scalars in it, nulls aside.
    pub fn leaves(self) -> usize {
        let leaf = |node: &&Node| matches!(node.what, What::Scalar(value) if !value.is_null());
        self.nodes.iter().filter(leaf).count()
    }

    /// As JSON, without its name.
    pub fn write(self, out: &mut Vec<u8>) {
        let (open, close) = match self.node().what {
            What::Scalar(value) => return write_scalar(value, out),
            What::Object(_) => (b'{', b'}'),
            What::List(_) => (b'[', b']'),
        };
        out.push(open);
        for (index, part) in self.parts().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if open == b'{' {
                part.write_name(out);
            }
            part.write(out);
        }
        out.push(close);
    }

    /// `"name":`
    pub fn write_name(self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b"\":");
    }

    /// As a tree of its own.
    pub fn to_value(self) -> Value {
        match self.node().what {
            What::Scalar(value) => value.clone(),
            What::List(_) => Value::Array(self.parts().map(Part::to_value).collect()),
            What::Object(_) => {
                let members = self.parts().map(|part| (part.name().to_owned(), part.to_value()));
                Value::Object(members.collect::<Map<String, Value>>())
            }
        }
    }
}

pub struct Parts<'e, 'a> {
    nodes: &'e [Node<'a>],
}

impl<'e, 'a> Iterator for Parts<'e, 'a> {
    type Item = Part<'e, 'a>;

    fn next(&mut self) -> Option<Part<'e, 'a>> {
        let (nodes, rest) = self.nodes.split_at(self.nodes.first()?.whole());
        self.nodes = rest;
        Some(Part { nodes })
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => write_string(text, out),
        Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        _ => out.extend_from_slice(b"null"),
    }
}

/// A JSON string, escaped as serde_json does.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_excerpt_is_written_and_read_as_the_tree_it_was_taken_from() {
        let resource = json!({"resourceType": "Patient", "name": [{"given": ["A", null, "\"\n"], "_given": []}, {}],
            "active": true, "n": 1.50, "deep": {"a": {"b": [[]]}}});
        let mut excerpt = Excerpt::default();
        excerpt.value("", &resource);
        let root = excerpt.root().expect("a root");
        assert_eq!(root.to_value(), resource);
        let mut out = Vec::new();
        root.write(&mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), resource.to_string());
        let deep = root
            .member("deep")
            .and_then(|deep| deep.member("a"))
            .expect("there");
        assert_eq!(deep.to_value(), json!({"b": [[]]}));
        assert_eq!(root.leaves(), 5);
    }

    #[test]
    fn what_is_cut_off_was_never_there() {
        let (one, two) = (json!("one"), json!([{"x": 1}]));
        let mut excerpt = Excerpt::default();
        let at = excerpt.open_object("");
        excerpt.scalar("a", &one);
        let mark = excerpt.len();
        excerpt.value("b", &two);
        let taken = excerpt.take_from(mark);
        excerpt.append(taken);
        excerpt.cut(mark);
        excerpt.null("c");
        excerpt.close(at);
        assert_eq!(
            excerpt.root().map(Part::to_value),
            Some(json!({"a": "one", "c": null}))
        );
    }
}
