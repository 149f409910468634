//! Arithmetic of invariants, exact within 38 digits. <http://hl7.org/fhirpath/N1/#math>
//!
//! Mappings and search expressions have none: what a source states is never calculated with.

use std::borrow::Cow;

use super::ast::Operator;
use super::eval::{Evaluator, Outcome};
use super::item::{Item, Scalar};
use super::{EvalCode, EvalError};

/// Digits after the point that a quotient is carried to.
const QUOTIENT: u32 = 10;
/// Beyond this many digits a number is not calculated with.
const MOST_DIGITS: usize = 38;

/// `units` × 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    units: i128,
    scale: u32,
    /// Written without a point.
    whole: bool,
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn arithmetic(
        &self,
        operator: Operator,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: usize,
    ) -> Outcome<'a> {
        let left = self.one(a, "the left side of a calculation", at)?;
        let right = self.one(b, "the right side of a calculation", at)?;
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(Vec::new());
        };
        let (Some(x), Some(y)) = (Number::of(&left.scalar()), Number::of(&right.scalar())) else {
            let quantity = |item: &Item<'_>| matches!(item.scalar(), Scalar::Quantity(_));
            let code = if quantity(left) || quantity(right) {
                EvalCode::Unsupported
            } else {
                EvalCode::Type
            };
            let message = format!(
                "{} and {} are not calculated with here",
                left.kind(),
                right.kind()
            );
            return Err(EvalError::new(code, at, message));
        };
        let divides = matches!(operator, Operator::Divide | Operator::Div | Operator::Mod);
        if divides && y.units == 0 {
            return Ok(Vec::new());
        }
        let overflow = || EvalError::new(EvalCode::Limit, at, "this number has more than 38 digits");
        let found = calculated(operator, x, y).ok_or_else(overflow)?;
        Ok(vec![found.item().ok_or_else(overflow)?])
    }

    /// `&`: texts joined, an absent one as an empty one.
    pub(super) fn join_texts(&self, a: &[Item<'a>], b: &[Item<'a>], at: usize) -> Outcome<'a> {
        let mut out = String::new();
        for side in [a, b] {
            if let Some(text) = self.text_of(side, "a side of &", at)? {
                self.check_text(out.len() + text.len(), at)?;
                out.push_str(&text);
            }
        }
        Ok(vec![Item::Text(Cow::Owned(out))])
    }
}

fn calculated(operator: Operator, x: Number, y: Number) -> Option<Number> {
    let whole = x.whole && y.whole;
    if operator == Operator::Times {
        return Some(Number {
            units: x.units.checked_mul(y.units)?,
            scale: x.scale + y.scale,
            whole,
        });
    }
    let scale = x.scale.max(y.scale);
    let (a, b) = (x.at(scale)?, y.at(scale)?);
    let (units, scale, whole) = match operator {
        Operator::Plus => (a.checked_add(b)?, scale, whole),
        Operator::Minus => (a.checked_sub(b)?, scale, whole),
        Operator::Mod => (a.checked_rem(b)?, scale, whole),
        Operator::Div => (a.checked_div(b)?, 0, true),
        _ => (
            a.checked_mul(10_i128.pow(QUOTIENT))?.checked_div(b)?,
            QUOTIENT,
            false,
        ),
    };
    Some(Number { units, scale, whole })
}

impl Number {
    fn of(scalar: &Scalar<'_>) -> Option<Number> {
        match scalar {
            Scalar::Integer(n) => Some(Number {
                units: i128::from(*n),
                scale: 0,
                whole: true,
            }),
            Scalar::Decimal(text) => Number::read(text),
            _ => None,
        }
    }

    /// Plain digits; an exponent is not calculated with.
    fn read(text: &str) -> Option<Number> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        if digits.len() > MOST_DIGITS {
            return None;
        }
        Some(Number {
            units: digits.parse().ok()?,
            scale: fraction.len() as u32,
            whole: false,
        })
    }

    fn at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale - self.scale)?)
    }

    fn item<'a>(self) -> Option<Item<'a>> {
        if self.whole && self.scale == 0 {
            return i64::try_from(self.units).ok().map(Item::Integer);
        }
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.units < 0 { "-" } else { "" };
        Some(Item::Decimal(Cow::Owned(format!(
            "{sign}{whole}{point}{fraction}"
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, Expression, Scope};
    use serde_json::Value;

    fn result(text: &str) -> Result<String, String> {
        let expression = Expression::parse(text, Dialect::Invariant).map_err(|e| e.to_string())?;
        let found = expression.evaluate(&Value::Null, &Scope::default());
        let found = found.map_err(|e| e.to_string())?;
        Ok(found
            .iter()
            .filter_map(|item| item.to_text().map(|t| t.into_owned()))
            .collect())
    }

    #[test]
    fn numbers_are_calculated_with_exactly() {
        for (text, wanted) in [
            ("2 + 3 * 4", "14"),
            ("0.1 + 0.2", "0.3"),
            ("1.10 - 0.1", "1"),
            ("7 div 2", "3"),
            ("-7 mod 3", "-1"),
            ("1 / 3", "0.3333333333"),
            ("1 / 0", ""),
            ("5 mod 0", ""),
            ("{} * 2", ""),
            ("'a' & {} & 'b'", "ab"),
            ("0.5 * 0.5 = 0.25", "true"),
        ] {
            assert_eq!(result(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let large = "9".repeat(30);
        assert!(result(&format!("{large}.0 * {large}.0")).is_err());
        assert!(result("9223372036854775807 + 1").is_err());
        assert!(result("'a' * 2").is_err());
    }

    #[test]
    fn mappings_and_search_have_no_arithmetic() {
        for dialect in [Dialect::Mapping, Dialect::Search] {
            for text in ["2 * 3", "a & b", "1.5 + 1.5", "a.tail()"] {
                assert!(Expression::parse(text, dialect).is_err(), "{text}");
            }
        }
    }
}
