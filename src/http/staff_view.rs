//! `/staff/preview`: what partners would be shown, for staff. `/staff/disclosures`: disclosures that staff make by hand.
//! 45 CFR 164.512, 164.510(b), 171.202

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use postern_rules::fhir::{Issue, IssueCode, json};

use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::gateway::{Error, Gateway, Look, Made};

/// What a partner would be shown of a person: `?patient=&as=&purpose=`, and `without=Consent/x`, `grant=true` for what-if.
/// The person is named by id or reference: identifiers do not belong into addresses.
pub async fn preview(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let previewed = async {
        let staff = facts.staff(&gateway).await?;
        let look = look(&pairs).map_err(Error::Invalid)?;
        let looked = gateway.preview(&staff, &look, &facts.request).await?;
        Ok(looked.to_json())
    };
    match previewed.await {
        Ok(told) => respond::plain(StatusCode::OK, JSON, Bytes::from(told.to_string())),
        Err(error) => respond::error(error, Format::Json),
    }
}

/// A disclosure by hand: the facts in the body. One that takes two persons answers 202 with its work item.
pub async fn disclose(State(gateway): State<Arc<Gateway>>, facts: Facts, body: Bytes) -> Response {
    let made = async {
        let staff = facts.staff(&gateway).await?;
        let asked = json::parse(&body).map_err(Error::Invalid)?;
        gateway.disclose(&staff, &asked, &facts.request).await
    };
    answer(made.await)
}

/// The second person releases what the first prepared.
pub async fn approve(State(gateway): State<Arc<Gateway>>, facts: Facts, Path(id): Path<String>) -> Response {
    let made = async {
        let staff = facts.staff(&gateway).await?;
        gateway.approve_disclosure(&staff, &id, &facts.request).await
    };
    answer(made.await)
}

fn answer(made: Result<Made, Error>) -> Response {
    match made {
        Ok(Made::Released(opened)) => respond::plain(StatusCode::OK, FHIR, Bytes::from(opened.0.to_vec())),
        Ok(Made::Waits(told)) => respond::plain(StatusCode::ACCEPTED, JSON, Bytes::from(told.to_string())),
        Err(error) => respond::error(error, Format::Json),
    }
}

const FHIR: &str = "application/fhir+json; charset=utf-8";

fn look(pairs: &[(String, String)]) -> Result<Look, Vec<Issue>> {
    let mut look = Look::default();
    let mut problems = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "patient" => look.patient.clone_from(value),
            "as" => look.partner.clone_from(value),
            "purpose" => look.purpose.clone_from(value),
            "without" => look.without.push(value.clone()),
            "grant" => look.grant = value == "true",
            _ => problems.push(Issue::error(
                IssueCode::NotSupported,
                "",
                "unknown parameter; known: patient, as, purpose, without, grant",
            )),
        }
    }
    for (name, value) in [
        ("patient", &look.patient),
        ("as", &look.partner),
        ("purpose", &look.purpose),
    ] {
        if value.is_empty() {
            problems.push(Issue::error(IssueCode::Required, name, "is required"));
        }
    }
    if look.patient.contains('|') {
        let why = "an id or Patient/id: identifiers do not belong into addresses";
        problems.push(Issue::error(IssueCode::Value, "patient", why));
    }
    if problems.is_empty() {
        Ok(look)
    } else {
        Err(problems)
    }
}
