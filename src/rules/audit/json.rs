//! Writes JSON straight into a `String`: an event is made for every request, and a tree of it would cost more than
//! the rest of the recording. <https://hl7.org/fhir/R4/json.html>

use std::borrow::Cow;

/// Longest text taken over from a caller, in characters; what is longer is cut.
const LONGEST: usize = 1000;

/// JSON as it grows. Commas come by themselves; opening and closing is the caller's to pair.
pub(super) struct Json(String);

impl Json {
    pub(super) fn with_capacity(bytes: usize) -> Json {
        Json(String::with_capacity(bytes))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// A key, or a piece of JSON that is written as it stands.
    pub(super) fn raw(&mut self, piece: &str) -> &mut Json {
        self.comma();
        self.0.push_str(piece);
        self
    }

    /// Ends what `raw("{")`, `raw("\"key\":[")` began.
    pub(super) fn close(&mut self, bracket: &str) -> &mut Json {
        self.0.push_str(bracket);
        self
    }

    /// `"key":[` and its items; nothing where there are none: FHIR knows no empty lists.
    pub(super) fn list(&mut self, opening: &str, items: impl FnOnce(&mut Json)) -> &mut Json {
        let before = self.0.len();
        self.raw(opening);
        let opened = self.0.len();
        items(self);
        if self.0.len() == opened {
            self.0.truncate(before);
            return self;
        }
        self.close("]")
    }

    /// `"key":"value"`, or nothing when the value is blank: FHIR knows no empty strings.
    pub(super) fn field(&mut self, key: &str, value: &str) -> &mut Json {
        let value = clean(value);
        if !value.is_empty() {
            self.comma();
            self.0.push('"');
            self.0.push_str(key);
            self.0.push_str("\":");
            self.quoted(&value);
        }
        self
    }

    /// The one key of a `what`: `reference`, or, where none is known, a `display` that says so.
    pub(super) fn reference(&mut self, reference: &str) -> &mut Json {
        match &*clean(reference) {
            "" => self.field("display", "not stated"),
            reference => self.field("reference", reference),
        }
    }

    fn comma(&mut self) {
        // A string value ends in a quote, so these bytes are always structure.
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(',');
        }
    }

    /// `clean` left no control characters, so only two characters need a backslash.
    fn quoted(&mut self, value: &str) {
        self.0.push('"');
        let mut rest = value;
        while let Some(at) = rest.bytes().position(|b| b == b'"' || b == b'\\') {
            self.0.push_str(&rest[..at]);
            self.0.push('\\');
            self.0.push_str(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        self.0.push('"');
    }
}

/// Printable ASCII, no space at an end or beside another. Most values are, so this is one walk over them.
fn is_clean(value: &[u8]) -> bool {
    let mut after_space = true;
    for byte in value {
        let is_space = *byte == b' ';
        if !(b' '..=b'~').contains(byte) || is_space && after_space {
            return false;
        }
        after_space = is_space;
    }
    !after_space || value.is_empty()
}

/// The value as it stands in events and columns: no control characters, each run of white space one space, none at
/// the ends, at most `LONGEST` characters. Callers choose some of these texts, and FHIR allows no others.
pub(super) fn clean(value: &str) -> Cow<'_, str> {
    if value.len() <= LONGEST && is_clean(value.as_bytes()) {
        return Cow::Borrowed(value);
    }
    let spaced = value.chars().map(|c| {
        if c.is_control() || c.is_whitespace() {
            ' '
        } else {
            c
        }
    });
    let mut out = String::with_capacity(value.len().min(4 * LONGEST));
    for c in spaced.take(LONGEST) {
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blank_values_leave_no_trace_and_commas_fit() {
        let mut json = Json::with_capacity(64);
        json.raw("{")
            .field("a", " \n\t ")
            .field("b", "x")
            .list("\"c\":[", |json| {
                json.raw("1").raw("2");
            })
            .list("\"d\":[", |_| {})
            .close("}");
        assert_eq!(json.into_string(), r#"{"b":"x","c":[1,2]}"#);
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(clean("Ana\u{a0}\u{0}Ruiz\n "), "Ana Ruiz");
        assert_eq!(clean(&"x".repeat(5000)).len(), LONGEST);
        assert!(matches!(clean("Ana Ruiz"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was_cleaned(value in "\\PC*|(?s).*") {
            let mut json = Json::with_capacity(64);
            json.raw("{").field("v", &value).close("}");
            let read: serde_json::Value = serde_json::from_str(&json.into_string()).expect("JSON");
            prop_assert_eq!(read["v"].as_str().unwrap_or_default(), clean(&value));
            let again = clean(&value).into_owned();
            prop_assert_eq!(clean(&again), again.clone());
        }
    }
}
