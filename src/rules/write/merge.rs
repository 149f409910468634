//! What a writer changed in what it saw, carried into what is stored. Whatever it did not see stays: hidden items where they were,
//! hidden members too; where it wrote over something hidden, that is put aside (`aside.rs`). SEMANTICS 5
//!
//! A datatype is one value and replaced whole: half a code beside half of another says what nobody wrote. A backbone is
//! merged element by element. New elements stand at the end, so that no place tells of a hidden one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::{Group, Item, groups, items, members_of, plain};
use super::items::matched;
use crate::disclosure::Sight;
use crate::fhir::element::Type;

/// A stored value that the writer did not see whole and that its own took the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAside {
    /// Where it stood, with indexes: `Task.output[1].type`.
    pub path: String,
    /// The element as it was stored: its members by name.
    pub value: Value,
}

/// A value of the writer's that is stored now: its place without indexes, itself, and what stands beside it.
pub type Written = (String, Value, Value);

/// What a merge found on its way.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub aside: Vec<PutAside>,
    pub written: Vec<Written>,
    /// Elements of the root of which nothing was seen and that are written: they stand at the end now.
    pub anew: Vec<String>,
}

/// Where in the resource: for people and labels with indexes, for recognition without.
struct At<'p> {
    path: &'p str,
    place: &'p str,
}

/// `stored` with what of it is seen (`sight`) turned into `written`. `of`: its type.
pub(super) fn merge(
    of: &'static Type,
    stored: &Map<String, Value>,
    sight: &Sight,
    written: &Map<String, Value>,
    found: &mut Found,
) -> Map<String, Value> {
    let at = At {
        path: of.name,
        place: of.name,
    };
    object(Some(of), (stored, sight), written, &at, found)
}

fn object(
    of: Option<&'static Type>,
    (stored, sight): (&Map<String, Value>, &Sight),
    written: &Map<String, Value>,
    at: &At<'_>,
    found: &mut Found,
) -> Map<String, Value> {
    let wanted = groups(of, written);
    let mut merged = Map::new();
    // Elements of which nothing was seen, and which are written all the same: they go to the end, like new ones.
    let mut unseen: Vec<Group<'_>> = Vec::new();
    for group in groups(of, stored) {
        let before = sight.shown_members(&group.to_map());
        let after = wanted.iter().find(|one| one.name == group.name);
        let unchanged = after.map_or(before.is_empty(), |after| after.to_map() == before);
        match after {
            _ if unchanged => merged.extend(group.to_map()),
            Some(_) if before.is_empty() => {
                if !at.path.contains('.') {
                    found.anew.push(group.name.to_owned());
                }
                unseen.push(group);
            }
            after => merged.extend(element((&group, sight), after, at, found)),
        }
    }
    let is_there = |group: &Group<'_>| groups(of, stored).iter().any(|one| one.name == group.name);
    for group in &wanted {
        let hidden = unseen.iter().find(|one| one.name == group.name);
        match hidden {
            Some(hidden) => merged.extend(element((hidden, sight), Some(group), at, found)),
            None if !is_there(group) => {
                note_all(group, at, found);
                merged.extend(group.to_map());
            }
            None => {}
        }
    }
    merged
}

