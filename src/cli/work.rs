//! `postern work`: the staff door at the command line, under the token of the member of staff who acts.

use std::path::Path;

use serde_json::Value;

use super::args::{Acting, WorkCommand};
use super::table;
use crate::auth::bearer;
use crate::cli::say::{complain, say};
use crate::config::read_input;
use crate::gateway::{Error, Gateway, StaffMember};

pub async fn run(config: Option<&Path>, command: WorkCommand) -> anyhow::Result<u8> {
    let gateway = super::open_founded(config).await?;
    let request = gateway.request_id();
    let result = act(&gateway, command, &request).await;
    super::close(&gateway).await;
    match result? {
        Ok(()) => Ok(0),
        Err(Error::Conflict) => refuse(
            "take it first (`postern work take ID`); or somebody else has it, or it is settled: look at it again",
        ),
        Err(Error::NotFound) => refuse("no such work item"),
        Err(Error::Unauthenticated) => refuse("this token belongs to nobody who may act"),
        Err(error) => {
            let issues = error.issues();
            issues.iter().for_each(|issue| complain!("{issue}"));
            Ok(1)
        }
    }
}

fn refuse(why: &str) -> anyhow::Result<u8> {
    complain!("{why}");
    Ok(1)
}

async fn act(gateway: &Gateway, command: WorkCommand, request: &str) -> anyhow::Result<Result<(), Error>> {
    let shown = match command {
        WorkCommand::List { state, acting } => match staff(gateway, &acting).await? {
            Err(error) => Err(error),
            Ok(staff) => gateway.work_list(&staff, state.as_deref(), request).await,
        },
        WorkCommand::Show { id, acting } => match staff(gateway, &acting).await? {
            Err(error) => Err(error),
            Ok(staff) => gateway.work_show(&staff, &id, request).await.map(|view| view.0),
        },
        WorkCommand::Take { id, acting } => match staff(gateway, &acting).await? {
            Err(error) => Err(error),
            Ok(staff) => gateway.work_take(&staff, &id, request).await.map(|view| view.0),
        },
        WorkCommand::Settle {
            id,
            outcome,
            labels,
            no_label,
            accept,
            reject,
            acting,
        } => match staff(gateway, &acting).await? {
            Err(error) => Err(error),
            Ok(staff) if no_label || !labels.is_empty() => {
                let settled = gateway.work_settle_labels(&staff, &id, &labels, outcome.as_deref(), request);
                settled.await.map(|view| view.0)
            }
            Ok(staff) if accept || reject => {
                let outcome = outcome.unwrap_or_default();
                let settled = gateway.work_decide(&staff, &id, (accept, &outcome), request);
                settled.await.map(|view| view.0)
            }
            Ok(staff) => gateway
                .work_settle(&staff, &id, &outcome.unwrap_or_default(), request)
                .await
                .map(|view| view.0),
        },
    };
    Ok(shown.map(|value| show(&value)))
}

pub(super) async fn staff(gateway: &Gateway, acting: &Acting) -> anyhow::Result<Result<StaffMember, Error>> {
    let token = String::from_utf8(read_input(&acting.token_file, 4096)?)?;
    Ok(gateway
        .staff(bearer(Some(&format!("Bearer {}", token.trim()))))
        .await)
}

fn show(value: &Value) {
    let Some(list) = value["work"].as_array() else {
        say!("{value:#}");
        return;
    };
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|item| {
            ["id", "kind", "patient", "state", "owner", "due"]
                .iter()
                .map(|name| text(item, name))
                .collect()
        })
        .collect();
    table::print(&["Id", "Kind", "Patient", "State", "Owner", "Due"], &rows);
}
