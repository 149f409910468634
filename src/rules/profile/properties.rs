//! What holds for every resource, profile and withheld part: projection is idempotent, gives a subset, stays
//! inside the closed profile, and never drops a modifier from what it keeps.
//! Postern's semantics, section 1 (README.md beside this file).

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::tests::shipping::{Case, cases, sets};
use super::tests::{by_value, links_by_value};
use super::{DataSet, Withheld};
use crate::fhir::element::{Type, is_primitive, table};

/// A small deterministic stream: choices depend on the seed and on how many were made.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The resource with members removed, reordered and foreign parts put in.
fn disturbed(value: &Value, choices: &mut Choices, path: &str) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            let mut members: Vec<_> = map.iter().collect();
            if choices.next(3) == 0 {
                members.reverse();
            }
            for (key, value) in members {
                if key == "resourceType" || choices.next(12) > 0 {
                    out.insert(key.clone(), disturbed(value, choices, key));
                }
            }
            match choices.next(40) {
                0 => drop(out.insert("id".to_owned(), json!("x1"))),
                1 => drop(out.insert(
                    "extension".to_owned(),
                    json!([{"url": "http://x.example/e", "valueCode": "v"}]),
                )),
                2 => drop(out.insert(
                    "modifierExtension".to_owned(),
                    json!([{"url": "http://x.example/m", "valueCode": "v"}]),
                )),
                3 => drop(out.insert(
                    "_status".to_owned(),
                    json!({"extension": [{"url": "http://x.example/e", "valueCode": "v"}]}),
                )),
                4 => drop(out.insert("display".to_owned(), json!("prose"))),
                5 if path.is_empty() => {
                    drop(out.insert("implicitRules".to_owned(), json!("http://x.example/r")))
                }
                _ => {}
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut out: Vec<Value> = items.iter().map(|v| disturbed(v, choices, path)).collect();
            if choices.next(6) == 0 {
                out.extend(items.first().cloned());
            }
            Value::Array(out)
        }
        other => other.clone(),
    }
}

/// Every part of `small` is in `large`; list items in order.
fn subset(small: &Value, large: &Value) -> bool {
    match (small, large) {
        (Value::Object(s), Value::Object(l)) => s.iter().all(|(k, v)| l.get(k).is_some_and(|l| subset(v, l))),
        (Value::Array(s), Value::Array(l)) => {
            let mut rest = l.iter();
            s.iter().all(|s| rest.any(|l| subset(s, l)))
        }
        (Value::Null, _) => true,
        (s, l) => s == l,
    }
}

