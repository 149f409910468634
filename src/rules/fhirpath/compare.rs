//! Equality, equivalence and order of items. `None` is empty: it cannot be decided.
//! <http://hl7.org/fhirpath/N1/#equality>, <http://hl7.org/fhirpath/N1/#comparison>

use super::ast::Unit;
use super::decimal;
use super::eval::Evaluator;
use super::item::{Item, Quantity, Scalar};
use super::temporal::{Temporal, TemporalKind};
use super::{EvalCode, EvalError};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

const MAX_TREE: usize = 128;

impl<'a> Evaluator<'_, 'a> {
    /// `=` of two items.
    pub(super) fn equal(
        &self,
        left: &Item<'a>,
        right: &Item<'a>,
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        self.charge(1, at)?;
        if left
            .address()
            .is_some_and(|address| right.address() == Some(address))
            && !matches!(left.value(), Some(Value::Null))
        {
            return Ok(Some(true));
        }
        let (a, b) = (left.scalar(), right.scalar());
        Ok(match (&a, &b) {
            (Scalar::Bool(x), Scalar::Bool(y)) => Some(x == y),
            (Scalar::Text(x, _), Scalar::Text(y, _)) => {
                self.charge(x.len() / 64, at)?;
                Some(x == y)
            }
            (Scalar::Tree(x), Scalar::Tree(y)) => Some(self.same_tree(x, y, 0, at)?),
            (Scalar::Delete, Scalar::Delete) => Some(true),
            _ => {
                if let Some((x, y)) = moments(&a, &b) {
                    return Ok(equal_moments(x, y));
                }
                if let Some((x, y)) = quantities(&a, &b) {
                    return Ok(compare_quantities(&x, &y, at)?.map(|o| o == Ordering::Equal));
                }
                Some(numbers(&a, &b).is_some_and(|o| o == Ordering::Equal))
            }
        })
    }

    /// `~` of two items; always decided.
    pub(super) fn equivalent(&self, left: &Item<'a>, right: &Item<'a>, at: usize) -> Result<bool, EvalError> {
        let (a, b) = (left.scalar(), right.scalar());
        let decimal_text = |s: &Scalar<'_>| match s {
            Scalar::Integer(n) => Some(n.to_string()),
            Scalar::Decimal(text) => Some((*text).to_owned()),
            _ => None,
        };
        match (&a, &b) {
            (Scalar::Text(x, _), Scalar::Text(y, _)) => {
                self.charge((x.len() + y.len()) / 64 + 1, at)?;
                Ok(folded(x) == folded(y))
            }
            _ => {
                if let (Some(x), Some(y)) = (decimal_text(&a), decimal_text(&b)) {
                    self.charge((x.len() + y.len()) / 64 + 1, at)?;
                    return Ok(decimal::equivalent(&x, &y));
                }
                if let Some((x, y)) = quantities(&a, &b) {
                    self.charge(1, at)?;
                    same_unit(&x, &y, at)?;
                    return Ok(decimal::equivalent(&x.value, &y.value));
                }
                Ok(self.equal(left, right, at)?.unwrap_or(false))
            }
        }
    }

    /// `<` and its relatives. Errors if the two have no order.
    pub(super) fn order(
        &self,
        left: &Item<'a>,
        right: &Item<'a>,
        at: usize,
    ) -> Result<Option<Ordering>, EvalError> {
        self.charge(1, at)?;
        let (a, b) = (left.scalar(), right.scalar());
        if let (Scalar::Text(x, _), Scalar::Text(y, _)) = (&a, &b) {
            self.charge(x.len() / 64, at)?;
            return Ok(Some(x.cmp(y)));
        }
        if let Some(order) = numbers(&a, &b) {
            return Ok(Some(order));
        }
        if let Some((x, y)) = moments(&a, &b) {
            if (x.kind == TemporalKind::Time) == (y.kind == TemporalKind::Time) {
                return Ok(x.compare(&y));
            }
        } else if let Some((x, y)) = quantities(&a, &b) {
            return compare_quantities(&x, &y, at);
        } else if matches!(a, Scalar::Absent) || matches!(b, Scalar::Absent) {
            return Ok(None);
        }
        let message = format!("{} and {} have no order", left.kind(), right.kind());
        Err(EvalError::new(EvalCode::Type, at, message))
    }

    fn same_tree(&self, left: &Value, right: &Value, depth: usize, at: usize) -> Result<bool, EvalError> {
        self.charge(1, at)?;
        if depth > MAX_TREE {
            return Err(EvalError::new(
                EvalCode::Limit,
                at,
                "values are nested deeper than 128",
            ));
        }
        Ok(match (left, right) {
            (Value::Object(x), Value::Object(y)) => {
                if x.len() != y.len() {
                    return Ok(false);
                }
                for (key, value) in x {
                    match y.get(key) {
                        Some(other) if self.same_tree(value, other, depth + 1, at)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Array(x), Value::Array(y)) => {
                if x.len() != y.len() {
                    return Ok(false);
                }
                for (value, other) in x.iter().zip(y) {
                    if !self.same_tree(value, other, depth + 1, at)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Number(x), Value::Number(y)) => {
                decimal::compare(x.as_str(), y.as_str()) == Some(Ordering::Equal)
            }
            (x, y) => x == y,
        })
    }
}

fn numbers(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Integer(x), Scalar::Integer(y)) => Some(x.cmp(y)),
        (Scalar::Integer(x), Scalar::Decimal(y)) => decimal::compare(&x.to_string(), y),
        (Scalar::Decimal(x), Scalar::Integer(y)) => decimal::compare(x, &y.to_string()),
        (Scalar::Decimal(x), Scalar::Decimal(y)) => decimal::compare(x, y),
        _ => None,
    }
}

