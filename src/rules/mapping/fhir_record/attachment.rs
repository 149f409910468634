//! An attachment whose content lies in a Binary of the record gets that content; an address of the source that leads nowhere goes.
//! <https://hl7.org/fhir/R4/datatypes.html#Attachment>, <https://hl7.org/fhir/R4/binary.html>

use super::settle::{Leads, Settle};
use serde_json::{Map, Value};

/// `false` when nothing is left to read.
pub(super) fn settle(settle: &mut Settle<'_, '_, '_>, map: &mut Map<String, Value>) -> bool {
    let Some(url) = map.get("url").and_then(Value::as_str).map(str::to_owned) else {
        return true;
    };
    if !settle.known.is_own(&url) {
        return true; // somebody else's address: what is released decides about it
    }
    map.shift_remove("url");
    let found = match settle.leads(&url) {
        Leads::Other(binary) if binary.kind == "Binary" => Some(binary),
        _ => None,
    };
    let data = found.as_ref().and_then(|binary| binary.body["data"].as_str());
    if let (Some(binary), Some(data)) = (&found, data) {
        map.insert("data".to_owned(), Value::String(data.to_owned()));
        settle.made_from("data", vec![format!("{}.data", binary.place)]);
        if !map.contains_key("contentType") {
            map.insert("contentType".to_owned(), binary.body["contentType"].clone());
            settle.made_from("contentType", vec![format!("{}.contentType", binary.place)]);
        }
        settle.uses(binary);
    } else {
        settle.unresolved();
    }
    map.contains_key("data")
}
