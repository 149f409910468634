//! A value held to a profile: cardinality, types, fixed values and patterns, slices, bindings, invariants.
//! <https://hl7.org/fhir/R4/profiling.html>

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::build::Unusable;
use super::rule::{Demand, TypeRule};
use super::spot::{Spot, of_element};
use super::tree::Node;
use super::walk::{Place, Walk};
use super::work::{ELSEWHERE, extent};
use crate::fhir::element::{Element, Type};
use crate::fhir::{IssueCode, Severity};
use crate::fhirpath::{Temporal, compare_digits};

impl<'v> Walk<'v> {
    /// Holds a resource or a datatype to a loaded profile.
    pub(super) fn hold(&mut self, at: usize, spot: Spot<'v>) {
        if !self.quiet && !self.held.insert((std::ptr::from_ref(spot.value).addr(), at)) {
            return;
        }
        let definitions = self.definitions;
        let structure = definitions.structure(at);
        let before = self.profile.replace(&structure.url);
        match definitions.tree(at) {
            Ok(_) if structure.of != spot.type_name => {
                self.error(IssueCode::Structure, format_args!("must be a {}", structure.of));
            }
            Ok(tree) => {
                self.own_invariants(&tree, spot);
                self.children(&tree, spot);
            }
            Err(Unusable::NoBase(base)) => {
                let what = format_args!("is not checked: the profile rests on {base}, which is not loaded");
                self.note(IssueCode::NotFound, what);
            }
            Err(_) => self.note(
                IssueCode::NotSupported,
                format_args!("is not checked: the profile cannot be used"),
            ),
        }
        self.profile = before;
    }

    /// Holds it to a profile that somebody else keeps: once, however often it is claimed.
    pub(super) fn held_elsewhere(&mut self, url: &str, spot: Spot<'v>) -> bool {
        let key = (std::ptr::from_ref(spot.value).addr(), url.to_owned());
        if self.held_beside.contains(&key) || self.work.is_spent() {
            return true;
        }
        let Some(issues) = self.elsewhere.and_then(|elsewhere| elsewhere(url, spot.value)) else {
            return false;
        };
        self.held_beside.insert(key);
        self.spend(ELSEWHERE * extent(spot.value));
        let here = self.path();
        for issue in issues {
            let below = issue.expression.strip_prefix(spot.type_name).unwrap_or_default();
            self.report_as(
                format!("{here}{below}"),
                issue.severity,
                issue.code,
                issue.details,
            );
        }
        true
    }

    /// Does it conform? What is being asked already counts as conforming: two that refer to each other may both be right.
    pub(super) fn conforms(&mut self, at: usize, spot: Spot<'v>) -> bool {
        if self.is_deep() {
            return true;
        }
        let key = (std::ptr::from_ref(spot.value).addr(), at);
        if let Some(known) = self.asked.get(&key) {
            return *known;
        }
        self.asked.insert(key, true);
        let frame = self.frame.clone();
        if spot.is_resource() {
            self.frame.resource = spot.value;
            if spot.child.is_none_or(|child| child.element.name != "contained") {
                self.frame.root = spot.value;
            }
        }
        let failed = self.quietly(|walk| walk.hold(at, spot));
        self.frame = frame;
        self.asked.insert(key, !failed);
        !failed
    }

    /// One profile says what is wrong; of several, one has to fit.
    pub(super) fn conforms_to_one(&mut self, profiles: &[&str], spot: Spot<'v>) {
        let known: Vec<usize> = profiles
            .iter()
            .filter_map(|url| self.definitions.find(url))
            .collect();
        match (known.as_slice(), profiles) {
            ([one], [_]) => self.hold(*one, spot),
            _ if known.iter().any(|at| self.conforms(*at, spot)) => {}
            _ if known.len() < profiles.len() => {
                let list = profiles.join(", ");
                self.note(
                    IssueCode::NotFound,
                    format_args!("is not checked: not all of {list} are loaded"),
                );
            }
            _ => {
                let list = profiles.join(", ");
                self.error(
                    IssueCode::Structure,
                    format_args!("must conform to one of {list}"),
                );
            }
        }
    }

