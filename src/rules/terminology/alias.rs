//! Other names under which the systems held here are written: value sets, STU3 addresses, object identifiers.
//! <https://terminology.hl7.org/ValueSet-v3-InformationSensitivityPolicy.html>, <https://hl7.org/fhir/STU3/v3/ActReason/cs.html>

use super::{ACT_CODE, ACT_REASON, CONFIDENTIALITY};

/// The system's own address; what is not known here stays as it is, less a trailing slash.
pub fn canonical(system: &str) -> &str {
    match system.trim_end_matches('/') {
        "http://hl7.org/fhir/v3/ActReason"
        | "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse"
        | "http://hl7.org/fhir/ValueSet/v3-PurposeOfUse"
        | "urn:oid:2.16.840.1.113883.5.8" => ACT_REASON,
        "http://hl7.org/fhir/v3/ActCode"
        | "http://terminology.hl7.org/ValueSet/v3-InformationSensitivityPolicy"
        | "http://hl7.org/fhir/ValueSet/v3-InformationSensitivityPolicy"
        | "urn:oid:2.16.840.1.113883.5.4" => ACT_CODE,
        "http://hl7.org/fhir/v3/Confidentiality"
        | "http://terminology.hl7.org/ValueSet/v3-ConfidentialityClassification"
        | "http://hl7.org/fhir/ValueSet/v3-ConfidentialityClassification"
        | "urn:oid:2.16.840.1.113883.5.25" => CONFIDENTIALITY,
        other => other,
    }
}
