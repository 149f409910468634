//! `POST /intake/{source}/{record}`: one record of an internal system, JSON, with the source's bearer token.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use postern_rules::fhir::{Issue, IssueCode};
use serde_json::json;

use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::gateway::{Error, Gateway, Intake, Rejected};

pub async fn accept(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((source, record)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    match take_in(&gateway, facts, &source, &record, &body).await {
        Ok(response) => response,
        Err(error) => respond::error(error, Format::Json),
    }
}

async fn take_in(
    gateway: &Gateway,
    facts: Facts,
    source: &str,
    record: &str,
    body: &[u8],
) -> Result<Response, Error> {
    facts.source(gateway, source).await?;
    let body = Gateway::parse_record(body).map_err(Error::Invalid)?;
    let intake = Intake {
        source,
        record,
        body: &body,
        staff: None,
        address: &facts.address,
        request: &facts.request,
    };
    let accepted = gateway.accept(&intake, false).await.map_err(refused)?;
    let report = json!({
        "resources": accepted.resources,
        "changed": accepted.changed,
        "retired": accepted.retired,
        "unmapped": accepted.unmapped,
        "leftOut": accepted.left_out,
    });
    Ok(respond::plain(
        StatusCode::OK,
        JSON,
        Bytes::from(report.to_string()),
    ))
}

fn refused(rejected: Rejected) -> Error {
    match rejected {
        Rejected::NoMapping(_) => Error::NotFound,
        Rejected::Failed(error) => error,
        Rejected::Problems(problems) => Error::Unprocessable(
            problems
                .iter()
                .map(|p| Issue::error(IssueCode::Value, p.target.clone(), p.to_string()))
                .collect(),
        ),
    }
}