/// Does some modifier stand in `given` but not in `kept`, although what holds it was kept? Only objects that
/// are not list items are followed: for those, which item became which is not known.
fn lost_modifier(t: &'static Type, given: &Map<String, Value>, kept: &Map<String, Value>) -> Option<String> {
    let foreign = given.contains_key("modifierExtension") && !kept.contains_key("modifierExtension");
    if foreign || given.contains_key("implicitRules") {
        return Some("an extension or rules".to_owned());
    }
    for (key, value) in given {
        let name = key.trim_start_matches('_');
        let Some(child) = t.child(name) else { continue };
        match (value, kept.get(key)) {
            (_, None) if child.element.modifier && !kept.contains_key(name) && !key.starts_with('_') => {
                return Some(key.clone());
            }
            (Value::Array(g), Some(Value::Array(k))) if child.element.modifier && g.len() != k.len() => {
                return Some(key.clone());
            }
            (Value::Object(g), Some(Value::Object(k))) if !is_primitive(child.type_name) => {
                if let Some(found) = child.content().and_then(|t| lost_modifier(t, g, k)) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn projection_is_idempotent_a_subset_valid_and_keeps_modifiers(seed in any::<u64>()) {
        thread_local! {
            static LOADED: (Vec<DataSet>, Vec<Case>) = (sets(), cases());
        }
        LOADED.with(|(sets, cases)| {
            let mut choices = Choices(seed);
            let (_, name, given, _) = &cases[choices.next(cases.len() as u64) as usize];
            let set = &sets[choices.next(sets.len() as u64) as usize];
            let of = given["resourceType"].as_str().unwrap_or_default();
            let Some(profile) = set.profile(of) else { return Ok(()) };
            let given = disturbed(given, &mut choices, "");
            let salt = choices.next(1 << 30);
            let withheld = |path: &str| {
                let sum = path.bytes().fold(salt, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
                sum % 23 == 0
            };
            let mut bare = given.clone();
            if let Some(map) = bare.as_object_mut() {
                map.retain(|k, _| k != "meta" && k != "text");
            }
            let stays = profile.project_all(&bare).as_ref() == Some(&bare);
            let empty = bare.as_object().is_some_and(|m| m.keys().all(|k| k == "resourceType" || k == "id"));
            prop_assert_eq!(!empty && profile.validate(&bare).is_empty(), stays, "{} is valid as projection leaves it", name);
            for released in [profile.project_all(&given), profile.project(&given, &withheld)].into_iter().flatten() {
                let again = profile.project_all(&released);
                prop_assert_eq!(again.as_ref(), Some(&released), "{} is idempotent", name);
                prop_assert!(subset(&released, &given), "{} is a subset", name);
                let map = |v: &Value| v.as_object().cloned().unwrap_or_default();
                let t = table().resource(of).expect("R4");
                prop_assert_eq!(lost_modifier(t, &map(&given), &map(&released)), None, "{}", name);
                let outside: Vec<_> = profile.validate(&released);
                prop_assert!(outside.is_empty(), "{}: {:?}", name, outside);
            }
            Ok(())
        })?;
    }

    /// What leads nowhere is taken out in the walk that projects; slowly, it is looked for in what was projected, and taken
    /// out of that by path.
    #[test]
    fn projection_gives_what_it_gives_slowly(seed in any::<u64>()) {
        thread_local! {
            static LOADED: (Vec<DataSet>, Vec<Case>) = (sets(), cases());
        }
        LOADED.with(|(sets, cases)| {
            let mut choices = Choices(seed);
            let (_, name, given, _) = &cases[choices.next(cases.len() as u64) as usize];
            let set = &sets[choices.next(sets.len() as u64) as usize];
            let of = given["resourceType"].as_str().unwrap_or_default();
            let Some(profile) = set.profile(of) else { return Ok(()) };
            let given = disturbed(given, &mut choices, "");
            let salt = choices.next(1 << 30);
            let one_of = |text: &str, many: u64| {
                let sum = text.bytes().fold(salt, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
                sum % many == 0
            };
            let withheld = |path: &str| one_of(path, 23);
            let slow = by_value::project(&profile.plan, &given, Some(&withheld));
            prop_assert_eq!(profile.project(&given, &withheld), slow, "{}", name);
            let slow = by_value::project(&profile.plan, &given, None);
            prop_assert_eq!(&profile.project_all(&given), &slow, "{}", name);
            let Some(slow) = slow else { return Ok(()) };

            let nowhere = |target: Option<&str>| target.is_none_or(|t| one_of(t, 5));
            let (mut links, mut gone) = (Vec::new(), HashSet::new());
            links_by_value::visit(&profile.plan, &slow, &mut |path, link| {
                links.push(link.target());
                if nowhere(link.target()) {
                    gone.insert(path.to_owned());
                }
            });
            let projected = profile.excerpt(&given, Withheld::default()).expect("projected above");
            let mut found = projected.links.clone();
            links.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, links, "{}", name);
            let slow = by_value::project(&profile.plan, &slow, Some(&|path| gone.contains(path)));
            let fast = profile.excerpt(&given, Withheld { element: None, link: Some(&nowhere) });
            let fast = fast.and_then(|projected| Some(projected.excerpt.root()?.to_value()));
            prop_assert_eq!(fast, slow, "{} without what leads nowhere", name);
            Ok(())
        })?;
    }
}
