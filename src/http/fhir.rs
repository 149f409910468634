//! The FHIR interactions: read, vread, search-type, capabilities, and our own profiles.
//! <https://hl7.org/fhir/R4/http.html>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use postern_rules::disclosure::Reading;
use postern_rules::fhir::element::table;
use postern_rules::fhir::{Issue, IssueCode, Value};
use postern_rules::search::View;

use super::binary;
use super::request::Facts;
use super::respond::{self, Format};
use crate::gateway::{Error, Gateway, Reply};

pub(super) type Pairs = Vec<(String, String)>;

pub async fn metadata(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Pairs>,
) -> Response {
    let Some(format) = wanted(&facts, &pairs) else {
        return respond::not_acceptable();
    };
    respond::resource(StatusCode::OK, &gateway.capability_statement(), format)
}

pub async fn structure_definition(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
) -> Response {
    defined(&facts, gateway.structure_definition(&id)).await
}

pub async fn code_system(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
) -> Response {
    defined(&facts, gateway.code_system(&id)).await
}

/// What a source's words become is for partners alone: it tells how the agency works.
pub async fn concept_map(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
) -> Response {
    let Some(format) = wanted(&facts, &[]) else {
        return respond::not_acceptable();
    };
    // Nothing is recorded of it, so nothing else would notice that the token was taken back.
    let call = async { gateway.again(&facts.call(&gateway).await?).await };
    match call.await.map(|_| gateway.concept_map(&id)) {
        Ok(Some(map)) => respond::resource(StatusCode::OK, &map, format),
        Ok(None) => respond::error(Error::NotFound, format),
        Err(error) => respond::error(error, format),
    }
}

async fn defined(facts: &Facts, definition: Option<Value>) -> Response {
    let Some(format) = wanted(facts, &[]) else {
        return respond::not_acceptable();
    };
    match definition {
        Some(definition) => respond::resource(StatusCode::OK, &definition, format),
        None => respond::no_such_route().await,
    }
}

pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((kind, id)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
) -> Response {
    run_read(&gateway, facts, (&kind, &id, None), &pairs).await
}

/// `vread`: the present version is there, any other is not.
pub async fn vread(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((kind, id, version)): Path<(String, String, String)>,
    Query(pairs): Query<Pairs>,
) -> Response {
    run_read(&gateway, facts, (&kind, &id, Some(&version)), &pairs).await
}

async fn run_read(
    gateway: &Gateway,
    facts: Facts,
    (kind, id, version): (&str, &str, Option<&str>),
    pairs: &[(String, String)],
) -> Response {
    if kind == "Binary" {
        let wanted = binary::wanted(&facts.headers, asked(pairs));
        return match find(gateway, facts, (kind, id, version), pairs).await {
            Ok(reply) => binary::reply(reply, wanted),
            Err(error) => respond::error(error, wanted.format()),
        };
    }
    let Some(format) = wanted(&facts, pairs) else {
        return respond::not_acceptable();
    };
    match find(gateway, facts, (kind, id, version), pairs).await {
        Ok(reply) => respond::reply(reply, format),
        Err(error) => respond::error(error, format),
    }
}

async fn find(
    gateway: &Gateway,
    facts: Facts,
    (kind, id, version): (&str, &str, Option<&str>),
    pairs: &[(String, String)],
) -> Result<Reply, Error> {
    let known = facts.header(header::IF_NONE_MATCH).map(str::to_owned);
    let lenient = facts.is_lenient();
    let call = facts.call(gateway).await?;
    let resource_type = known_type(kind)?;
    let view = View::parse(resource_type, pairs, lenient).map_err(Error::Invalid)?;
    let reading = Reading {
        resource_type,
        id,
        version,
        known: known.as_deref(),
        view: &view,
    };
    gateway.read(&call, &reading).await
}

pub async fn search(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(kind): Path<String>,
    Query(pairs): Query<Pairs>,
) -> Response {
    run_search(&gateway, facts, &kind, pairs).await
}

/// `POST [type]/_search`: the same search, its parameters in the body (and the query).
pub async fn search_form(
    State(gateway): State<Arc<Gateway>>,
    mut facts: Facts,
    Path(kind): Path<String>,
    Query(mut pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    if !body.is_empty() && !is_form(&facts) {
        return respond::no_form();
    }
    facts.asked_for(&body);
    pairs.extend(form_urlencoded::parse(&body).into_owned());
    run_search(&gateway, facts, &kind, pairs).await
}

async fn run_search(gateway: &Gateway, facts: Facts, kind: &str, pairs: Pairs) -> Response {
    let Some(format) = wanted(&facts, &pairs) else {
        return respond::not_acceptable();
    };
    let lenient = facts.is_lenient();
    let search = async {
        let call = facts.call(gateway).await?;
        let query = gateway
            .read_query(known_type(kind)?, &pairs, lenient)
            .map_err(Error::Invalid)?;
        gateway.search(&call, &query).await
    };
    match search.await {
        Ok(reply) => respond::reply(reply, format),
        Err(error) => respond::error(error, format),
    }
}

pub(super) fn wanted(facts: &Facts, pairs: &[(String, String)]) -> Option<Format> {
    respond::format(&facts.headers, asked(pairs))
}

/// The value of `_format`.
fn asked(pairs: &[(String, String)]) -> Option<&str> {
    let format = pairs.iter().find(|(name, _)| name == "_format");
    format.map(|(_, value)| value.as_str())
}

pub(super) fn known_type(name: &str) -> Result<&'static str, Error> {
    table()
        .resource_types()
        .find(|known| *known == name)
        .ok_or(Error::NotFound)
}

fn is_form(facts: &Facts) -> bool {
    let media = facts.header(header::CONTENT_TYPE).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A write takes no search parameters.
pub(super) fn only_format(pairs: &[(String, String)]) -> Result<(), Error> {
    if pairs
        .iter()
        .all(|(name, _)| name == "_format" || name == "_pretty")
    {
        return Ok(());
    }
    let issue = Issue::error(
        IssueCode::NotSupported,
        "",
        "this takes no parameters but _format",
    );
    Err(Error::Invalid(vec![issue]))
}
