//! Values as they are written in a query: alternatives at commas, parts at bars, each escaped by a backslash where it
//! belongs to the value. <https://hl7.org/fhir/R4/search.html#escaping>

/// `a,b\,c` → `a` and `b\,c`, still escaped; what is empty is no alternative.
pub(super) fn alternatives(value: &str) -> impl Iterator<Item = &str> {
    split(value, ',').filter(|part| !part.is_empty())
}

/// Splits where the sign stands unescaped.
pub(super) fn split(value: &str, sign: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    value.split(move |c| {
        let here = c == sign && !escaped;
        escaped = c == '\\' && !escaped;
        here
    })
}

/// `\,` `\|` `\$` `\\` are the sign itself; any other backslash stands for itself.
pub(super) fn plain(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut letters = value.chars().peekable();
    while let Some(c) = letters.next() {
        let sign = letters.next_if(|next| c == '\\' && matches!(next, ',' | '|' | '$' | '\\'));
        out.push(sign.unwrap_or(c));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_or_unless_escaped() {
        let all = |value| alternatives(value).map(plain).collect::<Vec<_>>();
        assert_eq!(all(r"a,b\,c,,"), ["a", "b,c"]);
        assert_eq!(all(r"a\\,b"), [r"a\", "b"]);
        assert_eq!(all(r"\$5\|x"), ["$5|x"]);
        assert_eq!(all(r"C:\temp"), [r"C:\temp"]);
        assert_eq!(all(","), [""; 0]);
    }

    #[test]
    fn bars_part_a_token_unless_escaped() {
        let parts = |value| split(value, '|').map(plain).collect::<Vec<_>>();
        assert_eq!(parts(r"http://s|a\|b"), ["http://s", "a|b"]);
        assert_eq!(parts("|a"), ["", "a"]);
        assert_eq!(parts("s|"), ["s", ""]);
    }
}
