//! YAML as Ruby writes it, with anchors and aliases, as a JSON value; a name's leading `:` (a Ruby symbol) is dropped.
//! <https://yaml.org/spec/1.2.2/>

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The one document of this text. A test's own file: what cannot be read ends the test.
pub(super) fn read(text: &str) -> Value {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.expect("the metadata is YAML");
        reader.take(event);
    }
    reader.root.expect("the metadata holds a document")
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    named: HashMap<usize, Value>,
    root: Option<Value>,
}

/// A list or an object that has not ended, and the anchor it may have.
struct Open {
    anchor: usize,
    body: Value,
    key: Option<String>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Scalar(text, style, anchor, _) => self.place(scalar(&text, style), anchor),
            Event::Alias(anchor) => {
                let value = self.named[&anchor].clone();
                self.place(value, 0);
            }
            Event::SequenceStart(anchor, _) => self.start(Value::Array(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.start(Value::Object(Map::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let ended = self.open.pop().expect("what ends has begun");
                self.place(ended.body, ended.anchor);
            }
            _ => {}
        }
    }

    fn start(&mut self, body: Value, anchor: usize) {
        self.open.push(Open {
            anchor,
            body,
            key: None,
        });
    }

    fn place(&mut self, value: Value, anchor: usize) {
        if anchor != 0 {
            self.named.insert(anchor, value.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return;
        };
        match (&mut open.body, open.key.take()) {
            (Value::Array(items), _) => items.push(value),
            (Value::Object(members), Some(key)) => {
                members.insert(key, value);
            }
            (_, None) => open.key = Some(name(&value)),
            (_, Some(_)) => {}
        }
    }
}

fn name(value: &Value) -> String {
    let text = value.as_str().expect("a name is text");
    text.strip_prefix(':').unwrap_or(text).to_owned()
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        "true" if style == ScalarStyle::Plain => true.into(),
        "false" if style == ScalarStyle::Plain => false.into(),
        "" | "null" | "~" if style == ScalarStyle::Plain => Value::Null,
        text => text.into(),
    }
}
