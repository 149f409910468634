//! The difference between two stored forms as something that can be kept, read and carried out later, on a form that may have
//! changed meanwhile: each edit says what stood at its place, and is carried out only where that still stands. SEMANTICS 5

use serde_json::{Map, Value, json};

use super::element::{Group, Item, groups, items, members_of};
use super::items::{canonical, matched};
use crate::fhir::element::Type;

/// One element of a resource that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The whole element: its members before and after; none: it was not there, or goes.
    Set {
        element: String,
        was: Map<String, Value>,
        becomes: Map<String, Value>,
        /// It stands at the end then: nothing of what was there was seen.
        anew: bool,
    },
    /// Items of a list that go, and items that come.
    Items {
        element: String,
        gone: Vec<Item>,
        come: Vec<Coming>,
        /// As above.
        anew: bool,
    },
}

/// An item that comes, behind one that is there; first, without one.
pub type Coming = (Item, Option<Item>);

/// What turns `before` into `after`. `anew`: elements that `after` has at its end although `before` had them elsewhere.
pub(super) fn edits(
    of: &'static Type,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    anew: &[String],
) -> Vec<Edit> {
    let (before, after) = (groups(Some(of), before), groups(Some(of), after));
    let other = |name: &str| before.iter().find(|one| one.name == name);
    let gone = before
        .iter()
        .filter(|group| after.iter().all(|one| one.name != group.name));
    let mut found: Vec<Edit> = gone.filter_map(|group| edit(Some(group), None, false)).collect();
    // In the order in which new ones stand at the end.
    for group in &after {
        let anew = anew.iter().any(|name| name == group.name);
        found.extend(edit(other(group.name), Some(group), anew));
    }
    found
}

fn edit(before: Option<&Group<'_>>, after: Option<&Group<'_>>, anew: bool) -> Option<Edit> {
    let members = |group: Option<&Group<'_>>| group.map(Group::to_map).unwrap_or_default();
    let (was, becomes) = (members(before), members(after));
    let group = before.or(after).filter(|_| was != becomes)?;
    if !group.is_list() {
        return Some(Edit::Set {
            element: group.name.to_owned(),
            was,
            becomes,
            anew,
        });
    }
    let (own, theirs) = (
        before.map(items).unwrap_or_default(),
        after.map(items).unwrap_or_default(),
    );
    let which = exactly(&own, &theirs);
    let stays: Vec<usize> = which.iter().flatten().copied().collect();
    let gone = (0..own.len())
        .filter(|n| !stays.contains(n))
        .map(|n| own[n].clone())
        .collect();
    let mut come = Vec::new();
    for (at, item) in theirs.iter().enumerate().filter(|(at, _)| which[*at].is_none()) {
        let behind = at.checked_sub(1).map(|before| theirs[before].clone());
        come.push((item.clone(), behind));
    }
    Some(Edit::Items {
        element: group.key().to_owned(),
        gone,
        come,
        anew,
    })
}

/// As `matched`, by content alone.
fn exactly(seen: &[Item], written: &[Item]) -> Vec<Option<usize>> {
    let same = |item: &Item, at: &Option<usize>| at.filter(|at| seen[*at] == *item);
    let found = matched(seen, written);
    written
        .iter()
        .zip(&found)
        .map(|(item, at)| same(item, at))
        .collect()
}

/// Carries the edits out on a form that may not be the one they were made from. `Err`: the elements where something else
/// stands now.
pub fn carry_out(
    of: &'static Type,
    current: &Map<String, Value>,
    edits: &[Edit],
) -> Result<Map<String, Value>, Vec<String>> {
    let (mut form, mut moved) = (current.clone(), Vec::new());
    for edit in edits {
        let done = match edit {
            Edit::Set {
                element,
                was,
                becomes,
                anew,
            } => set(of, &mut form, element, (was, becomes, *anew)),
            Edit::Items {
                element,
                gone,
                come,
                anew,
            } => change_items(of, &mut form, element, (gone, come, *anew)),
        };
        if done.is_none() {
            moved.push(edit.element().to_owned());
        }
    }
    if moved.is_empty() { Ok(form) } else { Err(moved) }
}

