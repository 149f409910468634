//! The compact tree an expression is parsed into: paths are flat lists of steps, unions flat lists of parts.
//! <http://hl7.org/fhirpath/N1/#expressions>

use super::function::Function;
use super::temporal::Temporal;
use regex::Regex;

#[derive(Debug)]
pub(super) enum Expr {
    Literal(Literal),
    /// `{}`
    Empty,
    Variable {
        variable: Variable,
        at: usize,
    },
    Path {
        head: Option<Box<Expr>>,
        steps: Vec<Step>,
    },
    Negative {
        operand: Box<Expr>,
        at: usize,
    },
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
        at: usize,
    },
    Union {
        parts: Vec<Expr>,
        at: usize,
    },
    Type {
        test: TypeTest,
        operand: Box<Expr>,
        wanted: TypeName,
        at: usize,
    },
}

#[derive(Debug)]
pub(super) enum Literal {
    Text(String),
    Integer(i64),
    Decimal(String),
    Bool(bool),
    Moment(Temporal),
    Quantity { value: String, unit: Unit },
}

/// `10 'mg'` has a UCUM unit, `4 days` a calendar one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    Ucum(String),
    Calendar(String),
}

#[derive(Debug)]
pub(super) enum Variable {
    Index,
    Source,
    Row,
    Now,
    Parent,
    Context,
    Resource,
    RootResource,
    /// `%sct`, `%loinc`, `%ucum`, `` %`vs-…` ``, `` %`ext-…` ``
    Constant(String),
    /// a name the caller allowed when parsing
    Named(String),
}

#[derive(Debug)]
pub(super) enum Step {
    Member { name: String, beside: String, at: usize },
    Index { index: Expr, at: usize },
    Call(Box<Call>),
}

#[derive(Debug)]
pub(super) struct Call {
    pub function: Function,
    pub args: Vec<Expr>,
    pub at: usize,
    /// for `is`, `as`, `ofType`
    pub wanted: Option<TypeName>,
    /// for `matches` with a literal pattern
    pub pattern: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeTest {
    Is,
    As,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    System,
    Fhir,
}

#[derive(Clone, Debug)]
pub(super) struct TypeName {
    pub space: Option<Space>,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    /// `&`: an absent part is an empty text (Invariant, like those below)
    Join,
    Times,
    Divide,
    Div,
    Mod,
}
