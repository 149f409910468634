//! `postern grant` and `postern notices`: break-glass grants listed and ended, and what waits to be told, under the token of
//! the member of staff who acts. 42 CFR 2.51

use std::path::Path;

use serde_json::Value;

use super::args::{Acting, GrantCommand};
use super::{table, work};
use crate::cli::say::{complain, say};
use crate::gateway::{Error, Gateway};

pub async fn run(config: Option<&Path>, command: GrantCommand) -> anyhow::Result<u8> {
    let gateway = super::open_founded(config).await?;
    let request = gateway.request_id();
    let result = act(&gateway, command, &request).await;
    super::close(&gateway).await;
    match result? {
        Ok(value) => {
            show(&value);
            Ok(0)
        }
        Err(error) => {
            complain!("{}", why(&error));
            Ok(1)
        }
    }
}

pub async fn notices(config: Option<&Path>, acting: &Acting) -> anyhow::Result<u8> {
    let gateway = super::open_founded(config).await?;
    let request = gateway.request_id();
    let listed = match work::staff(&gateway, acting).await? {
        Err(error) => Err(error),
        Ok(staff) => gateway.notices(&staff, &request).await,
    };
    super::close(&gateway).await;
    match listed {
        Ok(value) => {
            print(
                &value["notices"],
                &["id", "kind", "for", "patient", "state", "queued"],
                &["Id", "Kind", "For", "Patient", "State", "Queued"],
            );
            Ok(0)
        }
        Err(error) => {
            complain!("{}", why(&error));
            Ok(1)
        }
    }
}

async fn act(
    gateway: &Gateway,
    command: GrantCommand,
    request: &str,
) -> anyhow::Result<Result<Value, Error>> {
    let (acting, id) = match &command {
        GrantCommand::List { acting } => (acting, None),
        GrantCommand::End { id, acting } => (acting, Some(id)),
    };
    let staff = match work::staff(gateway, acting).await? {
        Err(error) => return Ok(Err(error)),
        Ok(staff) => staff,
    };
    Ok(match id {
        None => gateway.grants(&staff, request).await,
        Some(id) => gateway.end_grant(&staff, id, request).await,
    })
}

fn why(error: &Error) -> &'static str {
    match error {
        Error::Conflict => "it has ended already",
        Error::NotFound => "no such grant",
        Error::Unauthenticated => "this token belongs to nobody who may act",
        _ => "the database does not answer, or nothing could be recorded",
    }
}

fn show(value: &Value) {
    if value["grants"].is_array() {
        print(
            &value["grants"],
            &[
                "id",
                "partner",
                "patient",
                "state",
                "personnel",
                "nature",
                "until",
            ],
            &[
                "Id",
                "Partner",
                "Patient",
                "State",
                "Personnel",
                "Nature",
                "Until",
            ],
        );
    } else {
        say!("{value:#}");
    }
}

fn print(list: &Value, names: &[&str], headings: &[&str]) {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| names.iter().map(|name| text(item, name)).collect())
        .collect();
    table::print(headings, &rows);
}
