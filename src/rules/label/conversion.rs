//! Labels are never lost by conversion: whatever label a source record states of one of its rows is on each resource that
//! is made from the row, or on the element around the value. SEMANTICS 2, 42 CFR 2.12(d)(2)
//!
//! Held over every mapping of this repository and over random flags on random rows of its own records. What came from
//! where is read from the conversion's trace, so a new mapping is held to it as soon as its flags stand in `FLAGS`.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{CodeLists, Labels, RAISED, label_codes};
use crate::fhir::Instant;
use crate::mapping::{Mapping, MappingFiles, Settings};
use crate::terminology::{Confidentiality, Sensitivities};

const SETTINGS: Settings<'static> = Settings {
    id_key: b"a key for tests",
    now: Instant(1_795_000_000_000_000),
};

/// How a source states labels: (source's folder, field, its value, what that states, of which field beside it; empty: of the row).
type Flag = (&'static str, &'static str, fn() -> Value, States, &'static str);

#[derive(Clone, Copy, Debug)]
enum States {
    Sensitivity(&'static str),
    Part2,
    Restricted,
}

const FLAGS: [Flag; 13] = [
    (
        "hearthstone",
        "sens",
        || json!(["HIV"]),
        States::Sensitivity("HIV"),
        "",
    ),
    (
        "hearthstone",
        "sens",
        || json!(["DV", "STI"]),
        States::Sensitivity("STD"),
        "",
    ),
    ("hearthstone", "program", || json!("HARBOR"), States::Part2, ""),
    (
        "hearthstone",
        "program",
        || json!("HARBOR"),
        States::Sensitivity("SUD"),
        "",
    ),
    ("hearthstone", "conf", || json!("R"), States::Restricted, ""),
    (
        "hearthstone",
        "summarySens",
        || json!(["SX"]),
        States::Sensitivity("SEX"),
        "summary",
    ),
    (
        "hearthstone",
        "reasonSens",
        || json!(["DV"]),
        States::Sensitivity("SDV"),
        "reason",
    ),
    (
        "hearthstone",
        "textSens",
        || json!(["DV"]),
        States::Sensitivity("SDV"),
        "doThis",
    ),
    (
        "hearthstone",
        "noteSens",
        || json!(["HIV"]),
        States::Sensitivity("HIV"),
        "note",
    ),
    (
        "lantern",
        "private",
        || json!("why=violence"),
        States::Sensitivity("SDV"),
        "why",
    ),
    (
        "lantern",
        "private",
        || json!("answers=hiv"),
        States::Sensitivity("HIV"),
        "answers",
    ),
    (
        "lantern",
        "private",
        || json!("before=violence"),
        States::Sensitivity("SDV"),
        "before",
    ),
    (
        "lantern",
        "private",
        || json!("paper_data=substances"),
        States::Sensitivity("SUD"),
        "paper_data",
    ),
];

/// Shared between people: what ties them to a program is their PractitionerRole, which is labelled.
const DIRECTORY: [&str; 2] = ["Practitioner", "Organization"];

struct Source {
    folder: String,
    mapping: Mapping,
    records: Vec<Value>,
}

fn read(folder: &Path, suffix: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let stem = name.strip_suffix(suffix)?.to_owned();
            Some((stem, std::fs::read_to_string(entry.path()).ok()?))
        })
        .collect();
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../mappings"));
    let mut found = Vec::new();
    for source in ["hearthstone", "lantern"] {
        let folder = root.join(source);
        let codes = read(&folder.join("codes"), ".csv");
        for (record, map) in read(&folder, ".map.yaml") {
            let files = MappingFiles {
                source,
                record: &record,
                map_name: &record,
                map: &map,
                codes: codes
                    .iter()
                    .map(|(name, text)| (name.as_str(), text.as_str()))
                    .collect(),
            };
            let own = read(&folder.join("demo"), ".json").into_iter();
            let own = own.filter(|(name, _)| name.split('.').next() == Some(record.as_str()));
            found.push(Source {
                folder: source.to_owned(),
                mapping: Mapping::compile(&files).expect("the repository's mappings compile"),
                records: own
                    .map(|(_, text)| serde_json::from_str(&text).expect("JSON"))
                    .collect(),
            });
        }
    }
    found
}

