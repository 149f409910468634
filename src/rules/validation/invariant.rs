//! An invariant that a definition states: read once, parsed when it is first needed.
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>

use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use super::reference::Around;
use super::spot::Spot;
use super::walk::Walk;
use crate::fhir::constraint::{Constraint, constraints};
use crate::fhir::{IssueCode, Severity};
use crate::fhirpath::{Dialect, Expression, Item, Scope};

/// What must be true of each value of an element.
#[derive(Debug)]
pub(super) struct Invariant {
    pub key: Box<str>,
    pub severity: Severity,
    /// What it demands, in its author's words.
    pub human: Box<str>,
    expression: Box<str>,
    parsed: OnceLock<Option<Expression>>,
}

impl Invariant {
    /// `None` for a constraint in words only.
    pub(super) fn read(value: &Value) -> Option<Invariant> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Invariant {
            key: text("key")?.into(),
            severity: match text("severity") {
                Some("warning") => Severity::Warning,
                _ => Severity::Error,
            },
            human: text("human").unwrap_or_default().trim_end_matches('.').into(),
            expression: text("expression")?.into(),
            parsed: OnceLock::new(),
        })
    }

    pub(super) fn expression_text(&self) -> &str {
        &self.expression
    }

    /// `None`: it uses what the language here leaves out.
    pub(super) fn expression(&self) -> Option<&Expression> {
        self.parsed.get_or_init(|| parse(&self.expression)).as_ref()
    }
}

fn parse(expression: &str) -> Option<Expression> {
    Expression::parse(expression, Dialect::Invariant).ok()
}

/// What of an expression lies outside the language.
pub(super) fn refusal(expression: &str) -> Option<String> {
    let read = Expression::parse(expression, Dialect::Invariant);
    read.err().map(|error| error.to_string())
}

/// Invariants of R4 that the gate holds a resource to already.
const HELD_BY_THE_GATE: [&str; 5] = ["ele-1", "ext-1", "dom-2", "txt-1", "txt-2"];

/// R4's own, parsed when first needed, by position in the table; `None` for those that the gate holds.
fn of_r4(at: usize) -> Option<&'static Invariant> {
    static ALL: LazyLock<Vec<Option<Invariant>>> = LazyLock::new(|| constraints().iter().map(own).collect());
    ALL[at].as_ref()
}

fn own(constraint: &Constraint) -> Option<Invariant> {
    (!HELD_BY_THE_GATE.contains(&constraint.key)).then(|| Invariant {
        key: constraint.key.into(),
        severity: constraint.severity,
        human: constraint.human.trim_end_matches('.').into(),
        expression: constraint.expression.into(),
        parsed: OnceLock::new(),
    })
}

impl<'v> Walk<'v> {
    pub(super) fn r4_invariant(&mut self, at: usize, spot: Spot<'v>) {
        if let Some(invariant) = of_r4(at) {
            self.invariant(invariant, spot);
        }
    }

    /// What is false is a violation; what is empty cannot be decided and is none.
    pub(super) fn invariant(&mut self, invariant: &Invariant, spot: Spot<'v>) {
        let holds = self.evaluate(invariant, spot);
        let (key, human) = (&invariant.key, &invariant.human);
        match holds {
            Some(true) => {}
            Some(false) => self.report(
                invariant.severity,
                IssueCode::Invariant,
                format_args!("{key}: {human}"),
            ),
            None => {
                let what = format_args!("the invariant {key} is not checked: it cannot be evaluated here");
                self.note_once(IssueCode::NotSupported, what);
            }
        }
    }

    /// `None`: it is outside the language, or an error. Where no work is left it counts as true: the list says that then.
    fn evaluate(&self, invariant: &Invariant, spot: Spot<'v>) -> Option<bool> {
        let expression = invariant.expression()?;
        let around = Around(self);
        let scope = Scope {
            resource: Some(self.frame.resource),
            root_resource: Some(self.frame.root),
            host: Some(&around),
            steps: Some(&self.work.left),
            ..Scope::default()
        };
        let found = expression.evaluate_at(spot.item(), self.frame.resource, &scope);
        if self.work.is_spent() {
            return Some(true);
        }
        Some(match found.ok()?.as_slice() {
            [one] => !is_false(one),
            _ => true,
        })
    }
}

fn is_false(item: &Item<'_>) -> bool {
    matches!(item, Item::Bool(false)) || item.value() == Some(&Value::Bool(false))
}
