//! XML read token by token, as far as FHIR needs it: no DTD, no entities of its own, UTF-8.
//! <https://www.w3.org/TR/xml/>, <https://hl7.org/fhir/R4/xml.html>
//!
//! It checks each token, not that tags match: that is the reader's, who keeps the stack. Nothing recurses.

use std::borrow::Cow;

/// A piece of the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open {
        name: &'a str,
        attributes: Vec<(&'a str, &'a str)>,
        empty: bool,
    },
    Close(&'a str),
    /// Character data as written, references unresolved.
    Text(&'a str),
    CData,
    Comment,
    /// A processing instruction or the XML declaration, between `<?` and `?>`.
    Instruction(&'a str),
}

/// Why reading stopped.
pub(super) type Fault = &'static str;

const MAX_ATTRIBUTES: usize = 32;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next token, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let Some(inside) = rest.strip_prefix('<') else {
            return self.characters(rest).map(Some);
        };
        let (token, after) = if let Some(tag) = inside.strip_prefix('/') {
            let (name, after) = until(tag, ">", "has a tag that does not end")?;
            (Token::Close(checked_name(name.trim_end())?), after)
        } else if let Some(instruction) = inside.strip_prefix('?') {
            let (instruction, after) = until(
                instruction,
                "?>",
                "has a processing instruction that does not end",
            )?;
            check_characters(instruction)?;
            (Token::Instruction(instruction), after)
        } else if inside.starts_with('!') {
            declaration(inside)?
        } else {
            tag(inside)?
        };
        self.at = self.text.len() - after.len();
        Ok(Some(token))
    }

    fn characters(&mut self, rest: &'a str) -> Result<Token<'a>, Fault> {
        let text = &rest[..rest.find('<').unwrap_or(rest.len())];
        check_references(text)?;
        if text.contains("]]>") {
            return Err("has ]]> in text");
        }
        self.at += text.len();
        Ok(Token::Text(text))
    }
}

/// What starts `<!`: a comment or a CDATA section.
fn declaration(inside: &str) -> Result<(Token<'_>, &str), Fault> {
    if let Some(comment) = inside.strip_prefix("!--") {
        let (comment, after) = until(comment, "-->", "has a comment that does not end")?;
        if comment.contains("--") || comment.ends_with('-') {
            return Err("has -- in a comment");
        }
        check_characters(comment)?;
        return Ok((Token::Comment, after));
    }
    match inside.strip_prefix("![CDATA[") {
        Some(data) => until(data, "]]>", "has a CDATA section that does not end")
            .map(|(_, after)| (Token::CData, after)),
        None => Err("has a document type declaration, which is refused"),
    }
}

/// A start tag after its `<`.
fn tag(inside: &str) -> Result<(Token<'_>, &str), Fault> {
    let (name, mut rest) = split_name(inside)?;
    let mut attributes = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches(SPACE);
        if let Some(after) = trimmed.strip_prefix("/>") {
            return Ok((
                Token::Open {
                    name,
                    attributes,
                    empty: true,
                },
                after,
            ));
        }
        if let Some(after) = trimmed.strip_prefix('>') {
            return Ok((
                Token::Open {
                    name,
                    attributes,
                    empty: false,
                },
                after,
            ));
        }
        if trimmed.len() == rest.len() {
            return Err("has a tag that does not end or misses a space");
        }
        let (attribute, after) = split_attribute(trimmed)?;
        if attributes.len() == MAX_ATTRIBUTES {
            return Err("has a tag with more than 32 attributes");
        }
        if attributes.iter().any(|(known, _)| *known == attribute.0) {
            return Err("has an attribute twice in one tag");
        }
        attributes.push(attribute);
        rest = after;
    }
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The text before `end`, and after it.
fn until<'a>(text: &'a str, end: &str, fault: Fault) -> Result<(&'a str, &'a str), Fault> {
    text.split_once(end).ok_or(fault)
}

fn split_name(text: &str) -> Result<(&str, &str), Fault> {
    let end = text
        .find(|c: char| SPACE.contains(&c) || matches!(c, '/' | '>' | '=' | '<' | '"' | '\''))
        .unwrap_or(text.len());
    Ok((checked_name(&text[..end])?, &text[end..]))
}

fn checked_name(name: &str) -> Result<&str, Fault> {
    let start = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let legal = name.starts_with(start)
        && name
            .chars()
            .all(|c| start(c) || c.is_alphanumeric() || matches!(c, '-' | '.' | '·'));
    if legal {
        Ok(name)
    } else {
        Err("has a tag or attribute whose name is not legal in XML")
    }
}

type Attribute<'a> = (&'a str, &'a str);

