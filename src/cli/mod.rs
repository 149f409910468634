//! The command line: one binary for serving, registering, importing, converting, checking, and the demo.

mod args;
mod say;
mod serve;
mod convert;
mod validate;
mod validation_report;
mod decide;
mod import;
mod partner;
mod certificates;
mod keys;
mod staff;
mod work;
mod preview;
mod told;
mod disclose;
mod grant;
mod audit;
mod backup;
mod table;
mod sets;
pub mod demo;
mod sandbox;
pub mod kit;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;

use crate::config::{Clock, Config, Entropy, Keys};
use crate::gateway::{Gateway, load_catalog, load_packages};
use crate::store::{Options, Store};
use say::{complain, say};

use args::{Command, Postern};

/// Runs the command line; the result is the exit code: 0 good, 1 the answer is no, 2 it could not run.
pub async fn run() -> u8 {
    let postern = Postern::parse();
    start_logging();
    match dispatch(postern).await {
        Ok(code) => code,
        Err(error) => {
            complain!("postern: {error:#}");
            2
        }
    }
}

async fn dispatch(postern: Postern) -> anyhow::Result<u8> {
    let config = postern.config.as_deref();
    match postern.command {
        Command::Serve(args) => serve::run(config, args).await,
        Command::Sandbox(args) => sandbox::run(config, args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Import(args) => import::run(config, args).await,
        Command::Convert(args) => convert::run(&args),
        Command::Decide(args) => decide::run(&args),
        Command::Validate(args) => validate::run(config, &args),
        Command::Partner(command) => partner::run(config, command).await,
        Command::Keys(command) => keys::run(config, command).await,
        Command::Source(command) => staff::source(config, command).await,
        Command::Staff(command) => staff::staff(config, command).await,
        Command::Disclose(args) => disclose::run(config, *args).await,
        Command::Preview(args) => preview::run(config, args).await,
        Command::Work(command) => work::run(config, command).await,
        Command::Grant(command) => grant::run(config, command).await,
        Command::Notices(acting) => grant::notices(config, &acting).await,
        Command::Audit(command) => audit::run(config, command).await,
        Command::Backup { to } => backup::backup(config, &to).await,
        Command::Restore(args) => backup::restore(config, &args).await,
        Command::Config { sets } => check_config(config, sets),
    }
}

fn start_logging() {
    let logger = tracing_subscriber::fmt()
        .with_env_filter(logged())
        .with_writer(std::io::stderr)
        .json();
    // A second start, in tests, keeps the first logger.
    let _ = logger.try_init();
}

/// Everything from `info` on, and of sqlx from `warn` on. (A default directive would count only where no other is given.)
fn logged() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::builder().parse_lossy("info,sqlx=warn")
}

/// Configuration, mappings, profiles, policy, keys and database, all checked: what every command but `convert` needs.
pub async fn open(config: Option<&Path>) -> anyhow::Result<Arc<Gateway>> {
    open_with(Config::load(config)?, Clock::System, Entropy::System).await
}

/// As `open`, for commands that only look: a deployment that is not there is not made. A mistyped path must not
/// read as an empty log in good order.
pub async fn open_founded(config: Option<&Path>) -> anyhow::Result<Arc<Gateway>> {
    let config = Config::load(config)?;
    let file = config.store.url.strip_prefix("sqlite:");
    if let Some(file) = file.filter(|file| !Path::new(file.strip_prefix("//").unwrap_or(file)).is_file()) {
        anyhow::bail!("{file}: no database there (store.url); `serve`, `import` or `partner add` makes one");
    }
    open_with(config, Clock::System, Entropy::System).await
}

pub async fn open_with(config: Config, clock: Clock, entropy: Entropy) -> anyhow::Result<Arc<Gateway>> {
    let catalog = load_catalog(&config)?;
    if let Some(folder) = config
        .store
        .url
        .strip_prefix("sqlite:")
        .and_then(|path| Path::new(path).parent())
    {
        crate::config::make_private_folder(folder).with_context(|| folder.display().to_string())?;
    }
    let store = Store::open(&config.store.url, Options::default())
        .await
        .context("the database cannot be opened")?;
    let founded = store.deployment().await?;
    let keys = Keys::load(&config.paths.keys, founded.is_none(), &entropy)?;
    let gateway = Gateway::new(config, store, catalog, keys, clock, entropy)?;
    gateway.found().await?;
    Ok(gateway)
}

/// Seals the log, so that what this command recorded is under a checkpoint, and closes the store.
pub async fn close(gateway: &Gateway) {
    if let Err(error) = gateway.seal().await {
        tracing::error!(%error, "no checkpoint was signed");
    }
    gateway.store.close().await;
}

fn check_config(file: Option<&Path>, sets: bool) -> anyhow::Result<u8> {
    let config = Config::load(file)?;
    let (mappings, rules) = load_catalog(&config)?;
    say!(
        "configuration, {} mappings and {} data sets are good",
        mappings.names().len(),
        rules.data_sets.len()
    );
    for loaded in rules.lists.loaded() {
        let list = &loaded.list;
        say!(
            "code list {} {}: {} codes ({})",
            list.name,
            list.version,
            loaded.codes,
            loaded.file
        );
    }
    if config.paths.packages.is_some() {
        let definitions = load_packages(config.paths.packages.as_deref())?;
        for package in definitions.packages() {
            say!("FHIR package {package}");
        }
    }
    say!("FHIR base: {}", config.base());
    if config.agency.responsible.trim().is_empty() {
        say!(
            "agency.responsible is not set: break-glass events name the agency's privacy official by office alone"
        );
    }
    if sets {
        table::say(&sets::printed(&rules));
    }
    Ok(0)
}

/// Who acts at this command line, for the log.
pub fn operator() -> String {
    crate::config::operator()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_operators_log_takes_our_own_words() {
        let filter = super::logged().to_string();
        assert!(
            filter.contains("info") && filter.contains("sqlx=warn"),
            "{filter}"
        );
    }
}
