//! `POST [type]/$validate` and `[type]/[id]/$validate`: a resource, or Parameters that hold one, is checked; 200 with the
//! OperationOutcome, whatever it says. <https://hl7.org/fhir/R4/resource-operation-validate.html>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use postern_rules::fhir::Value;
use postern_rules::fhir::element::table;

use super::fhir::{Pairs, wanted};
use super::operation::parse;
use super::request::Facts;
use super::respond;
use crate::gateway::{Error, Gateway, read_validation};

pub async fn of_type(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(resource_type): Path<String>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    answer(&gateway, facts, (&resource_type, None), &pairs, &body).await
}

pub async fn of_instance(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((resource_type, id)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    answer(&gateway, facts, (&resource_type, Some(&id)), &pairs, &body).await
}

async fn answer(
    gateway: &Arc<Gateway>,
    facts: Facts,
    address: (&str, Option<&str>),
    pairs: &Pairs,
    body: &[u8],
) -> Response {
    let Some(format) = wanted(&facts, pairs) else {
        return respond::not_acceptable();
    };
    if table().resource(address.0).is_none() {
        return respond::no_such_route().await;
    }
    match run(gateway, facts, address, pairs, body).await {
        Ok(outcome) => respond::resource(StatusCode::OK, &outcome, format),
        Err(error) => respond::error(error, format),
    }
}

/// Who may not call is told that before what is wrong with the body.
async fn run(
    gateway: &Arc<Gateway>,
    facts: Facts,
    (resource_type, id): (&str, Option<&str>),
    pairs: &Pairs,
    body: &[u8],
) -> Result<Value, Error> {
    let body = parse(&facts, body);
    let call = facts.call(gateway).await?;
    let asked = read_validation(resource_type, id, pairs, body?)?;
    gateway.validate(&call, asked).await
}