fn set(
    of: &'static Type,
    form: &mut Map<String, Value>,
    element: &str,
    (was, becomes, anew): (&Map<String, Value>, &Map<String, Value>, bool),
) -> Option<()> {
    let stands = groups(Some(of), form)
        .iter()
        .find(|group| group.name == element)
        .map(Group::to_map)
        .unwrap_or_default();
    if stands == *becomes {
        return Some(());
    }
    if stands != *was {
        return None;
    }
    replace(form, &stands, becomes.clone(), anew);
    Some(())
}

fn change_items(
    of: &'static Type,
    form: &mut Map<String, Value>,
    element: &str,
    (gone, come, anew): (&[Item], &[Coming], bool),
) -> Option<()> {
    let list = groups(Some(of), form)
        .into_iter()
        .find(|group| group.key() == element);
    let stands = list.as_ref().map(Group::to_map).unwrap_or_default();
    let mut now = list.as_ref().map(items).unwrap_or_default();
    // Found first, taken out last: what comes stands behind what goes where it took its place.
    let mut taken = Vec::new();
    for item in gone {
        taken.push((0..now.len()).find(|n| now[*n] == *item && !taken.contains(n))?);
    }
    let mut marked: Vec<(Item, bool)> = now
        .drain(..)
        .enumerate()
        .map(|(n, item)| (item, !taken.contains(&n)))
        .collect();
    for (item, behind) in come {
        let at = match behind {
            None => 0,
            Some(behind) => {
                let there = marked.iter().rposition(|(own, stays)| own == behind && *stays);
                there.map_or(marked.len(), |at| at + 1)
            }
        };
        marked.insert(at, (item.clone(), true));
    }
    let items: Vec<Item> = marked
        .into_iter()
        .filter(|(_, stays)| *stays)
        .map(|(item, _)| item)
        .collect();
    replace(form, &stands, members_of(element, &items), anew);
    Some(())
}

/// New members take the place of the old ones; without old ones, or `anew`, they stand at the end.
fn replace(form: &mut Map<String, Value>, old: &Map<String, Value>, new: Map<String, Value>, anew: bool) {
    let mut new = Some(new);
    let mut rebuilt = Map::new();
    for (name, value) in std::mem::take(form) {
        if !old.contains_key(&name) {
            rebuilt.insert(name, value);
        } else if !anew {
            rebuilt.extend(new.take().unwrap_or_default());
        }
    }
    rebuilt.extend(new.unwrap_or_default());
    *form = rebuilt;
}

impl Edit {
    /// Name of the element: `status`, `value[x]`, `note`.
    pub fn element(&self) -> &str {
        match self {
            Edit::Set { element, .. } | Edit::Items { element, .. } => element,
        }
    }

    /// As a work item keeps it.
    pub fn to_json(&self) -> Value {
        match self {
            Edit::Set {
                element,
                was,
                becomes,
                anew,
            } => json!({"element": element, "was": was, "becomes": becomes, "anew": anew}),
            Edit::Items {
                element,
                gone,
                come,
                anew,
            } => {
                let come = come.iter().map(|(one, behind)| match behind {
                    Some(behind) => json!({"item": pair(one), "behind": pair(behind)}),
                    None => json!({"item": pair(one)}),
                });
                json!({"element": element, "gone": gone.iter().map(pair).collect::<Vec<_>>(),
                    "come": come.collect::<Vec<_>>(), "anew": anew})
            }
        }
    }

