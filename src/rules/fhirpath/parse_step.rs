//! Steps of a path: members, calls with their arguments, names of types.
//! <http://hl7.org/fhirpath/N1/#functions>

use super::ast::{Call, Expr, Literal, Space, Step, TypeName};
use super::function::{Function, Place};
use super::lexer::Token;
use super::parser::Parser;
use super::suggest::nearest;
use super::{SyntaxError, pattern, types};

pub(super) struct GrownStep {
    pub step: Step,
    pub height: usize,
}

impl Parser<'_> {
    pub(super) fn step(&mut self, name: String, quoted: bool, at: usize) -> Result<GrownStep, SyntaxError> {
        if quoted || !self.is_call() {
            let beside = format!("_{name}");
            return Ok(GrownStep {
                step: Step::Member { name, beside, at },
                height: 0,
            });
        }
        let function = self.function(&name, at)?;
        self.expect_symbol("(")?;
        let mut call = Call {
            function,
            args: Vec::new(),
            at,
            wanted: None,
            pattern: None,
        };
        let mut height = 0;
        if function.takes_type() {
            call.wanted = Some(self.type_name()?);
        } else if !matches!(self.peek(), Token::Symbol(")")) {
            loop {
                let arg = self.expression(0)?;
                height = height.max(arg.height);
                call.args.push(arg.expr);
                if !self.accept(",") {
                    break;
                }
            }
        }
        self.expect_symbol(")")?;
        check_arity(&call)?;
        if function == Function::Matches
            && let Some(Expr::Literal(Literal::Text(text))) = call.args.first()
        {
            call.pattern =
                Some(pattern::compile(text, pattern::WRITTEN).map_err(|m| SyntaxError::new(at, m))?);
        }
        Ok(GrownStep {
            step: Step::Call(Box::new(call)),
            height,
        })
    }

    fn function(&self, name: &str, at: usize) -> Result<Function, SyntaxError> {
        match Function::named(name) {
            Some(found) if found.exists_in(self.dialect) => Ok(found),
            Some(found) => {
                let message = match found.place() {
                    Place::Host => format!("{name}() exists in mappings only"),
                    Place::InvariantOnly => format!("{name}() exists in invariants only"),
                    _ => format!("{name}() exists in search expressions and invariants, not in mappings"),
                };
                Err(SyntaxError::new(at, message))
            }
            None => {
                let found = nearest(name, Function::names(self.dialect)).map(|n| format!("{n}()"));
                let shown = if name.len() <= 40 { name } else { "…" };
                Err(SyntaxError::new(at, format!("there is no function {shown}()")).suggest(found))
            }
        }
    }

    /// `Quantity`, `System.String`, `` FHIR.`Patient` ``; unknown names are refused.
    pub(super) fn type_name(&mut self) -> Result<TypeName, SyntaxError> {
        let at = self.at();
        let Token::Name(mut name, _) = self.peek().clone() else {
            return Err(self.unexpected("the name of a type"));
        };
        self.advance();
        let mut space = match name.as_str() {
            "System" => Some(Space::System),
            "FHIR" => Some(Space::Fhir),
            _ => None,
        };
        if space.is_some() && self.is_dot_name() {
            self.advance();
            if let Token::Name(inner, _) = self.advance() {
                name = inner;
            }
        } else {
            space = None;
        }
        if !types::is_known(&name) {
            let found = nearest(&name, types::names()).map(str::to_owned);
            return Err(SyntaxError::new(at, "there is no type of this name").suggest(found));
        }
        Ok(TypeName { space, name })
    }
}

fn check_arity(call: &Call) -> Result<(), SyntaxError> {
    let given = call.args.len() + usize::from(call.wanted.is_some());
    let (least, most) = call.function.arity();
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let wanted = match (least, most) {
        (0, 0) => "no argument".to_owned(),
        (1, 1) => "one argument".to_owned(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    };
    let message = format!("{}() takes {wanted}, not {given}", call.function.name());
    Err(SyntaxError::new(call.at, message))
}
