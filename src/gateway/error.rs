//! How the world can fail a use case: one enum, mapped once to a status and an `OperationOutcome`.
//! <https://hl7.org/fhir/R4/http.html#Status-Codes>
//!
//! *No* is not here: a refusal is a value and looks like "not found". Diagnostics come from a closed set.

use postern_rules::fhir::{Issue, IssueCode};

use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong: 400.
    #[error("the request is invalid")]
    Invalid(Vec<Issue>),
    /// The content was understood and is not acceptable: 422.
    #[error("the content is not acceptable")]
    Unprocessable(Vec<Issue>),
    /// No valid token: 401.
    #[error("authentication is required")]
    Unauthenticated,
    /// The token does not allow this kind of request: 403.
    #[error("the token's scope does not allow this")]
    OutOfScope,
    /// The role of this member of staff does not open this door: 403.
    #[error("the role does not allow this")]
    Role,
    /// No such work item, mapping or address: 404.
    #[error("not found")]
    NotFound,
    /// No such interaction with this type: 405.
    #[error("not supported")]
    NotSupported,
    /// The body is of a kind that is not taken: 415.
    #[error("this media type is not taken")]
    MediaType,
    /// Entries of a transaction that cannot be carried out, with the status of the first.
    #[error("entries of the transaction are wrong")]
    Entries(u16, Vec<Issue>),
    /// Someone else was first: 409.
    #[error("the state has changed")]
    Conflict,
    /// This client has asked too much: 429, with the seconds to wait.
    #[error("too many requests")]
    TooMany(u64),
    /// Too much is waiting: 503 with Retry-After.
    #[error("busy")]
    Busy,
    /// The store does not answer or nothing could be recorded: 503, and nothing was disclosed.
    #[error("unavailable")]
    Unavailable,
}

impl Error {
    pub fn status(&self) -> u16 {
        match self {
            Error::Invalid(_) => 400,
            Error::Unauthenticated => 401,
            Error::OutOfScope | Error::Role => 403,
            Error::NotFound => 404,
            Error::NotSupported => 405,
            Error::Entries(status, _) => *status,
            Error::MediaType => 415,
            Error::Conflict => 409,
            Error::Unprocessable(_) => 422,
            Error::TooMany(_) => 429,
            Error::Busy | Error::Unavailable => 503,
        }
    }

    /// What the caller is told.
    pub fn issues(self) -> Vec<Issue> {
        let one = |code, details: &str| vec![Issue::error(code, "", details)];
        match self {
            Error::Invalid(issues) | Error::Unprocessable(issues) | Error::Entries(_, issues) => issues,
            Error::Unauthenticated => one(IssueCode::Login, "a valid access token is required"),
            Error::OutOfScope => one(
                IssueCode::Forbidden,
                "the token's scope, or what this client is registered for, does not allow this request",
            ),
            Error::Role => one(
                IssueCode::Forbidden,
                "the role of this member of staff does not allow this (roles: README)",
            ),
            Error::NotFound => one(IssueCode::NotFound, "no such resource"),
            Error::NotSupported => one(IssueCode::NotSupported, "this interaction is not supported here"),
            Error::MediaType => one(
                IssueCode::NotSupported,
                "resources are taken as application/fhir+json or application/fhir+xml, patches as application/json-patch+json",
            ),
            Error::Conflict => one(IssueCode::Conflict, "the state has changed; read it again"),
            Error::TooMany(_) => one(
                IssueCode::Throttled,
                "too many requests from this client; wait as long as Retry-After says",
            ),
            Error::Busy => one(
                IssueCode::Transient,
                "too many requests are waiting; try again shortly",
            ),
            Error::Unavailable => one(
                IssueCode::Transient,
                "the gateway cannot record disclosures now; try again",
            ),
        }
    }
}

impl From<store::Unavailable> for Error {
    fn from(_: store::Unavailable) -> Error {
        Error::Unavailable
    }
}

impl From<store::Refused> for Error {
    fn from(refused: store::Refused) -> Error {
        match refused {
            store::Refused::Busy => Error::Busy,
            store::Refused::Stale | store::Refused::Duplicate(_) => Error::Conflict,
            store::Refused::Unavailable => Error::Unavailable,
        }
    }
}
