//! Records that are FHIR R4 already: a Bundle or a list of resources about one person becomes resources of ours, whole or not at
//! all. `README.md` in this folder; <https://hl7.org/fhir/R4/bundle.html>
//!
//! Nothing a source says about ids, versions, profiles or narrative is believed; what it says about sensitivity is kept.

mod header;
mod taken;
mod entries;
mod known;
mod pieces;
mod contained;
mod medication;
mod attachment;
mod settle;
mod person;
mod labels;
mod trace;

#[cfg(test)]
mod tests;

pub(super) use header::{KEYS, Rules};
pub(super) use trace::Taken;

use super::problem::{At, Rule};
use crate::fhir::{Severity, gate};
use serde_json::Value;
use std::collections::BTreeMap;

/// What every step of one conversion shares.
pub(super) struct Task<'m> {
    pub rules: &'m Rules,
    pub namespace: &'m str,
    pub id_key: &'m [u8],
    pub problems: Vec<Found>,
    /// What was left out: types, and references by their element.
    pub left_out: BTreeMap<String, usize>,
}

/// A problem of the record, at a line of the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub at: At,
    pub rule: Rule,
    pub target: String,
    pub source: String,
    pub message: String,
}

/// Problems beyond this are not listed.
const MAX_PROBLEMS: usize = 1_000;

impl Task<'_> {
    pub fn problem(&mut self, at: At, rule: Rule, target: &str, source: &str, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Found {
                at,
                rule,
                target: target.to_owned(),
                source: source.to_owned(),
                message: message.into(),
            });
        }
    }

    pub fn leave_out(&mut self, what: &str) {
        *self.left_out.entry(what.to_owned()).or_default() += 1;
    }

    /// All problems that the gate has with a resource that stands at `place` of the record. `known`: names that R4 does not know
    /// are problems too; of what comes in, the mapping may drop them.
    fn gate(&mut self, at: At, place: &str, resource: &Value, known: bool) {
        for issue in gate::check(resource) {
            let passes = !known && issue.details == gate::NO_ELEMENT;
            if issue.severity <= Severity::Error && !passes {
                let below = issue
                    .expression
                    .find(['.', '['])
                    .unwrap_or(issue.expression.len());
                let source = format!("{place}{}", &issue.expression[below..]);
                self.problem(at, Rule::R4, &issue.expression, &source, issue.details);
            }
        }
    }
}

/// Takes one record in.
///
/// # Errors
/// Every problem of the record, without its values.
pub(super) fn convert(
    rules: &Rules,
    namespace: &str,
    id_key: &[u8],
    record: &Value,
) -> Result<Taken, Vec<Found>> {
    let mut task = Task {
        rules,
        namespace,
        id_key,
        problems: Vec::new(),
        left_out: BTreeMap::new(),
    };
    let entries = entries::read(&mut task, record);
    for entry in entries.iter().filter(|entry| rules.takes(entry.kind).is_some()) {
        task.gate(
            rules.line_of(entry.kind),
            &entry.place,
            entry.body,
            !rules.drops_unknown,
        );
    }
    // What is no R4 is not looked into.
    if !task.problems.is_empty() {
        return Err(task.problems);
    }
    let known = known::Known::of(&mut task, &entries);
    let mut pieces = pieces::make(&mut task, &known);
    let person = person::the_one(&mut task, &mut pieces);
    if !task.problems.is_empty() {
        return Err(task.problems);
    }
    let own = person.as_ref().map(|person| person.own.as_str());
    settle::all(&mut task, &known, own, &mut pieces);
    person::each_names(&mut task, person.as_ref(), &pieces);
    labels::mark(&mut task, &mut pieces);
    let taken = Taken::of(&mut task, pieces);
    if task.problems.is_empty() {
        Ok(taken)
    } else {
        Err(task.problems)
    }
}
