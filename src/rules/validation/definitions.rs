//! Every definition that is loaded, by canonical address: `url|version`, or the latest where no version is asked for.
//! <https://hl7.org/fhir/R4/references.html#canonical>

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::build::{Builder, Built};
use super::canonical::{covers, order, split};
use super::code_list::{CodeSystem, ValueSet};
use super::package::{Named, Other, Package};
use super::structure::Structure;
use super::tree::Node;
use crate::fhir::json;

/// Packages beside R4's own definitions. Trees of profiles are made when they are first asked for.
#[derive(Debug, Default)]
pub struct Definitions {
    packages: Vec<String>,
    structures: Shelf<Structure>,
    value_sets: Shelf<ValueSet>,
    code_systems: Shelf<CodeSystem>,
    others: Shelf<Other>,
    trees: RwLock<HashMap<usize, Built>>,
}

/// Things with an address and a version.
#[derive(Debug)]
struct Shelf<T> {
    all: Vec<T>,
    /// Versions from the earliest to the latest.
    by_url: HashMap<Box<str>, Vec<(Box<str>, usize)>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf {
            all: Vec::new(),
            by_url: HashMap::new(),
        }
    }
}

impl<T> Shelf<T> {
    fn add(&mut self, url: Box<str>, version: Box<str>, what: T) {
        let versions = self.by_url.entry(url).or_default();
        // The same thing twice, from two packages: the first is as good.
        if versions.iter().all(|(known, _)| *known != version) {
            versions.push((version, self.all.len()));
            versions.sort_by(|(a, _), (b, _)| order(a, b));
            self.all.push(what);
        }
    }

    fn find(&self, canonical: &str) -> Option<usize> {
        let (url, asked) = split(canonical);
        let versions = self.by_url.get(url)?;
        let found = match asked {
            None => versions.last(),
            Some(asked) => versions.iter().rev().find(|(version, _)| covers(asked, version)),
        };
        found.map(|(_, at)| *at)
    }

    fn get(&self, canonical: &str) -> Option<&T> {
        self.find(canonical).map(|at| &self.all[at])
    }
}

impl Definitions {
    pub fn new(packages: Vec<Package>) -> Definitions {
        let mut all = Definitions::default();
        for package in packages {
            all.packages.push(package.label());
            for structure in package.structures {
                all.structures
                    .add(structure.url.clone(), structure.version.clone(), structure);
            }
            let mut sets = |Named { url, version, what }| all.value_sets.add(url, version, what);
            package.value_sets.into_iter().for_each(&mut sets);
            for Named { url, version, what } in package.code_systems {
                all.code_systems.add(url, version, what);
            }
            for Named { url, version, what } in package.others {
                all.others.add(url, version, what);
            }
        }
        all
    }

    /// Labels of the packages, in the order in which they were loaded.
    pub fn packages(&self) -> &[String] {
        &self.packages
    }

    /// Is a profile or an extension of this address loaded?
    pub fn has_profile(&self, canonical: &str) -> bool {
        self.find(canonical).is_some()
    }

    /// Addresses of every profile and extension that is loaded.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.structures.all.iter().map(|structure| &*structure.url)
    }

    /// The type that a loaded profile constrains.
    pub fn type_of(&self, canonical: &str) -> Option<&'static str> {
        self.find(canonical).map(|at| self.structure(at).of)
    }

    /// A ConceptMap or SearchParameter of a package.
    pub fn resource(&self, resource_type: &str, canonical: &str) -> Option<Value> {
        let found = self
            .others
            .get(canonical)
            .filter(|other| other.resource_type == resource_type)?;
        json::parse(found.text.as_bytes()).ok()
    }

    pub(super) fn find(&self, canonical: &str) -> Option<usize> {
        self.structures.find(canonical)
    }

    pub(super) fn structure(&self, at: usize) -> &Structure {
        &self.structures.all[at]
    }

    pub(super) fn structures(&self) -> &[Structure] {
        &self.structures.all
    }

    pub(super) fn value_set(&self, canonical: &str) -> Option<&ValueSet> {
        // A version that is not here is no reason to know nothing: code lists grow, they seldom shrink.
        self.value_sets
            .get(canonical)
            .or_else(|| self.value_sets.get(split(canonical).0))
    }

    pub(super) fn code_system(&self, canonical: &str) -> Option<&CodeSystem> {
        self.code_systems
            .get(canonical)
            .or_else(|| self.code_systems.get(split(canonical).0))
    }

    /// The tree of a profile.
    pub(super) fn tree(&self, at: usize) -> Built {
        self.built(at).unwrap_or_else(|| Builder::new(self).build(at))
    }

    pub(super) fn built(&self, at: usize) -> Option<Built> {
        self.trees
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&at)
            .cloned()
    }

    /// Two that build the same tree at once make the same; the first one stays.
    pub(super) fn keep(&self, at: usize, built: &Result<Arc<Node>, super::build::Unusable>) {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        trees.entry(at).or_insert_with(|| built.clone());
    }
}
