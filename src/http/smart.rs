//! SMART discovery, the token endpoint, introspection and revocation.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::oauth_form::{self, NotAForm};
use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::auth::PUBLISHED_FOR_SECONDS;
use crate::gateway::{Gateway, TokenError, TokenRequest};

/// Always JSON, whatever is accepted.
pub async fn configuration(State(gateway): State<Arc<Gateway>>) -> Response {
    json_response(StatusCode::OK, &gateway.smart_configuration())
}

/// Postern's own public keys. The one answer that others may keep for a while.
pub async fn jwks(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.published_keys() {
        Ok(keys) => respond::public(json_response(StatusCode::OK, &keys), PUBLISHED_FOR_SECONDS),
        Err(error) => respond::error(error, Format::Json),
    }
}

pub async fn token(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    let form = match oauth_form::read(&facts, &body) {
        Ok(form) => form,
        Err(not) => return wrong_form(not),
    };
    let request = TokenRequest {
        grant_type: form.get("grant_type"),
        scope: form.get("scope"),
        client: form.client(),
    };
    match gateway
        .issue_token(&request, &facts.request, &facts.address)
        .await
    {
        Ok(issued) => json_response(
            StatusCode::OK,
            &json!({
                "access_token": issued.access_token,
                "token_type": "bearer",
                "expires_in": issued.expires_in,
                "scope": issued.scope,
            }),
        ),
        Err(error) => refused(error, form.scheme()),
    }
}

pub async fn introspect(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    let form = match oauth_form::read(&facts, &body) {
        Ok(form) => form,
        Err(not) => return wrong_form(not),
    };
    let about = form.about_token();
    match gateway.introspect(&about, &facts.request, &facts.address).await {
        Ok(claims) => json_response(StatusCode::OK, &claims),
        Err(error) => refused(error, form.scheme()),
    }
}

/// 200 whatever became of it (RFC 7009 2.2).
pub async fn revoke(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    let form = match oauth_form::read(&facts, &body) {
        Ok(form) => form,
        Err(not) => return wrong_form(not),
    };
    let about = form.about_token();
    match gateway.revoke(&about, &facts.request, &facts.address).await {
        Ok(()) => Response::new(Body::empty()),
        Err(error) => refused(error, form.scheme()),
    }
}

fn wrong_form(not: NotAForm) -> Response {
    oauth(StatusCode::BAD_REQUEST, "invalid_request", not.told())
}

/// RFC 6749 5.2: whoever used the header is told the scheme.
fn refused(error: TokenError, scheme: Option<&'static str>) -> Response {
    let (status, code, description) = match error {
        TokenError::Failed(error) => return respond::error(error, Format::Json),
        TokenError::Oauth {
            status,
            code,
            description,
            ..
        } => (status, code, description),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = oauth(status, code, description);
    if let Some(scheme) = scheme.filter(|_| status == StatusCode::UNAUTHORIZED) {
        let scheme = HeaderValue::from_static(scheme);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

fn oauth(status: StatusCode, code: &str, description: &str) -> Response {
    json_response(status, &json!({"error": code, "error_description": description}))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond::plain(status, JSON, Bytes::from(body.to_string()))
}
