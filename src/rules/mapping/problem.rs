//! One problem of a mapping or of a record, at a line and column of the mapping.
//! Shape and rules: SEMANTICS section 6, `README.md` beside this file; targets are R4 paths as in
//! <https://hl7.org/fhir/R4/elementdefinition.html>.
//!
//! A message names elements, fields, formats and the known values of a code map; it never quotes the record.

use crate::fhir::{Issue, IssueCode};
use crate::fhirpath::nearest;
use std::fmt;

/// A place in a file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    pub line: u32,
    pub column: u32,
}

/// What kind of rule a mapping or a record broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The YAML itself, or a part of YAML that mappings may not use.
    Yaml,
    /// A key that is unknown, missing or misplaced.
    Key,
    /// No such element in R4.
    Element,
    /// One value where R4 has a list, or the reverse.
    List,
    /// A literal that is not a value of the element's type.
    Literal,
    /// A code map: missing, or a bad row.
    Map,
    /// An expression that does not parse.
    Syntax,
    /// A required value is missing.
    Required,
    /// More than one value for one element.
    Many,
    /// A value of the wrong type.
    Type,
    /// A value outside its type's lexical form or range.
    Value,
    /// A code that the code map does not know.
    Code,
    /// A date not in the stated format, or impossible.
    Date,
    /// A resource id without a usable identifier.
    Id,
    /// A reference to a type that the element does not allow.
    Reference,
    /// Two different resources with the same type and id.
    Duplicate,
    /// `$if` gave something other than true or false.
    Condition,
    /// An expression failed on this record.
    Expression,
    /// A limit was passed.
    Limit,
    /// Not about one person, or about another.
    Person,
    /// The made resource is not R4.
    R4,
}

impl Rule {
    /// The word used in `cases/*.errors.json`.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Yaml => "yaml",
            Rule::Key => "key",
            Rule::Element => "element",
            Rule::List => "list",
            Rule::Literal => "literal",
            Rule::Map => "map",
            Rule::Syntax => "syntax",
            Rule::Required => "required",
            Rule::Many => "many",
            Rule::Type => "type",
            Rule::Value => "value",
            Rule::Code => "code",
            Rule::Date => "date",
            Rule::Id => "id",
            Rule::Reference => "reference",
            Rule::Duplicate => "duplicate",
            Rule::Condition => "condition",
            Rule::Expression => "expression",
            Rule::Limit => "limit",
            Rule::Person => "person",
            Rule::R4 => "r4",
        }
    }
}

/// One problem. `target` and `source` are empty where none is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// FHIRPath of the element, with indexes at run time: `CarePlan.activity[2].detail.status`.
    pub target: String,
    /// Path of the source field, with indexes at run time; several are separated by `, `.
    pub source: String,
    pub rule: Rule,
    pub message: String,
}

impl Problem {
    /// As an issue of an OperationOutcome, with its place in the mapping.
    pub fn issue(&self) -> Issue {
        let code = match self.rule {
            Rule::Yaml | Rule::Key | Rule::Element | Rule::List | Rule::R4 => IssueCode::Structure,
            Rule::Literal | Rule::Type | Rule::Value | Rule::Date | Rule::Id | Rule::Reference => {
                IssueCode::Value
            }
            Rule::Map | Rule::Code => IssueCode::CodeInvalid,
            Rule::Syntax | Rule::Condition | Rule::Expression | Rule::Many => IssueCode::Invalid,
            Rule::Required => IssueCode::Required,
            Rule::Duplicate => IssueCode::Duplicate,
            Rule::Limit => IssueCode::TooCostly,
            Rule::Person => IssueCode::BusinessRule,
        };
        Issue::error(code, self.target.as_str(), self.to_string())
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: target: message (from source)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.target.is_empty() {
            write!(f, "{}: ", self.target)?;
        }
        f.write_str(&self.message)?;
        if !self.source.is_empty() {
            write!(f, " (from {})", self.source)?;
        }
        Ok(())
    }
}

/// `" (did you mean `x`?)"`, or nothing.
pub(super) fn suggestion<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    match nearest(wanted, known) {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line() {
        let mut problem = Problem {
            file: "m.map.yaml".to_owned(),
            line: 3,
            column: 9,
            target: String::new(),
            source: String::new(),
            rule: Rule::Required,
            message: "a value is required".to_owned(),
        };
        assert_eq!(problem.to_string(), "m.map.yaml:3:9: a value is required");
        problem.target = "Patient.name[0].family".to_owned();
        problem.source = "client.lastName".to_owned();
        let line = "m.map.yaml:3:9: Patient.name[0].family: a value is required (from client.lastName)";
        assert_eq!(problem.to_string(), line);
        assert_eq!(problem.issue().code, IssueCode::Required);
    }
}
