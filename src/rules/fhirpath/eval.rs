//! Evaluation: a walk over the tree with a budget of steps. Its recursion is bounded by the parser's depth.
//! <http://hl7.org/fhirpath/N1/#expressions>

use super::ast::{Call, Expr, Literal, Step, TypeName, TypeTest, Variable};
use super::item::{Item, Node, Quantity, Scalar};
use super::scope::Scope;
use super::types::{self, FhirType};
use super::{Dialect, EvalCode, EvalError, Expression};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::Cell;

const MAX_STEPS: usize = 1_000_000;
const MAX_ITEMS: usize = 100_000;
pub(super) const MAX_MADE_TEXT: usize = 1024 * 1024;

pub(super) type Items<'a> = Vec<Item<'a>>;
pub(super) type Outcome<'a> = Result<Items<'a>, EvalError>;

pub(super) struct Evaluator<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) dialect: Dialect,
    pub(super) roots: &'a [String],
    pub(super) input: &'a Value,
    /// `%context`, where it is not the input
    context: Option<Item<'a>>,
    steps: Cell<usize>,
    /// how many conditions are being evaluated around this point
    pub(super) testing: Cell<u32>,
}

/// `$this` and `$index`.
#[derive(Clone, Copy)]
pub(super) struct Focus<'f, 'a> {
    pub items: &'f [Item<'a>],
    pub index: Option<usize>,
}

impl<'s, 'a> Evaluator<'s, 'a> {
    pub fn new(expression: &'a Expression, input: &'a Value, scope: &'s Scope<'a>) -> Evaluator<'s, 'a> {
        Evaluator {
            scope,
            dialect: expression.dialect,
            roots: &expression.roots,
            input,
            context: None,
            steps: Cell::new(MAX_STEPS),
            testing: Cell::new(0),
        }
    }

    pub fn run(&self, ast: &'a Expr) -> Outcome<'a> {
        let mut items = Vec::new();
        self.whole(self.input, &mut items)?;
        self.run_on(ast, &items)
    }

    pub fn run_at(mut self, ast: &'a Expr, node: Item<'a>) -> Outcome<'a> {
        self.context = Some(node.clone());
        self.run_on(ast, std::slice::from_ref(&node))
    }

