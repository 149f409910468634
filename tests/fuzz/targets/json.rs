//! JSON bodies: the door, and the R4 gate behind it. <https://hl7.org/fhir/R4/json.html>

use postern_rules::fhir::{gate, json, xml};

use super::told;

pub fn target(data: &[u8]) -> bool {
    let value = match json::parse(data) {
        Ok(value) => value,
        Err(issues) => {
            told(&issues);
            return false;
        }
    };
    let written = value.to_string();
    assert_eq!(
        json::parse(written.as_bytes()).as_ref(),
        Ok(&value),
        "written and read again"
    );
    told(&gate::check(&value));
    if let Err(issues) = xml::to_xml(&value) {
        told(&issues);
    }
    true
}
