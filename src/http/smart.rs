//! SMART discovery and the token endpoint.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::gateway::{Attempt, Gateway, Stranger, TokenError, TokenRequest};

/// Always JSON, whatever is accepted.
pub async fn configuration(State(gateway): State<Arc<Gateway>>) -> Response {
    respond::plain(
        StatusCode::OK,
        JSON,
        Bytes::from(gateway.smart_configuration().to_string()),
    )
}

pub async fn token(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    let media = facts.header(header::CONTENT_TYPE).unwrap_or_default();
    if !media.starts_with("application/x-www-form-urlencoded") {
        return oauth(StatusCode::BAD_REQUEST, "invalid_request", "send a form");
    }
    let Some(form) = read_form(&body) else {
        return oauth(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the form repeats a field",
        );
    };
    if let Err(error) = gateway.heard_enough_of(&facts.address) {
        return respond::error(error, Format::Json);
    }
    match gateway.issue_token(&form, &facts.request, &facts.address).await {
        Ok(issued) => json_response(
            StatusCode::OK,
            &json!({
                "access_token": issued.access_token,
                "token_type": "bearer",
                "expires_in": issued.expires_in,
                "scope": issued.scope,
            }),
        ),
        Err(TokenError::Oauth {
            status,
            code,
            description,
        }) => {
            if status == 401 {
                note(&gateway, &facts).await;
            }
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            oauth(status, code, description)
        }
        Err(TokenError::Failed(error)) => respond::error(error, Format::Json),
    }
}

/// A client that could not be authenticated is counted, and on the log.
async fn note(gateway: &Gateway, facts: &Facts) {
    let stranger = Stranger {
        address: facts.address.clone(),
        client: None,
        attempt: Attempt::Token,
    };
    gateway.note_stranger(stranger, &facts.request).await;
}

/// RFC 6749 3.2: parameters must not be included more than once.
fn read_form(body: &[u8]) -> Option<TokenRequest> {
    let mut form = TokenRequest::default();
    for (name, value) in form_urlencoded::parse(body).into_owned() {
        let field = match name.as_str() {
            "grant_type" => &mut form.grant_type,
            "scope" => &mut form.scope,
            "client_assertion_type" => &mut form.client_assertion_type,
            "client_assertion" => &mut form.client_assertion,
            _ => continue,
        };
        if field.replace(value).is_some() {
            return None;
        }
    }
    Some(form)
}

fn oauth(status: StatusCode, code: &str, description: &str) -> Response {
    json_response(status, &json!({"error": code, "error_description": description}))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond::plain(status, JSON, Bytes::from(body.to_string()))
}
