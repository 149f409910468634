//! One search request: a type, the person it is about, filters, and how the answer is to look.
//! <https://hl7.org/fhir/R4/search.html>

use std::collections::HashMap;

use super::cursor::{CursorKey, Pages};
use super::date::When;
use super::filter::{Filter, Setting, Wanted};
use super::include::Include;
use super::parameter::{Kind, Parameter, parameter};
use super::sort::{DEFAULT, Position, SortBy};
use super::take::Taking;
use super::values::Values;
use super::view::{Summary, View};
use crate::fhir::{Instant, Issue, IssueCode, Now};

#[derive(Clone, Debug)]
pub struct Query {
    pub resource_type: &'static str,
    /// Logical ids from `patient`; `None` when the parameter was not given.
    pub patients: Option<Vec<String>>,
    pub ids: Option<Vec<String>>,
    pub filters: Vec<Filter>,
    /// `_lastUpdated`: one of each list has to hold.
    pub updated: Vec<Vec<When>>,
    /// Never empty; ties go by id.
    pub sort: Vec<SortBy>,
    /// Most matches on one page; 0: they are only counted.
    pub count: usize,
    /// Is the number of matches said?
    pub total: bool,
    pub view: View,
    pub includes: Vec<Include>,
    /// Was something unknown left out (`handling=lenient`)?
    pub left_out: bool,
    /// Where the page begins: after the last match of the page before. Known once the query is `bound`.
    pub after: Option<Position>,
    /// The cursor that was presented.
    pub cursor: Option<String>,
    /// Of a search across people, how far its candidates were looked at.
    pub reach: Option<Reach>,
    pub(super) pages: Option<Pages>,
    /// As understood: what the `self` link states.
    pub applied: Vec<(String, String)>,
}

/// How far the candidates of a search across people were looked at.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// What stands after this place is not known yet: the page ends there, and the next one goes on. None: all were seen.
    pub until: Option<Position>,
    /// Of what is shared, from whose release (a person's id) each is taken, by its own id; others of it are not meant.
    pub holders: Option<HashMap<String, String>>,
}

/// Matches on a page when the request says nothing, and at most.
pub const DEFAULT_COUNT: usize = 100;
pub const MOST_COUNT: usize = 500;

/// Parameters of one request, and values of all of them together.
const MOST_PARAMETERS: usize = 200;
const MOST_VALUES: usize = 2_000;
/// Problems that are told at once: each names what there is, so that many would be an answer far longer than the request.
pub(super) const MOST_ISSUES: usize = 20;

/// Refuses a request of too many parameters or values before any of them is read.
pub(super) fn bounded(pairs: &[(String, String)]) -> Result<(), Vec<Issue>> {
    let values = pairs
        .iter()
        .map(|(_, value)| 1 + value.bytes().filter(|b| *b == b',').count());
    if pairs.len() <= MOST_PARAMETERS && values.sum::<usize>() <= MOST_VALUES {
        return Ok(());
    }
    let why = format!("at most {MOST_PARAMETERS} parameters and {MOST_VALUES} values in one request");
    Err(vec![Issue::error(IssueCode::TooCostly, "", why)])
}

impl Query {
    /// Reads decoded `name=value` pairs. Every unknown parameter or modifier is its own issue; neither names nor values of
    /// the request are quoted, because a search can name a person.
    pub fn parse(
        resource_type: &'static str,
        pairs: &[(String, String)],
        setting: &Setting<'_>,
    ) -> Result<Query, Vec<Issue>> {
        bounded(pairs)?;
        let mut taking = Taking::new(resource_type, setting);
        let mut issues = Vec::new();
        for (name, value) in pairs {
            issues.extend(taking.take(name, value).err());
        }
        issues.extend(taking.contradiction());
        issues.truncate(MOST_ISSUES);
        if issues.is_empty() {
            Ok(taking.query.counted())
        } else {
            Err(issues)
        }
    }

    /// The size of its pages is stated also where the request left it to us.
    fn counted(mut self) -> Query {
        if self.applied.iter().all(|(name, _)| name != "_count") {
            self.applied.push(("_count".to_owned(), self.count.to_string()));
        }
        self
    }

    pub(super) fn new(resource_type: &'static str) -> Query {
        Query {
            resource_type,
            patients: None,
            ids: None,
            filters: Vec::new(),
            updated: Vec::new(),
            sort: vec![DEFAULT],
            count: DEFAULT_COUNT,
            total: true,
            view: View::default(),
            includes: Vec::new(),
            left_out: false,
            after: None,
            cursor: None,
            reach: None,
            pages: None,
            applied: Vec::new(),
        }
    }

    /// The query of this client for this purpose: from now on it has pages. A presented cursor that does not belong to
    /// it, or is too old, is an issue.
    pub fn bound(mut self, key: &CursorKey, client: &str, purpose: &str, now: &Now) -> Result<Query, Issue> {
        let pages = key.pages(&self, client, purpose, now);
        self.after = match &self.cursor {
            None => None,
            Some(cursor) => Some(pages.read(cursor, now)?),
        };
        self.pages = Some(pages);
        Ok(self)
    }

