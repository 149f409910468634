//! `postern sandbox`: partners, as this deployment registered them, against synthetic people: where an integration team tries
//! its client before it meets a real record. <https://hl7.org/fhir/R4/http.html>
//!
//! Client ids and keys are those registered here. Database, keys and people are the sandbox's own and go away with it.

pub mod seat;

use std::path::Path;

use clap::Args;
use tokio::sync::watch;

use super::demo::stage::Stage;
use super::serve;
use crate::cli::say::say;
use crate::config::Config;
use crate::{http, worker};

/// The NPI by which the synthetic records name the agency that sends them.
const AGENCY: &str = "1999001005";

#[derive(Args)]
pub struct SandboxArgs {
    /// A registered partner that may come in, under its client id and with its keys; repeatable, one of each class
    #[arg(long = "partner", required = true, value_name = "NAME")]
    pub partners: Vec<String>,
    /// Address and port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub listen: String,
    /// FHIR base as partners type it, when it is not http(s)://<listen>/fhir
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// TLS ends at a proxy in front
    #[arg(long)]
    pub behind_proxy: bool,
}

pub async fn run(file: Option<&Path>, args: SandboxArgs) -> anyhow::Result<u8> {
    let gateway = super::open_founded(file).await?;
    let mut partners = Vec::new();
    for id in &args.partners {
        partners.push(seat::registered(&gateway, id).await?);
    }
    super::close(&gateway).await;
    let mut config = configured(&gateway.config);
    config.server.behind_proxy |= args.behind_proxy;
    config.server.listen = args.listen;
    config.server.public_url = args.public_url.unwrap_or_default();
    let bound = http::bind(&config.server)?;
    config.server.listen = bound.address.to_string();
    let stage = Stage::over(config, bound).await?;
    seat::seat(&stage, &partners).await?;
    say(&stage, &partners);
    let (stop, stopped) = watch::channel(false);
    #[expect(clippy::disallowed_methods, reason = "the worker's own task")]
    let working = tokio::spawn(worker::run(stage.gateway.clone(), stopped));
    serve::asked_to_stop().await;
    let _ = stop.send(true);
    let _ = working.await;
    stage.close().await?;
    Ok(0)
}

/// This deployment's rules and limits, for another agency with other people and another log.
pub fn configured(config: &Config) -> Config {
    let mut config = config.clone();
    config.agency.name = format!("{} (sandbox: synthetic people)", config.agency.name);
    AGENCY.clone_into(&mut config.agency.npi);
    config.log.origin.push_str("-sandbox");
    config
}

fn say(stage: &Stage, partners: &[seat::Seated]) {
    let base = stage.gateway.config.base();
    say!("sandbox at {base} (stop with Ctrl-C; everything goes away then)");
    for one in partners {
        say!(
            "{}: client {}, in the place of {}",
            one.partner.id,
            one.client_id,
            seat::place_of(&one.partner.class).unwrap_or("nobody")
        );
    }
    say!("people: {}", seat::PEOPLE.map(|person| person.name).join(", "));
}
