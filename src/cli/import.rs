//! `postern import`: a file of records goes in; each bad one is named with its line and all its problems.

use std::path::Path;

use super::args::ImportArgs;
use crate::cli::say::{complain, say};
use crate::config::read_input;

const LIMIT: u64 = 1024 * 1024 * 1024;

pub async fn run(config: Option<&Path>, args: ImportArgs) -> anyhow::Result<u8> {
    let bytes = read_input(&args.file, LIMIT)?;
    let gateway = super::open(config).await?;
    let operator = super::operator();
    let staff = args.staff.as_deref().unwrap_or(&operator);
    let imported = gateway
        .import(&args.source, &args.record, &bytes, Some(staff))
        .await;
    super::close(&gateway).await;
    let report = match imported {
        Ok(report) => report,
        Err(why) => {
            complain!("{}: {why}", args.file.display());
            return Ok(1);
        }
    };
    for line in &report.lines {
        if let Ok(accepted) = &line.result {
            let (written, retired) = (accepted.changed, accepted.retired);
            say!(
                "{}:{}: accepted, {written} resources written, {retired} retired",
                args.file.display(),
                line.line
            );
            for (what, count) in &accepted.left_out {
                say!("{}:{}: left out {count} {what}", args.file.display(), line.line);
            }
        }
        if let Err(problems) = &line.result {
            problems
                .iter()
                .for_each(|problem| complain!("{}:{}: {problem}", args.file.display(), line.line));
        }
    }
    say!(
        "{} records: {} accepted ({} resources written), {} rejected",
        report.lines.len(),
        report.accepted(),
        report.changed(),
        report.rejected()
    );
    Ok(u8::from(report.rejected() > 0))
}
