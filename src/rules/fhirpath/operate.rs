//! Operators: three-valued logic, comparison, membership, `+` and `-`.
//! <http://hl7.org/fhirpath/N1/#operations>

use super::ast::{Expr, Operator};
use super::eval::{Evaluator, Focus, Outcome, wrong};
use super::item::{Item, Quantity, Scalar};
use super::{Dialect, EvalCode, EvalError};
use std::borrow::Cow;
use std::cmp::Ordering;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn negative(&self, operand: &'a Expr, focus: Focus<'_, 'a>, at: usize) -> Outcome<'a> {
        let found = self.expr(operand, focus)?;
        let Some(item) = self.one(&found, "the operand of -", at)? else {
            return Ok(Vec::new());
        };
        let negative = match item.scalar() {
            Scalar::Integer(n) => n.checked_neg().map(Item::Integer),
            Scalar::Decimal(text) => Some(match text.strip_prefix('-') {
                Some(positive) => Item::text_decimal(positive.to_owned()),
                None => Item::text_decimal(format!("-{text}")),
            }),
            Scalar::Quantity(q) => {
                let value = q
                    .value
                    .strip_prefix('-')
                    .map_or_else(|| format!("-{}", q.value), str::to_owned);
                Some(Item::Quantity(Box::new(Quantity {
                    value,
                    unit: q.unit.clone(),
                })))
            }
            _ => None,
        };
        let found = negative.ok_or_else(|| wrong(item, "a number after -", at))?;
        Ok(vec![found])
    }

    pub(super) fn binary(
        &self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        focus: Focus<'_, 'a>,
        at: usize,
    ) -> Outcome<'a> {
        use Operator::{And, Implies, Or, Xor};
        let a = self.expr(left, focus)?;
        if matches!(operator, And | Or | Xor | Implies) {
            let a = self.truth(&a, at)?;
            match (operator, a) {
                (And, Some(false)) => return Ok(vec![Item::Bool(false)]),
                (Or, Some(true)) | (Implies, Some(false)) => return Ok(vec![Item::Bool(true)]),
                _ => {}
            }
            let b = self.truth(&self.expr(right, focus)?, at)?;
            return Ok(logic(operator, a, b).map(Item::Bool).into_iter().collect());
        }
        let b = self.expr(right, focus)?;
        let truth = match operator {
            Operator::Equal => self.equal_all(&a, &b, at)?,
            Operator::NotEqual => self.equal_all(&a, &b, at)?.map(|same| !same),
            Operator::Equivalent => Some(self.equivalent_all(&a, &b, at)?),
            Operator::NotEquivalent => Some(!self.equivalent_all(&a, &b, at)?),
            Operator::In => self.contains(&b, &a, at)?,
            Operator::Contains => self.contains(&a, &b, at)?,
            Operator::Plus | Operator::Minus => return self.add(operator, &a, &b, at),
            Operator::Join => return self.join_texts(&a, &b, at),
            Operator::Times | Operator::Divide | Operator::Div | Operator::Mod => {
                return self.arithmetic(operator, &a, &b, at);
            }
            _ => self.ordered(operator, &a, &b, at)?,
        };
        Ok(truth.map(Item::Bool).into_iter().collect())
    }

    fn ordered(
        &self,
        operator: Operator,
        a: &[Item<'a>],
        b: &[Item<'a>],
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        let left = self.one(a, "the left side of a comparison", at)?;
        let right = self.one(b, "the right side of a comparison", at)?;
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(None);
        };
        let order = self.order(left, right, at)?;
        Ok(order.map(|order| match operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }))
    }

    fn add(&self, operator: Operator, a: &[Item<'a>], b: &[Item<'a>], at: usize) -> Outcome<'a> {
        let left = self.one(a, "the left side of +", at)?;
        let right = self.one(b, "the right side of +", at)?;
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(Vec::new());
        };
        if operator == Operator::Plus
            && let (Some(x), Some(y)) = (left.string(), right.string())
        {
            self.charge((x.len() + y.len()) / 64, at)?;
            self.check_text(x.len() + y.len(), at)?;
            return Ok(vec![Item::Text(Cow::Owned(format!("{x}{y}")))]);
        }
        use Scalar::{Decimal, Integer, Moment};
        if self.dialect == Dialect::Invariant && !matches!(left.scalar(), Moment(_)) {
            return self.arithmetic(operator, a, b, at);
        }
        match (left.scalar(), right.scalar()) {
            (Integer(x), Integer(y)) => {
                let sum = if operator == Operator::Plus {
                    x.checked_add(y)
                } else {
                    x.checked_sub(y)
                };
                let message = "this sum does not fit into 64 bits";
                let sum = sum.ok_or_else(|| EvalError::new(EvalCode::Limit, at, message))?;
                Ok(vec![Item::Integer(sum)])
            }
            (Decimal(_), Integer(_) | Decimal(_)) | (Integer(_), Decimal(_)) => Err(EvalError::new(
                EvalCode::Unsupported,
                at,
                "decimals are never added or subtracted",
            )),
            (Moment(_), Scalar::Quantity(_)) => Err(EvalError::new(
                EvalCode::Unsupported,
                at,
                "dates are not calculated with here",
            )),
            _ => {
                let message = format!("{} and {} cannot be joined by + or -", left.kind(), right.kind());
                Err(EvalError::new(EvalCode::Type, at, message))
            }
        }
    }
}

fn logic(operator: Operator, a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match operator {
        Operator::And if a == Some(false) || b == Some(false) => Some(false),
        Operator::And => Some(a? && b?),
        Operator::Or if a == Some(true) || b == Some(true) => Some(true),
        Operator::Or => Some(a? || b?),
        Operator::Implies if a == Some(false) || b == Some(true) => Some(true),
        Operator::Implies => Some(!a? || b?),
        _ => Some(a? != b?),
    }
}
