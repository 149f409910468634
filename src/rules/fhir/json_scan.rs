//! The scanner of the JSON door: the whole grammar, and what serde_json would not notice.
//! <https://www.rfc-editor.org/rfc/rfc8259>

use std::borrow::Cow;
use std::collections::HashSet;

use super::json::MAX_DEPTH;
use super::{Issue, IssueCode, path};

/// Problems listed before the rest is left out.
pub(super) const MAX_ISSUES: usize = 100;
/// Up to here comparing keys one by one is cheaper than hashing them.
const FEW_KEYS: usize = 12;

/// Every problem it can name, in order; the last may be the one that stopped it.
pub(super) fn scan(text: &str) -> Vec<Issue> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        source: text,
        at: 0,
        open: Vec::new(),
        issues: Vec::new(),
    };
    // Why it stopped is among the issues.
    let _ = scanner.document();
    scanner.issues
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
    Object {
        keys: Vec<Cow<'a, str>>,
        hashed: HashSet<Cow<'a, str>>,
    },
    Array {
        index: usize,
    },
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
            Some(b'{') => self.enter(
                Open::Object {
                    keys: Vec::new(),
                    hashed: HashSet::new(),
                },
                b'}',
            ),
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
            self.report(
                IssueCode::TooLong,
                format!("is nested deeper than {MAX_DEPTH} levels"),
            )?;
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
        let Some(Open::Object { keys, hashed }) = self.open.last_mut() else {
            return false;
        };
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
        self.report_at(
            start,
            IssueCode::Structure,
            "has half of a surrogate pair in a string",
        )?;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|d| {
            d.iter().try_fold(0, |sum, b| {
                char::from(*b).to_digit(16).map(|digit| sum * 16 + digit)
            })
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
        if self.at == start {
            self.syntax("has an incomplete number")
        } else {
            Ok(())
        }
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
            self.issues.push(Issue::error(
                IssueCode::TooLong,
                "",
                "there are more problems; the first 100 are listed",
            ));
            return Err(Stop);
        }
        self.issues
            .push(Issue::error(code, self.path(), format!("{what} (byte {at})")));
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
