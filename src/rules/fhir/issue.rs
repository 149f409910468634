//! Problems as values: one `Issue` becomes one `OperationOutcome.issue`.
//! <https://hl7.org/fhir/R4/operationoutcome.html>
//!
//! `details` comes from a closed set of sentences. It may name an element, a rule or a type; it never
//! quotes a value from a record, because an outcome can reach people who may not see that value.

use serde_json::{Value, json};

/// <https://hl7.org/fhir/R4/valueset-issue-severity.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    pub fn code(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

/// The codes of <https://hl7.org/fhir/R4/valueset-issue-type.html> that Postern uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueCode {
    Invalid,
    Structure,
    Required,
    Value,
    Invariant,
    Login,
    Unknown,
    Expired,
    Forbidden,
    NotSupported,
    Duplicate,
    NotFound,
    TooLong,
    CodeInvalid,
    Extension,
    TooCostly,
    BusinessRule,
    Conflict,
    Transient,
    Throttled,
    Timeout,
    Exception,
    Informational,
}

impl IssueCode {
    pub fn code(self) -> &'static str {
        match self {
            IssueCode::Invalid => "invalid",
            IssueCode::Structure => "structure",
            IssueCode::Required => "required",
            IssueCode::Value => "value",
            IssueCode::Invariant => "invariant",
            IssueCode::Login => "login",
            IssueCode::Unknown => "unknown",
            IssueCode::Expired => "expired",
            IssueCode::Forbidden => "forbidden",
            IssueCode::NotSupported => "not-supported",
            IssueCode::Duplicate => "duplicate",
            IssueCode::NotFound => "not-found",
            IssueCode::TooLong => "too-long",
            IssueCode::CodeInvalid => "code-invalid",
            IssueCode::Extension => "extension",
            IssueCode::TooCostly => "too-costly",
            IssueCode::BusinessRule => "business-rule",
            IssueCode::Conflict => "conflict",
            IssueCode::Transient => "transient",
            IssueCode::Throttled => "throttled",
            IssueCode::Timeout => "timeout",
            IssueCode::Exception => "exception",
            IssueCode::Informational => "informational",
        }
    }
}

/// One problem: how bad, of what kind, where (FHIRPath), and a sentence a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    pub code: IssueCode,
    /// FHIRPath of the element (`Patient.name[0].family`); empty when the whole input is meant.
    pub expression: String,
    pub details: String,
}

impl Issue {
    pub fn error(code: IssueCode, expression: impl Into<String>, details: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Error,
            code,
            expression: expression.into(),
            details: details.into(),
        }
    }
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.expression.as_str() {
            "" => write!(f, "{}", self.details),
            path => write!(f, "{path}: {}", self.details),
        }
    }
}

/// The issues as a resource. R4 demands at least one issue, so none becomes one informational "ok".
pub fn operation_outcome(issues: &[Issue]) -> Value {
    let mut list: Vec<Value> = issues.iter().map(issue_json).collect();
    if list.is_empty() {
        list.push(json!({"severity": "information", "code": "informational", "diagnostics": "ok"}));
    }
    json!({"resourceType": "OperationOutcome", "issue": list})
}

fn issue_json(issue: &Issue) -> Value {
    let mut out = json!({
        "severity": issue.severity.code(),
        "code": issue.code.code(),
        "diagnostics": issue.details,
    });
    if !issue.expression.is_empty() {
        out["expression"] = json!([issue.expression]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_always_has_an_issue() {
        assert_eq!(operation_outcome(&[])["issue"][0]["severity"], "information");
        let issue = Issue::error(IssueCode::Required, "Patient.name", "is required");
        let outcome = operation_outcome(&[issue]);
        assert_eq!(outcome["issue"][0]["expression"][0], "Patient.name");
        assert_eq!(outcome["issue"][0]["code"], "required");
    }
}
