//! `postern backup` and `postern restore`: database, keys and outside checkpoints in one folder with a manifest.
//! A PostgreSQL database is backed up with its own tools; keys and checkpoints still go into the folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use postern_rules::fhir::json;
use postern_rules::log::Digest;
use serde_json::{Value, json};

use super::args::RestoreArgs;
use crate::config::{self, Clock, Config, Entropy, read_input};

const DATABASE: &str = "postern.db";
const MANIFEST: &str = "manifest.json";
const KEYS: &str = "keys";
const LARGEST: u64 = 64 * 1024 * 1024 * 1024;

pub async fn backup(file: Option<&Path>, to: &Path) -> anyhow::Result<u8> {
    if to.exists() {
        bail!("{}: exists already; name a new folder", to.display());
    }
    let gateway = super::open(file).await?;
    gateway.seal().await?;
    config::make_private_folder(to)?;
    let copied = gateway.store.backup_to(&to.join(DATABASE)).await;
    let head = gateway.store.head().await?.context("the log has no head")?;
    gateway.note_backup(&super::operator()).await?;
    gateway.store.close().await;
    copied?;
    config::copy_folder(&gateway.config.paths.keys, &to.join(KEYS))?;
    let database = digest_of(&to.join(DATABASE))?;
    let manifest = json!({
        "made": Clock::System.instant().to_fhir(),
        "version": env!("CARGO_PKG_VERSION"),
        "origin": gateway.config.log.origin,
        "database": {"file": DATABASE, "sha256": database},
        "log": {"size": head.size(), "root": head.root().base64()},
    });
    config::write_private(&to.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
    println!("{}: database, keys and {} log entries", to.display(), head.size());
    Ok(0)
}

pub async fn restore(file: Option<&Path>, args: &RestoreArgs) -> anyhow::Result<u8> {
    let config = Config::load(file)?;
    let Some(found) = check(&config, &args.from).await? else {
        return Ok(1);
    };
    println!("{}: good, {found} log entries", args.from.display());
    if args.verify {
        return Ok(0);
    }
    let Some(target) = config.store.url.strip_prefix("sqlite:").map(PathBuf::from) else {
        bail!("store.url is not SQLite: restore the database with PostgreSQL's own tools, then copy {KEYS}/");
    };
    if target.exists() || config.paths.keys.exists() {
        bail!(
            "{} or {} exists: move them away first",
            target.display(),
            config.paths.keys.display()
        );
    }
    let bytes = read_input(&args.from.join(DATABASE), LARGEST)?;
    config::write_private(&target, &bytes)?;
    config::copy_folder(&args.from.join(KEYS), &config.paths.keys)?;
    println!(
        "restored to {} and {}",
        target.display(),
        config.paths.keys.display()
    );
    Ok(0)
}

/// Holds a backup against its manifest and reads its log again, on a copy. `None`: it is not good, and why is said.
async fn check(config: &Config, from: &Path) -> anyhow::Result<Option<u64>> {
    let manifest = json::parse(&read_input(&from.join(MANIFEST), 64 * 1024)?);
    let Ok(manifest) = manifest else {
        return no("the manifest does not parse");
    };
    if manifest["database"]["sha256"] != digest_of(&from.join(DATABASE))? {
        return no("the database is not the one the manifest names");
    }
    let work = config::temporary_folder(&Entropy::System)?;
    let database = work.path().join(DATABASE);
    config::write_private(&database, &read_input(&from.join(DATABASE), LARGEST)?)?;
    let mut copy = config.clone();
    copy.store.url = format!("sqlite:{}", database.display());
    copy.paths.keys = from.join(KEYS);
    if let Value::String(origin) = &manifest["log"]["origin"] {
        copy.log.origin.clone_from(origin);
    }
    let gateway = super::open_with(copy, Clock::System, Entropy::System).await?;
    let verification = gateway.verify_log(&[]).await?;
    gateway.store.close().await;
    let (size, root) = (&manifest["log"]["size"], &manifest["log"]["root"]);
    let report = verification.report;
    if let Some(first) = report.first() {
        return no(&format!("the log is not clean: {first}"));
    }
    if *size != report.entries || *root != report.root.base64().as_str() {
        return no("the log is not the one the manifest names");
    }
    Ok(Some(report.entries))
}

fn no(why: &str) -> anyhow::Result<Option<u64>> {
    eprintln!("{why}");
    Ok(None)
}

fn digest_of(file: &Path) -> anyhow::Result<String> {
    Ok(Digest::of(&read_input(file, LARGEST)?).hex())
}
