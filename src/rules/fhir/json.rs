//! The JSON door: the only way bytes from outside become a `Value`.
//! <https://hl7.org/fhir/R4/json.html>, <https://www.rfc-editor.org/rfc/rfc8259>
//!
//! serde_json keeps the last of two equal keys, lets a crafted key become a number, and stops at its first problem.
//! So one scanner reads the bytes before it and names all it finds; its time grows linearly with the input.

use serde_json::Value;

use super::{Issue, IssueCode, json_scan};

/// 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Objects and arrays open at once.
pub const MAX_DEPTH: usize = 64;
/// UTF-8 JSON of at most `MAX_BYTES`, as a value; or every problem the scanner could name, with place and offset.
pub fn parse(bytes: &[u8]) -> Result<Value, Vec<Issue>> {
    parse_within(bytes, MAX_BYTES)
}

/// The same with a limit of the caller's, in bytes.
pub fn parse_within(bytes: &[u8], max: usize) -> Result<Value, Vec<Issue>> {
    let text = as_text(bytes, max).map_err(|issue| vec![issue])?;
    let issues = json_scan::scan(text);
    if !issues.is_empty() {
        return Err(issues);
    }
    // The scanner holds the grammar, so this does not fail; if the two ever disagree, refusing is right.
    serde_json::from_str(text).map_err(|e| {
        let place = format!("is not JSON at line {}, column {}", e.line(), e.column());
        vec![Issue::error(IssueCode::Structure, "", place)]
    })
}

/// Size, byte order mark, UTF-8, emptiness: what both JSON and XML refuse before reading.
pub(super) fn as_text(bytes: &[u8], max: usize) -> Result<&str, Issue> {
    if bytes.len() > max {
        return Err(Issue::error(
            IssueCode::TooLong,
            "",
            format!("the input is larger than {max} bytes"),
        ));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(Issue::error(
            IssueCode::Structure,
            "",
            "the input starts with a byte order mark; send UTF-8 without one",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Issue::error(
            IssueCode::Structure,
            "",
            format!("the input is not UTF-8 from byte {}", e.valid_up_to()),
        )
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Issue::error(IssueCode::Structure, "", "the input is empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text.as_bytes())
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_serde_json_lets_through_is_refused_with_its_place() {
        assert_eq!(
            problems(r#"{"a":{"b":[{"c":1,"\u0063":2}]}}"#),
            ["a.b[0].c: is given twice in one object (byte 18)"]
        );
        assert_eq!(problems(r#"{"$serde_json::private::Number":"1.5"}"#).len(), 1);
        assert_eq!(problems(r#"{"a":{"\u0024serde_json::x":1}}"#).len(), 1);
        assert_eq!(
            problems(r#"{"a":"\ud800","b":"\udc00","c":"\ud83d\ude00"}"#).len(),
            2
        );
        assert_eq!(problems(" \n"), ["the input is empty"]);
        assert_eq!(parse(b"\xEF\xBB\xBF{}").expect_err("a mark").len(), 1);
        assert!(
            parse(b"{\"a\":\"\xff\"}").expect_err("no UTF-8")[0]
                .details
                .ends_with("byte 6")
        );
        assert!(parse_within(b"[1,2]", 4).is_err() && parse_within(b"[1,2]", 5).is_ok());
    }

    #[test]
    fn names_that_could_be_values_are_not_repeated() {
        let all =
            problems(r#"{"Mary Synthetic":1,"Mary Synthetic":2,"Mary Synthetic":{"b":1,"b":2}}"#).join(" ");
        assert!(!all.contains("Mary"), "{all}");
    }

    #[test]
    fn depth_64_is_the_last() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(nested(64).as_bytes()).is_ok());
        assert!(parse(nested(65).as_bytes()).is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn numbers_keep_their_text() {
        let value =
            parse(br#"{"a":1.00,"b":-0,"c":1E+02,"d":123456789012345678901234567890}"#).expect("valid");
        // serde_json spells the exponent its own way; all digits stay.
        assert_eq!(
            value.to_string(),
            r#"{"a":1.00,"b":-0,"c":1e+02,"d":123456789012345678901234567890}"#
        );
    }

    #[test]
    fn the_grammar_is_that_of_serde_json() {
        let cases = [
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "1 2",
            "[1 2]",
            "]",
            "}",
            "[}",
            "{]",
            "\"\u{1}\"",
            "[",
            "{\"a\":1",
            "0",
            "-1.5e-7",
            "true",
            "null",
            "\"\\u00e9\\n\"",
            "[ ]",
            "{ }",
            " [ 1 , { \"a\" : [ ] } ] ",
            "\"\u{7f}\"",
        ];
        for text in cases {
            assert_eq!(
                parse(text.as_bytes()).is_ok(),
                serde_json::from_str::<Value>(text).is_ok(),
                "{text}"
            );
        }
    }

    /// Quadratic work on these would take minutes.
    #[test]
    fn hostile_input_takes_linear_time() {
        let keys: Vec<String> = (0..200_000).map(|i| format!("\"k{i}\":0")).collect();
        assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes()).is_ok());
        let repeated = format!("{{{}}}", vec!["\"a\":0"; 200_000].join(","));
        assert_eq!(problems(&repeated).len(), json_scan::MAX_ISSUES + 1);
    }
}
