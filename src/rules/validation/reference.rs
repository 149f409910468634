//! References: what they lead to, as far as it is at hand, and whether that is what may stand there.
//! <https://hl7.org/fhir/R4/references.html>

use serde_json::Value;

use super::canonical::core_type;
use super::rule::TypeRule;
use super::spot::Spot;
use super::tree::Node;
use super::walk::Walk;
use crate::fhir::IssueCode;
use crate::fhir::element::table;
use crate::fhirpath::{EvalError, Host, Item};

/// What a reference leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'v> {
    /// In the Bundle, or contained.
    Here(&'v Value),
    /// Elsewhere; its type is known from the reference.
    Elsewhere(&'static str),
    /// Nothing is known.
    Unknown,
}

impl<'v> Walk<'v> {
    /// Follows a Reference, or a canonical or uri.
    pub(super) fn target(&self, spot: Spot<'v>) -> Target<'v> {
        let literal = match spot.value {
            Value::String(text) => Some(text.as_str()),
            _ => spot.text("reference"),
        };
        let found = literal.and_then(|text| self.lookup(text));
        if let Some(found) = found {
            return Target::Here(found);
        }
        let stated = spot
            .text("type")
            .and_then(|name| table().resource(core_type(name).unwrap_or(name)));
        let named = literal
            .filter(|text| !text.starts_with('#'))
            .and_then(literal_type);
        match named.or(stated.map(|of| of.name)) {
            Some(name) => Target::Elsewhere(name),
            None => Target::Unknown,
        }
    }

    fn lookup(&self, reference: &str) -> Option<&'v Value> {
        if let Some(id) = reference.strip_prefix('#') {
            if id.is_empty() {
                return Some(self.frame.root);
            }
            let contained = self.frame.root.get("contained")?.as_array()?;
            self.spend(contained.len() / 4);
            return contained
                .iter()
                .find(|one| one.get("id").is_some_and(|v| v == id));
        }
        self.frame.bundle.as_ref()?.find(reference, self.frame.base)
    }

    /// R4's own rule: the types that an element may refer to.
    pub(super) fn refers_to_a_type(&mut self, spot: Spot<'v>) {
        let Some(child) = spot.child else { return };
        let allowed = child.element.targets;
        if allowed.is_empty() || allowed.contains(&"Resource") {
            return;
        }
        let found = match self.target(spot) {
            Target::Here(resource) => Spot::resource(resource).map(|spot| spot.type_name),
            Target::Elsewhere(name) => Some(name),
            Target::Unknown => None,
        };
        if found.is_some_and(|name| !allowed.contains(&name)) {
            let list = allowed.join(", ");
            self.error(IssueCode::Value, format_args!("must refer to one of {list}"));
        }
    }

    /// A profile's rule: what it refers to is of one of these definitions.
    pub(super) fn refers_to_profile(&mut self, rule: &TypeRule, spot: Spot<'v>) {
        let named = |url: &str| core_type(url).and_then(|n| table().any(n)).map(|of| of.name);
        let of = |url: &str| named(url).or_else(|| self.definitions.type_of(url));
        let types: Vec<Option<&'static str>> = rule.targets.iter().map(|url| of(url)).collect();
        let (resource, found) = match self.target(spot) {
            Target::Here(resource) => (
                Some(resource),
                Spot::resource(resource).map(|spot| spot.type_name),
            ),
            Target::Elsewhere(name) => (None, Some(name)),
            Target::Unknown => (None, None),
        };
        let Some(found) = found else {
            if spot.text("reference").is_some() {
                self.note(
                    IssueCode::NotFound,
                    format_args!("is not at hand: what it refers to is not checked"),
                );
            }
            return;
        };
        // A definition that is not loaded may be of any type.
        let fits = |of: &Option<&str>| of.is_none_or(|of| of == found || of == "Resource");
        if !types.iter().any(fits) {
            let mut names: Vec<&str> = types.into_iter().flatten().collect();
            names.dedup();
            let list = names.join(", ");
            return self.error(IssueCode::Value, format_args!("must refer to one of {list}"));
        }
        let own = rule
            .targets
            .iter()
            .zip(&types)
            .filter(|(_, of)| fits(of))
            .map(|(url, _)| &**url);
        let own: Vec<&str> = own.collect();
        if own.iter().any(|url| named(url).is_some()) {
            return;
        }
        match resource {
            Some(resource) => self.target_conforms(&own, resource),
            None => self.note(
                IssueCode::NotFound,
                format_args!("is not at hand: its profile is not checked"),
            ),
        }
    }

    fn target_conforms(&mut self, profiles: &[&str], resource: &'v Value) {
        let Some(spot) = Spot::resource(resource) else {
            return;
        };
        let known: Vec<usize> = profiles
            .iter()
            .filter_map(|url| self.definitions.find(url))
            .collect();
        if known.iter().any(|at| self.conforms(*at, spot)) {
            return;
        }
        let list = profiles.join(", ");
        if known.len() < profiles.len() {
            self.note(
                IssueCode::NotFound,
                format_args!("is not checked: not all of {list} are loaded"),
            );
        } else {
            self.error(
                IssueCode::Value,
                format_args!("must refer to what conforms to one of {list}"),
            );
        }
    }

    /// Types and profiles that a resource inside this one may have: `Bundle.entry.resource`, `contained`.
    pub(super) fn holds_resource(&mut self, node: &Node, spot: Spot<'v>) {
        let fits = |rule: &&TypeRule| {
            matches!(rule.code, "Resource" | "DomainResource") || rule.code == spot.type_name
        };
        let rules: Vec<&TypeRule> = node.types.iter().filter(fits).collect();
        if rules.is_empty() && !node.types.is_empty() {
            let list = node
                .types
                .iter()
                .map(|rule| rule.code)
                .collect::<Vec<_>>()
                .join(", ");
            return self.error(IssueCode::Structure, format_args!("must be one of {list}"));
        }
        if rules.iter().any(|rule| rule.profiles.is_empty()) {
            return;
        }
        let profiles: Vec<&str> = rules
            .iter()
            .flat_map(|rule| rule.profiles.iter().map(|url| &**url))
            .collect();
        self.conforms_to_one(&profiles, spot);
    }
}

/// `Patient` of `Patient/1` and of `https://host/fhir/Patient/1/_history/2`.
fn literal_type(reference: &str) -> Option<&'static str> {
    let current = reference
        .split_once("/_history/")
        .map_or(reference, |(current, _)| current);
    let (before, id) = current.rsplit_once('/')?;
    let kind = before.rsplit_once('/').map_or(before, |(_, kind)| kind);
    table()
        .resource(kind)
        .filter(|_| !id.is_empty())
        .map(|of| of.name)
}

/// What `resolve()` finds while an invariant is evaluated.
pub(super) struct Around<'w, 'v>(pub &'w Walk<'v>);

impl Host for Around<'_, '_> {
    fn call<'a>(
        &'a self,
        _: &'static str,
        _: &[Item<'a>],
        _: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        Err(EvalError::host(at, "an invariant has no host functions"))
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.0.lookup(reference)
    }

    fn is_member(&self, item: &Item<'_>, value_set: &str) -> Option<bool> {
        let Item::Node(node) = item else { return None };
        self.0.is_code_of(node.value(), node.type_name()?, value_set)
    }

    fn conforms(&self, item: &Item<'_>, profile: &str) -> Option<bool> {
        let Item::Node(node) = item else { return None };
        let spot = Spot::resource(node.value())?;
        if core_type(profile) == Some(spot.type_name) {
            return Some(true);
        }
        let at = self.0.definitions.find(profile)?;
        let mut walk = self.0.within(node.value());
        (!walk.is_deep()).then(|| walk.conforms(at, spot))
    }
}
