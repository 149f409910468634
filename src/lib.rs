//! Postern: a FHIR R4 gateway for behavioral health.
//! Modules stand in reading order and import only upwards; `tests/it/tidy.rs` holds that.
#![doc = include_str!("README.md")]

pub mod config;
pub mod store;
pub mod egress;
pub mod auth;
pub mod gateway;
pub mod http;
pub mod worker;
pub mod cli;
