//! Lexical form and range of each R4 primitive type.
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>
//!
//! Written by hand over bytes: the gate calls this for every scalar of every resource.

use serde_json::{Number, Value};

use super::date::PartialDate;
use super::xhtml;

/// R4: strings SHALL NOT exceed 1 MB, that is 1024 × 1024 characters.
const MAX_STRING: usize = 1024 * 1024;

/// Is `value` a legal JSON value of the primitive type? The error says what the type demands, never what was found.
pub fn check(type_name: &str, value: &Value) -> Result<(), &'static str> {
    match (type_name, value) {
        ("boolean", Value::Bool(_)) => Ok(()),
        ("boolean", _) => Err("must be true or false, without quotes"),
        ("decimal", Value::Number(_)) => Ok(()),
        ("decimal", _) => Err("must be a number, without quotes"),
        ("integer", Value::Number(n)) => integer(
            n,
            i32::MIN,
            "must be a whole number from -2147483648 to 2147483647",
        ),
        ("unsignedInt", Value::Number(n)) => integer(n, 0, "must be a whole number from 0 to 2147483647"),
        ("positiveInt", Value::Number(n)) => integer(n, 1, "must be a whole number from 1 to 2147483647"),
        ("integer" | "unsignedInt" | "positiveInt", _) => Err("must be a whole number, without quotes"),
        (_, Value::String(text)) => check_text(type_name, text),
        _ => Err("must be a string"),
    }
}

/// The same for types that are JSON strings, and for any type's XML `value` once it is known to be text.
fn check_text(type_name: &str, text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    match type_name {
        "string" | "markdown" => free_text(text),
        "code" => require(
            is_code(text),
            "must be a code: no space at either end, single spaces inside",
        ),
        "id" => require(
            is_id(text),
            "must be an id: 1 to 64 letters, digits, hyphens or dots",
        ),
        "uri" | "url" | "canonical" => require(is_uri(text), "must be a URI without spaces"),
        "oid" => require(is_oid(text), "must be an OID: urn:oid: and numbers with dots"),
        "uuid" => require(
            is_uuid(text),
            "must be a UUID: urn:uuid: and 32 lower-case hexadecimal digits in five groups",
        ),
        "date" => require(
            PartialDate::parse(text).is_some_and(|d| !d.has_time()),
            "must be a date that exists: YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        "dateTime" => require(
            PartialDate::parse(text).is_some(),
            "must be a date that exists, with a time only if seconds and a zone follow: YYYY-MM-DDThh:mm:ss+zz:zz",
        ),
        "instant" => require(
            PartialDate::parse(text).is_some_and(|d| d.has_time()),
            "must be an instant that exists: YYYY-MM-DDThh:mm:ss.sss+zz:zz",
        ),
        "time" => require(
            super::date::is_time(text.as_bytes()),
            "must be a time of day: hh:mm:ss",
        ),
        "base64Binary" => require(is_base64(text), "must be base64"),
        "xhtml" => xhtml::check(text),
        _ => Err("is of no R4 primitive type"),
    }
}

fn require(holds: bool, demand: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(demand) }
}

/// The JSON text decides: `1.0` and `1e3` are decimals, whatever their value.
fn integer(number: &Number, least: i32, demand: &'static str) -> Result<(), &'static str> {
    let text = number.as_str();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && text != "-0";
    require(plain && text.parse::<i32>().is_ok_and(|n| n >= least), demand)
}

fn free_text(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_STRING && text.chars().count() > MAX_STRING {
        return Err("must not be longer than 1048576 characters");
    }
    // XML cannot carry them and R4 advises against them.
    let control = text
        .bytes()
        .any(|b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r'));
    let no_character = !text.is_ascii() && text.contains(['\u{FFFE}', '\u{FFFF}']);
    require(
        !control && !no_character,
        "must not contain control characters other than tab, line feed and carriage return, nor U+FFFE or U+FFFF",
    )
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let at_end = |b: Option<&u8>| b.is_some_and(|b| is_space(*b));
    let doubled = bytes
        .windows(2)
        .any(|pair| is_space(pair[0]) && is_space(pair[1]));
    !at_end(bytes.first()) && !at_end(bytes.last()) && !doubled && no_controls(bytes)
}

fn no_controls(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b >= 0x20 || is_space(*b))
}

/// R4 `[A-Za-z0-9\-\.]{1,64}`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn is_uri(text: &str) -> bool {
    text.bytes().all(|b| b > 0x20)
}

fn is_oid(text: &str) -> bool {
    let Some((root, arcs)) = text
        .strip_prefix("urn:oid:")
        .and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let arc =
        |a: &str| !a.is_empty() && a.bytes().all(|b| b.is_ascii_digit()) && (a == "0" || !a.starts_with('0'));
    matches!(root, "0" | "1" | "2") && arcs.split('.').all(arc)
}