    /// The cursor of the page that begins after this place; none of a query that is nobody's.
    pub fn cursor_after(&self, place: &Position) -> Option<String> {
        self.pages.as_ref().map(|pages| pages.cursor(place))
    }

    /// Does a released resource of this type fit?
    pub fn matches(&self, id: &str, changed_at: Instant, values: &Values) -> bool {
        self.ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
            && self.matches_patient(values)
            && self.filters.iter().all(|filter| filter.matches(values))
            && self.matches_updated(changed_at)
    }

    /// Is this what the search means, when it stands in the release of this person?
    pub fn is_taken_from(&self, patient: &str, id: &str) -> bool {
        let holders = self.reach.as_ref().and_then(|reach| reach.holders.as_ref());
        holders.is_none_or(|holders| holders.get(id).is_some_and(|holder| holder == patient))
    }

    fn matches_patient(&self, values: &Values) -> bool {
        self.patients.as_ref().is_none_or(|patients| {
            let mut held = values.references("patient");
            held.any(|(of, held)| of == "Patient" && patients.iter().any(|id| id == held))
        })
    }

    fn matches_updated(&self, changed_at: Instant) -> bool {
        // It is stated, and kept, in milliseconds.
        let held = (changed_at, Instant(changed_at.0 + 1000));
        let mut all = self.updated.iter();
        all.all(|any| any.iter().any(|when| when.fits(held)))
    }

    /// Is no more than a number asked for?
    pub fn is_count(&self) -> bool {
        self.count == 0 || self.view.summary == Summary::Count
    }

    /// Is it the order in which a release holds its resources?
    pub fn is_in_default_order(&self) -> bool {
        self.sort == [DEFAULT]
    }

    /// The filters of one parameter; each of them has to hold.
    pub fn filters_of<'q>(&'q self, code: &'q str) -> impl Iterator<Item = &'q Filter> {
        self.filters
            .iter()
            .filter(move |filter| filter.parameter.code == code)
    }

    /// The filters of one kind.
    pub fn filters_of_kind(&self, kind: Kind) -> impl Iterator<Item = &Filter> {
        self.filters
            .iter()
            .filter(move |filter| filter.parameter.kind == kind)
    }

    /// Between which instants `_lastUpdated` of a match lies, `[from, to)`: all that fits is inside, not all inside fits.
    /// `None` when the parameter was not given.
    pub fn updated_bounds(&self) -> Option<(Instant, Instant)> {
        let of_list = |any: &Vec<When>| {
            let all = any.iter().map(When::bounds);
            all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        };
        let lists = self.updated.iter().filter_map(of_list);
        lists.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    /// `(system, value)` of the identifiers one of which a match has to carry; none when one of them could be of any system.
    pub fn identifiers(&self) -> Vec<(String, String)> {
        let both = |wanted: &Wanted| match wanted {
            Wanted::Token {
                system: Some(system),
                code,
            } if !code.is_empty() => Some((system.clone(), code.clone())),
            _ => None,
        };
        let whole = self.filters_of("identifier").find_map(|filter| {
            let all: Option<Vec<_>> = filter.any_of().iter().map(both).collect();
            all.filter(|all| !all.is_empty())
        });
        whole.unwrap_or_default()
    }

    /// `Type` and id of each resource that the search names: those of `_id`, and what a Provenance is of (`target`, `patient`). Whose they are says in
    /// whose releases to look.
    pub fn named(&self) -> Vec<(String, String)> {
        let ids = self.ids.iter().flatten();
        if self.resource_type != "Provenance" {
            return ids
                .map(|id| (self.resource_type.to_owned(), id.clone()))
                .collect();
        }
        let of_ids = ids
            .filter_map(|id| provenance_target(id))
            .map(|(of, id)| (of.to_owned(), id.to_owned()));
        let links = self.filters.iter().flat_map(|filter| {
            let patient = filter.parameter.code == "patient";
            filter.any_of().iter().map(move |wanted| (patient, wanted))
        });
        let targets = links.filter_map(|(patient, wanted)| match wanted {
            Wanted::To {
                resource_type: Some(of),
                id,
            } => Some((of.clone(), id.clone())),
            Wanted::To {
                resource_type: None,
                id,
            } if patient => Some(("Patient".to_owned(), id.clone())),
            _ => None,
        });
        of_ids.chain(targets).collect()
    }

    /// The parameter of the searched type.
    pub fn parameter(&self, code: &str) -> Option<&'static Parameter> {
        parameter(self.resource_type, code)
    }
}

/// The id of the Provenance of a resource.
pub fn provenance_id(resource_type: &str, id: &str) -> String {
    format!("{resource_type}-{id}")
}

/// Type and id of the resource whose Provenance has this id.
pub fn provenance_target(id: &str) -> Option<(&str, &str)> {
    // No name of a type has a hyphen.
    id.split_once('-')
}
