//! What of a stored resource a recipient sees, place by place: the ground of a write through a release. A place counts as seen
//! when what stands there is released from there; an equal value elsewhere says nothing. SEMANTICS 5

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::consider::{Candidate, address};

/// One stored value as a recipient sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing of it.
    Hidden,
    /// All of it.
    Whole,
    /// Members by name; those not named are hidden.
    Members(Vec<(String, Sight)>),
    /// One for each stored item.
    Items(Vec<Sight>),
}

/// One resource with what is seen of it.
#[derive(Clone, Debug)]
pub struct Sighted {
    pub resource_type: String,
    pub id: String,
    pub sight: Sight,
}

impl Sighted {
    pub(super) fn of(candidate: &Candidate<'_>) -> Sighted {
        let released: HashSet<usize> = candidate.projected.excerpt.scalars().map(address).collect();
        let sight = Sight::of(&candidate.stored.body, &released);
        Sighted {
            resource_type: candidate.stored.resource_type.clone(),
            id: candidate.stored.id.clone(),
            sight,
        }
    }
}

impl Sight {
    fn of(value: &Value, released: &HashSet<usize>) -> Sight {
        match value {
            Value::Object(members) => {
                let seen = members
                    .iter()
                    .map(|(name, value)| (name.clone(), Sight::of(value, released)));
                let seen: Vec<(String, Sight)> = seen.collect();
                if seen.iter().all(|(_, sight)| *sight == Sight::Hidden) {
                    Sight::Hidden
                } else if seen.iter().all(|(_, sight)| *sight == Sight::Whole) {
                    Sight::Whole
                } else {
                    Sight::Members(
                        seen.into_iter()
                            .filter(|(_, sight)| *sight != Sight::Hidden)
                            .collect(),
                    )
                }
            }
            Value::Array(items) => {
                let seen: Vec<Sight> = items.iter().map(|item| Sight::of(item, released)).collect();
                // A null only keeps a place: whether it is seen depends on the others.
                let mut told = items.iter().zip(&seen).filter(|(item, _)| !item.is_null());
                if told.clone().all(|(_, sight)| *sight == Sight::Hidden) {
                    Sight::Hidden
                } else if told.all(|(_, sight)| *sight == Sight::Whole) {
                    Sight::Whole
                } else {
                    Sight::Items(seen)
                }
            }
            scalar if released.contains(&address(scalar)) => Sight::Whole,
            _ => Sight::Hidden,
        }
    }

    /// Of a member of an object.
    pub fn member(&self, name: &str) -> &Sight {
        match self {
            Sight::Whole => &Sight::Whole,
            Sight::Members(seen) => seen
                .iter()
                .find(|(own, _)| own == name)
                .map_or(&Sight::Hidden, |(_, sight)| sight),
            _ => &Sight::Hidden,
        }
    }

    /// Of an item of a list.
    pub fn item(&self, at: usize) -> &Sight {
        match self {
            Sight::Whole => &Sight::Whole,
            Sight::Items(seen) => seen.get(at).unwrap_or(&Sight::Hidden),
            _ => &Sight::Hidden,
        }
    }

    /// What is seen of `value`, as a tree of its own; `None` when that is nothing. Items of a list of primitives stay beside
    /// their siblings in `_x`.
    pub fn shown(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Sight::Hidden, _) => None,
            (Sight::Whole, value) => Some(value.clone()),
            (_, Value::Object(members)) => Some(Value::Object(self.shown_members(members))),
            (_, Value::Array(items)) => {
                let shown = items
                    .iter()
                    .enumerate()
                    .filter_map(|(at, item)| self.item(at).shown(item));
                Some(Value::Array(shown.collect()))
            }
            _ => None,
        }
    }

    /// What is seen of the members of an object.
    pub fn shown_members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in members {
            let other = match name.strip_prefix('_') {
                Some(plain) => plain.to_owned(),
                None => format!("_{name}"),
            };
            let found = match (value, members.get(&other)) {
                (Value::Array(own), Some(Value::Array(beside))) => {
                    let (sight, other) = (self.member(name), self.member(&other));
                    aligned((sight, own), (other, beside))
                }
                _ => self.member(name).shown(value),
            };
            shown.extend(found.map(|value| (name.clone(), value)));
        }
        shown
    }
}

/// What is seen of a list beside another: a place stays while something is seen at it in either.
fn aligned((sight, own): (&Sight, &[Value]), (other, beside): (&Sight, &[Value])) -> Option<Value> {
    let mut list = Vec::new();
    for at in 0..own.len().max(beside.len()) {
        let seen = |sight: &Sight, list: &[Value]| {
            let value = list.get(at).filter(|value| !value.is_null());
            value.and_then(|value| sight.item(at).shown(value))
        };
        match (seen(sight, own), seen(other, beside)) {
            (None, None) => {}
            (value, _) => list.push(value.unwrap_or(Value::Null)),
        }
    }
    list.iter()
        .any(|value| !value.is_null())
        .then_some(Value::Array(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a place is seen by and what a profile lets pass are told apart by nothing.
    #[test]
    fn what_is_seen_of_every_case_is_what_its_profile_lets_pass() {
        use crate::profile::Withheld;
        use crate::profile::tests::shipping::{cases, sets};
        let mut compared = 0;
        for set in sets() {
            for (_, name, given, _) in cases() {
                let kind = given["resourceType"].as_str().unwrap_or_default();
                let Some(profile) = set.profile(kind) else {
                    continue;
                };
                let Some(projected) = profile.excerpt(&given, Withheld::default()) else {
                    continue;
                };
                let released: HashSet<usize> = projected.excerpt.scalars().map(address).collect();
                let shown = Sight::of(&given, &released).shown(&given);
                assert_eq!(shown, profile.project_all(&given), "{name}");
                compared += 1;
            }
        }
        assert!(compared > 50, "{compared}");
    }

    /// Sees every scalar of `value` but those that are the text `hidden`.
    fn all_but_hidden(value: &Value, seen: &mut HashSet<usize>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| all_but_hidden(item, seen)),
            Value::Object(members) => members.values().for_each(|value| all_but_hidden(value, seen)),
            scalar if scalar != "hidden" && !scalar.is_null() => {
                seen.insert(address(scalar));
            }
            _ => {}
        }
    }

    #[test]
    fn what_is_seen_is_told_by_place() {
        let stored = json!({"a": "x", "list": [{"v": "hidden"}, {"v": "one", "w": "hidden"}, {"v": "two"}],
            "given": ["hidden", "B", null], "_given": [null, {"v": "hidden"}, {"v": "ext"}], "all": {"c": 1}, "none": {"d": "hidden"}});
        let mut seen = HashSet::new();
        all_but_hidden(&stored, &mut seen);
        let sight = Sight::of(&stored, &seen);
        assert_eq!(*sight.member("none"), Sight::Hidden);
        assert_eq!(*sight.member("all"), Sight::Whole);
        assert_eq!(*sight.member("list").item(0), Sight::Hidden);
        assert_eq!(*sight.member("list").item(2), Sight::Whole);
        assert_eq!(
            sight.shown(&stored),
            Some(
                json!({"a": "x", "list": [{"v": "one"}, {"v": "two"}], "given": ["B", null], "_given": [null, {"v": "ext"}],
                "all": {"c": 1}})
            )
        );
    }
}
