//! Text of an expression to tokens. Comments and white space go; every token knows its byte offset.
//! <http://hl7.org/fhirpath/N1/#lexical-elements>

use super::SyntaxError;
use super::temporal::{Temporal, TemporalKind};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// an identifier; `true` if it was quoted, so that it is never a keyword
    Name(String, bool),
    Text(String),
    Number(String),
    Moment(Temporal),
    /// `%name`
    Variable(String),
    /// `$this`, `$index`, `$total`
    Special(String),
    Symbol(&'static str),
    End,
}

pub(super) struct Spot {
    pub token: Token,
    pub at: usize,
}

const SYMBOLS: [&str; 25] = [
    "!=", "!~", "<=", ">=", "=", "~", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "|", "+", "-", "*",
    "/", "&", ";", "?", ":",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Spot>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_space()?;
        let at = lexer.at;
        let token = lexer.next()?;
        let ended = token == Token::End;
        found.push(Spot { token, at });
        if ended {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        let taken = rest[..end].to_owned();
        self.at += end;
        taken
    }

    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.take_while(|c| c.is_whitespace() || c == '\u{feff}');
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n' && c != '\r');
            } else if self.rest().starts_with("/*") {
                match self.rest()[2..].find("*/") {
                    Some(end) => self.at += end + 4,
                    None => return Err(SyntaxError::new(self.at, "this comment is not closed with */")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, SyntaxError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token::End);
        };
        match first {
            '\'' => Ok(Token::Text(self.quoted('\'')?)),
            '`' | '"' => Ok(Token::Name(self.quoted(first)?, true)),
            '@' => self.moment(),
            '%' => self.variable(),
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.take_while(is_name_part)))
            }
            '0'..='9' => Ok(self.number()),
            c if c == '_' || c.is_ascii_alphabetic() => Ok(Token::Name(self.take_while(is_name_part), false)),
            other => match SYMBOLS.iter().find(|s| self.rest().starts_with(**s)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(Token::Symbol(symbol))
                }
                None if other.is_alphabetic() => {
                    let message = "names with letters outside a-z are written between backticks";
                    Err(SyntaxError::new(self.at, message))
                }
                None => Err(SyntaxError::new(self.at, "this character has no meaning here")),
            },
        }
    }

    fn variable(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let name = match self.rest().chars().next() {
            Some(quote @ ('`' | '\'' | '"')) => self.quoted(quote)?,
            _ => self.take_while(is_name_part),
        };
        if name.is_empty() {
            return Err(SyntaxError::new(start, "a variable needs a name after %"));
        }
        Ok(Token::Variable(name))
    }

    fn number(&mut self) -> Token {
        let mut number = self.take_while(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            number.push('.');
            number += &self.take_while(|c| c.is_ascii_digit());
        }
        Token::Number(number)
    }

    /// `@2015-02-04`, `@2015-02-04T14:34:28Z`, `@T14:34`.
    fn moment(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let date = self.take_while(|c| c.is_ascii_digit() || c == '-');
        let moment = if self.rest().starts_with('T') {
            self.at += 1;
            let mut clock = self.take_while(|c| c.is_ascii_digit() || c == ':');
            self.fraction(&mut clock);
            if date.is_empty() {
                Temporal::time(&clock)
            } else {
                self.zone(&mut clock);
                Temporal::date_time(&format!("{date}T{clock}"))
            }
        } else {
            Temporal::date(&date)
        };
        match moment {
            Some(found) => Ok(Token::Moment(found)),
            None => {
                let message =
                    "not a date, date and time, or time (like @2015-02-04, @2015-02-04T14:30:00Z, @T14:30)";
                Err(SyntaxError::new(start, message))
            }
        }
    }

    fn fraction(&mut self, clock: &mut String) {
        let mut after = self.rest().chars();
        if clock.len() == 8 && after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            clock.push('.');
            *clock += &self.take_while(|c| c.is_ascii_digit());
        }
    }

    fn zone(&mut self, clock: &mut String) {
        if self.rest().starts_with('Z') {
            self.at += 1;
            clock.push('Z');
            return;
        }
        let zone = self.rest().as_bytes().get(..6).filter(|z| {
            matches!(z[0], b'+' | b'-') && z[3] == b':' && [1, 2, 4, 5].iter().all(|i| z[*i].is_ascii_digit())
        });
        if let Some(zone) = zone
            .map(|z| String::from_utf8_lossy(z).into_owned())
            .filter(|_| !clock.is_empty())
        {
            self.at += 6;
            *clock += &zone;
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        let mut out = String::new();
        let text = self.text;
        let mut chars = text[start + 1..].char_indices();
        while let Some((offset, c)) = chars.next() {
            let here = start + 1 + offset;
            if c == quote {
                self.at = here + c.len_utf8();
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next().map(|(_, escaped)| escaped) {
                Some('u') => {
                    let code = text
                        .get(here + 2..here + 6)
                        .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
                    let found = code
                        .and_then(|h| u32::from_str_radix(h, 16).ok())
                        .and_then(char::from_u32);
                    let message = "\\u needs four hexadecimal digits of a character";
                    out.push(found.ok_or_else(|| SyntaxError::new(here, message))?);
                    chars.nth(3);
                }
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('f') => out.push('\u{c}'),
                Some(c @ ('\\' | '/' | '\'' | '"' | '`')) => out.push(c),
                _ => {
                    return Err(SyntaxError::new(
                        here,
                        "unknown escape: write \\\\ for a backslash",
                    ));
                }
            }
        }
        Err(SyntaxError::new(start, "this quote is not closed"))
    }
}

fn is_name_part(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

impl Token {
    /// How a message names it, without quoting long text.
    pub fn shown(&self) -> String {
        match self {
            Token::Name(name, _) if name.len() <= 40 => format!("'{name}'"),
            Token::Name(..) => "a name".to_owned(),
            Token::Text(_) => "a text".to_owned(),
            Token::Number(_) => "a number".to_owned(),
            Token::Moment(t) if t.kind == TemporalKind::Time => "a time".to_owned(),
            Token::Moment(_) => "a date".to_owned(),
            Token::Variable(_) => "a variable".to_owned(),
            Token::Special(_) => "a $ name".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Token {
        tokens(text).expect(text).remove(0).token
    }

    #[test]
    fn literals_and_names() {
        assert_eq!(first(r"'a\u0065\n\'\\'"), Token::Text("ae\n'\\".to_owned()));
        assert_eq!(first("`a b`"), Token::Name("a b".to_owned(), true));
        assert_eq!(first("\"and\""), Token::Name("and".to_owned(), true));
        assert_eq!(first("1.0.toString()"), Token::Number("1.0".to_owned()));
        assert_eq!(first("1.toString()"), Token::Number("1".to_owned()));
        assert_eq!(first("%`vs-x`"), Token::Variable("vs-x".to_owned()));
        assert_eq!(
            tokens("@2015-02-04T14:34:28.123+10:00.is(x)")
                .expect("tokens")
                .len(),
            7
        );
        assert_eq!(tokens("a // b\n /* c */ d").expect("tokens").len(), 3);
    }

    #[test]
    fn faults_have_an_offset() {
        for (text, offset) in [
            ("a /* b", 2),
            ("'abc", 0),
            ("a = 'b\\x'", 6),
            ("@2015-13", 0),
            ("a # b", 2),
            ("%", 0),
            ("é", 0),
        ] {
            assert_eq!(tokens(text).err().expect(text).offset, offset, "{text}");
        }
    }
}
