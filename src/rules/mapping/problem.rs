//! One problem of a mapping or of a record, at a line and column of the mapping.
//! Shape and rules: SEMANTICS section 6, `README.md` beside this file; targets are R4 paths as in
//! <https://hl7.org/fhir/R4/elementdefinition.html>.
//!
//! A message names elements, fields, formats and the known values of a code map; it never quotes the record.

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

/// The known name nearest to `wanted`, where it is near enough to be a likely slip of the pen.
pub(super) fn nearest<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if wanted.len() > 64 {
        return None;
    }
    let limit = (wanted.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .filter(|name| name.len() <= 64)
        .map(|name| (distance(wanted, name), name))
        .filter(|(far, _)| *far <= limit)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// `" (did you mean `x`?)"`, or nothing.
pub(super) fn suggestion<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    match nearest(wanted, known) {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => String::new(),
    }
}

/// Levenshtein distance without regard to case; only for short names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        let names = ["birthDate", "gender", "name"];
        assert_eq!(nearest("brithDate", names), Some("birthDate"));
        assert_eq!(nearest("birthdate", names), Some("birthDate"));
        assert_eq!(nearest("genders", names), Some("gender"));
        assert_eq!(nearest("telecommunication", names), None);
    }

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
    }
}
