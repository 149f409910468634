//! `/livez`: the process answers. `/readyz`: it can record a disclosure. No PHI in either.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::respond::{self, JSON};
use crate::gateway::Gateway;

pub async fn live() -> Response {
    respond::plain(StatusCode::OK, JSON, Bytes::from_static(b"{\"status\":\"ok\"}"))
}

pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.store.probe(gateway.clock.instant()).await {
        Ok(()) => respond::plain(
            StatusCode::OK,
            JSON,
            Bytes::from_static(b"{\"status\":\"ready\"}"),
        ),
        Err(_) => {
            let body = b"{\"status\":\"not-ready\",\"reason\":\"store\"}";
            respond::plain(StatusCode::SERVICE_UNAVAILABLE, JSON, Bytes::from_static(body))
        }
    }
}
