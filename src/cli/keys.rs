//! `postern keys`: the keys this deployment signs with where it is a client itself.

use std::path::Path;

use anyhow::Context as _;

use super::args::KeysCommand;
use super::table;
use crate::auth::{Algorithm, stage};
use crate::cli::say::{complain, say};
use crate::gateway::Gateway;

pub async fn run(config: Option<&Path>, command: KeysCommand) -> anyhow::Result<u8> {
    let gateway = super::open_founded(config).await?;
    let code = match command {
        KeysCommand::List => list(&gateway),
        KeysCommand::Rotate { algorithm, at_once } => rotate(&gateway, &algorithm, at_once).await,
    };
    super::close(&gateway).await;
    code
}

fn list(gateway: &Gateway) -> anyhow::Result<u8> {
    let now = gateway.clock.instant();
    let keys = gateway.own_keys.all(now)?;
    let row = |(at, key): (usize, &crate::auth::OwnKey)| {
        vec![
            key.pair.kid().to_owned(),
            key.pair.algorithm().name().to_owned(),
            stage(&keys, at, now).name().to_owned(),
            key.made.to_fhir(),
            key.signs.to_fhir(),
        ]
    };
    let rows: Vec<Vec<String>> = keys.iter().enumerate().map(row).collect();
    table::print(&["Key", "Algorithm", "Now", "Made", "Signs from"], &rows);
    say!("published at {}", gateway.jwks_address());
    Ok(0)
}

async fn rotate(gateway: &Gateway, algorithm: &str, at_once: bool) -> anyhow::Result<u8> {
    let algorithm = Algorithm::named(algorithm).context("algorithm: ES384, RS384, ES256 or RS256")?;
    match gateway.rotate_keys(algorithm, at_once, &super::operator()).await {
        Ok(kid) => {
            say!("{kid} is made and published at {}", gateway.jwks_address());
            list(gateway)
        }
        Err(error) => {
            complain!("{error}");
            Ok(1)
        }
    }
}
