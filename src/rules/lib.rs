//! Everything pure in Postern: bytes and facts in, decisions out; no I/O, no clock, no randomness.
//! Modules stand in reading order and import only upwards; `tests/it/tidy.rs` holds that.

pub mod fhir;
pub mod terminology;
pub mod fhirpath;
pub mod search;
pub mod identity;
pub mod validation;
pub mod profile;
pub mod mapping;
pub mod label;
pub mod consent;
pub mod law;
pub mod log;
pub mod document;
pub mod disclosure;
pub mod referral;
pub mod write;
pub mod audit;
