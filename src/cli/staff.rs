//! `postern source` and `postern staff`: bearer tokens for internal systems and members of staff, shown once.

use std::path::Path;

use super::args::{SourceCommand, StaffCommand};
use super::table;
use crate::cli::say::{complain, say};

pub async fn source(config: Option<&Path>, command: SourceCommand) -> anyhow::Result<u8> {
    let gateway = super::open(config).await?;
    let mut code = 0;
    match command {
        SourceCommand::Add { name, renew } => {
            if !gateway
                .mappings
                .names()
                .iter()
                .any(|known| known.split('/').next() == Some(&name))
            {
                complain!("note: there is no mapping for `{name}` yet");
            }
            match gateway.add_source(&name, renew, &super::operator()).await {
                Ok(token) => say!("{token}"),
                Err(problems) => {
                    problems.iter().for_each(|problem| complain!("{problem}"));
                    code = 1;
                }
            }
        }
        SourceCommand::Disable { name } => gateway.disable_source(&name, &super::operator()).await?,
        SourceCommand::List => {
            let rows: Vec<Vec<String>> = gateway
                .store
                .sources()
                .await?
                .into_iter()
                .map(|s| vec![s.name, s.state])
                .collect();
            table::print(&["Source", "State"], &rows);
        }
    }
    super::close(&gateway).await;
    Ok(code)
}

pub async fn staff(config: Option<&Path>, command: StaffCommand) -> anyhow::Result<u8> {
    let gateway = super::open(config).await?;
    let mut code = 0;
    match command {
        StaffCommand::Add {
            id,
            name,
            role,
            renew,
        } => {
            match gateway
                .add_staff(&id, &name, &role, renew, &super::operator())
                .await
            {
                Ok(token) => say!("{token}"),
                Err(problems) => {
                    problems.iter().for_each(|problem| complain!("{problem}"));
                    code = 1;
                }
            }
        }
        StaffCommand::Disable { id } => gateway.disable_staff(&id, &super::operator()).await?,
        StaffCommand::List => {
            let rows: Vec<Vec<String>> = gateway
                .store
                .staff()
                .await?
                .into_iter()
                .map(|s| vec![s.id, s.name, s.role, s.state])
                .collect();
            table::print(&["Id", "Name", "Role", "State"], &rows);
        }
    }
    super::close(&gateway).await;
    Ok(code)
}
