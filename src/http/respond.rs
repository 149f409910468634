//! Answers as HTTP: one place for media types, the closed list of headers, and errors as `OperationOutcome`.
//! <https://hl7.org/fhir/R4/http.html#mime-type>

use std::any::Any;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use postern_rules::fhir::{Instant, Issue, IssueCode, Value, issue::operation_outcome, json, xml};

pub use super::accept::{Format, format};
use super::binary::AsItIs;
use crate::gateway::{Error, Gateway, Reply};

pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";
const FHIR_XML: &str = "application/fhir+xml; charset=utf-8";
pub const JSON: &str = "application/json; charset=utf-8";
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers an answer may carry; any other is removed before it leaves. `date` is added by the server itself.
static ALLOWED: [HeaderName; 14] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::VARY,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    header::ALLOW,
    header::X_CONTENT_TYPE_OPTIONS,
    header::CONTENT_SECURITY_POLICY,
    REQUEST_ID,
];

/// An opened answer.
pub fn reply(reply: Reply, format: Format) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if reply.body.is_empty() {
        let mut empty = Response::new(Body::empty());
        *empty.status_mut() = status;
        empty
    } else {
        encoded(status, Bytes::from_owner(reply.body), format)
    };
    let headers = response.headers_mut();
    if let Some(etag) = reply.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(date) = reply.last_modified.and_then(http_date) {
        headers.insert(header::LAST_MODIFIED, date);
    }
    response
}

/// Marks an answer that everybody may keep for so many seconds: it speaks of nobody.
#[derive(Clone, Copy)]
struct Public(i64);

pub fn public(mut response: Response, seconds: i64) -> Response {
    response.extensions_mut().insert(Public(seconds));
    response
}

/// The answer to a write, with where what was made can be read.
pub fn written(opened: Reply, location: Option<String>, format: Format) -> Response {
    let mut response = reply(opened, format);
    if let Some(location) = location.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A resource that is not about a person.
pub fn resource(status: StatusCode, body: &Value, format: Format) -> Response {
    encoded(status, Bytes::from(body.to_string()), format)
}

fn encoded(status: StatusCode, bytes: Bytes, format: Format) -> Response {
    match format {
        Format::Json => plain(status, FHIR_JSON, bytes),
        Format::Xml => match json::parse(&bytes).and_then(|value| xml::to_xml(&value)) {
            Ok(text) => plain(status, FHIR_XML, Bytes::from(text)),
            // It was released and recorded; that it cannot be written as XML is our fault.
            Err(_) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                FHIR_JSON,
                outcome(IssueCode::Exception, "this resource cannot be written as XML"),
            ),
        },
    }
}

pub fn plain(status: StatusCode, media: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

pub fn error(error: Error, format: Format) -> Response {
    let wait = match error {
        Error::TooMany(seconds) => HeaderValue::from(seconds),
        _ => SHORTLY,
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = operation_outcome(&error.issues());
    let mut response = resource(status, &body, format);
    match status {
        StatusCode::UNAUTHORIZED => {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        _ => {}
    }
    response
}

/// Seconds after which it is worth trying again when too much is going on.
const SHORTLY: HeaderValue = HeaderValue::from_static("2");

/// More is being worked on than this process takes: nothing of the request was looked at.
pub fn overloaded() -> Response {
    let details = "too many requests are being worked on; try again shortly";
    let mut response = plain(
        StatusCode::SERVICE_UNAVAILABLE,
        FHIR_JSON,
        outcome(IssueCode::Transient, details),
    );
    response.headers_mut().insert(header::RETRY_AFTER, SHORTLY);
    response
}

/// A body that is compressed or otherwise encoded: its true size could not be known before it is unpacked.
pub fn encoded_body() -> Response {
    let details = "bodies are taken as they are, without Content-Encoding";
    plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FHIR_JSON,
        outcome(IssueCode::NotSupported, details),
    )
}

/// None of the media types the client accepts is served.
pub fn not_acceptable() -> Response {
    plain(
        StatusCode::NOT_ACCEPTABLE,
        FHIR_JSON,
        outcome(
            IssueCode::NotSupported,
            "application/fhir+json and application/fhir+xml are served",
        ),
    )
}

/// The body of a search is a form.
pub fn no_form() -> Response {
    plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        FHIR_JSON,
        outcome(
            IssueCode::NotSupported,
            "the body of a search is application/x-www-form-urlencoded",
        ),
    )
}

pub async fn no_such_route() -> Response {
    plain(
        StatusCode::NOT_FOUND,
        FHIR_JSON,
        outcome(IssueCode::NotFound, "no such resource"),
    )
}

pub async fn no_such_method() -> Response {
    plain(
        StatusCode::METHOD_NOT_ALLOWED,
        FHIR_JSON,
        outcome(IssueCode::NotSupported, "this interaction is not supported here"),
    )
}

/// A panic is answered with nothing but its being one.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        FHIR_JSON,
        outcome(IssueCode::Exception, "internal error"),
    )
}

fn outcome(code: IssueCode, details: &str) -> Bytes {
    Bytes::from(operation_outcome(&[Issue::error(code, "", details)]).to_string())
}

/// Gives each request an id, lets only the allowed headers out, and forbids every cache to keep what left, but for what is public.
pub async fn close_headers(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let stated = super::request::stated_id(request.headers()).map(str::to_owned);
    let id = HeaderValue::from_str(&stated.unwrap_or_else(|| gateway.request_id())).ok();
    if let Some(id) = id.clone() {
        request.headers_mut().insert(REQUEST_ID, id);
    }
    let mut response = next.run(request).await;
    let media = response.headers().get(header::CONTENT_TYPE);
    let framework = response.extensions().get::<AsItIs>().is_none();
    let plain_text = framework && media.is_some_and(|media| media.as_bytes().starts_with(b"text/plain"));
    let late = media.is_none() && response.status() == StatusCode::SERVICE_UNAVAILABLE;
    if plain_text || late {
        response = without_framework_words(response.status());
    }
    let cache_control = match response.extensions().get::<Public>() {
        Some(Public(seconds)) => HeaderValue::from_str(&format!("public, max-age={seconds}")).ok(),
        None => None,
    };
    let cache_control = cache_control.unwrap_or(HeaderValue::from_static("no-store"));
    let headers = response.headers_mut();
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !ALLOWED.contains(name))
        .cloned()
        .collect();
    foreign.iter().for_each(|name| {
        headers.remove(name);
    });
    headers.insert(header::CACHE_CONTROL, cache_control);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// What the framework itself refuses (an address that does not decode, a body too large) is said as FHIR too.
pub fn without_framework_words(status: StatusCode) -> Response {
    let (code, details) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (IssueCode::TooLong, "the body is larger than this server takes"),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => {
            (IssueCode::Timeout, "this took too long")
        }
        _ => (IssueCode::Structure, "the request does not decode"),
    };
    let mut response = plain(status, FHIR_JSON, outcome(code, details));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, SHORTLY);
    }
    response
}

/// IMF-fixdate, RFC 9110 5.6.7; whole seconds.
fn http_date(at: Instant) -> Option<HeaderValue> {
    let stamp = jiff::Timestamp::from_microsecond(at.0).ok()?;
    let text = stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_http_writes_them() {
        let at = Instant::parse("1994-11-06T08:49:37Z").expect("instant");
        assert_eq!(http_date(at).expect("date"), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
