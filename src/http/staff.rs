//! `/staff/work` and `/staff/preview`: the work items of staff and what partners would be shown, with a bearer token of their own. Plain JSON; every act is on the log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use postern_rules::fhir::{Issue, IssueCode, json};
use serde_json::Value;

use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::gateway::{Error, Gateway, Look, WorkView};

pub async fn list(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let state = pairs
        .iter()
        .find(|(name, _)| name == "state")
        .map(|(_, value)| value.as_str());
    let listed = async {
        let staff = gateway.staff(facts.bearer()).await?;
        gateway.work_list(&staff, state, &facts.request).await
    };
    answer(listed.await)
}

pub async fn show(State(gateway): State<Arc<Gateway>>, facts: Facts, Path(id): Path<String>) -> Response {
    let shown = async {
        let staff = gateway.staff(facts.bearer()).await?;
        gateway
            .work_show(&staff, &id, &facts.request)
            .await
            .map(|WorkView(item)| item)
    };
    answer(shown.await)
}

pub async fn take(State(gateway): State<Arc<Gateway>>, facts: Facts, Path(id): Path<String>) -> Response {
    let taken = async {
        let staff = gateway.staff(facts.bearer()).await?;
        gateway
            .work_take(&staff, &id, &facts.request)
            .await
            .map(|WorkView(item)| item)
    };
    answer(taken.await)
}

/// Body: `{"outcome": "what was decided"}`.
pub async fn settle(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let settled = async {
        let staff = gateway.staff(facts.bearer()).await?;
        let body = json::parse(&body).map_err(Error::Invalid)?;
        let missing = || {
            Issue::error(
                IssueCode::Required,
                "outcome",
                "a JSON object with a text `outcome` is expected",
            )
        };
        let outcome = body["outcome"]
            .as_str()
            .ok_or_else(|| Error::Invalid(vec![missing()]))?;
        gateway
            .work_settle(&staff, &id, outcome, &facts.request)
            .await
            .map(|WorkView(item)| item)
    };
    answer(settled.await)
}

/// What a partner would be shown of a person: `?patient=&as=&purpose=`, and `without=Consent/x`, `grant=true` for what-if.
/// The person is named by id or reference: identifiers do not belong into addresses.
pub async fn preview(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let previewed = async {
        let staff = gateway.staff(facts.bearer()).await?;
        let look = look(&pairs).map_err(Error::Invalid)?;
        let looked = gateway.preview(&staff, &look, &facts.request).await?;
        Ok(looked.to_json())
    };
    answer(previewed.await)
}

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
    for (name, value) in [("patient", &look.patient), ("as", &look.partner), ("purpose", &look.purpose)] {
        if value.is_empty() {
            problems.push(Issue::error(IssueCode::Required, name, "is required"));
        }
    }
    if look.patient.contains('|') {
        let why = "an id or Patient/id: identifiers do not belong into addresses";
        problems.push(Issue::error(IssueCode::Value, "patient", why));
    }
    if problems.is_empty() { Ok(look) } else { Err(problems) }
}

fn answer(result: Result<Value, Error>) -> Response {
    match result {
        Ok(body) => respond::plain(StatusCode::OK, JSON, Bytes::from(body.to_string())),
        Err(error) => respond::error(error, Format::Json),
    }
}
