//! Search parameters: parsed from a query, evaluated over *released* resources only.
//! <https://hl7.org/fhir/R4/search.html>
//!
//! A search never touches what is stored: it filters a release, so what was withheld cannot be counted,
//! matched or ordered by. An unknown parameter is an error (`handling=strict`), never ignored: ignoring one
//! would widen the result.

mod plain;
mod parameter;
mod query;
mod cursor;

pub use cursor::{CursorKey, Pages, Position};
pub use parameter::{Kind, Parameter, Values, extract, parameters};
pub use query::{Filter, Query};
