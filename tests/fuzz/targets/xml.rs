//! XML bodies. <https://hl7.org/fhir/R4/xml.html>

use postern_rules::fhir::{gate, json, xml};

use super::told;

pub fn target(data: &[u8]) -> bool {
    let value = match xml::from_xml(data) {
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
        "as JSON it passes the door"
    );
    told(&gate::check(&value));
    if let Err(issues) = xml::to_xml(&value) {
        told(&issues);
    }
    true
}
