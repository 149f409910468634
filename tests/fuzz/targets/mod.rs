//! What outsiders send, each kind as a function of bytes that panics when something does not hold. It says whether it took them.
//! <https://llvm.org/docs/LibFuzzer.html>

#[path = "../../../benches/rosa.rs"]
mod rosa;

mod ground;

pub mod assertion;
pub mod conditional;
pub mod cursor;
pub mod expression;
pub mod json;
pub mod search;
pub mod write;
pub mod xml;

use postern_rules::fhir::{self, Issue, Value, gate};

/// Stands in values of the seeds, and in no message.
const MARK: &str = "Qzx7";

/// What the other side is told about its request.
fn told(issues: &[Issue]) {
    for issue in issues {
        assert!(
            !issue.details.contains(MARK),
            "a message repeats a value: {issue:?}"
        );
    }
}

/// A body as its door read it: as JSON it is read again the same, and whatever is refused of it repeats no value.
fn taken(read: Result<Value, Vec<Issue>>) -> bool {
    let value = match read {
        Ok(value) => value,
        Err(issues) => {
            told(&issues);
            return false;
        }
    };
    let written = value.to_string();
    assert_eq!(
        fhir::json::parse(written.as_bytes()).as_ref(),
        Ok(&value),
        "written and read again"
    );
    told(&gate::check(&value));
    if let Err(issues) = fhir::xml::to_xml(&value) {
        told(&issues);
    }
    true
}

/// `first` and what follows the first line.
fn two_parts(data: &[u8]) -> Option<(&str, &[u8])> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&data[..at]).ok()?.trim(), &data[at + 1..]))
}
