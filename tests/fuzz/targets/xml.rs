//! XML bodies. <https://hl7.org/fhir/R4/xml.html>

use postern_rules::fhir::xml;

use super::taken;

pub fn target(data: &[u8]) -> bool {
    taken(xml::from_xml(data))
}
