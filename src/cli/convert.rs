//! `postern convert`: try a mapping on a record. Nothing is kept.

use std::path::Path;

use anyhow::Context as _;
use postern_rules::fhir::{Instant, json};
use postern_rules::mapping::Settings;
use serde_json::Value;

use super::args::ConvertArgs;
use super::table;
use crate::cli::say::complain;
use crate::config::{CatalogFiles, Clock, read_input, read_mapping};
use crate::gateway::{Mappings, load_mappings};

/// Ids in a conversion that is only tried out: they do not depend on any deployment.
const TRIAL_KEY: [u8; 32] = [0; 32];
const LIMIT: u64 = 64 * 1024 * 1024;

pub fn run(args: &ConvertArgs) -> anyhow::Result<u8> {
    let (root, mappings) = read_mapping(&args.mapping)?;
    let files = CatalogFiles {
        mappings,
        ..CatalogFiles::default()
    };
    let mut problems = Vec::new();
    let mappings: Mappings = load_mappings(&files, &root, &mut problems);
    if !problems.is_empty() {
        problems.iter().for_each(|problem| complain!("{problem}"));
        return Ok(1);
    }
    let name = mappings
        .names()
        .first()
        .map(|name| (*name).to_owned())
        .context("no mapping in that file")?;
    let (source, record) = name.split_once('/').context("a mapping is named source/record")?;
    let mapping = mappings.get(source, record).context("no such mapping")?;
    let Some(body) = parse(&args.file)? else {
        return Ok(1);
    };
    let now: Instant = Clock::System.instant();
    let settings = Settings {
        id_key: &TRIAL_KEY,
        now,
    };
    match mapping.convert(&body, &settings) {
        Err(problems) => {
            problems.iter().for_each(|problem| complain!("{problem}"));
            Ok(1)
        }
        Ok(conversion) => {
            let resources = serde_json::to_string_pretty(&Value::Array(conversion.resources.clone()))?;
            table::say(&(resources + "\n"));
            if args.trace {
                complain!("\nmapping {}", conversion.mapping());
                let rows: Vec<Vec<String>> = conversion
                    .trace()
                    .into_iter()
                    .map(|t| vec![t.resource, t.target, t.sources.join(", "), t.line.to_string()])
                    .collect();
                let table = table::render(&["Resource", "Element", "Source field", "Line"], &rows);
                complain!("{}", table.trim_end());
            }
            if args.unmapped {
                let unmapped = conversion.unmapped();
                complain!("\nsource fields that no expression reads: {}", unmapped.len());
                unmapped.iter().for_each(|field| complain!("  {field}"));
            }
            Ok(0)
        }
    }
}

fn parse(file: &Path) -> anyhow::Result<Option<Value>> {
    let bytes = read_input(file, LIMIT)?;
    match json::parse(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(issues) => {
            issues
                .iter()
                .for_each(|issue| complain!("{}: {issue}", file.display()));
            Ok(None)
        }
    }
}
