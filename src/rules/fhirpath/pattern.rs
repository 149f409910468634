//! Regular expressions of `matches()`: linear in the text, bounded in size; `.` also matches a line end.
//! <http://hl7.org/fhirpath/N1/#matchesregex-string-boolean>

use regex::{Regex, RegexBuilder};

const LONGEST: usize = 2000;
/// A pattern written in the expression; it is compiled once.
pub(super) const WRITTEN: usize = 4 * 1024 * 1024;
/// A pattern made while evaluating.
pub(super) const MADE: usize = 256 * 1024;

/// The compiled pattern, or what is wrong with it (without quoting it).
pub(super) fn compile(pattern: &str, size: usize) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err("this pattern is longer than 2000 bytes".to_owned());
    }
    let built = RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .size_limit(size)
        .nest_limit(50)
        .build();
    built.map_err(|fault| match fault {
        regex::Error::CompiledTooBig(_) => "this pattern is too large when compiled".to_owned(),
        _ => {
            "this pattern is not a regular expression we take (no look-around, no back-references)".to_owned()
        }
    })
}
