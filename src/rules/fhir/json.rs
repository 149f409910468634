//! The JSON door: the only way bytes from outside become a `Value`.
//! <https://hl7.org/fhir/R4/json.html>, <https://www.rfc-editor.org/rfc/rfc8259>
//!
//! serde_json keeps the last of two equal keys, lets a crafted key become a number, and stops at its first problem.
//! So one scanner reads the bytes before it and names all it finds; its time grows linearly with the input.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::path;
use super::{Issue, IssueCode};

/// 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Objects and arrays open at once.
pub const MAX_DEPTH: usize = 64;
/// Problems listed before the rest is left out.
const MAX_ISSUES: usize = 100;
/// Up to here comparing keys one by one is cheaper than hashing them.
const FEW_KEYS: usize = 12;

/// UTF-8 JSON of at most `MAX_BYTES`, as a value; or every problem the scanner could name, with place and offset.
pub fn parse(bytes: &[u8]) -> Result<Value, Vec<Issue>> {
    parse_within(bytes, MAX_BYTES)
}

/// The same with a limit of the caller's, in bytes.
pub fn parse_within(bytes: &[u8], max: usize) -> Result<Value, Vec<Issue>> {
    let text = as_text(bytes, max).map_err(|issue| vec![issue])?;
    let mut scanner = Scanner { text: text.as_bytes(), source: text, at: 0, open: Vec::new(), issues: Vec::new() };
    if let Err(Stop) = scanner.document() {
        return Err(scanner.issues);
    }
    if !scanner.issues.is_empty() {
        return Err(scanner.issues);
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
        return Err(Issue::error(IssueCode::TooLong, "", format!("the input is larger than {max} bytes")));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(Issue::error(IssueCode::Structure, "", "the input starts with a byte order mark; send UTF-8 without one"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Issue::error(IssueCode::Structure, "", format!("the input is not UTF-8 from byte {}", e.valid_up_to()))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Issue::error(IssueCode::Structure, "", "the input is empty"));
    }
    Ok(text)
}

/// Nothing more can be read; the reason is already among the issues.
struct Stop;

struct Scanner<'a> {
    text: &'a [u8],
    source: &'a str,
    at: usize,
    open: Vec<Open<'a>>,
    issues: Vec<Issue>,
}

/// An object or array that is not closed yet.
enum Open<'a> {
    Object { keys: Vec<Cow<'a, str>>, hashed: HashSet<Cow<'a, str>> },
    Array { index: usize },
}

impl<'a> Scanner<'a> {
    fn document(&mut self) -> Result<(), Stop> {
        self.space();
        loop {
            // One value, or the opening of one; then whatever closes or separates.
            if self.value()? {
                continue;
            }
            loop {
                self.space();
                match (self.open.last_mut(), self.text.get(self.at)) {
                    (None, None) => return Ok(()),
                    (None, Some(_)) => return self.syntax("has something after its end"),
                    (Some(Open::Object { .. }), Some(b'}')) | (Some(Open::Array { .. }), Some(b']')) => {
                        self.at += 1;
                        self.open.pop();
                    }
                    (Some(Open::Array { index }), Some(b',')) => {
                        *index += 1;
                        self.at += 1;
                        self.space();
                        break;
                    }
                    (Some(Open::Object { .. }), Some(b',')) => {
                        self.at += 1;
                        self.space();
                        self.key()?;
                        break;
                    }
                    _ => return self.syntax("misses a comma or a closing bracket"),
                }
            }
        }
    }

    /// Reads a scalar or an empty container (`false`), or opens a container up to its first value (`true`).
    fn value(&mut self) -> Result<bool, Stop> {
        match self.text.get(self.at) {
            Some(b'{') => self.enter(Open::Object { keys: Vec::new(), hashed: HashSet::new() }, b'}'),
            Some(b'[') => self.enter(Open::Array { index: 0 }, b']'),
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            None => self.syntax("ends too early"),
            Some(_) => self.syntax("misses a value"),
        }
    }

