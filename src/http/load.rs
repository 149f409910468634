//! What is not even begun: more requests than this process works on at a time, and bodies it does not unpack. Answered at once, so
//! that what was begun keeps its time. <https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4>

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::respond;

/// Requests worked on at a time.
#[derive(Clone)]
pub struct Load(Arc<Semaphore>);

impl Load {
    pub fn new(most: usize) -> Load {
        Load(Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))))
    }
}

/// 503 with `Retry-After` where there is no place; 415 for a body with a content encoding.
pub async fn shed(State(Load(places)): State<Load>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        return respond::overloaded();
    };
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return respond::encoded_body();
    }
    next.run(request).await
}
