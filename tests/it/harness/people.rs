//! The synthetic people of `mappings/*/demo`, and what identifies them. What identifies a person may stand in a release
//! and nowhere else. 45 CFR 164.514(b)(2)

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use postern_rules::fhir::json;
use serde_json::Value;

/// One record of the demo: which system sent it, of which kind, about whom.
#[derive(Clone, Debug)]
pub struct DemoRecord {
    pub source: String,
    pub record: String,
    /// `rosa-maple` of `consent.rosa-maple.json`.
    pub name: String,
    pub body: Value,
}

/// A person of the demo with the identifier their agency knows them by.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub system: &'static str,
    pub identifier: &'static str,
}

impl Person {
    pub const ROSA: Person = Person {
        system: "https://hearthstone.example/ids/client",
        identifier: "HCS-104233",
    };
    pub const MARCUS: Person = Person {
        system: "https://hearthstone.example/ids/client",
        identifier: "HCS-104590",
    };
    pub const TAMSIN: Person = Person {
        system: "https://hearthstone.example/ids/client",
        identifier: "HCS-104871",
    };
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every demo record of every source, in order of path.
pub fn demo() -> &'static [DemoRecord] {
    static DEMO: LazyLock<Vec<DemoRecord>> = LazyLock::new(|| {
        let mut found = Vec::new();
        for source in folders(&root().join("mappings")) {
            for path in files(&source.join("demo")) {
                let name = path
                    .file_name()
                    .expect("a file has a name")
                    .to_string_lossy()
                    .into_owned();
                let Some((record, name)) = name.strip_suffix(".json").and_then(|n| n.split_once('.')) else {
                    continue;
                };
                let bytes = std::fs::read(&path).expect("demo records are readable");
                let body = json::parse(&bytes).expect("demo records are JSON");
                let source = source
                    .file_name()
                    .expect("a folder has a name")
                    .to_string_lossy()
                    .into_owned();
                found.push(DemoRecord {
                    source,
                    record: record.to_owned(),
                    name: name.to_owned(),
                    body,
                });
            }
        }
        found
    });
    &DEMO
}

/// The demo record of this kind and name, to be altered: `demo_record("consent", "rosa-maple")`.
pub fn demo_record(record: &str, name: &str) -> DemoRecord {
    let found = demo().iter().find(|one| one.record == record && one.name == name);
    found.expect("the demo has such a record").clone()
}

/// The item of this list (a JSON pointer) in a record whose `key` is this, to be altered.
pub fn item<'r>(record: &'r mut Value, list: &str, key: &str, value: &str) -> &'r mut Value {
    let items = record
        .pointer_mut(list)
        .and_then(Value::as_array_mut)
        .expect("a list");
    items
        .iter_mut()
        .find(|one| one[key] == value)
        .expect("the item is there")
}

/// All records whose name begins so: everything about one person.
pub fn records(person: &str) -> impl Iterator<Item = &'static DemoRecord> {
    demo().iter().filter(move |one| one.name.starts_with(person))
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join("demo").is_dir()).collect();
    found.sort();
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Surnames, numbers, birth dates, telephone numbers, addresses and mail addresses of everyone in the demo.
pub fn identifying() -> &'static [String] {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut found = Vec::new();
        for one in demo() {
            let person = if one.body["client"].is_object() {
                &one.body["client"]
            } else {
                &one.body
            };
            let fields = [
                "last",
                "clientNo",
                "medicaidNo",
                "dob",
                "phone",
                "email",
                "street",
                "last_name",
                "guest_id",
                "born",
                "tel",
            ];
            for text in fields.iter().filter_map(|field| person[*field].as_str()) {
                found.push(text.trim_end_matches("-Synthetic").to_owned());
                found.extend(as_fhir_date(text));
            }
        }
        found.sort();
        found.dedup();
        found
    });
    &TEXTS
}

/// `3/14/1987` → `1987-03-14`: as it is stored.
fn as_fhir_date(text: &str) -> Option<String> {
    let mut parts = text.split('/').map(str::parse::<u32>);
    let (month, day, year) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// The first of these texts that stands in `written`.
pub fn named_in(written: &str) -> Option<&'static str> {
    identifying()
        .iter()
        .map(String::as_str)
        .find(|text| written.contains(text))
}
