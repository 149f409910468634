//! The text of a YAML scalar, where its characters stand, and the ways YAML cuts an expression short.
//! <https://yaml.org/spec/1.2.2/#73-flow-scalar-styles>

use super::problem::At;

/// The text of a scalar and where its characters stand in the file.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub text: String,
    /// For each line of the file the text comes from: its first character there, and how many it holds.
    pub lines: Vec<(At, u32)>,
}

impl Scalar {
    /// The expression after `=`, if this is one.
    pub fn expression(&self) -> Option<&str> {
        self.text.strip_prefix('=')
    }

    /// Where the character at this byte offset of `text` stands.
    pub fn place(&self, offset: usize) -> At {
        let before = self
            .text
            .char_indices()
            .take_while(|(at, _)| *at < offset)
            .count();
        let mut left = u32::try_from(before).unwrap_or(u32::MAX);
        let mut last = At { line: 1, column: 1 };
        for (at, length) in &self.lines {
            last = *at;
            if left < *length {
                return At {
                    line: at.line,
                    column: at.column.saturating_add(left),
                };
            }
            // the end of a line counts as one character, folded or not
            left = left.saturating_sub(length + 1);
        }
        last
    }
}

/// Are the parentheses and brackets outside quotes closed?
pub(super) fn balanced(expression: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0i64, false, false);
    for c in expression.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    depth == 0 && !quoted
}

/// Does the quoted scalar at the start of this text end in it? (It holds escapes, then.)
pub(super) fn closes(written: &str) -> bool {
    let mut rest = written.chars();
    let Some(quote) = rest.next() else { return false };
    let mut escaped = false;
    for c in rest {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return true;
        }
    }
    false
}

/// What an analyst most likely did when YAML itself broke on this line.
pub(super) fn hint(line: &str) -> &'static str {
    if line.contains('\t') && line.trim_start_matches(' ').starts_with('\t') {
        "; indent with blanks, not tabs"
    } else if line.contains(" =") || line.contains("[=") || line.contains("{=") {
        "; put an expression with `: `, ` #`, or (inside [ ] and { }) a comma or bracket in double quotes"
    } else {
        ""
    }
}
