//! Tests: what must hold of every write through a release. For any record, any part of it that is hidden, and any words of the
//! writer: what it did not see is still there, in order; what it saw and left is as it was; the release of what is stored then is
//! what it wrote; and a hidden thing changes nothing of that. SEMANTICS 5

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::edit::{Edit, carry_out, edits};
use super::element::{groups, items};
use super::merge::{Found, merge};
use crate::disclosure::Sight;
use crate::fhir::element::{Type, table};

fn of() -> &'static Type {
    table().resource("Task").expect("a type")
}

/// A stored Task in which whatever has a member or text `hidden…` is not seen.
fn sight(value: &Value) -> Sight {
    match value {
        Value::Object(members) => {
            let seen: Vec<(String, Sight)> = members
                .iter()
                .map(|(name, value)| (name.clone(), sight(value)))
                .collect();
            if seen.iter().all(|(_, sight)| *sight == Sight::Hidden) {
                Sight::Hidden
            } else if seen.iter().all(|(_, sight)| *sight == Sight::Whole) {
                Sight::Whole
            } else {
                Sight::Members(seen)
            }
        }
        Value::Array(list) => {
            let seen: Vec<Sight> = list.iter().map(sight).collect();
            if seen.iter().all(|one| *one == Sight::Hidden) {
                Sight::Hidden
            } else if seen.iter().all(|one| *one == Sight::Whole) {
                Sight::Whole
            } else {
                Sight::Items(seen)
            }
        }
        Value::String(text) if text.starts_with("hidden") => Sight::Hidden,
        _ => Sight::Whole,
    }
}

fn text() -> impl Strategy<Value = String> {
    "(seen|new|hidden) [a-d]"
}

fn note() -> impl Strategy<Value = Value> {
    (text(), proptest::option::of(text())).prop_map(|(text, author)| match author {
        Some(author) => json!({"authorString": author, "text": text}),
        None => json!({"text": text}),
    })
}

fn output() -> impl Strategy<Value = Value> {
    ("[a-c]", text(), text()).prop_map(|(code, display, value)| {
        json!({"type": {"coding": [{"system": "s", "code": code, "display": display}]}, "valueString": value})
    })
}

fn identifier() -> impl Strategy<Value = Value> {
    ("[a-c]", text()).prop_map(|(value, system)| json!({"system": system, "value": value}))
}

fn task() -> impl Strategy<Value = Map<String, Value>> {
    let list = |one: BoxedStrategy<Value>| proptest::option::of(proptest::collection::vec(one, 1..5));
    let elements = (
        proptest::option::of(text()),
        proptest::option::of(note()),
        list(note().boxed()),
        list(output().boxed()),
        list(identifier().boxed()),
        any::<u8>(),
    );
    elements.prop_map(|(description, reason, notes, outputs, identifiers, turn)| {
        let mut members: Vec<(&str, Value)> = vec![("status", "requested".into())];
        members.extend(description.map(|one| ("description", one.into())));
        members.extend(reason.map(|one| ("statusReason", json!({"text": one["text"]}))));
        members.extend(notes.map(|list| ("note", list.into())));
        members.extend(outputs.map(|list| ("output", list.into())));
        members.extend(identifiers.map(|list| ("identifier", list.into())));
        let turn = usize::from(turn) % members.len();
        members.rotate_left(turn);
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

/// What a writer would send: nothing hidden is in it, by name.
fn written() -> impl Strategy<Value = Map<String, Value>> {
    task().prop_map(|task| {
        let text = Value::Object(task).to_string().replace("hidden", "new");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        value.as_object().expect("an object").clone()
    })
}

/// What the writer sent, and half of the time its own words are what it saw, changed a little.
fn pairs() -> impl Strategy<Value = (Map<String, Value>, Map<String, Value>)> {
    (task(), written(), any::<[bool; 8]>()).prop_map(|(stored, mut wanted, keep)| {
        let shown = sight(&Value::Object(stored.clone())).shown_members(&stored);
        for (group, keep) in groups(Some(of()), &shown).into_iter().zip(keep) {
            if keep {
                wanted.extend(group.to_map());
            }
        }
        (stored, wanted)
    })
}

fn carry(stored: &Map<String, Value>, wanted: &Map<String, Value>) -> (Map<String, Value>, Found) {
    let mut found = Found::default();
    let sight = sight(&Value::Object(stored.clone()));
    let merged = merge(of(), stored, &sight, wanted, &mut found);
    (merged, found)
}

/// As it is released then: what the writer wrote it sees, whatever it says.
fn released(merged: &Map<String, Value>, found: &Found) -> Map<String, Value> {
    let own = |value: &Value| found.written.iter().any(|(_, own, _)| own == value);
    fn shown(value: &Value, own: &dyn Fn(&Value) -> bool) -> Option<Value> {
        if own(value) {
            return Some(value.clone());
        }
        match value {
            Value::Object(members) => {
                let members = members
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), shown(value, own)?)));
                let members: Map<String, Value> = members.collect();
                (!members.is_empty()).then_some(Value::Object(members))
            }
            Value::Array(list) => {
                let list: Vec<Value> = list.iter().filter_map(|item| shown(item, own)).collect();
                (!list.is_empty()).then_some(Value::Array(list))
            }
            Value::String(text) if text.starts_with("hidden") => None,
            other => Some(other.clone()),
        }
    }
    let all = shown(&Value::Object(merged.clone()), &own).unwrap_or_default();
    all.as_object().cloned().unwrap_or_default()
}

