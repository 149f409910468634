//! Checks before and after a run, and its problems written out with paths.
//! <https://hl7.org/fhir/R4/validation.html>: structure and cardinality are judged by `fhir::gate`.

use super::Mapping;
use super::header::Kind;
use super::leaf::MAX_VALUES;
use super::path::{Path, Places, oversize};
use super::problem::{At, Problem, Rule};
use super::run::{Origin, Raw, Run};
use super::template::{From, Source};
use super::yaml::MAX_DEPTH;
use crate::fhir::{Severity, gate};
use serde_json::Value;
use std::collections::HashSet;

const TOP: At = At { line: 1, column: 1 };

impl Mapping {
    /// Is the record what the mapping says it reads?
    pub(super) fn shape<'m>(&'m self, run: &mut Run<'m, '_>) {
        let told = match (self.header.kind, run.record) {
            (Kind::Json, Value::Object(_)) => {
                oversize(run.record, MAX_DEPTH, MAX_VALUES).map(|why| (Rule::Limit, why))
            }
            (Kind::Json, _) => Some((Rule::Type, "a record is a JSON object")),
            (Kind::Csv, Value::Object(row)) if row.values().all(Value::is_string) => None,
            (Kind::Csv, _) => Some((Rule::Type, "a row of a CSV file is an object of texts")),
            (Kind::Fhir, _) => None,
        };
        if let Some((rule, why)) = told {
            run.problem(TOP, rule, Path::START, why.to_owned(), Origin::Nothing);
        }
    }

    /// Whatever the checks of the engine let through, R4 has the last word.
    pub(super) fn gate<'m>(&'m self, run: &mut Run<'m, '_>) {
        let mut found = Vec::new();
        for (number, resource) in run.resources.iter().enumerate() {
            let issues = gate::check(resource);
            found.extend(
                issues
                    .into_iter()
                    .filter(|issue| issue.severity <= Severity::Error)
                    .map(|issue| (number, issue)),
            );
        }
        for (number, issue) in found {
            let (start, at) = run.starts[number];
            let end = run
                .starts
                .get(number + 1)
                .map_or(run.trace.len(), |next| next.0 as usize);
            // the value that stands at or nearest above the place the gate names
            let nearest = run.trace[start as usize..end]
                .iter()
                .filter(|traced| issue.expression.starts_with(&run.paths.text(traced.path)))
                .max_by_key(|traced| run.paths.text(traced.path).len())
                .copied();
            let (at, origin) = nearest.map_or((at, Origin::Nothing), |t| {
                (t.at, Origin::Read(t.read.0, t.read.1))
            });
            run.stated(at, Rule::R4, issue.expression, issue.details, origin);
        }
    }

    /// The problems of a run, with paths.
    pub(super) fn report(&self, run: &Run<'_, '_>) -> Vec<Problem> {
        let places = Places::of(run.record);
        let mut found: Vec<Problem> = run
            .problems
            .iter()
            .map(|raw| self.problem(raw, run, &places))
            .collect();
        found.dedup();
        found
    }

    fn problem(&self, raw: &Raw<'_>, run: &Run<'_, '_>, places: &Places<'_>) -> Problem {
        let read = |(from, to): (u32, u32)| places.read(&run.touched[from as usize..to as usize]);
        let source = match &raw.origin {
            Origin::Nothing => String::new(),
            Origin::Read(from, to) => read((*from, *to)).join(", "),
            Origin::Named {
                source,
                item,
                parent,
                each,
            } => {
                let each = each.map(read).unwrap_or_default();
                named(source, *item, *parent, each, places)
            }
        };
        let target = raw.stated.clone().unwrap_or_else(|| run.paths.text(raw.path));
        Problem {
            file: self.file.clone(),
            line: raw.at.line,
            column: raw.at.column,
            target,
            source,
            rule: raw.rule,
            message: raw.message.clone(),
        }
    }
}

/// The fields that an expression names, below the item it ran over; for an item that the mapping made itself, what
/// it was made from.
fn named(source: &Source, item: usize, parent: usize, each: Vec<String>, places: &Places<'_>) -> String {
    let mut paths: Vec<String> = Vec::new();
    for read in &source.reads {
        let base = match read.from {
            From::Record => Some(String::new()),
            From::Item => places.text(item),
            From::Parent => places.text(parent),
        };
        match base.as_deref() {
            Some("") => paths.push(read.path.clone()),
            Some(base) if read.path.is_empty() => paths.push(base.to_owned()),
            Some(base) => paths.push(format!("{base}.{}", read.path)),
            None => {}
        }
    }
    if paths.is_empty() {
        paths = match places.text(item) {
            Some(path) => vec![path],
            None => each,
        };
    }
    // a list that an expression only passes through says less than the field below it
    let all = paths.clone();
    paths.retain(|path| !path.is_empty() && !all.iter().any(|other| other.starts_with(&format!("{path}."))));
    let mut seen = HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths.join(", ")
}