/// Paths of the objects of a record that have the field; the record itself is "".
fn rows(value: &Value, field: &str, about: &str, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            // A row of any list that has a program may be flagged too, whether or not this one is.
            let program = members.contains_key("program");
            let beside = !about.is_empty() && members.contains_key(about);
            let flagged = matches!(field, "sens" | "conf" | "program") && program || beside;
            // A flag about a field that is not there says nothing.
            if (members.contains_key(field) || flagged) && (about.is_empty() || beside) {
                found.push(path.to_owned());
            }
            for (name, member) in members {
                let below = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                rows(member, field, about, &below, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                rows(item, field, about, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn row<'r>(record: &'r mut Value, path: &str) -> Option<&'r mut Map<String, Value>> {
    let mut at = record;
    for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        at = match step.parse::<usize>() {
            Ok(index) => at.get_mut(index)?,
            Err(_) => at.get_mut(step)?,
        };
    }
    at.as_object_mut()
}

fn carries(labels: &Labels, states: States) -> bool {
    match states {
        States::Sensitivity(code) => {
            Sensitivities::of(code).is_some_and(|one| labels.sensitivity.intersects(one))
        }
        States::Part2 => labels.part2,
        States::Restricted => labels.confidentiality >= Confidentiality::Restricted,
    }
}

/// Values made from the row that lack its label: `target source`.
fn lacking(source: &Source, record: &Value, at: &str, flag: Flag) -> Vec<String> {
    let (_, field, _, states, about) = flag;
    let conversion = source
        .mapping
        .convert(record, &SETTINGS)
        .expect("flags do not stop a record");
    if conversion.unmapped().iter().any(|name| name.ends_with(field)) {
        return Vec::new(); // Nobody reads the field there, and the report of unmapped fields says so.
    }
    let own = |path: &String| {
        let rest = path.strip_prefix(at).map(|rest| rest.trim_start_matches('.'));
        match (at, about) {
            // The record's own flags: what stands in rows below has flags of its own.
            ("", "") => !path.contains(['.', '[']),
            (_, "") => rest.is_some(),
            _ => rest == Some(about),
        }
    };
    let trace = conversion.trace();
    let mut wrong = Vec::new();
    for one in &trace {
        let name = one.target.rsplit('.').next().unwrap_or_default();
        let kind = one.resource.split('/').next().unwrap_or_default();
        let says = one.sources.iter().any(own) && !one.sources.iter().any(|path| path.ends_with(field));
        let names_only =
            matches!(name, "reference" | "id" | "system" | "url") || one.target.contains("identifier");
        let of_rows_below = at.is_empty()
            && about.is_empty()
            && trace.iter().any(|other| {
                other.resource == one.resource && other.sources.iter().any(|path| path.contains('['))
            });
        if !says || names_only || of_rows_below || DIRECTORY.contains(&kind) {
            continue;
        }
        let named =
            |r: &&Value| r["resourceType"] == kind && one.resource.ends_with(r["id"].as_str().unwrap_or("-"));
        let resource = conversion.resources.iter().find(named).expect("a resource");
        let labels = label_codes(resource, &CodeLists::default(), &RAISED);
        let mut around = labels
            .elements
            .iter()
            .filter(|(path, _)| one.target.starts_with(path.as_str()));
        if !carries(&labels, states) && !around.any(|(_, own)| carries(own, states)) {
            wrong.push(format!("{} {}", one.target, one.sources.join(",")));
        }
    }
    wrong
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_label_of_a_row_is_lost(flag in 0..FLAGS.len(), pick in any::<proptest::sample::Index>(), which in any::<proptest::sample::Index>()) {
        static SOURCES: std::sync::LazyLock<Vec<Source>> = std::sync::LazyLock::new(sources);
        let (folder, field, value, states, about) = FLAGS[flag];
        let of: Vec<&Source> = SOURCES.iter().filter(|s| s.folder == folder && !s.records.is_empty()).collect();
        let source = of[which.index(of.len())];
        let mut record = source.records[which.index(source.records.len())].clone();
        let mut found = Vec::new();
        rows(&record, field, about, "", &mut found);
        prop_assume!(!found.is_empty());
        let at = found[pick.index(found.len())].clone();
        if let Some(row) = row(&mut record, &at) {
            row.insert(field.to_owned(), value());
        }
        let wrong = lacking(source, &record, &at, FLAGS[flag]);
        prop_assert!(wrong.is_empty(), "{} {at}.{field} {states:?}: {}", source.mapping.name(), wrong.join("; "));
    }
}
