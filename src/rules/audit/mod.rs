//! Events of the audit log: facts in, FHIR R4 `AuditEvent` bytes after IHE BALP out, with the columns they are found by.
//! The bytes are made once and kept as they are. <https://profiles.ihe.net/ITI/BALP/>

pub mod json;
pub mod kind;
pub mod party;
pub mod draft;
pub mod exchange;
pub mod disclosure;
pub mod by_staff;
pub mod operation;
mod write;
pub mod token;
pub mod stranger;
pub mod intake;
pub mod act;
pub mod columns;
pub mod line;
#[cfg(test)]
mod conformance;

pub use act::Act;
pub use by_staff::ByStaff;
pub use columns::Columns;
pub use disclosure::{Basis, ConsentUsed, Disclosure, Released, Withheld};
pub use draft::{Event, Occasion};
pub use exchange::{Query, Read, Refusal};
pub use intake::Intake;
pub use kind::{Kind, Outcome};
pub use line::Line;
pub use operation::Operation;
pub use party::{Caller, Gateway, Party, Person};
pub use stranger::Stranger;
pub use token::{Token, TokenAct};
pub use write::Write;
