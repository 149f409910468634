//! Tests: a small reader of BALP's StructureDefinitions that checks an event against the slices of the profile it
//! claims: how many items fall into each, what each must and must not hold, patterns, closed slicing.
//! <https://hl7.org/fhir/R4/profiling.html#slicing>

use serde_json::Value;
use std::path::PathBuf;

fn package() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/packages/balp-1.1.5");
    root.is_dir().then_some(root)
}

fn file(name: &str) -> Option<Value> {
    let text = std::fs::read(package()?.join(name)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// What the claimed profile does not find as it must be; nothing when none is claimed or the package is absent.
pub(super) fn problems(event: &Value) -> Vec<String> {
    let Some(url) = event["meta"]["profile"][0].as_str() else {
        return Vec::new();
    };
    let id = url.rsplit('/').next().unwrap_or_default();
    let Some(profile) = file(&format!("StructureDefinition-{id}.json")) else {
        println!("skipped: BALP package not found beside the repository");
        return Vec::new();
    };
    let elements = profile["snapshot"]["element"].as_array().expect("a snapshot");
    let mut out = Vec::new();
    for list in ["subtype", "agent", "entity"] {
        slices(elements, event, list, &mut out);
    }
    for element in elements {
        let id = element["id"].as_str().unwrap_or_default();
        if let Some(path) = id
            .strip_prefix("AuditEvent.")
            .filter(|path| !path.contains([':', '[']))
        {
            judge(element, event, path, id, &mut out);
        }
    }
    if id.ends_with("PrivacyDisclosure.Source") && event["agent"][0]["who"] != event["source"]["observer"] {
        out.push("val-audit-source".to_owned());
    }
    out
}

fn slices(elements: &[Value], event: &Value, list: &str, out: &mut Vec<String>) {
    let find = |id: &str| elements.iter().find(|element| element["id"] == id);
    let whole = format!("AuditEvent.{list}");
    let slicing = find(&whole).map_or(&Value::Null, |element| &element["slicing"]);
    let discriminator = slicing["discriminator"][0]["path"].as_str().unwrap_or("$this");
    let items: Vec<&Value> = event[list].as_array().into_iter().flatten().collect();
    let mut taken = 0;
    for slice in elements
        .iter()
        .filter(|e| e["path"] == whole.as_str() && e["sliceName"].is_string())
    {
        let id = slice["id"].as_str().unwrap_or_default();
        let (key, at) = match discriminator {
            "$this" => (slice, ""),
            path => (find(&format!("{id}.{path}")).unwrap_or(slice), path),
        };
        let members: Vec<&Value> = items
            .iter()
            .copied()
            .filter(|item| belongs(key, if at.is_empty() { item } else { &item[at] }))
            .collect();
        taken += members.len();
        bounds(slice, members.len(), id, out);
        for element in elements {
            let path = element["id"]
                .as_str()
                .and_then(|e| e.strip_prefix(id))
                .and_then(|e| e.strip_prefix('.'));
            let Some(path) = path.filter(|path| !path.contains([':', '['])) else {
                continue;
            };
            for member in &members {
                judge(element, member, path, &format!("{id}.{path}"), out);
            }
        }
    }
    if slicing["rules"] == "closed" && taken != items.len() {
        out.push(format!(
            "{whole}: {} items outside the closed slices",
            items.len() - taken
        ));
    }
}

/// Does a value carry the slice's pattern, or a code of its value set?
fn belongs(key: &Value, value: &Value) -> bool {
    match (pattern(key), key["binding"]["valueSet"].as_str()) {
        (Some(pattern), _) => holds(value, pattern),
        (None, Some(set)) => in_value_set(set, value),
        (None, None) => false,
    }
}

fn in_value_set(url: &str, value: &Value) -> bool {
    let name = url.rsplit('/').next().unwrap_or_default();
    let Some(set) = file(&format!("ValueSet-{name}.json")) else {
        return true;
    };
    let coding = if value["coding"].is_array() {
        &value["coding"][0]
    } else {
        value
    };
    let includes = set["compose"]["include"].as_array().cloned().unwrap_or_default();
    includes.iter().any(|include| {
        let codes = include["concept"].as_array();
        let named = codes.is_none_or(|codes| codes.iter().any(|concept| concept["code"] == coding["code"]));
        include["system"] == coding["system"] && named
    })
}

/// Cardinality, pattern and BALP's own required bindings of one element below `start`.
fn judge(element: &Value, start: &Value, path: &str, name: &str, out: &mut Vec<String>) {
    let (parents, last) = match path.rsplit_once('.') {
        Some((parents, last)) => (parents.split('.').collect::<Vec<_>>(), last),
        None => (Vec::new(), path),
    };
    let mut holders = vec![start];
    for step in parents {
        holders = holders
            .into_iter()
            .flat_map(|holder| children(&holder[step]))
            .collect();
    }
    for holder in holders {
        let found = children(&holder[last]);
        bounds(element, found.len(), name, out);
        let set = element["binding"]["valueSet"]
            .as_str()
            .filter(|url| url.contains("/ITI/BALP/"));
        for value in found {
            if pattern(element).is_some_and(|pattern| !holds(value, pattern)) {
                out.push(format!("{name}: not the pattern"));
            }
            if set
                .is_some_and(|set| element["binding"]["strength"] == "required" && !in_value_set(set, value))
            {
                out.push(format!("{name}: not in its value set"));
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        value => vec![value],
    }
}

fn bounds(element: &Value, found: usize, name: &str, out: &mut Vec<String>) {
    let min = element["min"].as_u64().unwrap_or(0);
    let max = element["max"]
        .as_str()
        .and_then(|max| max.parse().ok())
        .unwrap_or(u64::MAX);
    if (found as u64) < min || found as u64 > max {
        out.push(format!("{name}: {found} instead of {min}..{}", element["max"]));
    }
}

fn pattern(element: &Value) -> Option<&Value> {
    let fields = element.as_object()?;
    fields
        .iter()
        .find(|(key, _)| key.starts_with("pattern") || key.starts_with("fixed"))
        .map(|(_, value)| value)
}

/// All of `pattern` is in `value`, which may say more.
fn holds(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(value), Value::Object(pattern)) => pattern
            .iter()
            .all(|(key, pattern)| value.get(key).is_some_and(|value| holds(value, pattern))),
        (Value::Array(items), Value::Array(patterns)) => patterns
            .iter()
            .all(|pattern| items.iter().any(|item| holds(item, pattern))),
        (value, pattern) => value == pattern,
    }
}

/// The checker itself: the package's own examples pass, and fail once an agent is gone or a code is turned.
#[test]
fn the_examples_of_the_package_meet_their_profiles() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/examples/balp-audit-events");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no {}", folder.display());
        return;
    };
    for path in files.flatten().map(|entry| entry.path()) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut event: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(problems(&event), [""; 0], "{}", path.display());
        let profile = event["meta"]["profile"][0]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if !profile.contains("accessTokenUse") {
            event["agent"][0]["type"]["coding"][0]["code"] = "110199".into();
            assert_ne!(problems(&event), [""; 0], "{} with another role", path.display());
        }
    }
}
