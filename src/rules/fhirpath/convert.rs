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
        use Function as F;
        let (function, asked) = match call.function {
            F::ConvertsToText => (F::ToText, true),
            F::ConvertsToInteger => (F::ToInteger, true),
            F::ConvertsToDecimal => (F::ToDecimal, true),
            F::ConvertsToDate => (F::ToDate, true),
            F::ConvertsToDateTime => (F::ToDateTime, true),
            F::ConvertsToBoolean => (F::ToBoolean, true),
            F::ConvertsToTime => (F::ToTime, true),
            function => (function, false),
        };
        let found = converted(function, item);
        if asked {
            return Ok(vec![Item::Bool(found.is_some())]);
        }
        Ok(found.into_iter().collect())
    }

    /// `today()` and `now()`: the instant that the caller states.
    pub(super) fn present(&self, call: &'a Call) -> Outcome<'a> {
        let stated = self.scope.now.and_then(|now| Temporal::date_time(&now.to_fhir()));
        let now = stated.ok_or_else(|| super::eval::missing(call.at))?;
        let found = if call.function == Function::Today {
            now.to_date()
        } else {
            now
        };
        Ok(vec![Item::Moment(found)])
    }
}

fn converted<'a>(function: Function, item: &Item<'a>) -> Option<Item<'a>> {
    match function {
        Function::ToText => match item.string() {
            Some(text) => Some(Item::Text(text)),
            None => item
                .to_text()
                .map(|text| Item::Text(Cow::Owned(text.into_owned()))),
        },
        Function::ToInteger => to_integer(&item.scalar()),
        Function::ToDecimal => to_decimal(&item.scalar()),
        Function::ToDate => moment(&item.scalar()).map(|m| Item::Moment(m.to_date())),
        Function::ToBoolean => to_boolean(&item.scalar()).map(Item::Bool),
        Function::ToTime => match item.scalar() {
            Scalar::Moment(moment) if moment.kind == TemporalKind::Time => Some(Item::Moment(moment)),
            Scalar::Text(text, _) => Temporal::time(text).map(Item::Moment),
            _ => None,
        },
        _ => moment(&item.scalar()).map(|m| Item::Moment(m.to_date_time())),
    }
}

fn to_boolean(scalar: &Scalar<'_>) -> Option<bool> {
    match scalar {
        Scalar::Bool(b) => Some(*b),
        Scalar::Integer(n @ (0 | 1)) => Some(*n == 1),
        Scalar::Decimal("1.0") => Some(true),
        Scalar::Decimal("0.0") => Some(false),
        Scalar::Text(text, _) => match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
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