fn hidden_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| hidden_texts(item, found)),
        Value::Object(members) => members.values().for_each(|value| hidden_texts(value, found)),
        Value::String(text) if text.starts_with("hidden") => found.push(text.clone()),
        _ => {}
    }
}

/// The same record in a world in which nothing hidden ever was.
fn never_hidden(stored: &Map<String, Value>) -> Map<String, Value> {
    sight(&Value::Object(stored.clone())).shown_members(stored)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_that_was_not_seen_is_lost((stored, wanted) in pairs()) {
        let (merged, found) = carry(&stored, &wanted);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        hidden_texts(&Value::Object(stored), &mut before);
        hidden_texts(&Value::Object(merged), &mut after);
        found.aside.iter().for_each(|one| hidden_texts(&one.value, &mut after));
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn hidden_items_keep_their_order((stored, wanted) in pairs()) {
        let (merged, found) = carry(&stored, &wanted);
        for group in groups(Some(of()), &stored).iter().filter(|group| group.is_list()) {
            let hidden = |list: Vec<super::element::Item>| -> Vec<Value> {
                let unseen = list.into_iter().map(|item| item.value).filter(|value| sight(value) == Sight::Hidden);
                unseen.filter(|value| found.written.iter().all(|(_, own, _)| own != value)).collect()
            };
            let after = groups(Some(of()), &merged).into_iter().find(|one| one.name == group.name);
            prop_assert_eq!(hidden(items(group)), hidden(after.as_ref().map(items).unwrap_or_default()));
        }
    }

    #[test]
    fn what_was_seen_and_left_is_as_it_was(stored in task()) {
        let seen = never_hidden(&stored);
        let (merged, found) = carry(&stored, &seen);
        prop_assert_eq!(Value::Object(merged).to_string(), Value::Object(stored).to_string());
        prop_assert!(found.aside.is_empty() && found.written.is_empty());
    }

    #[test]
    fn what_is_released_then_is_what_was_written((stored, wanted) in pairs()) {
        let (merged, found) = carry(&stored, &wanted);
        prop_assert_eq!(released(&merged, &found), wanted);
    }

    /// Kept as edits and carried out later it is the same; order of what was only moved aside.
    #[test]
    fn edits_carried_out_give_the_merged_form((stored, wanted) in pairs()) {
        let (merged, found) = carry(&stored, &wanted);
        let edits = edits(of(), &stored, &merged, &found.anew);
        let kept: Vec<Edit> = edits.iter().map(|edit| Edit::from_json(&edit.to_json()).expect("kept")).collect();
        let there = carry_out(of(), &stored, &kept).expect("nothing changed meanwhile");
        let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(names(&there), names(&merged));
        for (name, value) in &there {
            let sorted = |value: &Value| {
                let mut items: Vec<String> = value.as_array().into_iter().flatten().map(ToString::to_string).collect();
                items.sort();
                items
            };
            prop_assert_eq!(sorted(value), sorted(&merged[name]));
            prop_assert!(value.is_array() || value == &merged[name]);
        }
    }

    /// Byte for byte, order of members too.
    #[test]
    fn a_hidden_thing_changes_nothing_of_what_is_released_then((stored, wanted) in pairs()) {
        let (with, found) = carry(&stored, &wanted);
        let (without, other) = carry(&never_hidden(&stored), &wanted);
        prop_assert_eq!(
            Value::Object(released(&with, &found)).to_string(),
            Value::Object(released(&without, &other)).to_string()
        );
        let places = |found: &Found| found.written.iter().map(|(place, _, _)| place.clone()).collect::<Vec<_>>();
        prop_assert_eq!(places(&found), places(&other));
    }
}
