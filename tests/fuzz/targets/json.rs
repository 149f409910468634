//! JSON bodies: the door, and the R4 gate behind it. <https://hl7.org/fhir/R4/json.html>

use postern_rules::fhir::json;

use super::taken;

pub fn target(data: &[u8]) -> bool {
    taken(json::parse(data))
}
