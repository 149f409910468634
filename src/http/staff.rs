//! `/staff/work`: the work items of staff, with a bearer token of their own. Plain JSON; every act is on the log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use postern_rules::fhir::{Issue, IssueCode, json};
use serde_json::Value;

use super::request::Facts;
use super::respond::{self, Format, JSON};
use crate::gateway::{Error, Gateway, WorkView};

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
        let staff = facts.staff(&gateway).await?;
        gateway.work_list(&staff, state, &facts.request).await
    };
    answer(listed.await)
}

pub async fn show(State(gateway): State<Arc<Gateway>>, facts: Facts, Path(id): Path<String>) -> Response {
    let shown = async {
        let staff = facts.staff(&gateway).await?;
        gateway
            .work_show(&staff, &id, &facts.request)
            .await
            .map(|WorkView(item)| item)
    };
    answer(shown.await)
}

pub async fn take(State(gateway): State<Arc<Gateway>>, facts: Facts, Path(id): Path<String>) -> Response {
    let taken = async {
        let staff = facts.staff(&gateway).await?;
        gateway
            .work_take(&staff, &id, &facts.request)
            .await
            .map(|WorkView(item)| item)
    };
    answer(taken.await)
}

/// Body: `{"outcome": "what was decided"}`; for a sentence to be labelled `{"labels": ["SUD"]}`, an empty list for none; for what a
/// partner proposes or states `{"accept": true}`, or `false` with an outcome.
pub async fn settle(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let settled = async {
        let staff = facts.staff(&gateway).await?;
        let body = json::parse(&body).map_err(Error::Invalid)?;
        if let Some(labels) = labels(&body["labels"])? {
            let outcome = body["outcome"].as_str();
            let settled = gateway.work_settle_labels(&staff, &id, &labels, outcome, &facts.request);
            return settled.await.map(|WorkView(item)| item);
        }
        if let Some(accept) = body["accept"].as_bool() {
            let outcome = body["outcome"].as_str().unwrap_or_default();
            let settled = gateway.work_decide(&staff, &id, (accept, outcome), &facts.request);
            return settled.await.map(|WorkView(item)| item);
        }
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

fn labels(stated: &Value) -> Result<Option<Vec<String>>, Error> {
    if stated.is_null() {
        return Ok(None);
    }
    let list = stated.as_array().and_then(|list| {
        let codes = list.iter().map(|code| code.as_str().map(str::to_owned));
        codes.collect::<Option<Vec<String>>>()
    });
    let issue = || Issue::error(IssueCode::Value, "labels", "`labels` is a list of codes");
    list.map(Some).ok_or_else(|| Error::Invalid(vec![issue()]))
}

/// Break-glass grants of the last thirty days.
pub async fn grants(State(gateway): State<Arc<Gateway>>, facts: Facts) -> Response {
    let listed = async {
        let staff = facts.staff(&gateway).await?;
        gateway.grants(&staff, &facts.request).await
    };
    answer(listed.await)
}

/// Ends a grant before its time.
pub async fn end_grant(
    State(gateway): State<Arc<Gateway>>,
    facts: Facts,
    Path(id): Path<String>,
) -> Response {
    let ended = async {
        let staff = facts.staff(&gateway).await?;
        gateway.end_grant(&staff, &id, &facts.request).await
    };
    answer(ended.await)
}

/// Notices that wait to be sent.
pub async fn notices(State(gateway): State<Arc<Gateway>>, facts: Facts) -> Response {
    let listed = async {
        let staff = facts.staff(&gateway).await?;
        gateway.notices(&staff, &facts.request).await
    };
    answer(listed.await)
}

fn answer(result: Result<Value, Error>) -> Response {
    match result {
        Ok(body) => respond::plain(StatusCode::OK, JSON, Bytes::from(body.to_string())),
        Err(error) => respond::error(error, Format::Json),
    }
}
