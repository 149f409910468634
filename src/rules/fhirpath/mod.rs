//! The one expression engine: mappings, search parameters, invariants and patch paths.
//! <http://hl7.org/fhirpath/N1/>, <https://hl7.org/fhir/R4/fhirpath.html>
//!
//! `Expression::parse` refuses everything outside the language at once; `evaluate` runs over borrowed JSON
//! within fixed limits and never panics. `README.md` in this folder lists the language.

mod arithmetic;
mod ast;
mod collection;
mod compare;
mod convert;
mod decimal;
mod error;
mod eval;
mod function;
mod item;
mod lexer;
mod navigate;
mod operate;
mod parse_step;
mod parser;
mod paths;
mod pattern;
mod scope;
mod suggest;
mod temporal;
mod text;
mod tree;
mod types;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

pub use ast::Unit;
pub(crate) use decimal::compare as compare_digits;
pub use error::{EvalCode, EvalError, SyntaxError};
pub use item::{DELETE_KEY, Item, Node, Quantity};
pub use scope::{Host, Recorder, Scope, source_index};
pub use suggest::nearest;
pub use temporal::{Temporal, TemporalKind};

use serde_json::Value;

/// Who writes the expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Mappings: source records without types, host functions.
    Mapping,
    /// Search parameters: FHIR types, choice elements, extensions, references.
    Search,
    /// Invariants of definitions, written by others: all of Search, arithmetic, and what HL7's own invariants use.
    Invariant,
}

impl Dialect {
    /// Are values FHIR elements, of known types?
    fn is_typed(self) -> bool {
        self != Dialect::Mapping
    }
}

/// A parsed expression: made once, shared between threads, evaluated often.
#[derive(Debug)]
pub struct Expression {
    ast: ast::Expr,
    dialect: Dialect,
    /// resource types that paths start with (`Patient.name`)
    roots: Vec<String>,
}

impl Expression {
    /// Parses `text`. Errors carry the byte offset, and the nearest valid name for an unknown one.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Expression, SyntaxError> {
        Expression::parse_with(text, dialect, &[])
    }

    /// As `parse`, with further variables (`%name`) that `Scope::named` will carry.
    pub fn parse_with(text: &str, dialect: Dialect, names: &[&str]) -> Result<Expression, SyntaxError> {
        let ast = parser::parse(text, dialect, names)?;
        let roots = paths::roots(&ast);
        Ok(Expression { ast, dialect, roots })
    }

    /// Evaluates over `input`. The result borrows from input, scope and expression.
    /// In the dialects Search and Invariant `input` is a resource, or what `scope.input_type` says.
    /// Limits: 1 000 000 steps, 100 000 items in a collection, 1 MiB in a made text.
    pub fn evaluate<'a>(&'a self, input: &'a Value, scope: &Scope<'a>) -> Result<Vec<Item<'a>>, EvalError> {
        eval::Evaluator::new(self, input, scope).run(&self.ast)
    }

    /// As `evaluate`, but at a node found by an earlier evaluation, with its type and its `_x` (invariants of
    /// elements). `resource` is the resource it is part of, for `%resource` and `#id` references.
    pub fn evaluate_at<'a>(
        &'a self,
        node: Item<'a>,
        resource: &'a Value,
        scope: &Scope<'a>,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        eval::Evaluator::new(self, resource, scope).run_at(&self.ast, node)
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The member paths it reads, sorted, each once: `clients.name` below the input, `%source.agency` below a
    /// variable. Steps through `[n]`, `where` and the like leave no mark; `*` stands for all members.
    pub fn source_paths(&self) -> Vec<String> {
        paths::source_paths(&self.ast)
    }
}
