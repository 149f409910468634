//! FHIR REST, SMART, intake, staff and health over HTTP. Handlers translate; use cases live in `gateway`.
//! <https://hl7.org/fhir/R4/http.html>

mod accept;
mod binary;
mod respond;
mod request;
mod oauth_form;
mod fhir;
mod operation;
mod validate;
mod write;
mod wanted;
mod smart;
mod intake;
mod staff;
mod staff_view;
mod health;
mod serve;
mod connection;
mod client_certificate;
mod tls;
mod bodies;
mod load;

pub use serve::{Bound, ServeError, bind};

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::gateway::Gateway;

/// What only reads is called by GET and by POST.
fn asked<H, T>(handler: H) -> MethodRouter<Arc<Gateway>>
where
    H: Handler<T, Arc<Gateway>>,
    T: 'static,
{
    get(handler.clone()).post(handler)
}

/// Every route in one list.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let (limit, limits) = (gateway.config.server.body_limit, &gateway.config.limits);
    let load = load::Load::new(&gateway.config);
    let patience = Duration::from_secs(limits.request_seconds);
    let health = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(respond::no_such_method);
    Router::new()
        .route("/auth/token", post(smart::token))
        .route("/.well-known/jwks.json", get(smart::jwks))
        .route("/auth/introspect", post(smart::introspect))
        .route("/auth/revoke", post(smart::revoke))
        .route("/fhir/metadata", get(fhir::metadata))
        .route("/fhir/.well-known/smart-configuration", get(smart::configuration))
        .route("/fhir/StructureDefinition/{id}", get(fhir::structure_definition))
        .route("/fhir/CodeSystem/{id}", get(fhir::code_system))
        .route("/fhir/ConceptMap/{id}", get(fhir::concept_map))
        .route("/fhir/OperationDefinition/{id}", get(operation::definition))
        .route("/fhir/Patient/$match", post(operation::match_person))
        .route("/fhir/Patient/%24match", post(operation::match_person))
        .route("/fhir/Patient/$break-glass", post(operation::break_glass))
        .route("/fhir/Patient/%24break-glass", post(operation::break_glass))
        .route("/fhir/Patient/{id}/$request-more", post(operation::request_more))
        .route(
            "/fhir/Patient/{id}/%24request-more",
            post(operation::request_more),
        )
        .route("/fhir/{type}/$validate", post(validate::of_type))
        .route("/fhir/{type}/%24validate", post(validate::of_type))
        .route("/fhir/{type}/{id}/$validate", post(validate::of_instance))
        .route("/fhir/{type}/{id}/%24validate", post(validate::of_instance))
        .route("/fhir/Patient/{id}/$everything", asked(wanted::everything))
        .route("/fhir/Patient/{id}/%24everything", asked(wanted::everything))
        .route("/fhir/DocumentReference/$docref", asked(wanted::documents))
        .route("/fhir/DocumentReference/%24docref", asked(wanted::documents))
        .route(
            "/fhir/CarePlan/{id}/$all-eltss-careplan",
            asked(wanted::plan_with_all),
        )
        .route(
            "/fhir/CarePlan/{id}/%24all-eltss-careplan",
            asked(wanted::plan_with_all),
        )
        .route("/fhir", post(write::bundle))
        .route("/fhir/", post(write::bundle))
        .route("/fhir/{type}", get(fhir::search).post(write::create))
        .route("/fhir/{type}/_search", post(fhir::search_form))
        .route(
            "/fhir/{type}/{id}",
            get(fhir::read).put(write::update).patch(write::patch),
        )
        .route("/fhir/{type}/{id}/_history/{version}", get(fhir::vread))
        .route("/intake/{source}/{record}", post(intake::accept))
        .route("/staff/preview", get(staff_view::preview))
        .route("/staff/disclosures", post(staff_view::disclose))
        .route("/staff/disclosures/{id}/approve", post(staff_view::approve))
        .route("/staff/work", get(staff::list))
        .route("/staff/work/{id}", get(staff::show))
        .route("/staff/work/{id}/take", post(staff::take))
        .route("/staff/work/{id}/settle", post(staff::settle))
        .route("/staff/grants", get(staff::grants))
        .route("/staff/grants/{id}/end", post(staff::end_grant))
        .route("/staff/notices", get(staff::notices))
        .fallback(respond::no_such_route)
        .method_not_allowed_fallback(respond::no_such_method)
        .layer(axum::middleware::from_fn_with_state(load, load::shed))
        // Whoever asks whether this process works is answered also when it has much to do.
        .merge(health)
        .layer(CatchPanicLayer::custom(respond::panicked))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            patience,
        ))
        // Around the two above: what they answer gets an id, a body and the closed headers as well.
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&gateway),
            respond::close_headers,
        ))
        .layer(CompressionLayer::new())
        .layer(DefaultBodyLimit::max(limit))
        .with_state(gateway)
}