    fn children(&mut self, node: &Node, spot: Spot<'v>) {
        if let (Some(of), Some(map)) = (spot.content(), spot.members()) {
            for child in &node.children {
                self.child(child, of, map);
            }
        }
    }

    fn child(&mut self, node: &Node, of: &'static Type, map: &'v Map<String, Value>) {
        // The same name in another type: of a choice, or of a resource yet to be known.
        let Some(element) = node.element.and_then(|e| of.element(e.name)) else {
            return;
        };
        if self.quiet && self.failed || !self.spend(1) || self.is_deep() {
            return;
        }
        let spots = of_element(map, of, element);
        self.places.push(Place::Name(element.stem()));
        self.count(node, element, spots.len());
        for spot in &spots {
            if !self.spend(2) {
                break;
            }
            self.at(*spot, |walk| walk.value(node, *spot));
        }
        self.slices(node, element, &spots);
        self.places.pop();
    }

    pub(super) fn at(&mut self, spot: Spot<'v>, check: impl FnOnce(&mut Walk<'v>)) {
        self.places.extend(spot.index.map(Place::Index));
        check(self);
        self.places
            .truncate(self.places.len() - usize::from(spot.index.is_some()));
    }

    fn count(&mut self, node: &Node, element: &Element, count: usize) {
        let (min, max) = (node.min as usize, node.max as usize);
        if count < min && (count > 0 || element.min == 0) {
            match (count, min) {
                (0, 1) => self.error(IssueCode::Required, format_args!("is required")),
                _ => self.error(
                    IssueCode::Required,
                    format_args!("must have at least {min} items"),
                ),
            }
        } else if count > max && node.max < element.max {
            match max {
                0 => self.error(IssueCode::Structure, format_args!("must not be there")),
                1 if !element.is_list() => {}
                _ => self.error(
                    IssueCode::Structure,
                    format_args!("must have at most {max} items"),
                ),
            }
        }
    }

    /// One value of an element, or of a slice of it.
    pub(super) fn value(&mut self, node: &Node, spot: Spot<'v>) {
        if spot.is_resource() {
            self.holds_resource(node, spot);
        } else {
            self.types(node, spot);
        }
        if let Some(demand) = &node.demand
            && !demand.met_by(spot.value)
        {
            let what = match demand {
                Demand::Fixed(_) => "must be the value that the profile fixes",
                Demand::Pattern(_) => "must match the pattern of the profile",
            };
            self.error(IssueCode::Value, format_args!("{what}"));
        }
        if let Some(binding) = &node.binding {
            self.bound_by(binding, spot);
        }
        self.extent(node, spot);
        self.own_invariants(node, spot);
        self.children(node, spot);
    }

    fn own_invariants(&mut self, node: &Node, spot: Spot<'v>) {
        for invariant in &node.invariants {
            self.invariant(invariant, spot);
        }
    }

    fn types(&mut self, node: &Node, spot: Spot<'v>) {
        let Some(element) = node.element else { return };
        let rules: Vec<&TypeRule> = match element.types.len() {
            0 | 1 => node.types.iter().collect(),
            _ => node
                .types
                .iter()
                .filter(|rule| rule.code == spot.type_name)
                .collect(),
        };
        if rules.is_empty() && element.types.len() > 1 {
            let list = node
                .types
                .iter()
                .map(|rule| rule.code)
                .collect::<Vec<_>>()
                .join(", ");
            return self.error(IssueCode::Structure, format_args!("must be of type {list}"));
        }
        let profiles: Vec<&str> = rules
            .iter()
            .flat_map(|rule| rule.profiles.iter().map(|url| &**url))
            .collect();
        if spot.type_name == "Extension" {
            self.extension_profile(&profiles, spot);
        } else if !profiles.is_empty() && rules.iter().all(|rule| !rule.profiles.is_empty()) {
            self.conforms_to_one(&profiles, spot);
        }
        for rule in rules
            .iter()
            .filter(|rule| rule.code == "Reference" && !rule.targets.is_empty())
        {
            self.refers_to_profile(rule, spot);
        }
    }

    /// Length, least and greatest value.
    fn extent(&mut self, node: &Node, spot: Spot<'v>) {
        if let (Some(most), Some(text)) = (node.max_length, spot.value.as_str())
            && text.chars().count() > most as usize
        {
            self.error(
                IssueCode::TooLong,
                format_args!("must have at most {most} characters"),
            );
        }
        let order = |limit: &Option<Value>| limit.as_ref().and_then(|limit| compare(spot.value, limit));
        if order(&node.least) == Some(Ordering::Less) {
            self.error(
                IssueCode::Value,
                format_args!("must not be less than the profile allows"),
            );
        }
        if order(&node.most) == Some(Ordering::Greater) {
            self.error(
                IssueCode::Value,
                format_args!("must not be more than the profile allows"),
            );
        }
    }

    /// What a slice lacks or has too much of.
    pub(super) fn slice_count(&mut self, name: &str, node: &Node, count: usize, undecided: bool) {
        let (min, max) = (node.min as usize, node.max as usize);
        if count < min {
            let severity = if undecided {
                Severity::Information
            } else {
                Severity::Error
            };
            let why = if undecided {
                ", as far as can be told here"
            } else {
                ""
            };
            match min {
                1 => self.report(
                    severity,
                    IssueCode::Required,
                    format_args!("must have an item of slice {name}{why}"),
                ),
                _ => {
                    let what = format_args!("must have at least {min} items of slice {name}{why}");
                    self.report(severity, IssueCode::Required, what);
                }
            }
        } else if count > max {
            let what = format_args!("must have at most {max} items of slice {name}");
            self.error(IssueCode::Structure, what);
        }
    }
}

