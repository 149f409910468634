//! `postern backup` and `postern restore`: database, keys and outside checkpoints in one folder with a manifest.
//! A PostgreSQL database is backed up with its own tools; keys and checkpoints go into the folder all the same.
//! <https://www.sqlite.org/lang_vacuum.html#vacuuminto>

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use postern_rules::fhir::json;
use postern_rules::log::{Digest, Frontier};
use serde_json::{Value, json};

use super::args::RestoreArgs;
use crate::cli::say::{complain, say};
use crate::config::{self, Clock, Config, Entropy, read_input};
use crate::store::{BackupError, Options, Store};

const DATABASE: &str = "postern.db";
const MANIFEST: &str = "manifest.json";
const KEYS: &str = "keys";
const LARGEST: u64 = 64 * 1024 * 1024 * 1024;

pub async fn backup(file: Option<&Path>, to: &Path) -> anyhow::Result<u8> {
    if to.exists() {
        bail!("{}: exists already; name a new folder", to.display());
    }
    let gateway = super::open_founded(file).await?;
    gateway.seal().await?;
    config::make_private_folder(to)?;
    // Keys first: their outside checkpoints must not be ahead of the copied log.
    config::copy_folder(&gateway.config.paths.keys, &to.join(KEYS))?;
    let copied = gateway.store.backup_to(&to.join(DATABASE)).await;
    gateway.note_backup(&super::operator()).await?;
    let live = gateway.store.head().await?.context("the log has no head")?;
    super::close(&gateway).await;
    let mut manifest = json!({
        "made": Clock::System.instant().to_fhir(),
        "version": env!("CARGO_PKG_VERSION"),
        "origin": gateway.config.log.origin,
    });
    match copied {
        Ok(()) => {
            let head = head_of(&to.join(DATABASE)).await?;
            manifest["database"] = json!({"file": DATABASE, "sha256": digest_of(&to.join(DATABASE))?});
            manifest["log"] = json!({"size": head.size(), "root": head.root().base64()});
            say!("{}: database, keys and {} log entries", to.display(), head.size());
        }
        Err(BackupError::NotSqlite) => {
            manifest["log"] = json!({"size": live.size(), "root": live.root().base64()});
            say!(
                "{}: keys and checkpoints; copy the PostgreSQL database with pg_dump",
                to.display()
            );
        }
        Err(error) => return Err(error.into()),
    }
    config::write_private(&to.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
    Ok(0)
}

/// The head of the log in a database file, read from a copy of it: others may write to the original meanwhile.
async fn head_of(database: &Path) -> anyhow::Result<Frontier> {
    let work = config::temporary_folder(&Entropy::System)?;
    let copy = work.path().join(DATABASE);
    config::write_private(&copy, &read_input(database, LARGEST)?)?;
    let store = Store::open(&format!("sqlite:{}", copy.display()), Options::default()).await?;
    let head = store.head().await?.context("the log has no head")?;
    store.close().await;
    Ok(head)
}

pub async fn restore(file: Option<&Path>, args: &RestoreArgs) -> anyhow::Result<u8> {
    let config = Config::load(file)?;
    let Some(found) = check(&config, &args.from).await? else {
        return Ok(1);
    };
    say!("{}: good, {found} log entries", args.from.display());
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
    say!(
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
    let work = config::temporary_folder(&Entropy::System)?;
    let mut copy = config.clone();
    copy.paths.keys = from.join(KEYS);
    if manifest["database"].is_object() {
        if manifest["database"]["sha256"] != digest_of(&from.join(DATABASE))? {
            return no("the database is not the one the manifest names");
        }
        let database = work.path().join(DATABASE);
        config::write_private(&database, &read_input(&from.join(DATABASE), LARGEST)?)?;
        copy.store.url = format!("sqlite:{}", database.display());
    }
    if let Value::String(origin) = &manifest["origin"] {
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
    // A PostgreSQL database goes on from where the manifest stood; a copied file stands exactly there.
    let grown = manifest["database"].is_null() && size.as_u64().is_some_and(|size| size <= report.entries);
    if !grown && (*size != report.entries || *root != report.root.base64().as_str()) {
        return no("the log is not the one the manifest names");
    }
    Ok(Some(report.entries))
}

fn no(why: &str) -> anyhow::Result<Option<u64>> {
    complain!("{why}");
    Ok(None)
}

fn digest_of(file: &Path) -> anyhow::Result<String> {
    Ok(Digest::of(&read_input(file, LARGEST)?).hex())
}
