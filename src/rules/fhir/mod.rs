//! R4 vocabulary: element table, gate, JSON door, XML, dates, ids, issues.

pub mod issue;
pub mod instant;
pub mod date;
pub mod id;
pub mod element;
pub mod constraint;
pub mod path;
mod npi;
mod shared;
pub mod letters;
mod markup;
mod xhtml;
pub mod primitive;
mod json_scan;
pub mod json;
pub mod excerpt;
pub mod gate;
mod xml_open;
mod xml_read;
mod xml_write;
pub mod xml;

#[cfg(test)]
mod case_files;
#[cfg(test)]
mod examples;

pub use instant::{Instant, Now};
pub use issue::{Issue, IssueCode, Severity};
pub use npi::is_npi;
pub use serde_json::Value;
pub use shared::{SHARED, is_shared};
