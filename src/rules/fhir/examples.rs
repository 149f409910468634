//! The official R4 examples as a test of door, gate and XML, where `tests/r4-examples.sh` has put them.
//! <https://hl7.org/fhir/R4/examples.html>

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::path::without_indexes;
use super::{gate, json, xml};

/// Official examples that are no valid R4, each with its reason; a tab between the columns.
const EXCEPTIONS: &str = include_str!("r4/exceptions.tsv");

/// Definitions, not examples: 5 000 of them would take minutes.
const DEFINITIONS: [&str; 5] = [
    "StructureDefinition-",
    "ValueSet-",
    "CodeSystem-",
    "SearchParameter-",
    "ConceptMap-",
];
/// Bundles of definitions reach 60 MB.
const LARGEST: u64 = 4_000_000;

fn folder() -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let places = [
        format!("{root}/../shared/packages/hl7.fhir.r4.examples"),
        format!("{root}/target/r4-examples/package"),
        "/work/target/r4-examples/package".to_owned(),
    ];
    places.iter().map(PathBuf::from).find(|place| place.is_dir())
}

/// File name and bytes of each example resource.
fn examples() -> BTreeMap<String, Vec<u8>> {
    let Some(folder) = folder() else {
        println!("skipped: no official R4 examples here; tests/r4-examples.sh fetches them");
        return BTreeMap::new();
    };
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a file");
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_data = name != "package.json" && !name.starts_with('.') && name.ends_with(".json");
        if is_data
            && !DEFINITIONS.iter().any(|d| name.starts_with(d))
            && entry.metadata().expect("a size").len() < LARGEST
        {
            out.insert(name, std::fs::read(entry.path()).expect("a readable file"));
        }
    }
    out
}

#[test]
fn official_examples_pass_but_for_the_known_bad_ones() {
    let mut known: BTreeMap<(String, String), bool> = EXCEPTIONS
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|columns| ((columns[0].to_owned(), columns[1].to_owned()), false))
        .collect();
    let examples = examples();
    let mut surprises = Vec::new();
    for (name, bytes) in &examples {
        let issues = match json::parse(bytes) {
            Ok(value) => gate::check(&value),
            Err(issues) => issues,
        };
        for issue in issues {
            match known.get_mut(&(name.clone(), without_indexes(&issue.expression))) {
                Some(met) => *met = true,
                None => surprises.push(format!("{name}\t{issue}")),
            }
        }
    }
    println!(
        "{} official examples, {} known problems",
        examples.len(),
        known.len()
    );
    assert!(
        surprises.is_empty(),
        "{}\n{}",
        surprises.len(),
        surprises.join("\n")
    );
    let unmet: Vec<_> = known
        .iter()
        .filter(|(_, met)| !**met)
        .map(|(key, _)| key)
        .collect();
    assert!(
        examples.is_empty() || unmet.is_empty(),
        "listed but not found: {unmet:?}"
    );
}

#[test]
fn official_examples_survive_xml_and_fhirbolt_agrees() {
    let mut failures = Vec::new();
    // The few larger ones are long lists of what the others hold, and would take half the time.
    for (name, bytes) in examples().into_iter().filter(|(_, bytes)| bytes.len() < 500_000) {
        let Ok(value) = json::parse(&bytes) else { continue };
        if !gate::check(&value).is_empty() {
            continue;
        }
        let Ok(text) = xml::to_xml(&value) else {
            failures.push(format!("{name}: not written"));
            continue;
        };
        match xml::from_xml(text.as_bytes()) {
            Ok(again) if again == with_line_feeds(&value) => {}
            Ok(_) => failures.push(format!("{name}: changed")),
            Err(issues) => failures.push(format!("{name}: {}", issues[0])),
        }
        failures.extend(xml::second_opinion(&value).map(|issue| format!("{name}: {issue}")));
        failures.extend(
            (!fhirbolt_reads_the_same(&value, &text)).then(|| format!("{name}: fhirbolt reads other XML")),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// fhirbolt trims the white space of narratives, so those are left out.
fn fhirbolt_reads_the_same(value: &Value, text: &str) -> bool {
    type Element = fhirbolt::element::Element<{ fhirbolt::FhirReleases::R4 }>;
    let plain = xml::type_first(&value_without_div(value)).to_string();
    let ours = xml::to_xml(&value_without_div(value));
    let (Ok(from_json), Ok(ours)) = (fhirbolt::json::from_str::<Element>(&plain, None), ours) else {
        return false;
    };
    let whole = fhirbolt::xml::from_str::<Element>(text, None).is_ok();
    whole && fhirbolt::xml::from_str::<Element>(&ours, None).is_ok_and(|from_xml| from_xml == from_json)
}

fn value_without_div(value: &Value) -> Value {
    let mut value = value.clone();
    let mut waiting = vec![&mut value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                if map.get("div").is_some_and(Value::is_string) {
                    map.insert(
                        "div".to_owned(),
                        Value::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
                    );
                }
                waiting.extend(map.values_mut());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    value
}

/// XML reads every line end in a narrative as a line feed.
fn with_line_feeds(value: &Value) -> Value {
    let mut value = value.clone();
    let mut waiting = vec![&mut value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(div)) = map.get_mut("div") {
                    *div = div.replace("\r\n", "\n").replace('\r', "\n");
                }
                waiting.extend(map.values_mut());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    value
}

const SAMPLE: &str = r##"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a <b>b</b></div>"},"contained":[{"resourceType":"Organization","id":"o","name":"x"}],"name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u","valueDecimal":1.00}]}]}],"birthDate":"2024-02-29","deceasedBoolean":false,"managingOrganization":{"reference":"#o"}}},{"resource":{"resourceType":"Consent","status":"active","scope":{"text":"s"},"category":[{"text":"c"}],"provision":{"provision":[{"type":"deny","period":{"start":"2024"}}]}}}]}"##;

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6)) {
        let value = json::parse(SAMPLE.as_bytes()).expect("valid");
        let xml = xml::to_xml(&value).expect("valid");
        for original in [SAMPLE, &xml] {
            let mut bytes = original.as_bytes().to_vec();
            for (at, byte, kind) in &changes {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = *byte,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, original.as_bytes()[usize::from(*byte) % original.len()]),
                }
            }
            if let Ok(value) = json::parse(&bytes) {
                let valid = gate::check(&value).is_empty();
                let written = xml::to_xml(&value);
                prop_assert!(valid || written.is_err());
                if let Ok(text) = written {
                    prop_assert_eq!(xml::from_xml(text.as_bytes()), Ok(value));
                }
            }
            if let Ok(value) = xml::from_xml(&bytes) {
                prop_assert!(gate::check(&value).is_empty());
            }
        }
    }
}
