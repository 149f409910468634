//! What both walks through a resource share: where they stand, what is around, what was found.
//! <https://hl7.org/fhir/R4/validation.html>
//!
//! Texts come from a closed set. They name elements, types, invariants and addresses of definitions that are loaded here;
//! what stands in the resource is never repeated.

use std::collections::{HashMap, HashSet};
use std::fmt::Arguments;
use std::rc::Rc;

use serde_json::Value;

use super::Elsewhere;
use super::bundle::Index;
use super::definitions::Definitions;
use super::work::Work;
use crate::fhir::path::{push_index, push_name};
use crate::fhir::{Issue, IssueCode, Severity};

/// Errors listed, and as many warnings and as many notes of what was not checked; one more says that there were more.
const MAX_ISSUES: usize = 500;

#[derive(Clone, Copy)]
pub(super) enum Place<'v> {
    Name(&'v str),
    Index(usize),
}

/// The resource being looked at and what it stands in.
#[derive(Clone)]
pub(super) struct Frame<'v> {
    /// `%resource`
    pub resource: &'v Value,
    /// `%rootResource`: what holds it, if it is contained
    pub root: &'v Value,
    /// The Bundle around it, and the base of its fullUrl there.
    pub bundle: Option<Rc<Index<'v>>>,
    pub base: Option<&'v str>,
    /// How many places lead to it, its own included.
    pub depth: usize,
}

pub(super) struct Walk<'v> {
    pub definitions: &'v Definitions,
    pub places: Vec<Place<'v>>,
    pub frame: Frame<'v>,
    /// The profile whose rules are being held; none for R4's own.
    pub profile: Option<&'v str>,
    pub elsewhere: Option<&'v Elsewhere<'v>>,
    pub work: Rc<Work>,
    /// How deep the walk around this one stands.
    pub outer: usize,
    /// Only whether there is an error is asked: nothing is listed.
    pub quiet: bool,
    pub failed: bool,
    /// What was held against which profile already, by address and position.
    pub held: HashSet<(usize, usize)>,
    /// The same, of profiles that are kept elsewhere.
    pub held_beside: HashSet<(usize, String)>,
    /// The same where it was only asked; what is being asked counts as conformant.
    pub asked: HashMap<(usize, usize), bool>,
    issues: Vec<Issue>,
    /// Errors, warnings, notes.
    counts: [usize; 3],
    /// The worst of what found no place in the list.
    more: Severity,
    told: HashSet<(String, String)>,
}

impl<'v> Walk<'v> {
    pub(super) fn new(definitions: &'v Definitions, resource: &'v Value) -> Walk<'v> {
        Walk {
            definitions,
            places: Vec::new(),
            frame: Frame {
                resource,
                root: resource,
                bundle: None,
                base: None,
                depth: 1,
            },
            profile: None,
            elsewhere: None,
            work: Work::new(),
            outer: 0,
            quiet: false,
            failed: false,
            held: HashSet::new(),
            held_beside: HashSet::new(),
            asked: HashMap::new(),
            issues: Vec::new(),
            counts: [0; 3],
            more: Severity::Information,
            told: HashSet::new(),
        }
    }

    pub(super) fn error(&mut self, code: IssueCode, what: Arguments<'_>) {
        self.report(Severity::Error, code, what);
    }

    pub(super) fn note(&mut self, code: IssueCode, what: Arguments<'_>) {
        self.report(Severity::Information, code, what);
    }

    /// Each thing is said once of a place, whichever profile says it first.
    pub(super) fn report(&mut self, severity: Severity, code: IssueCode, what: Arguments<'_>) {
        if self.quiet {
            self.failed |= severity <= Severity::Error;
            return;
        }
        let expression = self.path();
        self.report_as(expression, severity, code, what.to_string());
    }

    /// At a place that is already written.
    pub(super) fn report_as(
        &mut self,
        expression: String,
        severity: Severity,
        code: IssueCode,
        mut details: String,
    ) {
        let counted = severity.max(Severity::Error) as usize - Severity::Error as usize;
        if self.counts[counted] >= MAX_ISSUES {
            self.more = self.more.min(severity);
            return;
        }
        if !self.told.insert((expression.clone(), details.clone())) {
            return;
        }
        if let Some(profile) = self.profile {
            details.push_str(&format!(" (profile {profile})"));
        }
        self.counts[counted] += 1;
        self.issues.push(Issue {
            severity,
            code,
            expression,
            details,
        });
    }

    /// The same at an element below the present place.
    pub(super) fn report_at(
        &mut self,
        name: &'v str,
        severity: Severity,
        code: IssueCode,
        what: Arguments<'_>,
    ) {
        self.places.push(Place::Name(name));
        self.report(severity, code, what);
        self.places.pop();
    }

    /// Once for the whole input, whatever the place.
    pub(super) fn note_once(&mut self, code: IssueCode, what: Arguments<'_>) {
        let places = std::mem::take(&mut self.places);
        self.note(code, what);
        self.places = places;
    }

    /// Is there nothing more to be found out?
    pub(super) fn is_full(&self) -> bool {
        self.more <= Severity::Error || self.work.is_spent()
    }

    /// Is what follows an error? Nothing is listed meanwhile.
    pub(super) fn quietly(&mut self, check: impl FnOnce(&mut Walk<'v>)) -> bool {
        let (quiet, failed) = (self.quiet, self.failed);
        (self.quiet, self.failed) = (true, false);
        check(self);
        let found = self.failed;
        (self.quiet, self.failed) = (quiet, failed);
        found
    }

    pub(super) fn path(&self) -> String {
        let mut out = String::new();
        for place in &self.places {
            match place {
                Place::Name(name) => push_name(&mut out, name),
                Place::Index(index) => push_index(&mut out, *index),
            }
        }
        out
    }

    pub(super) fn finish(mut self) -> Vec<Issue> {
        let mut whole = |severity, code, details: String| {
            self.issues.push(Issue {
                severity,
                code,
                expression: String::new(),
                details,
            });
        };
        if self.more < Severity::Information {
            let what = format!("there are more problems; the first {MAX_ISSUES} of each severity are listed");
            whole(self.more, IssueCode::TooLong, what);
        }
        if self.work.is_spent() {
            let what = "is not checked to the end: that takes more work than one resource may cost";
            whole(Severity::Error, IssueCode::TooCostly, what.to_owned());
        }
        if self.work.too_deep.get() {
            let what = "references lead too deep: what lies at their end is not held to profiles";
            whole(Severity::Information, IssueCode::TooCostly, what.to_owned());
        }
        self.issues
    }
}
