//! FHIR XML as the JSON form of the same resource. The gate judges the result.
//! <https://hl7.org/fhir/R4/xml.html>

use serde_json::Value;

use super::element::{self, Type};
use super::markup::{self, Fault, Scanner, Token};
use super::xml_open::{Done, Holds, Open, scalar};
use super::{Issue, IssueCode, gate, json, path, xml};

/// The root resource of a document, or what kept it from being read.
pub(super) fn read(text: &str) -> Result<Value, Vec<Issue>> {
    let mut reader = Reader {
        text,
        scanner: Scanner::new(text),
        open: Vec::new(),
        issues: Vec::new(),
        root: None,
    };
    while reader.issues.len() < gate::MAX_ISSUES {
        let start = reader.scanner.offset();
        match reader.step(start) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => {
                reader.report(IssueCode::Structure, format!("{fault} (byte {start})"));
                break;
            }
        }
    }
    match (reader.issues.is_empty(), reader.root) {
        (true, Some(resource)) => Ok(resource),
        _ => Err(reader.issues),
    }
}

struct Reader<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    open: Vec<Open<'a>>,
    issues: Vec<Issue>,
    root: Option<Value>,
}

const TOO_DEEP: Fault = "is nested deeper than 64 levels";

type Attributes<'a> = Vec<(&'a str, &'a str)>;

impl<'a> Reader<'a> {
    /// One token; false at the end.
    fn step(&mut self, start: usize) -> Result<bool, Fault> {
        match self.scanner.next()? {
            Some(Token::Open { .. } | Token::Close(_)) | Some(Token::CData) if self.root.is_some() => {
                return Err("has something after its end");
            }
            Some(Token::Open {
                name,
                attributes,
                empty,
            }) => self.enter(name, attributes, empty, start)?,
            Some(Token::Close(name)) => {
                if self.open.last().map(|open| open.tag) != Some(name) {
                    return Err("has an end tag that does not match");
                }
                self.leave();
            }
            Some(Token::Text(text)) if text.trim().is_empty() => {}
            Some(Token::Text(_) | Token::CData) => self.report(IssueCode::Structure, "must not hold text"),
            Some(Token::Instruction(text)) if is_other_encoding(text) => {
                return Err("declares an encoding other than UTF-8");
            }
            Some(Token::Comment | Token::Instruction(_)) => {}
            None if self.root.is_none() => return Err("ends too early"),
            None => return Ok(false),
        }
        Ok(true)
    }

    fn enter(
        &mut self,
        tag: &'a str,
        attributes: Attributes<'a>,
        empty: bool,
        start: usize,
    ) -> Result<(), Fault> {
        if tag.contains(':') {
            return Err(
                "has an element with a namespace prefix, which is not read; declare the namespace as default",
            );
        }
        let open = match self.open.last().map(|parent| parent.holds) {
            None => self.root_resource(tag, &attributes)?,
            Some(Holds::Wrapped) => self.inner_resource(tag),
            Some(Holds::Resource(parent)) => self.child(parent, tag, true),
            Some(Holds::Members(parent) | Holds::Primitive(parent)) => self.child(parent, tag, false),
            Some(Holds::Unknown) => Open::new(tag, Holds::Unknown, None, 0),
        };
        let is_narrative = open.child.is_some_and(|child| child.type_name == "xhtml");
        if open.depth > json::MAX_DEPTH || self.open.len() > 2 * json::MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        self.open.push(open);
        if is_narrative {
            self.narrative(start, empty)?;
            self.leave();
            return Ok(());
        }
        self.attributes(attributes)?;
        if empty {
            self.leave();
        }
        Ok(())
    }

