//! Postern: a FHIR R4 gateway for behavioral health.
pub mod store;