    fn run_on(&self, ast: &'a Expr, items: &[Item<'a>]) -> Outcome<'a> {
        let found = self.expr(
            ast,
            Focus {
                items,
                index: self.scope.index,
            },
        )?;
        found.iter().for_each(|item| self.note(item));
        Ok(found)
    }

    /// A value as it stands: the input or a variable.
    fn whole(&self, value: &'a Value, out: &mut Items<'a>) -> Result<(), EvalError> {
        let of = match (self.dialect, self.scope.input_type) {
            (Dialect::Mapping, _) => None,
            (_, Some(name)) if std::ptr::eq(value, self.input) => FhirType::named(name),
            _ => FhirType::of_resource(value),
        };
        if of.is_some() {
            out.push(Item::Node(Node {
                value,
                beside: None,
                of,
                exact: true,
            }));
            return Ok(());
        }
        self.push(value, None, None, false, 0, 0, out)
    }

    pub(super) fn charge(&self, steps: usize, at: usize) -> Result<(), EvalError> {
        let over = |limit| EvalError::new(EvalCode::Limit, at, limit);
        if let Some(shared) = self.scope.steps {
            let left = shared.get().checked_sub(steps);
            shared.set(left.unwrap_or_default());
            left.ok_or_else(|| over("all expressions together take too many steps on this input"))?;
        }
        let left = self.steps.get().checked_sub(steps);
        let too_many = || over("this takes more than 1 000 000 steps on this input");
        self.steps.set(left.ok_or_else(too_many)?);
        Ok(())
    }

    pub(super) fn check_size(&self, items: usize, at: usize) -> Result<(), EvalError> {
        if items <= MAX_ITEMS {
            return Ok(());
        }
        Err(EvalError::new(
            EvalCode::Limit,
            at,
            "a collection has more than 100 000 items",
        ))
    }

    /// A scalar that is read; objects count only when they are the result.
    pub(super) fn note_leaf(&self, item: &Item<'a>) {
        if let Item::Node(node) = item
            && !node.value.is_object()
        {
            self.note(item);
        }
    }

    pub(super) fn note(&self, item: &Item<'a>) {
        if let (Some(recorder), Item::Node(node)) = (self.scope.recorder, item) {
            recorder.note(node.address(), self.testing.get() > 0);
        }
    }

    pub(super) fn expr(&self, expr: &'a Expr, focus: Focus<'_, 'a>) -> Outcome<'a> {
        match expr {
            Expr::Literal(literal) => Ok(vec![literal_item(literal)]),
            Expr::Empty => Ok(Vec::new()),
            Expr::Variable { variable, at } => self.variable(variable, focus, *at),
            Expr::Path { head, steps } => self.path(head.as_deref(), steps, focus),
            Expr::Negative { operand, at } => self.negative(operand, focus, *at),
            Expr::Union { parts, at } => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.expr(part, focus)?);
                    self.check_size(all.len(), *at)?;
                }
                self.distinct(all, *at)
            }
            Expr::Type {
                test,
                operand,
                wanted,
                at,
            } => {
                let found = self.expr(operand, focus)?;
                match test {
                    TypeTest::Is => self.type_is(&found, wanted, *at),
                    // R4's own search parameters apply the operator to repeating elements
                    TypeTest::As if self.dialect.is_typed() => Ok(only(found, wanted)),
                    TypeTest::As => self.type_as(found, wanted, *at),
                }
            }
            Expr::Binary {
                operator,
                left,
                right,
                at,
            } => self.binary(*operator, left, right, focus, *at),
        }
    }

    fn variable(&self, variable: &'a Variable, focus: Focus<'_, 'a>, at: usize) -> Outcome<'a> {
        let resource = self.scope.resource.unwrap_or(self.input);
        let value = match variable {
            Variable::Index => return Ok(focus.index.map(|i| Item::Integer(i as i64)).into_iter().collect()),
            Variable::Constant(text) => return Ok(vec![Item::Text(Cow::Borrowed(text))]),
            Variable::Now => {
                let now = self
                    .scope
                    .now
                    .and_then(|now| super::Temporal::date_time(&now.to_fhir()));
                return now.map(|now| vec![Item::Moment(now)]).ok_or_else(|| missing(at));
            }
            Variable::Named(name) => {
                let found = self.scope.named.iter().rev().find(|(known, _)| known == name);
                return found.map(|(_, items)| items.clone()).ok_or_else(|| missing(at));
            }
            Variable::Context if self.context.is_some() => return Ok(self.context.iter().cloned().collect()),
            Variable::Source => self.scope.source,
            Variable::Row => self.scope.row,
            Variable::Parent => self.scope.parent,
            Variable::Context => Some(self.input),
            Variable::Resource => Some(resource),
            Variable::RootResource => Some(self.scope.root_resource.unwrap_or(resource)),
        };
        let mut out = Vec::new();
        self.whole(value.ok_or_else(|| missing(at))?, &mut out)?;
        Ok(out)
    }

    fn path(&self, head: Option<&'a Expr>, steps: &'a [Step], focus: Focus<'_, 'a>) -> Outcome<'a> {
        let (mut current, rest) = match (head, steps.split_first()) {
            (Some(head), _) => (self.expr(head, focus)?, steps),
            (None, None) => {
                self.charge(focus.items.len() / 8, 0)?;
                (focus.items.to_vec(), steps)
            }
            (None, Some((first, rest))) => (self.first_step(first, focus)?, rest),
        };
        for step in rest {
            current = match step {
                Step::Member { name, beside, at } => {
                    let mut out = Vec::with_capacity(current.len());
                    for item in &current {
                        self.member(item, name, beside, *at, &mut out)?;
                    }
                    out
                }
                Step::Index { index, at } => self.nth(&current, index, focus, *at)?,
                Step::Call(call) => self.call(call, &current, focus)?,
            };
        }
        Ok(current)
    }

    fn first_step(&self, step: &'a Step, focus: Focus<'_, 'a>) -> Outcome<'a> {
        match step {
            Step::Member { name, beside, at } => {
                let mut out = Vec::with_capacity(focus.items.len());
                let is_type = name.starts_with(|c: char| c.is_ascii_uppercase());
                for item in focus.items {
                    match if is_type {
                        self.root(item, name, *at)?
                    } else {
                        None
                    } {
                        Some(true) => out.push(item.clone()),
                        Some(false) => {}
                        None => self.member(item, name, beside, *at, &mut out)?,
                    }
                }
                Ok(out)
            }
            Step::Index { index, at } => self.nth(focus.items, index, focus, *at),
            Step::Call(call) => self.call(call, focus.items, focus),
        }
    }

    fn nth(&self, items: &[Item<'a>], index: &'a Expr, focus: Focus<'_, 'a>, at: usize) -> Outcome<'a> {
        let index = self.expr(index, focus)?;
        let Some(index) = self.integer(&index, "an index", at)? else {
            return Ok(Vec::new());
        };
        let found = usize::try_from(index).ok().and_then(|i| items.get(i));
        Ok(found.cloned().into_iter().collect())
    }

    /// At most one item; `what` says which place had more.
    pub(super) fn one<'i>(
        &self,
        items: &'i [Item<'a>],
        what: &str,
        at: usize,
    ) -> Result<Option<&'i Item<'a>>, EvalError> {
        match items {
            [] => Ok(None),
            [item] => {
                self.note_leaf(item);
                Ok(Some(item))
            }
            more => {
                let message = format!("{what} has {} values where one is expected", more.len());
                Err(EvalError::new(EvalCode::Singleton, at, message))
            }
        }
    }

    pub(super) fn integer(
        &self,
        items: &[Item<'a>],
        what: &str,
        at: usize,
    ) -> Result<Option<i64>, EvalError> {
        let Some(item) = self.one(items, what, at)? else {
            return Ok(None);
        };
        match item.scalar() {
            Scalar::Integer(n) => Ok(Some(n)),
            _ => Err(wrong(item, what, at)),
        }
    }

    /// Three-valued truth: a single value that is no boolean counts as true. In invariants several do, too: US Core's pd-1
    /// says `telecom or endpoint` of lists.
    pub(super) fn truth(&self, items: &[Item<'a>], at: usize) -> Result<Option<bool>, EvalError> {
        if self.dialect == Dialect::Invariant && items.len() > 1 {
            return Ok(Some(true));
        }
        let item = self.one(items, "a condition", at)?;
        Ok(item.map(|item| !matches!(item.scalar(), Scalar::Bool(false))))
    }

    /// A condition around each item: what it reads decides, it makes nothing.
    pub(super) fn test(
        &self,
        condition: &'a Expr,
        focus: Focus<'_, 'a>,
        at: usize,
    ) -> Result<Option<bool>, EvalError> {
        self.testing.set(self.testing.get() + 1);
        let found = self
            .expr(condition, focus)
            .and_then(|items| self.truth(&items, at));
        self.testing.set(self.testing.get() - 1);
        found
    }

    pub(super) fn check_text(&self, length: usize, at: usize) -> Result<(), EvalError> {
        if length <= MAX_MADE_TEXT {
            return Ok(());
        }
        Err(EvalError::new(
            EvalCode::Limit,
            at,
            "a made text is longer than 1 MiB",
        ))
    }

    pub(super) fn type_is(&self, items: &[Item<'a>], wanted: &TypeName, at: usize) -> Outcome<'a> {
        let item = self.one(items, "the left side of 'is'", at)?;
        Ok(item
            .map(|item| Item::Bool(types::is(item, wanted, self.dialect)))
            .into_iter()
            .collect())
    }

    /// `as` of one value. Several values are an error where their type is declared; where it is dynamic (choices,
    /// `descendants()`) they are filtered, because R4's own invariant dom-3 is written so.
    pub(super) fn type_as(&self, items: Items<'a>, wanted: &TypeName, at: usize) -> Outcome<'a> {
        let dynamic = |item: &Item<'a>| matches!(item, Item::Node(node) if !node.exact);
        if self.dialect == Dialect::Mapping || !items.iter().all(dynamic) {
            self.one(&items, "the value of 'as'", at)?;
        }
        Ok(only(items, wanted))
    }

    pub(super) fn call(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        self.charge(1 + receiver.len() / 8, call.at)?;
        use super::function::{Function as F, Place};
        match call.function {
            f if f.place() == Place::Host => self.host(call, receiver, focus),
            F::Where
            | F::Select
            | F::First
            | F::Last
            | F::Single
            | F::Exists
            | F::Empty
            | F::Count
            | F::Distinct
            | F::All
            | F::AllTrue
            | F::AllFalse
            | F::AnyTrue
            | F::AnyFalse
            | F::Tail
            | F::Skip
            | F::Take
            | F::Combine
            | F::Union
            | F::Exclude
            | F::SubsetOf
            | F::SupersetOf
            | F::Intersect
            | F::IsDistinct
            | F::Not
            | F::Iif
            | F::Trace => self.collection(call, receiver, focus),
            F::Repeat
            | F::Children
            | F::Descendants
            | F::Extension
            | F::HasValue
            | F::HtmlChecks
            | F::MemberOf
            | F::ConformsTo
            | F::Resolve
            | F::Is
            | F::As
            | F::OfType => self.tree(call, receiver, focus),
            F::ToText
            | F::ToInteger
            | F::ToDecimal
            | F::ToDate
            | F::ToDateTime
            | F::ToBoolean
            | F::ToTime
            | F::ConvertsToText
            | F::ConvertsToInteger
            | F::ConvertsToDecimal
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToBoolean
            | F::ConvertsToTime => self.convert(call, receiver),
            F::Today | F::Now => self.present(call),
            _ => self.text(call, receiver, focus),
        }
    }

    fn host(&self, call: &'a Call, receiver: &[Item<'a>], focus: Focus<'_, 'a>) -> Outcome<'a> {
        let none = || {
            EvalError::new(
                EvalCode::Missing,
                call.at,
                "host functions have nobody to answer them here",
            )
        };
        let host = self.scope.host.ok_or_else(none)?;
        let args = call
            .args
            .iter()
            .map(|arg| self.expr(arg, focus))
            .collect::<Result<Vec<_>, _>>()?;
        receiver
            .iter()
            .chain(args.iter().flatten())
            .for_each(|item| self.note(item));
        let found = host.call(call.function.name(), receiver, &args, call.at)?;
        self.check_size(found.len(), call.at)?;
        Ok(found)
    }
}

pub(super) fn only<'a>(mut items: Items<'a>, wanted: &TypeName) -> Items<'a> {
    items.retain(|item| types::is_exactly(item, wanted));
    for item in &mut items {
        if let Item::Node(node) = item {
            node.exact = node.of.is_some();
        }
    }
    items
}

pub(super) fn wrong(item: &Item<'_>, what: &str, at: usize) -> EvalError {
    EvalError::new(EvalCode::Type, at, format!("{what}: found {}", item.kind()))
}

pub(super) fn missing(at: usize) -> EvalError {
    EvalError::new(
        EvalCode::Missing,
        at,
        "this has no value where the expression is evaluated",
    )
}

fn literal_item(literal: &Literal) -> Item<'_> {
    match literal {
        Literal::Text(text) => Item::Text(Cow::Borrowed(text)),
        Literal::Integer(n) => Item::Integer(*n),
        Literal::Decimal(text) => Item::Decimal(Cow::Borrowed(text)),
        Literal::Bool(b) => Item::Bool(*b),
        Literal::Moment(moment) => Item::Moment(*moment),
        Literal::Quantity { value, unit } => Item::Quantity(Box::new(Quantity {
            value: value.clone(),
            unit: unit.clone(),
        })),
    }
}
