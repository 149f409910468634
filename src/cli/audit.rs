//! `postern audit`: verify the log, read the log.

use std::path::{Path, PathBuf};

use super::args::AuditCommand;
use super::table;
use crate::config::read_input;
use crate::gateway::{AuditFilter, Gateway};
use postern_rules::audit::Line;

pub async fn run(config: Option<&Path>, command: AuditCommand) -> anyhow::Result<u8> {
    let gateway = super::open(config).await?;
    let reads_only = matches!(command, AuditCommand::Verify { .. });
    let code = match command {
        AuditCommand::Verify { checkpoints } => verify(&gateway, &checkpoints).await,
        AuditCommand::List { patient, all } => list(&gateway, AuditFilter { patient, all }).await,
    };
    // Verifying signs nothing: what it found unsigned stays so.
    if reads_only {
        gateway.store.close().await;
    } else {
        super::close(&gateway).await;
    }
    code
}

async fn verify(gateway: &Gateway, files: &[PathBuf]) -> anyhow::Result<u8> {
    let mut anchors = gateway.anchors();
    for file in files {
        let note = String::from_utf8(read_input(file, 1024 * 1024)?)?;
        anchors.push((file.display().to_string(), note));
    }
    let verification = gateway.verify_log(&anchors).await?;
    let report = verification.report;
    if report.is_clean() {
        println!(
            "clean: {} entries, root {}, {} checkpoints match, {} entries not yet under a checkpoint",
            report.entries,
            report.root.base64(),
            report.checkpoints,
            report.unsigned
        );
        return Ok(0);
    }
    if let Some(first) = report.first() {
        println!("TAMPERED: first bad entry: {first}");
    }
    println!("{} findings; the first {}:", report.count, report.findings.len());
    report.findings.iter().for_each(|finding| println!("  {finding}"));
    Ok(1)
}

async fn list(gateway: &Gateway, filter: AuditFilter) -> anyhow::Result<u8> {
    let lines = gateway.list_log(&filter, &super::operator()).await?;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| line.cells().into_iter().map(str::to_owned).collect())
        .collect();
    table::print(&Line::HEADINGS, &rows);
    println!("{} entries", rows.len());
    Ok(0)
}
