//! Operations on `Patient`: `$match`, `$break-glass`, `$request-more`, and their definitions.
//! <https://hl7.org/fhir/R4/operations.html>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use postern_rules::fhir::{Value, json, xml};

use super::request::Facts;
use super::respond;
use crate::gateway::{Error, Gateway, Reply};

pub async fn definition(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
) -> Response {
    let Some(format) = respond::format(&facts.headers, None) else {
        return respond::not_acceptable();
    };
    match gateway.operation_definition(&id) {
        Some(definition) => respond::resource(StatusCode::OK, &definition, format),
        None => respond::no_such_route().await,
    }
}

pub async fn match_person(State(gateway): State<Arc<Gateway>>, mut facts: Facts, body: Bytes) -> Response {
    // Who was looked for is part of the query; the log keeps it as one.
    facts.asked_for(&body);
    run(facts, &body, async |facts, body| {
        gateway.match_person(&facts.call(&gateway).await?, &body?).await
    })
    .await
}

pub async fn break_glass(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    run(facts, &body, async |facts, body| {
        gateway.break_glass(&facts.call(&gateway).await?, &body?).await
    })
    .await
}

pub async fn request_more(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    run(facts, &body, async |facts, body| {
        let call = facts.call(&gateway).await?;
        gateway.request_more(&call, &id, &body?).await
    })
    .await
}

/// Who may not call is told that before what is wrong with the body.
async fn run(
    facts: Facts,
    body: &[u8],
    call: impl AsyncFnOnce(Facts, Result<Value, Error>) -> Result<Reply, Error>,
) -> Response {
    let Some(format) = respond::format(&facts.headers, None) else {
        return respond::not_acceptable();
    };
    let body = parse(&facts, body);
    match call(facts, body).await {
        Ok(reply) => respond::reply(reply, format),
        Err(error) => respond::error(error, format),
    }
}

/// A body as the client says it is written.
pub(super) fn parse(facts: &Facts, body: &[u8]) -> Result<Value, Error> {
    let media = facts.header(header::CONTENT_TYPE).unwrap_or_default();
    let parsed = if media.contains("xml") {
        xml::from_xml(body)
    } else {
        json::parse(body)
    };
    parsed.map_err(Error::Invalid)
}
