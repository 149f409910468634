//! Contained resources become resources of their own: what is released never contains another.
//! <https://hl7.org/fhir/R4/references.html#contained>

use super::super::problem::Rule;
use super::Task;
use super::entries::Entry;
use super::pieces::{Piece, begin, other, own_id};
use crate::fhir::element;
use serde_json::Value;
use std::collections::HashMap;

/// What a local reference means.
#[derive(Clone, Debug)]
pub(super) enum Local<'r> {
    /// It is a resource of its own now, or the one that contains it.
    Resource { kind: &'static str, id: String },
    /// It is not taken; a Medication is looked into.
    Other {
        kind: &'static str,
        place: String,
        body: &'r Value,
    },
}

/// The pieces contained in an entry. They carry its labels: what it says of itself it says of them.
pub(super) fn lift<'r>(task: &mut Task<'_>, entry: &Entry<'r>, container: &mut Piece<'r>) -> Vec<Piece<'r>> {
    let list: &'r [Value] = entry.body["contained"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut lifted = Vec::with_capacity(list.len());
    let mut local: HashMap<&'r str, Local<'r>> = HashMap::new();
    for (index, body) in list.iter().enumerate() {
        let place = format!("{}.contained[{index}]", entry.place);
        let Some(kind) = body["resourceType"]
            .as_str()
            .and_then(|name| element::table().resource(name))
        else {
            continue; // the gate has said so
        };
        let kind = kind.name;
        let at = task.rules.line_of(kind);
        let Some(cid) = body["id"].as_str() else {
            task.problem(
                at,
                Rule::Id,
                &format!("{kind}.id"),
                &place,
                "a contained resource has an id",
            );
            continue;
        };
        if local.contains_key(cid) {
            let told = "another contained resource has the same id";
            task.problem(at, Rule::Duplicate, kind, &place, told);
            continue;
        }
        if task.rules.takes(kind).is_none() {
            if kind != "Medication" {
                other(task, kind, &place);
            }
            local.insert(cid, Local::Other { kind, place, body });
            continue;
        }
        let Some(id) = own_id(task, kind, &[entry.kind, entry.id, cid], &place) else {
            continue;
        };
        let mut piece = begin(task, kind, id.clone(), &place, body);
        piece.made.insert("id".to_owned(), vec![format!("{place}.id")]);
        piece.url = entry.url;
        for (at, label) in container.security().iter().enumerate() {
            piece.add_label(label, Some(format!("{}.meta.security[{at}]", entry.place)));
        }
        local.insert(cid, Local::Resource { kind, id });
        lifted.push(piece);
    }
    if !local.is_empty() {
        let whole = Local::Resource {
            kind: container.kind,
            id: container.id.clone(),
        };
        local.insert("", whole);
    }
    for piece in &mut lifted {
        piece.local.clone_from(&local);
    }
    container.local = local;
    lifted
}
