//! The validator catches what projection would never make: for each shipped profile, a release that is altered in one
//! place is no longer valid, and the problem names the place.
//! <https://hl7.org/fhir/R4/validation.html>

use serde_json::{Value, json};

use super::super::{DataSet, Profile};
use super::shipping::{cases, sets};
use crate::fhir::element::{Element, table};

/// Every released case with its profile.
fn released(sets: &[DataSet]) -> Vec<(&Profile, String, Value)> {
    let all = cases().into_iter().filter(|(_, _, _, out)| !out.is_null());
    all.map(|(set, name, _, out)| {
        let of = out["resourceType"].as_str().unwrap_or_default();
        let set_of = sets.iter().find(|s| s.name() == set).expect("loaded");
        let profile = set_of.profile(of).expect("what is released has a profile");
        (profile, format!("{set}/{name}"), out)
    })
    .collect()
}

/// What the served profile says of the element at this plain path: (min, max).
fn bounds(profile: &Profile, path: &str) -> Option<(u64, String)> {
    let elements = profile.closed()["differential"]["element"].as_array()?;
    let found = elements.iter().find(|e| e["id"] == path)?;
    Some((
        found["min"].as_u64().unwrap_or(0),
        found["max"].as_str().unwrap_or_default().to_owned(),
    ))
}

fn says(profile: &Profile, altered: &Value, path: &str, why: &str) -> bool {
    let issues = profile.validate(altered);
    issues
        .iter()
        .any(|i| i.expression.starts_with(path) && i.details.contains(why))
}

fn keys(resource: &Value, element: &Element) -> Vec<String> {
    let all = element.types.iter().map(|t| element.json_key(t));
    all.filter(|key| resource.get(key).is_some()).collect()
}

#[test]
fn a_required_element_that_is_missing_is_found() {
    let (sets, mut tried) = (sets(), 0);
    for (profile, name, out) in released(&sets) {
        let of = table().resource(profile.resource_type()).expect("an R4 type");
        for element in &of.elements {
            let required = bounds(profile, element.path).is_some_and(|(min, _)| min > 0);
            for key in keys(&out, element).iter().filter(|_| required) {
                let mut altered = out.clone();
                altered.as_object_mut().expect("an object").shift_remove(key);
                tried += 1;
                assert!(
                    says(
                        profile,
                        &altered,
                        element.path.trim_end_matches("[x]"),
                        "required"
                    ),
                    "{name} without {key}"
                );
            }
        }
    }
    assert!(tried > 150, "{tried} tried");
}

#[test]
fn an_element_that_the_profile_closes_is_found() {
    let (sets, mut tried) = (sets(), 0);
    for (profile, name, out) in released(&sets) {
        let of = table().resource(profile.resource_type()).expect("an R4 type");
        let closed = of.elements.iter().filter(|element| {
            let computed = matches!(element.name, "id" | "meta" | "text");
            !computed && bounds(profile, element.path).is_some_and(|(_, max)| max == "0")
        });
        for element in closed {
            let key = element
                .types
                .first()
                .map_or(element.name.to_owned(), |t| element.json_key(t));
            for key in [key.clone(), format!("_{key}")] {
                let mut altered = out.clone();
                altered[key.as_str()] = if element.is_list() {
                    json!([{"extension": [{"url": "http://x.example/e", "valueCode": "v"}]}])
                } else {
                    json!({"extension": [{"url": "http://x.example/e", "valueCode": "v"}]})
                };
                tried += 1;
                let at = format!("{}.{}", profile.resource_type(), key.trim_start_matches('_'));
                assert!(
                    says(profile, &altered, &at, "outside the profile"),
                    "{name} with {key}"
                );
            }
        }
    }
    assert!(tried > 2000, "{tried} tried");
}

