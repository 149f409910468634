//! The calls of mapping functions inside an expression, with their literal arguments.
//! SEMANTICS section 6: `code coding id reference date required`.
//!
//! Which map, type, format or zone a mapping names must be known when it is loaded, so those arguments are
//! literals, found here by a scan over the text of an expression that has already been parsed.

/// One call found in the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call<'t> {
    pub name: &'t str,
    /// Byte offset of the name.
    pub offset: usize,
    /// Each argument: the literal text, or `None` for any other expression.
    pub arguments: Vec<Option<String>>,
}

const NAMES: [&str; 5] = ["code", "coding", "id", "reference", "date"];

/// All calls, in the order of the text.
pub(super) fn calls(text: &str) -> Vec<Call<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'`') => at = after_quoted(bytes, at, quote),
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let start = at;
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                    at += 1;
                }
                let name = &text[start..at];
                let open = text[at..].len() - text[at..].trim_start().len() + at;
                if NAMES.contains(&name) && bytes.get(open) == Some(&b'(') {
                    found.push(Call {
                        name,
                        offset: start,
                        arguments: arguments(text, open),
                    });
                }
            }
            _ => at += 1,
        }
    }
    found
}

/// The position after a quoted part.
fn after_quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The arguments of the call whose `(` stands at `open`.
fn arguments(text: &str, open: usize) -> Vec<Option<String>> {
    let bytes = text.as_bytes();
    let (mut depth, mut at, mut start) = (0usize, open + 1, open + 1);
    let mut found = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'`') => {
                at = after_quoted(bytes, at, quote);
                continue;
            }
            b'(' | b'[' => depth += 1,
            b',' if depth == 0 => {
                found.push(literal(&text[start..at]));
                start = at + 1;
            }
            b')' if depth == 0 => break,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    let last = &text[start..at.min(bytes.len())];
    if !(found.is_empty() && last.trim().is_empty()) {
        found.push(literal(last));
    }
    found
}

/// `'text'` as its text; anything else is `None`.
fn literal(argument: &str) -> Option<String> {
    let argument = argument.trim();
    let inside = argument.strip_prefix('\'')?.strip_suffix('\'')?;
    if after_quoted(argument.as_bytes(), 0, b'\'') != argument.len() {
        return None;
    }
    let mut out = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'u' => return None,
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_outside_of_quotes() {
        let text =
            "iif(a = 'b.code(\\'x\\')', c.code('m'), d.date( 'h:mm, a' , 'UTC')).id('P', %source.id) + code";
        let found = calls(text);
        let names: Vec<&str> = found.iter().map(|call| call.name).collect();
        assert_eq!(names, ["code", "date", "id"]);
        assert_eq!(found[0].arguments, [Some("m".to_owned())]);
        assert_eq!(
            found[1].arguments,
            [Some("h:mm, a".to_owned()), Some("UTC".to_owned())]
        );
        assert_eq!(found[2].arguments, [Some("P".to_owned()), None]);
        assert_eq!(&text[found[2].offset..found[2].offset + 2], "id");
    }

    #[test]
    fn odd_text_ends_quietly() {
        assert_eq!(calls("x.id()")[0].arguments, []);
        assert_eq!(calls("x.id('a' + 'b')")[0].arguments, [None]);
        for text in [
            "x.id(",
            "x.id('",
            "x.id('\\",
            "`",
            "x.date('yyyy-MM-dd\\'T\\'')",
            "é.id('é'",
        ] {
            let _ = calls(text);
        }
        assert_eq!(
            calls("x.date('yyyy\\'T\\'')")[0].arguments,
            [Some("yyyy'T'".to_owned())]
        );
    }
}