/// One element that was changed.
fn element(
    (stored, sight): (&Group<'_>, &Sight),
    written: Option<&Group<'_>>,
    at: &At<'_>,
    found: &mut Found,
) -> Map<String, Value> {
    let (path, place) = (
        format!("{}.{}", at.path, stored.key()),
        format!("{}.{}", at.place, stored.key()),
    );
    let inside = At {
        path: &path,
        place: &place,
    };
    if stored.is_list() {
        return list((stored, sight), written, &inside, found);
    }
    if let (Some(of), Some(written)) = (stored.backbone(), written)
        && let ([(name, Value::Object(own))], [(_, Value::Object(theirs))]) =
            (&stored.members[..], &written.members[..])
        && *sight.member(name) != Sight::Hidden
    {
        let merged = object(Some(of), (own, sight.member(name)), theirs, &inside, found);
        return Map::from_iter([((*name).to_owned(), Value::Object(merged))]);
    }
    if stored
        .members
        .iter()
        .any(|(name, _)| *sight.member(name) != Sight::Whole)
    {
        found.aside.push(PutAside {
            path,
            value: Value::Object(stored.to_map()),
        });
    }
    let Some(written) = written else { return Map::new() };
    note_all(written, at, found);
    written.to_map()
}

/// A list: written items in their order, each hidden one after the seen item that it followed.
fn list(
    (stored, sight): (&Group<'_>, &Sight),
    written: Option<&Group<'_>>,
    at: &At<'_>,
    found: &mut Found,
) -> Map<String, Value> {
    let own = items(stored);
    let sights = |n: usize| {
        let of = |wanted: bool| {
            let named = stored
                .members
                .iter()
                .find(|(key, _)| key.starts_with('_') == wanted);
            named.map_or(&Sight::Hidden, |(key, _)| sight.member(key).item(n))
        };
        (of(false), of(true))
    };
    let shown = |n: usize, item: &Item| Item {
        value: sights(n).0.shown(&item.value).unwrap_or(Value::Null),
        beside: sights(n).1.shown(&item.beside).unwrap_or(Value::Null),
    };
    let nothing = |item: &Item| item.value.is_null() && item.beside.is_null();
    let seen: Vec<(usize, Item)> = own
        .iter()
        .enumerate()
        .map(|(n, item)| (n, shown(n, item)))
        .collect();
    let seen: Vec<(usize, Item)> = seen.into_iter().filter(|(_, item)| !nothing(item)).collect();
    let wanted = written.map(items).unwrap_or_default();
    let which = matched(
        &seen.iter().map(|(_, item)| item.clone()).collect::<Vec<_>>(),
        &wanted,
    );
    let kept: BTreeSet<usize> = which.iter().flatten().map(|one| seen[*one].0).collect();
    let is_seen = |n: usize| seen.binary_search_by_key(&n, |(own, _)| *own).is_ok();
    for n in (0..own.len()).filter(|n| is_seen(*n) && !kept.contains(n)) {
        put_aside_item(&own[n], sights(n), (n, stored.key()), at, found);
    }
    // Hidden items stay behind the last seen one before them that is still there.
    let mut behind: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    let mut anchor = None;
    for n in 0..own.len() {
        match (kept.contains(&n), is_seen(n)) {
            (true, _) => anchor = Some(n),
            (false, false) => behind.entry(anchor).or_default().push(n),
            (false, true) => {}
        }
    }
    let mut take = |anchor: Option<usize>| behind.remove(&anchor).unwrap_or_default();
    let mut merged: Vec<Item> = take(None).into_iter().map(|n| own[n].clone()).collect();
    let mut waiting: Vec<usize> = Vec::new();
    for (item, which) in wanted.iter().zip(&which) {
        match which {
            // A new one stands right behind the one it followed.
            None => {
                found
                    .written
                    .push((at.place.to_owned(), item.value.clone(), item.beside.clone()));
                merged.push(item.clone());
            }
            Some(which) => {
                let (n, before) = &seen[*which];
                merged.extend(waiting.drain(..).map(|n| own[n].clone()));
                let changed = before != item;
                merged.push(match changed {
                    false => own[*n].clone(),
                    true => changed_item((&own[*n], sights(*n)), item, (stored, *n), at, found),
                });
                waiting = take(Some(*n));
            }
        }
    }
    merged.extend(waiting.into_iter().map(|n| own[n].clone()));
    members_of(stored.key(), &merged)
}

/// An item that is still itself, with other content.
fn changed_item(
    (own, (sight, beside)): (&Item, (&Sight, &Sight)),
    written: &Item,
    (group, n): (&Group<'_>, usize),
    at: &At<'_>,
    found: &mut Found,
) -> Item {
    if let (Some(of), Value::Object(stored), Value::Object(wanted)) =
        (group.backbone(), &own.value, &written.value)
    {
        let path = format!("{}[{n}]", at.path);
        let inside = At {
            path: &path,
            place: at.place,
        };
        return Item {
            value: Value::Object(object(Some(of), (stored, sight), wanted, &inside, found)),
            beside: own.beside.clone(),
        };
    }
    put_aside_item(own, (sight, beside), (n, group.key()), at, found);
    found
        .written
        .push((at.place.to_owned(), written.value.clone(), written.beside.clone()));
    written.clone()
}

fn put_aside_item(
    item: &Item,
    (sight, beside): (&Sight, &Sight),
    (n, key): (usize, &str),
    at: &At<'_>,
    found: &mut Found,
) {
    let whole = |value: &Value, sight: &Sight| value.is_null() || *sight == Sight::Whole;
    if whole(&item.value, sight) && whole(&item.beside, beside) {
        return;
    }
    found.aside.push(PutAside {
        path: format!("{}[{n}]", at.path),
        value: Value::Object(members_of(key, std::slice::from_ref(item))),
    });
}

/// Notes each value of an element as the writer's.
fn note_all(group: &Group<'_>, at: &At<'_>, found: &mut Found) {
    let place = format!("{}.{}", at.place, group.key());
    if group.is_list() {
        let written = items(group).into_iter();
        found
            .written
            .extend(written.map(|item| (place.clone(), item.value, item.beside)));
        return;
    }
    let of = |wanted: bool| {
        let member = group
            .members
            .iter()
            .find(|(key, _)| key.starts_with('_') == wanted);
        member.map_or(Value::Null, |(_, value)| (*value).clone())
    };
    found.written.push((place, of(false), of(true)));
}

/// Names of the elements of the root in which `a` and `b` differ: `status`, `value[x]`.
pub(super) fn differing(of: &'static Type, a: &Map<String, Value>, b: &Map<String, Value>) -> Vec<String> {
    let (a, b) = (groups(Some(of), a), groups(Some(of), b));
    let mut names: Vec<&str> = a.iter().chain(&b).map(|group| group.name).collect();
    names.sort_unstable();
    names.dedup();
    let of = |list: &[Group<'_>], name: &str| {
        let found = list.iter().find(|group| group.name == name);
        found.map(Group::to_map).unwrap_or_default()
    };
    names
        .into_iter()
        .filter(|name| of(&a, name) != of(&b, name))
        .map(|name| plain(name).to_owned())
        .collect()
}

/// As `merge`, element by element of the root: each that changed is the writer's as it wrote it, and what stood there is put
/// aside unless it was seen whole. What is valid in both is valid then.
pub(super) fn whole_elements(
    of: &'static Type,
    stored: &Map<String, Value>,
    sight: &Sight,
    written: &Map<String, Value>,
    found: &mut Found,
) -> Map<String, Value> {
    let at = At {
        path: of.name,
        place: of.name,
    };
    let wanted = groups(Some(of), written);
    let (mut merged, mut changed) = (Map::new(), Vec::new());
    for group in groups(Some(of), stored) {
        let before = sight.shown_members(&group.to_map());
        let after = wanted.iter().find(|one| one.name == group.name);
        if after.map_or(before.is_empty(), |after| after.to_map() == before) {
            merged.extend(group.to_map());
            continue;
        }
        if group
            .members
            .iter()
            .any(|(name, _)| *sight.member(name) != Sight::Whole)
        {
            found.aside.push(PutAside {
                path: format!("{}.{}", at.path, group.key()),
                value: Value::Object(group.to_map()),
            });
        }
        // In place where something was seen; else at the end, like what is new.
        if let Some(after) = after.filter(|_| !before.is_empty()) {
            note_all(after, &at, found);
            merged.extend(after.to_map());
            changed.push(after.name);
        }
    }
    for group in wanted.iter().filter(|group| !changed.contains(&group.name)) {
        if group.members.iter().any(|(name, _)| !merged.contains_key(*name)) {
            note_all(group, &at, found);
            merged.extend(group.to_map());
        }
    }
    merged
}
