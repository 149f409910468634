//! Functions on texts. Positions and lengths count characters.
//! <http://hl7.org/fhirpath/N1/#string-manipulation>

use super::ast::Call;
use super::eval::{Evaluator, Focus, Outcome};
use super::function::Function;
use super::item::Item;
use super::{EvalCode, EvalError, pattern};
use std::borrow::Cow;

/// Compiling a pattern at run time costs about as much as this many steps.
const COMPILING: usize = 2000;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn text(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        let at = call.at;
        if call.function == Function::Join {
            return self.join(call, receiver, focus);
        }
        // a deletion stays a deletion, whatever is done to its text
        if matches!(receiver, [Item::Delete]) {
            return Ok(vec![Item::Delete]);
        }
        let Some(text) = self.text_of(receiver, call.function.name(), at)? else {
            return Ok(Vec::new());
        };
        match call.function {
            Function::Trim => Ok(vec![Item::Text(trimmed(text))]),
            Function::Lower => Ok(vec![Item::Text(Cow::Owned(text.to_lowercase()))]),
            Function::Upper => Ok(vec![Item::Text(Cow::Owned(text.to_uppercase()))]),
            Function::Length => Ok(vec![Item::Integer(text.chars().count() as i64)]),
            Function::Substring => self.substring(text, call, focus),
            Function::Replace => self.replace(&text, call, focus),
            Function::ReplaceMatches => self.replace_matches(&text, call, focus),
            _ => {
                let Some(argument) = self.argument(call, 0, focus)? else {
                    return Ok(Vec::new());
                };
                let needle = argument.as_ref();
                let truth = match call.function {
                    Function::StartsWith => text.starts_with(needle),
                    Function::EndsWith => text.ends_with(needle),
                    Function::Contains => text.contains(needle),
                    Function::Matches => self.matches(&text, needle, call)?,
                    Function::IndexOf => {
                        let found = text.find(needle).map(|at| text[..at].chars().count() as i64);
                        return Ok(vec![Item::Integer(found.unwrap_or(-1))]);
                    }
                    Function::Split => return self.split(&text, needle, at),
                    _ => return Ok(Vec::new()),
                };
                Ok(vec![Item::Bool(truth)])
            }
        }
    }

    fn argument(
        &self,
        call: &'a Call,
        index: usize,
        focus: Focus<'_, 'a>,
    ) -> Result<Option<Cow<'a, str>>, EvalError> {
        match call.args.get(index) {
            Some(arg) => self.text_of(&self.expr(arg, focus)?, call.function.name(), call.at),
            None => Ok(None),
        }
    }

    fn matches(&self, text: &str, pattern: &str, call: &Call) -> Result<bool, EvalError> {
        self.charge(text.len() / 8, call.at)?;
        if let Some(compiled) = &call.pattern {
            return Ok(compiled.is_match(text));
        }
        self.charge(COMPILING, call.at)?;
        match pattern::compile(pattern, pattern::MADE) {
            Ok(compiled) => Ok(compiled.is_match(text)),
            Err(message) => Err(EvalError::new(EvalCode::Type, call.at, message)),
        }
    }

    fn substring(&self, text: Cow<'a, str>, call: &'a Call, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let number = |index: usize| match call.args.get(index) {
            Some(arg) => self.integer(
                &self.expr(arg, focus)?,
                "substring() needs whole numbers",
                call.at,
            ),
            None => Ok(None),
        };
        let Some(start) = number(0)? else {
            return Ok(Vec::new());
        };
        let length = match number(1)? {
            Some(length) => usize::try_from(length).unwrap_or(0),
            None => usize::MAX,
        };
        let Some(from) = usize::try_from(start)
            .ok()
            .and_then(|s| text.char_indices().nth(s))
            .map(|(at, _)| at)
        else {
            return Ok(Vec::new());
        };
        let until = text[from..]
            .char_indices()
            .nth(length)
            .map_or(text.len(), |(at, _)| from + at);
        Ok(vec![Item::Text(match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..until]),
            Cow::Owned(text) => Cow::Owned(text[from..until].to_owned()),
        })])
    }

    fn replace(&self, text: &str, call: &'a Call, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let old = self.argument(call, 0, focus)?;
        let new = self.argument(call, 1, focus)?;
        let (Some(old), Some(new)) = (old, new) else {
            return Ok(Vec::new());
        };
        let places = text.matches(old.as_ref()).count();
        let length = text.len().saturating_add(places.saturating_mul(new.len()));
        self.check_text(length, call.at)?;
        self.charge(length / 64, call.at)?;
        Ok(vec![Item::Text(Cow::Owned(text.replace(old.as_ref(), &new)))])
    }

    /// `$1` and `$name` in the new text stand for what the pattern's groups found.
    fn replace_matches(&self, text: &str, call: &'a Call, focus: Focus<'_, 'a>) -> Outcome<'a> {
        let (Some(old), Some(new)) = (self.argument(call, 0, focus)?, self.argument(call, 1, focus)?) else {
            return Ok(Vec::new());
        };
        if old.is_empty() {
            return Ok(vec![Item::Text(Cow::Owned(text.to_owned()))]);
        }
        self.charge(COMPILING + text.len() / 8, call.at)?;
        let compiled = pattern::compile(&old, pattern::MADE);
        let compiled = compiled.map_err(|message| EvalError::new(EvalCode::Type, call.at, message))?;
        let mut out = String::new();
        let mut from = 0;
        for found in compiled.captures_iter(text) {
            let whole = found.get_match();
            out.push_str(&text[from..whole.start()]);
            found.expand(&new, &mut out);
            from = whole.end();
            self.check_text(out.len(), call.at)?;
        }
        out.push_str(&text[from..]);
        self.check_text(out.len(), call.at)?;
        Ok(vec![Item::Text(Cow::Owned(out))])
    }

    fn split(&self, text: &str, separator: &str, at: usize) -> Outcome<'a> {
        let parts: Vec<&str> = if separator.is_empty() {
            text.split_inclusive(|_| true).take(100_001).collect()
        } else {
            text.split(separator).take(100_001).collect()
        };
        self.charge(parts.len(), at)?;
        self.check_size(parts.len(), at)?;
        Ok(parts
            .into_iter()
            .map(|part| Item::Text(Cow::Owned(part.to_owned())))
            .collect())
    }

    fn join(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        if receiver.is_empty() {
            return Ok(Vec::new());
        }
        let separator = match call.args.is_empty() {
            true => Cow::Borrowed(""),
            false => self.argument(call, 0, focus)?.unwrap_or_default(),
        };
        let mut out = String::new();
        let mut any = false;
        for item in receiver {
            let Some(text) = self.text_of(std::slice::from_ref(item), "join()", call.at)? else {
                continue;
            };
            if any {
                out.push_str(&separator);
            }
            any = true;
            out.push_str(&text);
            self.check_text(out.len(), call.at)?;
        }
        self.charge(receiver.len() + out.len() / 64, call.at)?;
        Ok(if any {
            vec![Item::Text(Cow::Owned(out))]
        } else {
            Vec::new()
        })
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
