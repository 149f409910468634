//! The resources a record becomes, while they are worked on: with ids of ours, and without what a source's word is not taken for.
//! <https://hl7.org/fhir/R4/resource.html#Meta>

use super::super::problem::Rule;
use super::Task;
use super::contained::{Local, lift};
use super::known::Known;
use crate::fhir::id::resource_id;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// One resource on its way.
pub(super) struct Piece<'r> {
    /// Where it stands in the record: `entry[3].resource`, `entry[3].resource.contained[0]`.
    pub place: String,
    pub kind: &'static str,
    pub id: String,
    /// The source's own id; empty for what was contained.
    pub own: &'r str,
    /// The address of its entry.
    pub url: Option<&'r str>,
    /// What it will be; `null` stands where an item of a list went, so that indexes are still those of the record.
    pub body: Map<String, Value>,
    /// What `#…` means in it.
    pub local: HashMap<&'r str, Local<'r>>,
    /// Values that do not come from the same path of the record, by path: where from instead.
    pub made: HashMap<String, Vec<String>>,
    /// Something it cannot do without led nowhere.
    pub left_out: bool,
}

impl Piece<'_> {
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// The labels it carries.
    pub fn security(&self) -> &[Value] {
        let list = self.body.get("meta").and_then(|meta| meta["security"].as_array());
        list.map(Vec::as_slice).unwrap_or_default()
    }

    /// One more label, from this place of the record; from nowhere when the mapping says so.
    pub fn add_label(&mut self, coding: &Value, from: Option<String>) {
        let same = |known: &Value| known["system"] == coding["system"] && known["code"] == coding["code"];
        if self.security().iter().any(same) {
            return;
        }
        let path = format!("meta.security[{}]", self.security().len());
        match self.body.get_mut("meta").map(|meta| &mut meta["security"]) {
            Some(Value::Array(list)) => list.push(coding.clone()),
            Some(security) => *security = json!([coding]),
            // After type and id, where R4 has it.
            None => drop(
                self.body
                    .shift_insert(2, "meta".to_owned(), json!({"security": [coding]})),
            ),
        }
        self.made.insert(path, from.into_iter().collect());
    }
}

/// Every resource that is taken, those contained in others among them.
pub(super) fn make<'r>(task: &mut Task<'_>, known: &Known<'r>) -> Vec<Piece<'r>> {
    let mut pieces = Vec::with_capacity(known.entries.len());
    for (index, entry) in known.entries.iter().enumerate() {
        if task.rules.takes(entry.kind).is_none() || !known.is_first(index) {
            continue;
        }
        let Some(id) = own_id(task, entry.kind, &[entry.id], &entry.place) else {
            continue;
        };
        let mut piece = begin(task, entry.kind, id, &entry.place, entry.body);
        piece.made.insert("id".to_owned(), vec![entry.id_place.clone()]);
        (piece.own, piece.url) = (entry.id, entry.url);
        pieces.extend(lift(task, entry, &mut piece));
        pieces.push(piece);
    }
    pieces
}

/// The id of ours for what the source names so.
pub(super) fn own_id(task: &mut Task<'_>, kind: &str, parts: &[&str], place: &str) -> Option<String> {
    let mut whole = vec![task.namespace, kind];
    whole.extend(parts);
    match resource_id(task.id_key, &whole) {
        Ok(id) => Some(id),
        Err(why) => {
            task.problem(
                task.rules.line_of(kind),
                Rule::Id,
                &format!("{kind}.id"),
                place,
                why,
            );
            None
        }
    }
}

/// A copy without what is not believed: version, profiles, narrative; and without its contained resources.
pub(super) fn begin<'r>(
    task: &mut Task<'_>,
    kind: &'static str,
    id: String,
    place: &str,
    body: &'r Value,
) -> Piece<'r> {
    let mut own = Map::new();
    own.insert("resourceType".to_owned(), Value::String(kind.to_owned()));
    own.insert("id".to_owned(), Value::String(id.clone()));
    if let Some(security) = body["meta"].get("security") {
        own.insert("meta".to_owned(), json!({"security": security}));
    }
    let unbelieved = ["resourceType", "id", "meta", "text", "contained"];
    for (key, value) in body.as_object().into_iter().flatten() {
        if !unbelieved.contains(&key.as_str()) {
            own.insert(key.clone(), value.clone());
        }
    }
    if own.contains_key("implicitRules") {
        let target = format!("{kind}.implicitRules");
        let told = "rules that are not known here change what the resource means";
        task.problem(task.rules.line_of(kind), Rule::R4, &target, place, told);
    }
    systems(task, kind, place, body);
    Piece {
        place: place.to_owned(),
        kind,
        id,
        own: "",
        url: None,
        body: own,
        local: HashMap::new(),
        made: HashMap::new(),
        left_out: false,
    }
}

/// An identifier without a system names nobody in particular.
fn systems(task: &mut Task<'_>, kind: &'static str, place: &str, body: &Value) {
    let list = match &body["identifier"] {
        Value::Array(list) => list.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    for (index, identifier) in list.iter().enumerate() {
        let blank = identifier["system"]
            .as_str()
            .is_none_or(|system| system.trim().is_empty());
        if blank && identifier.get("value").is_some() {
            let of = if body["identifier"].is_array() {
                format!("[{index}]")
            } else {
                String::new()
            };
            let at = task.rules.line_of(kind);
            let target = format!("{kind}.identifier{of}.system");
            let source = format!("{place}.identifier{of}");
            task.problem(at, Rule::Required, &target, &source, "an identifier has a system");
        }
    }
}

/// What is not taken is counted, or refused; what was used to make something taken is neither.
pub(super) fn others(task: &mut Task<'_>, known: &Known<'_>, used: &[bool]) {
    for (index, entry) in known.entries.iter().enumerate() {
        if task.rules.takes(entry.kind).is_none() && !used[index] {
            other(task, entry.kind, &entry.place);
        }
    }
}

pub(super) fn other(task: &mut Task<'_>, kind: &str, place: &str) {
    task.leave_out(kind);
    if !task.rules.skips_others {
        let told = "`take` does not list this type, and `others` refuses what it does not list";
        task.problem(task.rules.top, Rule::Type, kind, place, told);
    }
}
