//! later. <https://hl7.org/fhir/R4/security-labels.html>