#[test]
fn a_type_outside_the_profile_is_found() {
    let (sets, mut tried) = (sets(), 0);
    for (profile, name, out) in released(&sets) {
        for (plain, other, value) in [
            (
                "valueString",
                "valueSampledData",
                json!({"origin": {"value": 0}, "period": 1, "dimensions": 1}),
            ),
            ("onsetDateTime", "onsetString", json!("since the fire")),
            (
                "effectiveDateTime",
                "effectiveTiming",
                json!({"event": ["2026-01-01"]}),
            ),
        ] {
            let mut altered = out.clone();
            let map = altered.as_object_mut().expect("an object");
            if map.shift_remove(plain).is_none() {
                continue;
            }
            map.insert(other.to_owned(), value);
            let at = format!("{}.{other}", profile.resource_type());
            tried += 1;
            assert!(
                says(profile, &altered, &at, "type outside the profile"),
                "{name}: {:?}",
                profile.validate(&altered)
            );
        }
    }
    assert!(tried > 12, "{tried} tried");
}

#[test]
fn an_item_that_no_slice_takes_is_found() {
    let (sets, mut tried) = (sets(), 0);
    let foreign = json!({"system": "http://x.example/codes", "code": "other"});
    for (profile, name, out) in released(&sets) {
        for (pointer, item) in [
            ("/code/coding", foreign.clone()),
            ("/category", json!({"coding": [foreign]})),
            ("/participant/0/role", json!({"coding": [foreign]})),
            (
                "/identifier",
                json!({"system": "http://x.example/secret-number", "value": "1"}),
            ),
        ] {
            let path = format!(
                "{}{}",
                profile.resource_type(),
                pointer.replace("/0/", "/").replace('/', ".")
            );
            let elements = profile.closed()["differential"]["element"]
                .as_array()
                .expect("a list");
            let sliced = elements
                .iter()
                .any(|e| e["id"] == path && e["slicing"]["rules"] == "closed");
            let mut altered = out.clone();
            let Some(list) = altered.pointer_mut(pointer).and_then(Value::as_array_mut) else {
                continue;
            };
            if !sliced {
                continue;
            }
            list.push(item);
            tried += 1;
            let at = format!(
                "{}{}",
                profile.resource_type(),
                pointer.replace("/0/", "[0].").replace('/', ".")
            );
            assert!(
                says(profile, &altered, &at, "matches no slice"),
                "{name} at {at}: {:?}",
                profile.validate(&altered)
            );
        }
    }
    assert!(tried > 30, "{tried} tried");
}

#[test]
fn a_fixed_value_that_is_another_is_found() {
    let (sets, mut tried) = (sets(), 0);
    for (profile, name, out) in released(&sets) {
        let of = profile.resource_type();
        let elements = profile.closed()["differential"]["element"]
            .as_array()
            .expect("a list");
        for element in elements.iter().filter(|e| e["fixedCode"].is_string()) {
            let id = element["id"].as_str().unwrap_or_default();
            let Some(key) = id.strip_prefix(&format!("{of}.")).filter(|k| !k.contains('.')) else {
                continue;
            };
            let Some(value) = out.get(key) else { continue };
            let mut altered = out.clone();
            altered[key] = if value.is_array() {
                json!(["environment"])
            } else {
                json!("stopped")
            };
            tried += 1;
            assert!(says(profile, &altered, id, "the profile fixes"), "{name} {key}");
        }
    }
    assert!(tried >= 3, "{tried} tried");
}

#[test]
fn more_items_than_r4_or_the_profile_allows_are_found() {
    let (sets, mut tried) = (sets(), 0);
    for (profile, name, out) in released(&sets) {
        let of = table().resource(profile.resource_type()).expect("an R4 type");
        for element in of.elements.iter().filter(|e| !e.is_list() && !e.is_choice()) {
            let Some(value) = out.get(element.name).filter(|_| element.name != "id") else {
                continue;
            };
            let mut altered = out.clone();
            altered[element.name] = json!([value, value]);
            tried += 1;
            assert!(
                says(profile, &altered, element.path, ""),
                "{name} twice {}",
                element.name
            );
        }
    }
    assert!(tried > 300, "{tried} tried");
}
