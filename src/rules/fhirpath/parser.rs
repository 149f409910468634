//! Tokens to a tree: a Pratt parser with limits on depth and size, and messages that say what would be right.
//! <http://hl7.org/fhirpath/N1/#operator-precedence>

use super::ast::{Expr, Literal, Operator, Step, TypeTest, Unit, Variable};
use super::lexer::{Spot, Token, tokens};
use super::suggest::nearest;
use super::{Dialect, SyntaxError};

pub(super) const MAX_TEXT: usize = 64 * 1024;
pub(super) const MAX_DEPTH: usize = 64;
pub(super) const MAX_NODES: usize = 4096;

const CALENDAR: [&str; 16] = [
    "year",
    "years",
    "month",
    "months",
    "week",
    "weeks",
    "day",
    "days",
    "hour",
    "hours",
    "minute",
    "minutes",
    "second",
    "seconds",
    "millisecond",
    "milliseconds",
];
const VARIABLES: [&str; 4] = ["source", "row", "now", "parent"];
const SEARCH_VARIABLES: [&str; 6] = ["context", "resource", "rootResource", "sct", "loinc", "ucum"];

/// A part of the tree with its height, which bounds the recursion of whoever walks it.
pub(super) struct Grown {
    pub expr: Expr,
    pub height: usize,
}

pub(super) struct Parser<'t> {
    pub(super) dialect: Dialect,
    pub(super) names: &'t [&'t str],
    spots: Vec<Spot>,
    next: usize,
    depth: usize,
    nodes: usize,
}

