//! R4's own rules for a resource, beyond its shape: bindings, invariants, references, extensions, contained resources,
//! and the profiles it claims. <https://hl7.org/fhir/R4/validation.html>

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::bundle::base_of;
use super::rule::Strength;
use super::spot::{Spot, of_key};
use super::walk::{Frame, Place, Walk};
use crate::fhir::constraint::{ancestor, stated_at};
use crate::fhir::element::{Child, Type, table};
use crate::fhir::{IssueCode, Severity};

impl<'v> Walk<'v> {
    /// A resource of a known type, wherever it stands. What is of no known type the gate has refused.
    pub(super) fn resource(&mut self, spot: Spot<'v>) {
        let Some(of) = table().resource(spot.type_name) else {
            return;
        };
        let Some(map) = spot.value.as_object() else { return };
        let before = self.frame.clone();
        self.frame.resource = spot.value;
        if of.name == "Bundle" {
            self.enter_bundle(spot.value);
        }
        self.type_invariants(of.name, spot);
        self.contained_ids(map);
        self.members(of, None, map);
        self.claims(spot);
        self.frame = before;
    }

    /// Elements of a resource, datatype or backbone element, in the order in which they stand.
    fn members(&mut self, of: &'static Type, holder: Option<Child>, map: &'v Map<String, Value>) {
        if self.is_deep() {
            return;
        }
        let mut spots = Vec::new();
        for key in map.keys() {
            if self.is_full() || !self.spend(1) {
                return;
            }
            let plain = key.strip_prefix('_');
            if plain.is_some_and(|plain| map.contains_key(plain)) {
                continue;
            }
            let name = plain.unwrap_or(key);
            let Some(child) = of.child(name) else { continue };
            spots.clear();
            of_key(map, name, child, &mut spots);
            self.places.push(Place::Name(child.element.stem()));
            for spot in &spots {
                if !self.spend(8) {
                    break;
                }
                self.places.extend(spot.index.map(Place::Index));
                self.element(of, holder, map, *spot);
                self.places
                    .truncate(self.places.len() - usize::from(spot.index.is_some()));
            }
            self.places.pop();
        }
    }

    fn element(
        &mut self,
        of: &'static Type,
        holder: Option<Child>,
        beside: &'v Map<String, Value>,
        spot: Spot<'v>,
    ) {
        let Some(child) = spot.child else { return };
        let element = child.element;
        if child.type_name == "Resource" {
            return self.nested(beside, element.name == "contained", spot);
        }
        if let Some(url) = element.binding {
            self.bound(spot, Strength::Required, url);
        } else if let Some(url) = element.extensible {
            self.bound(spot, Strength::Extensible, url);
        }
        if let Some(url) = element.widest {
            self.bound(spot, Strength::Required, url);
        }
        self.invariants_at(element.path, spot);
        if child.type_name != element.path {
            self.type_invariants(child.type_name, spot);
        }
        if element.simple_quantity {
            self.invariants_at("SimpleQuantity", spot);
        }
        match child.type_name {
            "Reference" => self.refers_to_a_type(spot),
            "Extension" => self.extension(of, holder, element.name == "modifierExtension", spot),
            _ => {}
        }
        if let (Some(of), Some(map)) = (spot.content(), spot.members()) {
            self.members(of, Some(child), map);
        }
    }

    /// A resource in a resource: contained, of an entry, of a parameter.
    fn nested(&mut self, holder: &'v Map<String, Value>, contained: bool, spot: Spot<'v>) {
        if Spot::resource(spot.value).is_none() {
            return;
        }
        let before = self.frame.clone();
        self.frame.depth = self.places.len();
        if contained {
            if spot.text("id").is_none() {
                self.error(
                    IssueCode::Required,
                    format_args!("must have an id: it is contained"),
                );
            }
        } else {
            let full_url = holder.get("fullUrl").and_then(Value::as_str);
            self.frame = Frame {
                root: spot.value,
                base: full_url.and_then(|url| base_of(url, spot.value)),
                ..self.frame.clone()
            };
        }
        self.resource(spot);
        self.frame = before;
    }

    /// Two contained resources of one id cannot be told apart.
    fn contained_ids(&mut self, map: &'v Map<String, Value>) {
        let list = map
            .get("contained")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut seen = HashSet::new();
        let mut ids = list.filter_map(|one| one.get("id")?.as_str());
        if !ids.all(|id| seen.insert(id)) {
            let what = format_args!("must have different ids");
            self.report_at("contained", Severity::Error, IssueCode::Duplicate, what);
        }
    }

    /// Invariants of a type and of those it specialises.
    fn type_invariants(&mut self, type_name: &'static str, spot: Spot<'v>) {
        let mut at = Some(type_name);
        while let Some(name) = at {
            self.invariants_at(name, spot);
            at = ancestor(name);
        }
    }

    fn invariants_at(&mut self, path: &str, spot: Spot<'v>) {
        for at in stated_at(path) {
            self.r4_invariant(usize::from(*at), spot);
        }
    }

    /// A resource is held to every profile it claims.
    fn claims(&mut self, spot: Spot<'v>) {
        let list = spot
            .value
            .pointer("/meta/profile")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for (at, claimed) in list.enumerate() {
            let Some(url) = claimed.as_str() else { continue };
            match self.definitions.find(url) {
                Some(found) => self.hold(found, spot),
                None if super::canonical::core_type(url) == Some(spot.type_name) => {}
                None if self.held_elsewhere(url, spot) => {}
                None => {
                    self.places
                        .extend([Place::Name("meta"), Place::Name("profile"), Place::Index(at)]);
                    self.note(
                        IssueCode::NotFound,
                        format_args!("is not checked: no profile of this address is loaded"),
                    );
                    self.places.truncate(self.places.len() - 3);
                }
            }
        }
    }
}
