//! What can go wrong: at parsing (`SyntaxError`) and at evaluation (`EvalError`). Messages never quote data.
//! <http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>

use std::fmt;

/// The text is not an expression of this language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset in the text.
    pub offset: usize,
    pub message: String,
    /// The nearest valid name, as it would be written.
    pub suggestion: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            offset,
            message: message.into(),
            suggestion: None,
        }
    }

    pub(super) fn suggest(mut self, suggestion: Option<String>) -> SyntaxError {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.offset, self.message)?;
        match &self.suggestion {
            Some(name) => write!(f, "; did you mean {name}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SyntaxError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalCode {
    /// more than one value where one is expected
    Singleton,
    /// a value of the wrong kind
    Type,
    /// steps, items or length of a text
    Limit,
    /// a variable, host or host function that this evaluation does not have
    Missing,
    /// a member that the FHIR type does not have
    UnknownMember,
    /// outside the language: arithmetic on decimals, quantities of different units
    Unsupported,
    /// a host function said no
    Host,
}

/// Evaluation stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    pub code: EvalCode,
    /// Byte offset in the expression.
    pub offset: usize,
    pub message: String,
}

impl EvalError {
    pub fn new(code: EvalCode, offset: usize, message: impl Into<String>) -> EvalError {
        EvalError {
            code,
            offset,
            message: message.into(),
        }
    }

    /// A host function cannot answer.
    pub fn host(offset: usize, message: impl Into<String>) -> EvalError {
        EvalError::new(EvalCode::Host, offset, message)
    }

    /// Is it a limit, so that the same expression may work on a smaller input?
    pub fn is_limit(&self) -> bool {
        self.code == EvalCode::Limit
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.offset, self.message)
    }
}

impl std::error::Error for EvalError {}