pub(super) fn parse(text: &str, dialect: Dialect, names: &[&str]) -> Result<Expr, SyntaxError> {
    if text.len() > MAX_TEXT {
        return Err(SyntaxError::new(0, "this expression is longer than 64 KiB"));
    }
    let mut parser = Parser {
        dialect,
        names,
        spots: tokens(text)?,
        next: 0,
        depth: 0,
        nodes: 0,
    };
    if *parser.peek() == Token::End {
        return Err(SyntaxError::new(0, "an expression is missing"));
    }
    let grown = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(grown.expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        &self.spots[self.next].token
    }

    fn peek_after(&self) -> &Token {
        &self.spots[(self.next + 1).min(self.spots.len() - 1)].token
    }

    pub(super) fn at(&self) -> usize {
        self.spots[self.next].at
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.spots.len() - 1);
        token
    }

    pub(super) fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.accept(symbol) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{symbol}'")))
        }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> SyntaxError {
        SyntaxError::new(
            self.at(),
            format!("expected {wanted}, found {}", self.peek().shown()),
        )
    }

    pub(super) fn grow(&mut self, expr: Expr, below: usize) -> Result<Grown, SyntaxError> {
        self.nodes += 1;
        let height = below + 1;
        if height > MAX_DEPTH {
            return Err(SyntaxError::new(
                self.at(),
                "this expression is nested deeper than 64",
            ));
        }
        if self.nodes > MAX_NODES {
            return Err(SyntaxError::new(
                self.at(),
                "this expression has more than 4096 parts",
            ));
        }
        Ok(Grown { expr, height })
    }

    /// Everything that binds tighter than `least`.
    pub(super) fn expression(&mut self, least: u8) -> Result<Grown, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError::new(
                self.at(),
                "this expression is nested deeper than 64",
            ));
        }
        let mut left = self.unary()?;
        while let Some((power, infix)) = self.infix()? {
            if power <= least {
                break;
            }
            let at = self.at();
            self.advance();
            left = match infix {
                Infix::Operator(operator) => self.binary(operator, left, power, at)?,
                Infix::Union => self.union(left, power, at)?,
                Infix::Type(test) => {
                    let wanted = self.type_name()?;
                    let expr = Expr::Type {
                        test,
                        operand: Box::new(left.expr),
                        wanted,
                        at,
                    };
                    self.grow(expr, left.height)?
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: Grown,
        power: u8,
        at: usize,
    ) -> Result<Grown, SyntaxError> {
        let right = self.expression(power)?;
        let adds = matches!(operator, Operator::Plus | Operator::Minus);
        let decimal = |e: &Expr| matches!(e, Expr::Literal(Literal::Decimal(_)));
        if adds && self.dialect != Dialect::Invariant && (decimal(&left.expr) || decimal(&right.expr)) {
            let message =
                "decimals are never added or subtracted: their digits and precision belong to the source";
            return Err(SyntaxError::new(at, message));
        }
        let below = left.height.max(right.height);
        let expr = Expr::Binary {
            operator,
            left: Box::new(left.expr),
            right: Box::new(right.expr),
            at,
        };
        self.grow(expr, below)
    }

    fn union(&mut self, left: Grown, power: u8, at: usize) -> Result<Grown, SyntaxError> {
        let right = self.expression(power)?;
        if let Expr::Union { mut parts, at } = left.expr {
            parts.push(right.expr);
            return self.grow(Expr::Union { parts, at }, (left.height - 1).max(right.height));
        }
        let below = left.height.max(right.height);
        self.grow(
            Expr::Union {
                parts: vec![left.expr, right.expr],
                at,
            },
            below,
        )
    }

    fn infix(&self) -> Result<Option<(u8, Infix)>, SyntaxError> {
        let word = match self.peek() {
            Token::Symbol(symbol) => symbol,
            Token::Name(name, false) => name.as_str(),
            _ => return Ok(None),
        };
        use Infix::Operator as Op;
        let found = match word {
            "implies" => (1, Op(Operator::Implies)),
            "or" => (2, Op(Operator::Or)),
            "xor" => (2, Op(Operator::Xor)),
            "and" => (3, Op(Operator::And)),
            "in" => (4, Op(Operator::In)),
            "contains" => (4, Op(Operator::Contains)),
            "=" => (5, Op(Operator::Equal)),
            "!=" => (5, Op(Operator::NotEqual)),
            "~" => (5, Op(Operator::Equivalent)),
            "!~" => (5, Op(Operator::NotEquivalent)),
            "<" => (6, Op(Operator::Less)),
            "<=" => (6, Op(Operator::LessOrEqual)),
            ">" => (6, Op(Operator::Greater)),
            ">=" => (6, Op(Operator::GreaterOrEqual)),
            "|" => (7, Infix::Union),
            "is" => (8, Infix::Type(TypeTest::Is)),
            "as" => (8, Infix::Type(TypeTest::As)),
            "+" => (9, Op(Operator::Plus)),
            "-" => (9, Op(Operator::Minus)),
            "&" if self.dialect == Dialect::Invariant => (9, Op(Operator::Join)),
            "*" if self.dialect == Dialect::Invariant => (10, Op(Operator::Times)),
            "/" if self.dialect == Dialect::Invariant => (10, Op(Operator::Divide)),
            "div" if self.dialect == Dialect::Invariant => (10, Op(Operator::Div)),
            "mod" if self.dialect == Dialect::Invariant => (10, Op(Operator::Mod)),
            "&" => return self.refuse(
                "'&' is not used here, it hides what is missing: use '+', which is empty if a part is empty",
            ),
            "*" | "/" | "div" | "mod" => {
                return self.refuse("multiplying and dividing are not part of this language");
            }
            _ => return Ok(None),
        };
        let search_only = matches!(word, "xor" | "contains" | "~" | "!~" | "is");
        if search_only && self.dialect == Dialect::Mapping {
            let other = if word == "contains" {
                ": write 'in' with its sides exchanged"
            } else {
                ""
            };
            return self.refuse(&format!(
                "'{word}' exists in search expressions and invariants, not in mappings{other}"
            ));
        }
        Ok(Some(found))
    }

    fn refuse<T>(&self, message: &str) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(self.at(), message))
    }

    fn unary(&mut self) -> Result<Grown, SyntaxError> {
        let at = self.at();
        if self.accept("+") {
            return self.unary_operand();
        }
        if !self.accept("-") {
            return self.postfix();
        }
        let operand = self.unary_operand()?;
        let expr = match operand.expr {
            Expr::Literal(Literal::Integer(n)) => Expr::Literal(Literal::Integer(-n)),
            Expr::Literal(Literal::Decimal(text)) if !text.starts_with('-') => {
                Expr::Literal(Literal::Decimal(format!("-{text}")))
            }
            other => Expr::Negative {
                operand: Box::new(other),
                at,
            },
        };
        self.grow(expr, operand.height)
    }

    fn unary_operand(&mut self) -> Result<Grown, SyntaxError> {
        // binds tighter than every infix operator
        self.expression(u8::MAX)
    }

    fn postfix(&mut self) -> Result<Grown, SyntaxError> {
        let primary = self.primary()?;
        let (head, mut steps, mut below) = match primary.expr {
            Expr::Path { head, steps } => (head, steps, primary.height - 1),
            other => (Some(Box::new(other)), Vec::new(), primary.height),
        };
        loop {
            let at = self.at();
            if self.accept(".") {
                let at = self.at();
                let step = match self.advance() {
                    Token::Name(name, quoted) => self.step(name, quoted, at)?,
                    Token::Special(name) if name == "this" => continue,
                    // HL7 v2 fields: PID.5[0].1; the lexer reads `5.1` as one number
                    Token::Number(number) if self.dialect == Dialect::Mapping => {
                        for part in number.split('.') {
                            steps.push(self.step(part.to_owned(), true, at)?.step);
                        }
                        continue;
                    }
                    _ => {
                        self.next -= 1;
                        return Err(self.unexpected("a name after '.'"));
                    }
                };
                below = below.max(step.height);
                steps.push(step.step);
            } else if self.accept("[") {
                let index = self.expression(0)?;
                self.expect_symbol("]")?;
                below = below.max(index.height);
                steps.push(Step::Index {
                    index: index.expr,
                    at,
                });
            } else {
                break;
            }
            self.grow(Expr::Empty, 0)?;
        }
        match head {
            Some(head) if steps.is_empty() => Ok(Grown {
                expr: *head,
                height: primary.height,
            }),
            head => self.grow(Expr::Path { head, steps }, below),
        }
    }

    fn primary(&mut self) -> Result<Grown, SyntaxError> {
        let at = self.at();
        let expr = match self.advance() {
            Token::Text(text) => Expr::Literal(Literal::Text(text)),
            Token::Moment(moment) => Expr::Literal(Literal::Moment(moment)),
            Token::Number(number) => self.number(number),
            Token::Variable(name) => Expr::Variable {
                variable: self.variable(name, at)?,
                at,
            },
            Token::Special(name) => return self.special(&name, at),
            Token::Name(name, false) if name == "true" => Expr::Literal(Literal::Bool(true)),
            Token::Name(name, false) if name == "false" => Expr::Literal(Literal::Bool(false)),
            Token::Name(name, false)
                if matches!(name.as_str(), "and" | "or" | "xor" | "implies" | "div" | "mod") =>
            {
                let message = format!(
                    "'{name}' is an operator; as the name of a field write `{name}` between backticks"
                );
                return Err(SyntaxError::new(at, message));
            }
            Token::Name(name, quoted) => {
                let step = self.step(name, quoted, at)?;
                return self.grow(
                    Expr::Path {
                        head: None,
                        steps: vec![step.step],
                    },
                    step.height,
                );
            }
            Token::Symbol("(") => {
                let inner = self.expression(0)?;
                self.expect_symbol(")")?;
                // a path in brackets keeps its own steps: `(a.b)[0]` indexes the whole
                return match inner.expr {
                    path @ Expr::Path { .. } => self.grow(
                        Expr::Path {
                            head: Some(Box::new(path)),
                            steps: Vec::new(),
                        },
                        inner.height,
                    ),
                    expr => Ok(Grown {
                        expr,
                        height: inner.height,
                    }),
                };
            }
            Token::Symbol("{") => {
                self.expect_symbol("}")?;
                Expr::Empty
            }
            _ => {
                self.next = self.spots.iter().position(|s| s.at == at).unwrap_or(self.next);
                return Err(self.unexpected("a value"));
            }
        };
        self.grow(expr, 0)
    }

    fn number(&mut self, number: String) -> Expr {
        let unit = match self.peek() {
            Token::Text(unit) => Some(Unit::Ucum(unit.clone())),
            Token::Name(name, false) if CALENDAR.contains(&name.as_str()) => {
                Some(Unit::Calendar(name.clone()))
            }
            _ => None,
        };
        if let Some(unit) = unit {
            self.advance();
            return Expr::Literal(Literal::Quantity { value: number, unit });
        }
        match number.parse::<i64>() {
            Ok(whole) => Expr::Literal(Literal::Integer(whole)),
            Err(_) => Expr::Literal(Literal::Decimal(number)),
        }
    }

    fn special(&mut self, name: &str, at: usize) -> Result<Grown, SyntaxError> {
        match name {
            "this" => self.grow(
                Expr::Path {
                    head: None,
                    steps: Vec::new(),
                },
                0,
            ),
            "index" => self.grow(
                Expr::Variable {
                    variable: Variable::Index,
                    at,
                },
                0,
            ),
            "total" => Err(SyntaxError::new(
                at,
                "$total belongs to aggregate(), which this language leaves out",
            )),
            _ => Err(
                SyntaxError::new(at, "after $ only 'this' and 'index' have a meaning")
                    .suggest(nearest(name, ["this", "index"]).map(|n| format!("${n}"))),
            ),
        }
    }

    fn variable(&self, name: String, at: usize) -> Result<Variable, SyntaxError> {
        if self.names.contains(&name.as_str()) {
            return Ok(Variable::Named(name));
        }
        let search = self.dialect.is_typed();
        Ok(match name.as_str() {
            "source" => Variable::Source,
            "row" => Variable::Row,
            "now" => Variable::Now,
            "parent" => Variable::Parent,
            "context" if search => Variable::Context,
            "resource" if search => Variable::Resource,
            "rootResource" if search => Variable::RootResource,
            "sct" if search => Variable::Constant("http://snomed.info/sct".to_owned()),
            "loinc" if search => Variable::Constant("http://loinc.org".to_owned()),
            "ucum" if search => Variable::Constant("http://unitsofmeasure.org".to_owned()),
            other => {
                if let Some(set) = other.strip_prefix("vs-").filter(|_| search) {
                    return Ok(Variable::Constant(format!("http://hl7.org/fhir/ValueSet/{set}")));
                }
                if let Some(extension) = other.strip_prefix("ext-").filter(|_| search) {
                    return Ok(Variable::Constant(format!(
                        "http://hl7.org/fhir/StructureDefinition/{extension}"
                    )));
                }
                let known = VARIABLES.iter().chain(self.names).copied();
                let more = SEARCH_VARIABLES.iter().copied().filter(|_| search);
                let found = nearest(other, known.chain(more)).map(|n| format!("%{n}"));
                return Err(SyntaxError::new(at, "there is no variable of this name").suggest(found));
            }
        })
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self.peek(), Token::Symbol("("))
    }

    pub(super) fn is_dot_name(&self) -> bool {
        matches!(self.peek(), Token::Symbol(".")) && matches!(self.peek_after(), Token::Name(..))
    }
}

enum Infix {
    Operator(Operator),
    Union,
    Type(TypeTest),
}
