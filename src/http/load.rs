//! What is not even begun: more requests than this process works on at a time, and bodies it does not unpack. Answered at once, so
//! that what was begun keeps its time. <https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4>

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::bodies::Bodies;
use super::respond;
use crate::config::Config;

/// Requests worked on at a time, and bodies held.
#[derive(Clone)]
pub struct Load {
    places: Arc<Semaphore>,
    bodies: Bodies,
}

impl Load {
    pub fn new(config: &Config) -> Load {
        let most = config.limits.in_flight.min(Semaphore::MAX_PERMITS);
        Load {
            places: Arc::new(Semaphore::new(most)),
            bodies: Bodies::new(config),
        }
    }
}

/// 415 for a body with a content encoding; 503 with `Retry-After` where there is no place. A body is read before a place is
/// taken: a place is for work, not for waiting until a client has sent the rest.
pub async fn shed(State(load): State<Load>, request: Request, next: Next) -> Response {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return respond::encoded_body();
    }
    let (parts, body) = request.into_parts();
    let (body, _held) = match load.bodies.whole(&parts, body).await {
        Ok(whole) => whole,
        Err(refused) => return refused,
    };
    let Ok(_place) = load.places.try_acquire() else {
        return respond::overloaded();
    };
    next.run(Request::from_parts(parts, body)).await
}