/// Two points in time; a text without a known type is read as one if the other side is one.
fn moments(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<(Temporal, Temporal)> {
    match (left, right) {
        (Scalar::Moment(x), Scalar::Moment(y)) => Some((*x, *y)),
        (Scalar::Moment(x), Scalar::Text(y, true)) => Some((*x, like(x, y)?)),
        (Scalar::Text(x, true), Scalar::Moment(y)) => Some((like(y, x)?, *y)),
        _ => None,
    }
}

fn like(model: &Temporal, text: &str) -> Option<Temporal> {
    match model.kind {
        TemporalKind::Time => Temporal::time(text),
        _ => Temporal::date_time(text),
    }
}

fn equal_moments(x: Temporal, y: Temporal) -> Option<bool> {
    if (x.kind == TemporalKind::Time) != (y.kind == TemporalKind::Time) {
        return Some(false);
    }
    x.compare(&y).map(|o| o == Ordering::Equal)
}

/// Two quantities, at least one of them known to be one or both with value and unit.
fn quantities<'x>(left: &Scalar<'x>, right: &Scalar<'x>) -> Option<(Cow<'x, Quantity>, Cow<'x, Quantity>)> {
    Some((quantity(left)?, quantity(right)?))
}

fn quantity<'x>(scalar: &Scalar<'x>) -> Option<Cow<'x, Quantity>> {
    match scalar {
        Scalar::Quantity(quantity) => Some(quantity.clone()),
        Scalar::Tree(tree) => Quantity::from_json(tree).map(Cow::Owned),
        _ => None,
    }
}

fn compare_quantities(x: &Quantity, y: &Quantity, at: usize) -> Result<Option<Ordering>, EvalError> {
    same_unit(x, y, at)?;
    Ok(decimal::compare(&x.value, &y.value))
}

fn same_unit(x: &Quantity, y: &Quantity, at: usize) -> Result<(), EvalError> {
    if unit(x) == unit(y) {
        return Ok(());
    }
    Err(EvalError::new(
        EvalCode::Unsupported,
        at,
        "quantities of different units are not converted here",
    ))
}

/// Calendar units up to the week are the same as UCUM's; months and years are not.
fn unit(quantity: &Quantity) -> &str {
    match &quantity.unit {
        Unit::Ucum(unit) => unit,
        Unit::Calendar(unit) => match unit.strip_suffix('s').unwrap_or(unit) {
            "week" => "wk",
            "day" => "d",
            "hour" => "h",
            "minute" => "min",
            "second" => "s",
            "millisecond" => "ms",
            other => other,
        },
    }
}

/// Case and white space do not count.
fn folded(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}
