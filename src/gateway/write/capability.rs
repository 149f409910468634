//! What of writing the CapabilityStatement says. <https://hl7.org/fhir/R4/capabilitystatement.html>

use postern_rules::write::{KINDS, Kind};
use serde_json::{Value, json};

use crate::gateway::WRITABLE;

/// Types that partners may state, whether or not a data set releases them to others.
pub fn stated_types() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.resource_type)
}

/// Adds what can be written of a type to its entry.
pub fn add_writes(resource_type: &str, entry: &mut Value) {
    let mut codes = Vec::new();
    if Kind::of(resource_type).is_some() {
        codes.push("create");
    }
    if WRITABLE.contains(&resource_type) {
        codes.extend(["update", "patch"]);
    }
    if codes.is_empty() {
        return;
    }
    let written = codes.iter().map(|code| json!({ "code": code }));
    if let Some(list) = entry["interaction"].as_array_mut() {
        list.extend(written);
    }
    entry["versioning"] = "versioned-update".into();
    entry["updateCreate"] = false.into();
    entry["conditionalCreate"] = codes.contains(&"create").into();
    entry["conditionalUpdate"] = false.into();
    entry["conditionalDelete"] = "not-supported".into();
    entry["documentation"] = ABOUT.into();
}

/// Interactions with the whole server.
pub fn system_interactions() -> Value {
    json!([{"code": "transaction"}, {"code": "batch"}])
}

pub fn patch_formats() -> Value {
    json!(["application/json-patch+json"])
}

const ABOUT: &str = "Writes take If-Match with the version last read (400 without, 412 with another). Directly written are a partner's own \
                     statements, the state of a referral it owns or asked for, and its appointments; any other change is taken as a \
                     proposal to the agency's staff (202). Nothing is deleted (405).";