fn is_uuid(text: &str) -> bool {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("urn:uuid:").is_some_and(|digits| {
        digits.len() == 36
            && digits.bytes().enumerate().all(|(i, b)| {
                if matches!(i, 8 | 13 | 18 | 23) {
                    b == b'-'
                } else {
                    hex(b)
                }
            })
    })
}

/// Groups of four, white space anywhere between them, padding only at the very end.
fn is_base64(text: &str) -> bool {
    let (mut digits, mut padding) = (0usize, 0usize);
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            b'=' => padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line a type: what it accepts, then what it refuses (JSON).
    const CASES: &[(&str, &[&str], &[&str])] = &[
        ("boolean", &["true", "false"], &["\"true\"", "1", "null"]),
        (
            "decimal",
            &["1.00", "-0", "1e-7", "123456789012345678901234567890.5"],
            &["\"1.0\"", "true"],
        ),
        (
            "integer",
            &["0", "-2147483648", "2147483647"],
            &["2147483648", "-2147483649", "1.0", "1e3", "-0", "\"1\""],
        ),
        ("unsignedInt", &["0", "2147483647"], &["-1", "2147483648"]),
        ("positiveInt", &["1"], &["0", "-1", "99999999999999999999"]),
        (
            "string",
            &["\"a\"", "\" \\t\\r\\né\""],
            &["\"\"", "\"a\\u0000\"", "\"\\u001f\"", "1", "[]"],
        ),
        (
            "code",
            &["\"a\"", "\"a b\""],
            &["\" a\"", "\"a \"", "\"a  b\"", "\"\""],
        ),
        ("id", &["\"a-B.9\""], &["\"a_b\"", "\"é\"", "\"\""]),
        ("uri", &["\"urn:x\"", "\"http://a/ü\""], &["\"a b\"", "\"\\t\""]),
        (
            "oid",
            &["\"urn:oid:1.2.0.3\""],
            &[
                "\"urn:oid:3.1\"",
                "\"urn:oid:1.02\"",
                "\"1.2\"",
                "\"urn:oid:1\"",
                "\"urn:oid:1..2\"",
            ],
        ),
        (
            "uuid",
            &["\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\""],
            &[
                "\"urn:uuid:C757873d-ec9a-4326-a141-556f43239520\"",
                "\"c757873d-ec9a-4326-a141-556f43239520\"",
            ],
        ),
        (
            "base64Binary",
            &["\"AAAA\"", "\"AA ==\""],
            &["\"AAA\"", "\"A===\"", "\"AA=A\"", "\"----\"", "\"====\""],
        ),
        (
            "date",
            &["\"2024\"", "\"2024-02\"", "\"2024-02-29\""],
            &[
                "\"2023-02-29\"",
                "\"2024-13\"",
                "\"0000\"",
                "\"24\"",
                "\"2024-1-1\"",
                "\"2024-02-29T00:00:00Z\"",
            ],
        ),
        (
            "dateTime",
            &[
                "\"2024\"",
                "\"2024-02-29T23:59:60Z\"",
                "\"2024-02-29T00:00:00.123456789012+14:00\"",
            ],
            &[
                "\"2024-02-29T24:00:00Z\"",
                "\"2024-02-29T10:00Z\"",
                "\"2024-02-29T10:00:00\"",
                "\"2024-02-29T10:00:00+14:30\"",
                "\"2024-02-29T10:00:00.Z\"",
                "\"2024-02T10:00:00Z\"",
                "\"2024-02-30T10:00:00Z\"",
            ],
        ),
        (
            "instant",
            &["\"2024-02-29T10:00:00Z\""],
            &["\"2024-02-29\"", "\"2024-02-29T10:00:00\""],
        ),
        (
            "time",
            &["\"10:00:00\"", "\"23:59:59.5\""],
            &[
                "\"24:00:00\"",
                "\"10:00\"",
                "\"10:00:00Z\"",
                "\"10:60:00\"",
                "\"10:00:00.\"",
            ],
        ),
    ];

    #[test]
    fn each_type_accepts_and_refuses() {
        for (name, good, bad) in CASES {
            let holds = |text: &&str| check(name, &serde_json::from_str(text).expect("test JSON")).is_ok();
            for text in *good {
                assert!(holds(text), "{name} refused {text}");
            }
            for text in *bad {
                assert!(!holds(text), "{name} accepted {text}");
            }
        }
    }

    #[test]
    fn length_limits_are_exact() {
        assert!(check("string", &Value::String("é".repeat(MAX_STRING))).is_ok());
        assert!(check("string", &Value::String("a".repeat(MAX_STRING + 1))).is_err());
        assert!(check("id", &Value::String("a".repeat(64))).is_ok());
        assert!(check("id", &Value::String("a".repeat(65))).is_err());
    }
}
