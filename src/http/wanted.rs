//! Operations that only read, by GET with their parameters in the address and by POST with a `Parameters`: `$everything`, `$docref`,
//! `$all-eltss-careplan`. <https://hl7.org/fhir/R4/operations.html#executing>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::fhir::{Pairs, wanted};
use super::operation::parse;
use super::request::Facts;
use super::respond;
use crate::gateway::{Error, Gateway, Wanted};

pub async fn everything(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(patient): Path<String>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(
        &gateway,
        facts,
        &Wanted::Everything { patient: &patient },
        pairs,
        &body,
    )
    .await
}

pub async fn documents(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(&gateway, facts, &Wanted::Documents, pairs, &body).await
}

pub async fn plan_with_all(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(plan): Path<String>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(
        &gateway,
        facts,
        &Wanted::PlanWithAll { plan: &plan },
        pairs,
        &body,
    )
    .await
}

async fn run(
    gateway: &Gateway,
    mut facts: Facts,
    what: &Wanted<'_>,
    mut pairs: Pairs,
    body: &[u8],
) -> Response {
    let Some(format) = wanted(&facts, &pairs) else {
        return respond::not_acceptable();
    };
    // What was asked for is part of the query; the log keeps it as one.
    if !body.is_empty() {
        facts.asked_for(body);
    }
    let lenient = facts.is_lenient();
    let parsed = (!body.is_empty()).then(|| parse(&facts, body)).transpose();
    let asked = async {
        let call = facts.call(gateway).await?;
        pairs.extend(what.pairs(parsed?.as_ref()).map_err(Error::Invalid)?);
        gateway.wanted(&call, what, &pairs, lenient).await
    };
    match asked.await {
        Ok(reply) => respond::reply(reply, format),
        Err(error) => respond::error(error, format),
    }
}