    /// What `to_json` wrote; `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Edit> {
        let element = value["element"].as_str()?.to_owned();
        let Some(gone) = value["gone"].as_array() else {
            return Some(Edit::Set {
                element,
                was: value["was"].as_object()?.clone(),
                becomes: value["becomes"].as_object()?.clone(),
                anew: value["anew"].as_bool()?,
            });
        };
        let come = value["come"].as_array()?.iter().map(|one| {
            let behind = one.get("behind").map(of_pair);
            Some((
                of_pair(&one["item"])?,
                behind.map_or(Some(None), |found| found.map(Some))?,
            ))
        });
        Some(Edit::Items {
            element,
            gone: gone.iter().map(of_pair).collect::<Option<_>>()?,
            come: come.collect::<Option<_>>()?,
            anew: value["anew"].as_bool()?,
        })
    }

    /// For people: what goes and what comes, as JSON of the values.
    pub fn in_words(&self) -> Vec<String> {
        let text = |value: &Value| canonical(value);
        match self {
            Edit::Set {
                element,
                was,
                becomes,
                ..
            } => {
                let told = |members: &Map<String, Value>| match members.is_empty() {
                    true => "nothing".to_owned(),
                    false => members.values().map(text).collect::<Vec<_>>().join(" "),
                };
                vec![format!("{element}: {} becomes {}", told(was), told(becomes))]
            }
            Edit::Items {
                element, gone, come, ..
            } => {
                let lines = gone
                    .iter()
                    .map(|item| format!("{element}: without {}", text(&item.value)));
                let more = come
                    .iter()
                    .map(|(item, _)| format!("{element}: with {}", text(&item.value)));
                lines.chain(more).collect()
            }
        }
    }
}

fn pair(item: &Item) -> Value {
    json!([item.value, item.beside])
}

fn of_pair(pair: &Value) -> Option<Item> {
    match pair.as_array()?.as_slice() {
        [value, beside] => Some(Item {
            value: value.clone(),
            beside: beside.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::element::table;

    fn plan(list: Value) -> Map<String, Value> {
        let plan = json!({"resourceType": "CarePlan", "status": "active", "title": "Plan", "note": list});
        plan.as_object().expect("an object").clone()
    }

    fn of() -> &'static Type {
        table().resource("CarePlan").expect("a type")
    }

    #[test]
    fn edits_turn_one_form_into_the_other_and_are_kept_as_json() {
        let before = plan(json!([{"text": "a"}, {"text": "b"}]));
        let mut after = plan(json!([{"text": "a"}, {"text": "c"}, {"text": "b2"}]));
        after.insert("title".to_owned(), "Other".into());
        after.insert("intent".to_owned(), "plan".into());
        let found = edits(of(), &before, &after, &[]);
        let kept: Vec<Edit> = found
            .iter()
            .map(|edit| Edit::from_json(&edit.to_json()).expect("kept"))
            .collect();
        assert_eq!(kept, found);
        let there = carry_out(of(), &before, &found).expect("nothing changed meanwhile");
        assert_eq!(there, after);
        assert_eq!(found[0].in_words(), ["title: \"Plan\" becomes \"Other\""]);
    }

    #[test]
    fn what_changed_elsewhere_meanwhile_stays() {
        let before = plan(json!([{"text": "a"}, {"text": "b"}]));
        let after = plan(json!([{"text": "a"}, {"text": "b"}, {"text": "new"}]));
        let found = edits(of(), &before, &after, &[]);
        let mut current = plan(json!([{"text": "0"}, {"text": "b"}]));
        current.insert("title".to_owned(), "Renamed".into());
        let there = carry_out(of(), &current, &found).expect("the touched place stands");
        assert_eq!(
            there["note"],
            json!([{"text": "0"}, {"text": "b"}, {"text": "new"}])
        );
        assert_eq!(there["title"], "Renamed");
    }

    #[test]
    fn where_something_else_stands_now_nothing_is_carried_out() {
        let before = plan(json!([{"text": "a"}]));
        let mut after = plan(json!([{"text": "changed"}]));
        after.insert("title".to_owned(), "Other".into());
        let found = edits(of(), &before, &after, &[]);
        let mut current = plan(json!([{"text": "edited by staff"}]));
        current.insert("title".to_owned(), "Renamed".into());
        let moved = carry_out(of(), &current, &found).expect_err("both places changed");
        assert_eq!(moved, ["title", "note"]);
    }
}
