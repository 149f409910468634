//! Search parameters: parsed from a query, evaluated over *released* resources only.
//! <https://hl7.org/fhir/R4/search.html>
//!
//! A search never touches what is stored: it filters a release, so what was withheld cannot be counted,
//! matched or ordered by. An unknown parameter is an error (`handling=strict`) unless the client says otherwise: ignoring
//! one widens the result.

mod path;
mod date;
mod escape;
mod values;
mod extract;
mod parameter;
mod filter;
mod sort;
mod view;
mod include;
mod cursor;
mod query;
mod take;
mod selection;
mod key;

pub use cursor::{CursorKey, Pages};
pub use date::{Prefix, When};
pub use extract::{Extractor, provenance_values};
pub use filter::{Filter, Setting, Test, Wanted, modifiers};
pub use include::{Include, includes_of, revincludes_of};
pub use key::{Keys, Lookup, keyed};
pub use parameter::{Kind, Parameter, parameters, searched_types};
pub use query::{DEFAULT_COUNT, MOST_COUNT, Query, Reach, provenance_id, provenance_target};
pub use selection::Selection;
pub use sort::{By, Key, Position, SortBy, compare, is_sorted};
pub use values::Values;
pub use view::{Summary, View};

#[cfg(test)]
mod grammar;
#[cfg(test)]
pub(crate) mod by_hand;
