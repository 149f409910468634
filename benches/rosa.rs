//! What the benches work on: the mappings, profiles and demo records of this repository, and Rosa's record grown to
//! a hundred resources. <https://hl7.org/fhir/R4/careplan.html>

use std::path::{Path, PathBuf};

use postern::config::Config;
use postern::gateway::{Mappings, NPI, load_catalog};
use postern_rules::disclosure::{Recipient, Record, Rules, Stored};
use postern_rules::fhir::{Instant, Value, json};
use postern_rules::mapping::Settings;
use postern_rules::profile::Role;

/// 2026-11-21T12:00:00Z: Rosa's consents are in force.
pub const NOW: Instant = Instant(1_795_262_400_000_000);

/// The story's partners: id, class and NPI.
pub const PARTNERS: [(&str, &str, &str); 3] = [
    ("maple-street", "primary-care", "1999002011"),
    ("riverside", "crisis-team", "1999002029"),
    ("st-brigid", "hospital", "1999002037"),
];

/// Rosa's files: the plan last, so that its form of what the files share is the one kept.
pub const FILES: [(&str, &str); 5] = [
    ("referral", "rosa"),
    ("consent", "rosa-maple"),
    ("consent", "rosa-riverside"),
    ("consent", "rosa-brigid"),
    ("care-plan", "rosa"),
];

/// Types of which a long plan has many.
const ITEMS: [&str; 7] = [
    "Task",
    "Goal",
    "Observation",
    "Condition",
    "MedicationRequest",
    "AllergyIntolerance",
    "RiskAssessment",
];

/// The checkout, also for the crate of fuzz targets, which stands two folders further in.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = own.ancestors();
    above.find(|path| path.join("mappings").is_dir()).unwrap_or(own)
}

pub fn config() -> Config {
    let root = root();
    let mut config = Config::default();
    config.paths.mappings = root.join("mappings");
    config.paths.profiles = root.join("profiles");
    // what a client may ask in a minute is not what is measured
    config.limits.requests_per_minute = 0;
    config.limits.strangers_per_minute = 0;
    config
}

pub fn catalog() -> (Mappings, Rules) {
    load_catalog(&config()).expect("the repository's own files load")
}

pub fn read(path: &str) -> Vec<u8> {
    let path: PathBuf = root().join(path);
    std::fs::read(path).expect("a file of this repository")
}

pub fn settings() -> Settings<'static> {
    Settings {
        id_key: &[7; 32],
        now: NOW,
    }
}

pub fn demo_file(record: &str, name: &str) -> Vec<u8> {
    read(&format!("mappings/hearthstone/demo/{record}.{name}.json"))
}

pub fn recipient((id, class, npi): (&str, &str, &str)) -> Recipient {
    let organization = vec![(NPI.to_owned(), npi.to_owned())];
    Recipient::new(id, id, class, Role::Provider, organization)
}

/// Rosa's record as the store would hand it over, grown to `size` resources of her own by repeating plan items
/// under other ids.
pub fn record(mappings: &Mappings, size: usize) -> Record {
    let mut record = Record::default();
    for (kind, name) in FILES {
        let source = json::parse(&demo_file(kind, name)).expect("JSON");
        let mapping = mappings.get("hearthstone", kind).expect("a mapping");
        let made = mapping.convert(&source, &settings()).expect("the demo converts");
        for body in made.resources.iter().cloned() {
            put(&mut record, body);
        }
    }
    let patient = record.of_type("Patient").next().expect("a Patient");
    record.patient = patient.id.clone();
    let items: Vec<Stored> = record
        .resources
        .iter()
        .filter(|r| ITEMS.contains(&&*r.resource_type))
        .cloned()
        .collect();
    for (number, item) in items.iter().cycle().enumerate() {
        if record.resources.len() >= size {
            break;
        }
        let mut body = item.body.clone();
        body["id"] = Value::String(format!("{}-{number}", item.id));
        record.resources.push(Stored::new(body, 1).expect("type and id"));
    }
    record
}

fn put(record: &mut Record, body: Value) {
    let one = Stored::new(body, 1).expect("type and id");
    let shared = ["Practitioner", "PractitionerRole", "Organization"].contains(&&*one.resource_type);
    let list = if shared {
        &mut record.directory
    } else {
        &mut record.resources
    };
    match list.iter_mut().find(|known| known.reference() == one.reference()) {
        Some(known) => *known = one,
        None => list.push(one),
    }
}
