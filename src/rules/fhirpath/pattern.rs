//! Regular expressions of `matches()`: linear in the text, bounded in size; `.` also matches a line end.
//! <http://hl7.org/fhirpath/N1/#matchesregex-string-boolean>

use regex::{Regex, RegexBuilder};

const LONGEST: usize = 2000;
const COMPILED: usize = 256 * 1024;

/// The compiled pattern, or what is wrong with it (without quoting it).
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err("this pattern is longer than 2000 bytes".to_owned());
    }
    let built = RegexBuilder::new(pattern).dot_matches_new_line(true).size_limit(COMPILED).nest_limit(50).build();
    built.map_err(|fault| match fault {
        regex::Error::CompiledTooBig(_) => "this pattern is too large when compiled".to_owned(),
        _ => "this pattern is not a regular expression we take (no look-around, no back-references)".to_owned(),
    })
}