fn split_attribute(text: &str) -> Result<(Attribute<'_>, &str), Fault> {
    let (name, rest) = split_name(text)?;
    let rest = rest
        .trim_start_matches(SPACE)
        .strip_prefix('=')
        .ok_or("has an attribute without a value")?;
    let rest = rest.trim_start_matches(SPACE);
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))
        .ok_or("has an attribute value without quotes")?;
    let value_on = &rest[1..];
    let end = value_on
        .find(quote)
        .ok_or("has an attribute value that does not end")?;
    let value = &value_on[..end];
    if value.contains('<') {
        return Err("has < inside an attribute value");
    }
    check_references(value)?;
    Ok(((name, value), &value_on[end + 1..]))
}

fn check_characters(text: &str) -> Result<(), Fault> {
    if text.chars().all(is_xml_char) {
        Ok(())
    } else {
        Err(ILLEGAL_CHARACTER)
    }
}

/// Are all characters and references ones that XML has?
fn check_references(text: &str) -> Result<(), Fault> {
    check_characters(text)?;
    text.split('&')
        .skip(1)
        .try_for_each(|rest| resolve(rest).map(|_| ()))
}

/// Named when text cannot go into XML in any spelling.
pub(super) const ILLEGAL_CHARACTER: Fault = "has a character that XML cannot carry";

/// <https://www.w3.org/TR/xml/#charsets>
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// What follows an ampersand: the character it stands for, and the bytes up to the semicolon.
fn resolve(rest: &str) -> Result<(char, usize), Fault> {
    // The longest legal reference is `#x10FFFF`; leading zeros make it longer, so a little room.
    let window = rest
        .as_bytes()
        .iter()
        .take(16)
        .position(|b| *b == b';')
        .ok_or("has & without a reference")?;
    let name = &rest[..window];
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let code = match name.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => name
                    .strip_prefix('#')
                    .ok_or("has an entity that XML does not know")?
                    .parse(),
            };
            code.ok()
                .and_then(char::from_u32)
                .filter(|c| is_xml_char(*c))
                .ok_or(ILLEGAL_CHARACTER)?
        }
    };
    Ok((c, window + 1))
}

/// An attribute value with references resolved and white space normalised as XML demands.
pub(super) fn unescape(raw: &str) -> Result<Cow<'_, str>, Fault> {
    if !raw.contains(['&', '\t', '\n', '\r']) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '\t', '\n', '\r']) {
        out.push_str(&rest[..at]);
        if let Some(reference) = rest[at..].strip_prefix('&') {
            let (c, length) = resolve(reference)?;
            out.push(c);
            rest = &reference[length..];
        } else {
            out.push(' ');
            rest = rest[at..].strip_prefix("\r\n").unwrap_or(&rest[at + 1..]);
        }
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// The same text as an attribute value in double quotes; what a reader would normalise is written as references.
pub(super) fn escape(text: &str, out: &mut String) -> Result<(), Fault> {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if is_xml_char(c) => out.push(c),
            _ => return Err(ILLEGAL_CHARACTER),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Token<'_>>, Fault> {
        let mut scanner = Scanner::new(text);
        let mut out = Vec::new();
        while let Some(token) = scanner.next()? {
            out.push(token);
        }
        assert_eq!(scanner.offset(), text.len());
        Ok(out)
    }

    #[test]
    fn tokens_keep_what_was_written() {
        let tokens = read("<?xml version='1.0'?><a b=\"1\" c = 'x'><!-- n --><d/>t &amp; u</a >")
            .expect("well-formed");
        let open = Token::Open {
            name: "a",
            attributes: vec![("b", "1"), ("c", "x")],
            empty: false,
        };
        let empty = Token::Open {
            name: "d",
            attributes: vec![],
            empty: true,
        };
        assert_eq!(
            tokens,
            [
                Token::Instruction("xml version='1.0'"),
                open,
                Token::Comment,
                empty,
                Token::Text("t &amp; u"),
                Token::Close("a")
            ]
        );
    }

    #[test]
    fn what_is_no_xml_is_named() {
        for text in [
            "<!DOCTYPE a [<!ENTITY x 'y'>]>",
            "&x;",
            "&nbsp;",
            "&",
            "&#0;",
            "&#xD800;",
            "<a b>",
            "<a b=c>",
            "<a b='1'c='2'/>",
            "<a b='1' b='2'/>",
            "<a b='<'/>",
            "<a",
            "<1/>",
            "<>",
            "</>",
            "<!-- ",
            "<!-- -- -->",
            "]]>",
            "<!--\u{1}-->",
            "<![CDATA[",
            "<?x",
            "\u{1}",
            "<a b='",
            "< a/>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn attribute_values_survive_writing_and_reading() {
        let text = "a<b>&\"'\t\r\n\u{a0}é😀";
        let mut written = String::new();
        escape(text, &mut written).expect("legal");
        assert_eq!(unescape(&written).expect("legal"), text);
        assert_eq!(unescape("a\r\nb\tc&#x41;").expect("legal"), "a b cA");
        assert!(
            escape("\u{0}", &mut String::new()).is_err() && escape("\u{ffff}", &mut String::new()).is_err()
        );
    }
}
