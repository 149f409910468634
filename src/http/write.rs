//! Creating, updating and patching over HTTP: media types, `If-Match`, `If-None-Exist`, `Prefer`.
//! <https://hl7.org/fhir/R4/http.html#update>, <https://www.rfc-editor.org/rfc/rfc7240>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::Response;
use postern_rules::disclosure::Shows;
use postern_rules::fhir::{Issue, IssueCode, Value, json, xml};

use super::fhir::{known_type, only_format, wanted};
use super::request::Facts;
use super::respond;
use crate::gateway::{Call, Error, Gateway, Intent, Target, Written};

type Pairs = Vec<(String, String)>;

const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// `POST /fhir/[type]`
pub async fn create(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(kind): Path<String>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(&gateway, facts, &pairs, async |call, headers| {
        let kind = known_type(&kind)?;
        gateway.may_create(call, kind)?;
        let body = resource(headers, &body)?;
        if body["resourceType"] != kind {
            let why = "the resourceType of the body and of the address differ";
            return Err(Error::Invalid(vec![Issue::error(IssueCode::Invalid, "", why)]));
        }
        let unless = text(headers, &IF_NONE_EXIST);
        Ok(Intent::Create { body, unless })
    })
    .await
}

/// `PUT /fhir/[type]/[id]`
pub async fn update(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((kind, id)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(&gateway, facts, &pairs, async |call, headers| {
        let target = target(&kind, id, headers)?;
        gateway.may_update(call, target.resource_type)?;
        let body = resource(headers, &body)?;
        Ok(Intent::Update { target, body })
    })
    .await
}

/// `PATCH /fhir/[type]/[id]`, with a JSON Patch.
pub async fn patch(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path((kind, id)): Path<(String, String)>,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    run(&gateway, facts, &pairs, async |call, headers| {
        let target = target(&kind, id, headers)?;
        gateway.may_update(call, target.resource_type)?;
        if media(headers) != "application/json-patch+json" {
            return Err(Error::MediaType);
        }
        let patch = json::parse(&body).map_err(Error::Invalid)?;
        Ok(Intent::Patch { target, patch })
    })
    .await
}

/// `POST /fhir`: a batch or a transaction.
pub async fn bundle(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Pairs>,
    body: Bytes,
) -> Response {
    let Some(format) = wanted(&facts, &pairs) else {
        return respond::not_acceptable();
    };
    let headers = facts.headers.clone();
    let answered = async {
        let call = facts.call(&gateway).await?;
        only_format(&pairs)?;
        let bundle = resource(&headers, &body)?;
        gateway.bundle(&call, &bundle, shows(&headers)).await
    };
    match answered.await {
        Ok(reply) => respond::reply(reply, format),
        Err(error) => respond::error(error, format),
    }
}

/// Who may not write is told that before what is wrong with the body.
async fn run(
    gateway: &Gateway,
    facts: Facts,
    pairs: &[(String, String)],
    intent: impl AsyncFnOnce(&Call, &HeaderMap) -> Result<Intent, Error>,
) -> Response {
    let Some(format) = wanted(&facts, pairs) else {
        return respond::not_acceptable();
    };
    let headers = facts.headers.clone();
    let write = async {
        let call = facts.call(gateway).await?;
        only_format(pairs)?;
        let intent = intent(&call, &headers).await?;
        gateway.write(&call, &intent, shows(&headers)).await
    };
    match write.await {
        Ok(Written { reply, location }) => respond::written(reply, location, format),
        Err(error) => respond::error(error, format),
    }
}

fn target(kind: &str, id: String, headers: &HeaderMap) -> Result<Target, Error> {
    Ok(Target {
        resource_type: known_type(kind)?,
        id,
        version: text(headers, &header::IF_MATCH),
    })
}

/// A resource in one of its two formats.
pub(super) fn resource(headers: &HeaderMap, body: &[u8]) -> Result<Value, Error> {
    let parsed = match media(headers).as_str() {
        "application/fhir+json" | "application/json" | "application/json+fhir" | "text/json" => {
            json::parse(body)
        }
        "application/fhir+xml" | "application/xml" | "application/xml+fhir" | "text/xml" => {
            xml::from_xml(body)
        }
        _ => return Err(Error::MediaType),
    };
    parsed.map_err(Error::Invalid)
}

/// The media type of the body, without its parameters.
fn media(headers: &HeaderMap) -> String {
    let stated = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let media = stated.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// `Prefer: return=…`; whatever else is preferred is no business of a write.
pub(super) fn shows(headers: &HeaderMap) -> Shows {
    let stated = headers.get_all(PREFER);
    let preferred: Vec<&str> = stated
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .map(str::trim)
        .collect();
    let returns = preferred.iter().find_map(|one| one.strip_prefix("return="));
    match returns.map(|value| value.trim_matches('"')) {
        Some("minimal") => Shows::Minimal,
        Some("OperationOutcome") => Shows::Outcome,
        _ => Shows::Representation,
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn what_is_preferred_is_found_among_other_preferences() {
        let prefer = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, HeaderValue::from_static(value));
            shows(&headers)
        };
        assert_eq!(prefer("return=minimal"), Shows::Minimal);
        assert_eq!(
            prefer("handling=lenient; return=OperationOutcome"),
            Shows::Outcome
        );
        assert_eq!(prefer("respond-async, return=\"minimal\""), Shows::Minimal);
        assert_eq!(prefer("return=everything"), Shows::Representation);
        assert_eq!(shows(&HeaderMap::new()), Shows::Representation);
    }
}
