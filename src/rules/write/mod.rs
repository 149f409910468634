//! Writes by partners: what a partner changes in what it sees, carried into what is stored; what is its own to write, what
//! becomes a proposal; what it states itself. Pure: record in, content of a change out. SEMANTICS 5
//! <https://hl7.org/fhir/R4/http.html#update>

mod element;
mod items;
mod patch;
mod merge;
mod edit;
mod aside;
mod refused;
mod writer;
mod reference;
mod own;
mod contribution;
mod update;

#[cfg(test)]
mod properties;

pub use aside::PUT_ASIDE;
pub use contribution::{KINDS, Kind, Purpose, contribute, nobody_named};
pub use edit::{Edit, carry_out};
pub use element::Item;
pub use patch::{MOST_OPERATIONS, PatchFailure, apply_to_released};
pub use reference::MOST_ATTACHED;
pub use refused::Refused;
pub use update::{Form, Proposal, Updated, update};
pub use writer::{Writer, precondition};
