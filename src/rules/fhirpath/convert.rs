//! Conversions: what cannot be converted is empty, never an error. Digits are kept as written.
//! <http://hl7.org/fhirpath/N1/#conversion>

use super::ast::Call;
use super::eval::{Evaluator, Outcome};
use super::function::Function;
use super::item::{Item, Scalar};
use super::temporal::{Temporal, TemporalKind};
use std::borrow::Cow;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn convert(&self, call: &'a Call, receiver: &[Item<'a>]) -> Outcome<'a> {
        let Some(item) = self.one(receiver, call.function.name(), call.at)? else {
            return Ok(Vec::new());
        };
        if matches!(item, Item::Delete) {
            return Ok(vec![Item::Delete]);
        }
        let found = match call.function {
            Function::ToText => match item.string() {
                Some(text) => Some(Item::Text(text)),
                None => item
                    .to_text()
                    .map(|text| Item::Text(Cow::Owned(text.into_owned()))),
            },
            Function::ToInteger => to_integer(&item.scalar()),
            Function::ToDecimal => to_decimal(&item.scalar()),
            Function::ToDate => moment(&item.scalar()).map(|m| Item::Moment(m.to_date())),
            _ => moment(&item.scalar()).map(|m| Item::Moment(m.to_date_time())),
        };
        Ok(found.into_iter().collect())
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn to_integer<'a>(scalar: &Scalar<'_>) -> Option<Item<'a>> {
    match scalar {
        Scalar::Integer(n) => Some(Item::Integer(*n)),
        Scalar::Bool(b) => Some(Item::Integer(i64::from(*b))),
        Scalar::Text(text, _) if digits(text.strip_prefix(['+', '-']).unwrap_or(text)) => {
            text.parse().ok().map(Item::Integer)
        }
        _ => None,
    }
}

fn to_decimal<'a>(scalar: &Scalar<'_>) -> Option<Item<'a>> {
    let text = match scalar {
        Scalar::Integer(n) => n.to_string(),
        Scalar::Decimal(text) => (*text).to_owned(),
        Scalar::Bool(b) => if *b { "1.0" } else { "0.0" }.to_owned(),
        Scalar::Text(text, _) => {
            let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
            let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
            if !digits(whole) || !digits(fraction) {
                return None;
            }
            plain_json(text)
        }
        _ => return None,
    };
    Some(Item::Decimal(Cow::Owned(text)))
}

/// JSON knows neither a leading `+` nor leading zeros; the other digits stay.
fn plain_json(text: &str) -> String {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let trimmed = rest.trim_start_matches('0');
    let zero = if trimmed.is_empty() || trimmed.starts_with('.') {
        "0"
    } else {
        ""
    };
    format!("{sign}{zero}{trimmed}")
}

fn moment(scalar: &Scalar<'_>) -> Option<Temporal> {
    match scalar {
        Scalar::Moment(moment) if moment.kind != TemporalKind::Time => Some(*moment),
        Scalar::Text(text, _) => Temporal::date_time(text),
        _ => None,
    }
}
