//! `postern audit`: verify the log, read the log.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use postern_rules::fhir::json;

use super::args::AuditCommand;
use super::table;
use crate::cli::say::say;
use crate::config::read_input;
use crate::gateway::{AuditFilter, Gateway};
use postern_rules::audit::Line;

pub async fn run(config: Option<&Path>, command: AuditCommand) -> anyhow::Result<u8> {
    let gateway = super::open_founded(config).await?;
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
        let text = String::from_utf8(read_input(file, 64 * 1024 * 1024)?)
            .with_context(|| format!("{}: not a text", file.display()))?;
        anchors.extend(notes(&file.display().to_string(), text));
    }
    let verification = gateway.verify_log(&anchors).await?;
    let report = verification.report;
    if report.is_clean() {
        say!(
            "clean: {} entries, root {}, {} checkpoints match, {} entries not yet under a checkpoint",
            report.entries,
            report.root.base64(),
            report.checkpoints,
            report.unsigned
        );
        return Ok(0);
    }
    if let Some(first) = report.first() {
        say!("TAMPERED: first bad entry: {first}");
    }
    say!("{} findings; the first {}:", report.count, report.findings.len());
    report.findings.iter().for_each(|finding| say!("  {finding}"));
    Ok(1)
}

/// The notes in a file: one note as it is, or a copy of `checkpoints.log`, one a line as a JSON string.
fn notes(name: &str, text: String) -> Vec<(String, String)> {
    if !text.starts_with('"') {
        return vec![(name.to_owned(), text)];
    }
    let note = |line: &str| json::parse(line.as_bytes()).ok()?.as_str().map(str::to_owned);
    text.lines()
        .enumerate()
        .map(|(index, line)| (format!("{name}:{}", index + 1), note(line).unwrap_or_default()))
        .collect()
}

async fn list(gateway: &Gateway, filter: AuditFilter) -> anyhow::Result<u8> {
    let lines = gateway.list_log(&filter, &super::operator()).await?;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| line.cells().into_iter().map(str::to_owned).collect())
        .collect();
    table::print(&Line::HEADINGS, &rows);
    table::say(&format!("{} entries\n", rows.len()));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::notes;

    #[test]
    fn a_witness_is_one_note_or_a_copy_of_the_file_beside_the_keys() {
        let one = notes("f", "origin\n1\nroot\n".to_owned());
        assert_eq!(one, [("f".to_owned(), "origin\n1\nroot\n".to_owned())]);
        let many = notes("f", "\"a\\n1\"\n\"b\"\nhalf".to_owned());
        let many: Vec<(&str, &str)> = many.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!(many, [("f:1", "a\n1"), ("f:2", "b"), ("f:3", "")]);
    }
}
