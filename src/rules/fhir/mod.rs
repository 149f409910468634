//! R4 vocabulary: element table, gate, JSON door, XML, dates, issues.

pub mod issue;
pub mod instant;

pub use instant::{Instant, Now};
pub use issue::{Issue, IssueCode, Severity};
pub use serde_json::Value;