impl Demand {
    pub(super) fn met_by(&self, value: &Value) -> bool {
        match self {
            Demand::Fixed(fixed) => same(fixed, value),
            Demand::Pattern(pattern) => contains(pattern, value),
        }
    }
}

/// Every part of the pattern is found: members by name, list items somewhere in the list.
fn contains(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::Object(p), Value::Object(v)) => p
            .iter()
            .all(|(name, p)| v.get(name).is_some_and(|v| contains(p, v))),
        (Value::Array(p), Value::Array(v)) => p.iter().all(|p| v.iter().any(|v| contains(p, v))),
        (p, v) => same(p, v),
    }
}

/// Equal but for the order of members and the digits of numbers.
fn same(fixed: &Value, value: &Value) -> bool {
    match (fixed, value) {
        (Value::Object(f), Value::Object(v)) => {
            f.len() == v.len() && f.iter().all(|(name, f)| v.get(name).is_some_and(|v| same(f, v)))
        }
        (Value::Array(f), Value::Array(v)) => f.len() == v.len() && f.iter().zip(v).all(|(f, v)| same(f, v)),
        (Value::Number(_), Value::Number(_)) => compare(value, fixed) == Some(Ordering::Equal),
        (f, v) => f == v,
    }
}

/// Numbers, dates and quantities of one unit; nothing else has an order.
fn compare(value: &Value, limit: &Value) -> Option<Ordering> {
    match (value, limit) {
        (Value::Number(a), Value::Number(b)) => compare_digits(a.as_str(), b.as_str()),
        (Value::String(a), Value::String(b)) => moment(a)?.compare(&moment(b)?),
        (Value::Object(a), Value::Object(b)) => {
            let same_unit = ["system", "code"].iter().all(|name| a.get(*name) == b.get(*name));
            same_unit
                .then(|| compare(a.get("value")?, b.get("value")?))
                .flatten()
        }
        _ => None,
    }
}

fn moment(text: &str) -> Option<Temporal> {
    Temporal::date_time(text).or_else(|| Temporal::time(text))
}