    fn enter(&mut self, container: Open<'a>, closing: u8) -> Result<bool, Stop> {
        if self.open.len() == MAX_DEPTH {
            self.report(IssueCode::TooLong, format!("is nested deeper than {MAX_DEPTH} levels"))?;
            return Err(Stop);
        }
        let is_object = closing == b'}';
        self.open.push(container);
        self.at += 1;
        self.space();
        if self.text.get(self.at) == Some(&closing) {
            self.at += 1;
            self.open.pop();
            return Ok(false);
        }
        if is_object {
            self.key()?;
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), Stop> {
        if self.text.get(self.at) != Some(&b'"') {
            return self.syntax("misses a quoted key");
        }
        let start = self.at;
        let key = self.string()?;
        let reserved = key.starts_with("$serde_json::");
        let repeated = self.remember(key);
        if reserved {
            self.report_at(start, IssueCode::Invalid, "is a name reserved for the parser")?;
        }
        if repeated {
            self.report_at(start, IssueCode::Duplicate, "is given twice in one object")?;
        }
        self.space();
        if self.text.get(self.at) != Some(&b':') {
            return self.syntax("misses a colon");
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Was the key there already? It becomes the current one either way.
    fn remember(&mut self, key: Cow<'a, str>) -> bool {
        let Some(Open::Object { keys, hashed }) = self.open.last_mut() else { return false };
        let repeated = if keys.len() < FEW_KEYS {
            keys.contains(&key)
        } else {
            if hashed.is_empty() {
                hashed.extend(keys.iter().cloned());
            }
            !hashed.insert(key.clone())
        };
        keys.push(key);
        repeated
    }

    /// A string without its quotes, unescaped. A lone surrogate is an issue and reads as U+FFFD.
    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.at += 1;
        let start = self.at;
        let mut escaped: Option<String> = None;
        let mut copied = start;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    let rest = &self.source[copied..self.at];
                    self.at += 1;
                    return Ok(match escaped {
                        None => Cow::Borrowed(rest),
                        Some(text) => Cow::Owned(text + rest),
                    });
                }
                Some(b'\\') => {
                    let text = escaped.get_or_insert_default();
                    text.push_str(&self.source[copied..self.at]);
                    let c = self.escape()?;
                    escaped.get_or_insert_default().push(c);
                    copied = self.at;
                }
                Some(0..=0x1f) => return self.syntax("has a control character inside a string"),
                Some(_) => self.at += 1,
                None => return self.syntax("ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        let letter = self.text.get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => {
                self.at = start;
                return self.syntax("has an unknown escape in a string");
            }
        })
    }

    fn unicode(&mut self, start: usize) -> Result<char, Stop> {
        let first = self.hex()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let paired = first < 0xDC00 && self.text[self.at..].starts_with(b"\\u");
        if paired {
            let before = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        self.report_at(start, IssueCode::Structure, "has half of a surrogate pair in a string")?;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|d| {
            d.iter().try_fold(0, |sum, b| char::from(*b).to_digit(16).map(|digit| sum * 16 + digit))
        });
        match digits {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.syntax("has an incomplete escape in a string"),
        }
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        match self.text.get(self.at) {
            Some(b'0'..=b'9') => self.syntax("has a number that starts with zero"),
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { self.syntax("has an incomplete number") } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<bool, Stop> {
        if !self.text[self.at..].starts_with(word) {
            return self.syntax("misses a value");
        }
        self.at += word.len();
        Ok(false)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn syntax<T>(&mut self, what: &str) -> Result<T, Stop> {
        self.report(IssueCode::Structure, what)?;
        Err(Stop)
    }

    fn report(&mut self, code: IssueCode, what: impl std::fmt::Display) -> Result<(), Stop> {
        self.report_at(self.at, code, what)
    }

    fn report_at(&mut self, at: usize, code: IssueCode, what: impl std::fmt::Display) -> Result<(), Stop> {
        if self.issues.len() == MAX_ISSUES {
            self.issues.push(Issue::error(IssueCode::TooLong, "", "there are more problems; the first 100 are listed"));
            return Err(Stop);
        }
        self.issues.push(Issue::error(code, self.path(), format!("{what} (byte {at})")));
        Ok(())
    }

    fn path(&self) -> String {
        let mut out = String::new();
        for open in &self.open {
            match open {
                Open::Object { keys, .. } => {
                    if let Some(key) = keys.last() {
                        path::push_name(&mut out, key);
                    }
                }
                Open::Array { index } => path::push_index(&mut out, *index),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text.as_bytes()).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_serde_json_lets_through_is_refused_with_its_place() {
        assert_eq!(problems(r#"{"a":{"b":[{"c":1,"\u0063":2}]}}"#), ["a.b[0].c: is given twice in one object (byte 18)"]);
        assert_eq!(problems(r#"{"$serde_json::private::Number":"1.5"}"#).len(), 1);
        assert_eq!(problems(r#"{"a":{"\u0024serde_json::x":1}}"#).len(), 1);
        assert_eq!(problems(r#"{"a":"\ud800","b":"\udc00","c":"\ud83d\ude00"}"#).len(), 2);
        assert_eq!(problems(" \n"), ["the input is empty"]);
        assert_eq!(parse(b"\xEF\xBB\xBF{}").expect_err("a mark").len(), 1);
        assert!(parse(b"{\"a\":\"\xff\"}").expect_err("no UTF-8")[0].details.ends_with("byte 6"));
        assert!(parse_within(b"[1,2]", 4).is_err() && parse_within(b"[1,2]", 5).is_ok());
    }

    #[test]
    fn names_that_could_be_values_are_not_repeated() {
        let all = problems(r#"{"Mary Synthetic":1,"Mary Synthetic":2,"Mary Synthetic":{"b":1,"b":2}}"#).join(" ");
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
        let value = parse(br#"{"a":1.00,"b":-0,"c":1E+02,"d":123456789012345678901234567890}"#).expect("valid");
        // serde_json spells the exponent its own way; all digits stay.
        assert_eq!(value.to_string(), r#"{"a":1.00,"b":-0,"c":1e+02,"d":123456789012345678901234567890}"#);
    }

    #[test]
    fn the_grammar_is_that_of_serde_json() {
        let cases = [
            "01", "-", "1.", ".5", "1e", "+1", "tru", "nul", "\"", "\"\\x\"", "\"\\u12\"", "[1,]", "[,1]", "{\"a\"}",
            "{\"a\":}", "{a:1}", "{\"a\":1,}", "1 2", "[1 2]", "]", "}", "[}", "{]", "\"\u{1}\"", "[", "{\"a\":1",
            "0", "-1.5e-7", "true", "null", "\"\\u00e9\\n\"", "[ ]", "{ }", " [ 1 , { \"a\" : [ ] } ] ", "\"\u{7f}\"",
        ];
        for text in cases {
            assert_eq!(parse(text.as_bytes()).is_ok(), serde_json::from_str::<Value>(text).is_ok(), "{text}");
        }
    }

    /// Quadratic work on these would take minutes.
    #[test]
    fn hostile_input_takes_linear_time() {
        let keys: Vec<String> = (0..200_000).map(|i| format!("\"k{i}\":0")).collect();
        assert!(parse(format!("{{{}}}", keys.join(",")).as_bytes()).is_ok());
        let repeated = format!("{{{}}}", vec!["\"a\":0"; 200_000].join(","));
        assert_eq!(problems(&repeated).len(), MAX_ISSUES + 1);
    }
}
