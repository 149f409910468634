//! Why a write is not done, with the status that R4 gives it. What is said follows from the writer's own words and from what is
//! released to it. <https://hl7.org/fhir/R4/http.html#update>, <https://hl7.org/fhir/R4/http.html#concurrency>

use super::patch::PatchFailure;
use crate::fhir::{Issue, IssueCode};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Absent, foreign and withheld are one: 404.
    NotFound,
    /// The request itself is wrong: 400.
    Invalid(Vec<Issue>),
    /// No such interaction with this type: 405.
    NotSupported,
    /// A step that is none from the state the writer sees: 409. It speaks of that state.
    Conflict(Issue),
    /// Not the version that is released now, or several that a condition names: 412.
    Precondition(Issue),
    /// Understood, and not acceptable: 422.
    Unprocessable(Vec<Issue>),
}

impl Refused {
    pub fn status(&self) -> u16 {
        match self {
            Refused::NotFound => 404,
            Refused::Invalid(_) => 400,
            Refused::NotSupported => 405,
            Refused::Conflict(_) => 409,
            Refused::Precondition(_) => 412,
            Refused::Unprocessable(_) => 422,
        }
    }

    /// A code for the log.
    pub fn code(&self) -> &'static str {
        match self {
            Refused::NotFound => "nothing to release",
            Refused::Invalid(_) => "invalid",
            Refused::NotSupported => "not-supported",
            Refused::Conflict(_) => "no-such-step",
            Refused::Precondition(_) => "precondition-failed",
            Refused::Unprocessable(_) => "unprocessable",
        }
    }

    pub fn issues(&self) -> Vec<Issue> {
        let one = |code, details: &str| vec![Issue::error(code, "", details)];
        match self {
            Refused::NotFound => one(IssueCode::NotFound, "no such resource"),
            Refused::NotSupported => one(IssueCode::NotSupported, "this interaction is not supported here"),
            Refused::Conflict(issue) | Refused::Precondition(issue) => vec![issue.clone()],
            Refused::Invalid(issues) | Refused::Unprocessable(issues) => issues.clone(),
        }
    }

    /// The precondition that is missing (400: RFC 9110's 428 is none of R4's).
    pub fn without_version() -> Refused {
        let why = "state the version this change is made to: If-Match with the ETag of your last read";
        Refused::Invalid(vec![Issue::error(IssueCode::Required, "", why)])
    }

    pub fn stale() -> Refused {
        let why = "this is not the version released to you now; read it again and repeat the change";
        Refused::Precondition(Issue::error(IssueCode::Conflict, "", why))
    }

    pub fn several() -> Refused {
        let why = "the condition fits several resources that you wrote; say more";
        Refused::Precondition(Issue::error(IssueCode::Duplicate, "", why))
    }

    pub(super) fn unprocessable(code: IssueCode, expression: &str, why: &str) -> Refused {
        Refused::Unprocessable(vec![Issue::error(code, expression, why)])
    }
}

impl From<PatchFailure> for Refused {
    fn from(failure: PatchFailure) -> Refused {
        match failure {
            PatchFailure::Malformed(issues) => Refused::Invalid(issues),
            PatchFailure::Inapplicable(issues) => Refused::Unprocessable(issues),
        }
    }
}