    fn root_resource(&mut self, tag: &'a str, attributes: &Attributes<'a>) -> Result<Open<'a>, Fault> {
        if !attributes
            .iter()
            .any(|(name, value)| *name == "xmlns" && *value == xml::NAMESPACE)
        {
            return Err("must declare xmlns=\"http://hl7.org/fhir\" on its first element");
        }
        let definition = element::table()
            .resource(tag)
            .ok_or("must be a resource that R4 knows")?;
        Ok(Open::new(tag, Holds::Resource(definition), None, 1))
    }

    fn inner_resource(&mut self, tag: &'a str) -> Open<'a> {
        let depth = self.depth();
        let taken = self.open.last().is_some_and(|open| open.value.is_some());
        match element::table().resource(tag) {
            Some(definition) if !taken => Open::new(tag, Holds::Resource(definition), None, depth),
            known => {
                let details = if known.is_some() {
                    "must hold one resource only"
                } else {
                    "must hold a resource that R4 knows"
                };
                self.report(IssueCode::Value, details);
                Open::new(tag, Holds::Unknown, None, depth)
            }
        }
    }

    fn child(&mut self, parent: &'static Type, tag: &'a str, in_resource: bool) -> Open<'a> {
        let depth = self.depth();
        let is_attribute = !in_resource && (tag == "id" || (tag == "url" && parent.name == "Extension"));
        let Some((position, child)) = parent.find(tag).filter(|_| !is_attribute) else {
            let details = if is_attribute {
                "must be an attribute"
            } else {
                "is no element that R4 defines here"
            };
            self.report_at(tag, IssueCode::Structure, details);
            return Open::new(tag, Holds::Unknown, None, depth);
        };
        let holds = match child.content() {
            _ if element::is_primitive(child.type_name) => Holds::Primitive(
                element::table()
                    .datatype("Element")
                    .expect("R4 has a type Element"),
            ),
            Some(definition) => Holds::Members(definition),
            None => Holds::Wrapped,
        };
        let is_list = child.element.is_list();
        // A primitive is a scalar in JSON; only what stands beside it opens an object.
        let own = usize::from(!matches!(holds, Holds::Primitive(_)));
        let mut open = Open::new(tag, holds, Some(child), depth + own + usize::from(is_list));
        let mut out_of_order = false;
        if let Some(parent) = self.open.last_mut() {
            out_of_order = position < parent.last;
            parent.last = parent.last.max(position);
            open.index = is_list.then(|| {
                parent
                    .members
                    .get(tag)
                    .and_then(Value::as_array)
                    .map_or(0, Vec::len)
            });
        }
        if out_of_order {
            self.report_at(
                tag,
                IssueCode::Structure,
                "must come earlier: XML keeps the order of the definition",
            );
        }
        open
    }

    fn attributes(&mut self, attributes: Attributes<'a>) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        let mut unknown = false;
        let mut fault = None;
        for (name, raw) in attributes {
            let text = markup::unescape(raw)?;
            match (name, open.holds) {
                (_, Holds::Unknown) => {}
                ("xmlns", _) if text == xml::NAMESPACE => {}
                (name, _) if name.starts_with("xmlns:") || name.starts_with("xsi:") => {}
                ("id", Holds::Primitive(_)) if open.depth == json::MAX_DEPTH => return Err(TOO_DEEP),
                ("id", Holds::Members(_) | Holds::Primitive(_)) => {
                    open.members
                        .insert("id".to_owned(), Value::String(text.into_owned()));
                }
                ("url", Holds::Members(definition)) if definition.name == "Extension" => {
                    open.members
                        .insert("url".to_owned(), Value::String(text.into_owned()));
                }
                ("value", Holds::Primitive(_)) => match scalar(open.child.map_or("", |c| c.type_name), &text)
                {
                    Ok(value) => open.value = Some(value),
                    Err(demand) => fault = Some(demand),
                },
                _ => unknown = true,
            }
        }
        if let Some(demand) = fault {
            self.report(IssueCode::Value, demand);
            // Reported; a stand-in keeps "has no value" from being reported, too.
            self.open.last_mut().expect("it was there above").value = Some(Value::Null);
        }
        if unknown {
            self.report(
                IssueCode::Structure,
                "has an attribute that R4 does not define here",
            );
        }
        Ok(())
    }

    /// Reads on to the end tag of the div whose start tag was read, and keeps it all as written.
    fn narrative(&mut self, start: usize, empty: bool) -> Result<(), Fault> {
        let mut depth = usize::from(!empty);
        while depth > 0 {
            match self.scanner.next()? {
                Some(Token::Open { empty: false, .. }) => depth += 1,
                Some(Token::Close(_)) => depth -= 1,
                Some(_) => {}
                None => return Err("ends too early"),
            }
        }
        let div = &self.text[start..self.scanner.offset()];
        if let Some(open) = self.open.last_mut() {
            open.value = Some(Value::String(div.replace("\r\n", "\n").replace('\r', "\n")));
        }
        Ok(())
    }

    /// Closes the innermost element and puts it into the one around it.
    fn leave(&mut self) {
        let missing = match self.open.last() {
            Some(Open {
                holds: Holds::Primitive(_),
                value: None,
                members,
                ..
            }) if members.is_empty() => "a value",
            Some(Open {
                holds: Holds::Wrapped,
                value: None,
                ..
            }) => "a resource",
            _ => "",
        };
        if !missing.is_empty() {
            self.report(IssueCode::Required, format!("must have {missing}"));
        }
        let Some(open) = self.open.pop() else { return };
        match (open.finish(), self.open.last_mut()) {
            (Done::Nothing, _) => {}
            (Done::Resource(resource), None) => self.root = Some(resource),
            (Done::Resource(resource), Some(wrapper)) => wrapper.value = Some(resource),
            (
                Done::Child {
                    tag,
                    child,
                    value,
                    shadow,
                },
                Some(parent),
            ) => {
                if !parent.add(tag, child, value, shadow) {
                    self.report_at(tag, IssueCode::Structure, "must not be repeated");
                }
            }
            (Done::Child { .. }, None) => {}
        }
    }

    /// Levels of JSON around a child of the innermost element.
    fn depth(&self) -> usize {
        self.open.last().map_or(0, |open| {
            open.depth + usize::from(matches!(open.holds, Holds::Primitive(_)))
        })
    }

    fn report_at(&mut self, tag: &str, code: IssueCode, details: &str) {
        let mut place = self.place();
        path::push_name(&mut place, tag);
        self.issues.push(Issue::error(code, place, details));
    }

    fn report(&mut self, code: IssueCode, details: impl Into<String>) {
        self.issues.push(Issue::error(code, self.place(), details));
    }

    fn place(&self) -> String {
        let mut out = String::new();
        for open in &self.open {
            match open.child {
                Some(child) => path::push_name(&mut out, child.element.stem()),
                None if out.is_empty() => path::push_name(&mut out, open.tag),
                None => {}
            }
            if let Some(index) = open.index {
                path::push_index(&mut out, index);
            }
        }
        out
    }
}

/// Bytes that are UTF-8 by chance would be read as other letters than were meant.
fn is_other_encoding(instruction: &str) -> bool {
    let Some((_, encoding)) = instruction
        .strip_prefix("xml")
        .and_then(|xml| xml.split_once("encoding"))
    else {
        return false;
    };
    let name = encoding.trim_matches(|c: char| c == '=' || c == '"' || c == '\'' || c.is_ascii_whitespace());
    let end = name.find(['"', '\'']).unwrap_or(name.len());
    !name[..end].eq_ignore_ascii_case("utf-8") && !name[..end].eq_ignore_ascii_case("us-ascii")
}
