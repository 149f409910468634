//! What a writer's words lead to. Each reference has to name something it sees; what is absent and what is hidden are one
//! problem. <https://hl7.org/fhir/R4/references.html>

use serde_json::{Map, Value};

use super::element::plain;
use super::writer::Writer;
use crate::fhir::element::{Type, table};
use crate::fhir::{Issue, IssueCode};

/// Bytes of attachments, decoded, in one resource at most.
pub const MOST_ATTACHED: usize = 1024 * 1024;

/// Said of a reference to what is not there and to what is withheld alike.
pub(super) const NOT_SEEN: &str = "this names nothing that is released to you; find the person with Patient/$match first, and refer to what you have \
                        read or written here";

/// Makes references to this server relative.
pub(super) fn make_relative(value: &mut Value, base: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| make_relative(item, base)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member.as_str().filter(|_| name == "reference") {
                    Some(text) => {
                        let rest = text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
                        if let Some(rest) = rest {
                            *member = rest.to_owned().into();
                        }
                    }
                    None => make_relative(member, base),
                }
            }
        }
        _ => {}
    }
}

/// Everything wrong with where `members` (elements of `of`, standing at `path`) lead. `known`: references that stood there before.
pub(super) fn problems(
    writer: &Writer<'_>,
    of: &'static Type,
    members: &Map<String, Value>,
    known: &dyn Fn(&str) -> bool,
) -> Vec<Issue> {
    let mut walk = Walk {
        writer,
        known,
        attached: 0,
        issues: Vec::new(),
    };
    walk.members(of, members, of.name);
    if walk.attached > MOST_ATTACHED {
        let why = format!("attachments hold at most {MOST_ATTACHED} bytes in one resource");
        walk.issues.push(Issue::error(IssueCode::TooLong, "", why));
    }
    walk.issues
}

struct Walk<'w, 'a> {
    writer: &'w Writer<'a>,
    known: &'w dyn Fn(&str) -> bool,
    attached: usize,
    issues: Vec<Issue>,
}

impl Walk<'_, '_> {
    fn members(&mut self, of: &'static Type, members: &Map<String, Value>, path: &str) {
        for (key, value) in members {
            let Some(child) = of.child(plain(key)) else {
                continue;
            };
            let path = format!("{path}.{}", child.element.name);
            let items = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for item in items.iter().filter_map(Value::as_object) {
                match child.type_name {
                    "Reference" => self.reference(item, &path, child.element.targets.as_ref()),
                    "Attachment" => self.attachment(item, &path),
                    "Extension" => self.extension(item, &path),
                    _ => {}
                }
                let content = child.content().or_else(|| table().datatype("Element"));
                if let Some(content) = content {
                    self.members(content, item, &path);
                }
            }
        }
    }

    /// `targets`: the types that R4 lets the element refer to; none for any.
    fn reference(&mut self, reference: &Map<String, Value>, path: &str, targets: &[&str]) {
        let Some(target) = reference.get("reference").and_then(Value::as_str) else {
            return;
        };
        if (self.known)(target) {
            return;
        }
        let kind = target.split_once('/').map_or(target, |(kind, _)| kind);
        let any = targets.is_empty() || targets.contains(&"Resource");
        if !any && table().resource(kind).is_some() && !targets.contains(&kind) {
            let why = format!("must refer to one of {}", targets.join(", "));
            self.issues.push(Issue::error(IssueCode::Value, path, why));
        } else if !self.writer.sees(target) {
            self.issues.push(Issue::error(IssueCode::Value, path, NOT_SEEN));
        }
    }

    fn attachment(&mut self, attachment: &Map<String, Value>, path: &str) {
        let text = |name: &str| attachment.get(name).and_then(Value::as_str);
        self.attached += text("data").map_or(0, |data| data.len() / 4 * 3);
        if text("url").is_some_and(|url| !(self.known)(url)) {
            let why = "content behind an address is not fetched; send it in `data`";
            self.issues.push(Issue::error(IssueCode::NotSupported, path, why));
        }
    }

    fn extension(&mut self, extension: &Map<String, Value>, path: &str) {
        let url = extension.get("url").and_then(Value::as_str).unwrap_or_default();
        if url.starts_with(OURS) && !(self.known)(url) {
            let why = "extensions of this gateway are its own to set";
            self.issues.push(Issue::error(IssueCode::Extension, path, why));
        }
    }
}

/// Extensions and codings of our own say what only the gateway says.
pub(super) const OURS: &str = "https://postern.example/";

/// Every text in a value: what references, addresses and extension urls stood there before.
pub(super) fn texts(value: &Value, found: &mut std::collections::HashSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if matches!(name.as_str(), "reference" | "url") => {
                        found.insert(text.to_owned());
                    }
                    _ => texts(member, found),
                }
            }
        }
        _ => {}
    }
}
