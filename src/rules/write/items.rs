//! Which item of a list is which: what the writer saw against what it wrote. By content, else by what identifies it; never by
//! index. SEMANTICS 5

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::element::Item;

/// For each written item the seen one it is: an equal one, else one with the same key. Of several the first counts that is
/// not taken yet.
pub(super) fn matched(seen: &[Item], written: &[Item]) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> = vec![None; written.len()];
    let mut free: Vec<bool> = vec![true; seen.len()];
    let content = |item: &Item| Some(format!("{} {}", canonical(&item.value), canonical(&item.beside)));
    for by in [&content as &dyn Fn(&Item) -> Option<String>, &|item: &Item| {
        key(&item.value)
    }] {
        let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (n, item) in seen.iter().enumerate().filter(|(n, _)| free[*n]) {
            if let Some(name) = by(item) {
                places.entry(name).or_default().push_back(n);
            }
        }
        for (at, item) in written.iter().enumerate() {
            if found[at].is_none()
                && let Some(n) = by(item).and_then(|name| places.get_mut(&name)?.pop_front())
            {
                (found[at], free[n]) = (Some(n), false);
            }
        }
    }
    found
}

/// The same text for equal values, whatever the order of their members.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", canonical(value)));
            let mut members: Vec<String> = members.collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// What identifies an item among its kind: system and value, reference, url or code; of a backbone the first of its members
/// that has such a thing.
fn key(item: &Value) -> Option<String> {
    own_key(item).or_else(|| {
        let members = item.as_object()?;
        let told = |(name, value): (&String, &Value)| Some(format!("{name}:{}", own_key(value)?));
        let telling =
            |name: &str| !matches!(name, "extension" | "modifierExtension" | "period" | "valuePeriod");
        members.iter().filter(|(name, _)| telling(name)).find_map(told)
    })
}

fn own_key(item: &Value) -> Option<String> {
    let text = |name: &str| item[name].as_str();
    if let (Some(system), Some(value)) = (text("system"), text("value")) {
        return Some(format!("value {system}|{value}"));
    }
    if let (Some(system), Some(code)) = (text("system"), text("code")) {
        return Some(format!("code {system}|{code}"));
    }
    if let Some(reference) = text("reference") {
        return Some(format!("reference {reference}"));
    }
    if let Some(link) = text("linkId") {
        return Some(format!("link {link}"));
    }
    if let Some(url) = text("url") {
        return Some(format!("url {url}"));
    }
    own_key(item["coding"].as_array()?.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(values: Value) -> Vec<Item> {
        let values = values.as_array().expect("a list").clone();
        values
            .into_iter()
            .map(|value| Item {
                value,
                beside: Value::Null,
            })
            .collect()
    }

    #[test]
    fn items_are_known_by_content_then_by_key_and_never_by_index() {
        let seen = list(json!([
            {"system": "s", "value": "1", "use": "old"}, {"reference": "Goal/a"}, {"text": "note"}, {"text": "note"}]));
        let written = list(json!([
            {"text": "note"}, {"reference": "Goal/a", "display": "A"}, {"text": "other"}, {"system": "s", "value": "1"}]));
        assert_eq!(matched(&seen, &written), [Some(2), Some(1), None, Some(0)]);
    }

    #[test]
    fn a_backbone_is_known_by_what_it_points_to() {
        let seen = list(
            json!([{"reference": {"reference": "Task/a"}}, {"type": {"coding": [{"system": "s", "code": "c"}]}}]),
        );
        let written = list(
            json!([{"type": {"coding": [{"system": "s", "code": "c"}]}, "valueString": "x"},
            {"reference": {"reference": "Task/a"}, "progress": [{"text": "p"}]}]),
        );
        assert_eq!(matched(&seen, &written), [Some(1), Some(0)]);
    }

    #[test]
    fn of_twins_each_is_taken_once() {
        let seen = list(json!(["a", "a"]));
        assert_eq!(
            matched(&seen, &list(json!(["a", "a", "a"]))),
            [Some(0), Some(1), None]
        );
    }
}
