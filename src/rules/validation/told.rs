//! How slices are told apart: what each discriminator asks of a slice's items, and whether an item has it.
//! <https://hl7.org/fhir/R4/profiling.html#discriminator>

use std::sync::Arc;

use serde_json::Value;

use super::canonical::{core_type, split};
use super::definitions::Definitions;
use super::reference::Target;
use super::rule::{By, Demand, Slicing, Strength, Turn};
use super::spot::{Spot, of_element};
use super::tree::{Node, Slice};
use super::walk::Walk;
use crate::fhir::element::table;

/// Whether an item is in a slice; `Unknown` where that hangs on what is not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    Unknown,
}

/// One thing that an item of a slice has, at a path below it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    path: Vec<Turn>,
    sign: Sign,
}

#[derive(Clone, Debug)]
enum Sign {
    Is(Demand),
    CodeOf(Box<str>),
    There(bool),
    Types(Vec<&'static str>),
    /// Conforms to one of these.
    Profiles(Vec<Box<str>>),
}

/// Everything that the discriminators ask of a slice. A discriminator that finds nothing in it asks for nothing.
fn signs(definitions: &Definitions, slicing: &Slicing, slice: &Node) -> Vec<Told> {
    let mut found = Vec::new();
    for discriminator in &slicing.discriminators {
        let mut search = Search {
            definitions,
            by: discriminator.by,
            walked: Vec::new(),
            found: &mut found,
        };
        search.at(slice, &discriminator.path);
    }
    found
}

struct Search<'s> {
    definitions: &'s Definitions,
    by: By,
    walked: Vec<Turn>,
    found: &'s mut Vec<Told>,
}

impl Search<'_> {
    fn at(&mut self, node: &Node, path: &[Turn]) {
        let Some((turn, rest)) = path.split_first() else {
            return self.here(node);
        };
        self.walked.push(turn.clone());
        match turn {
            Turn::Member(name) => self.member(node, name, rest),
            Turn::Resolve => self.resolved(node, rest),
            Turn::Extension(url) => {
                let slices = node
                    .child("extension")
                    .map(|e| e.slices.as_slice())
                    .unwrap_or_default();
                for slice in slices.iter().filter(|s| has_url(&s.node, url)) {
                    self.at(&slice.node, rest);
                }
            }
            Turn::OfType(name) => {
                let typed = node
                    .slices
                    .iter()
                    .filter(|s| s.node.types.iter().any(|t| *t.code == **name));
                typed.for_each(|slice| self.at(&slice.node, rest));
                self.at(node, rest);
            }
        }
        self.walked.pop();
    }

    fn member(&mut self, node: &Node, name: &str, rest: &[Turn]) {
        let named = |child: &&Node| {
            child
                .element
                .is_some_and(|e| e.name == name || e.is_choice() && e.stem() == name)
        };
        let before = self.found.len();
        for child in node.children.iter().filter(named) {
            self.at(child, rest);
            // Only what must be there can tell: `coding:loinc` of a code that is sliced itself.
            for slice in child.slices.iter().filter(|slice| slice.node.min > 0) {
                self.at(&slice.node, rest);
            }
        }
        if self.found.len() == before {
            self.through_profile(node, name, rest);
        }
    }

    /// What the slice does not say itself the profile of its type says.
    fn through_profile(&mut self, node: &Node, name: &str, rest: &[Turn]) {
        let [rule] = node.types.as_slice() else { return };
        let [profile] = rule.profiles.as_slice() else {
            return;
        };
        if rule.code == "Extension" && name == "url" && rest.is_empty() {
            let url = Value::from(split(profile).0);
            return self.push(Sign::Is(Demand::Fixed(url)));
        }
        if let Some(tree) = self.tree(profile)
            && let Some(child) = tree
                .children
                .iter()
                .find(|c| c.element.is_some_and(|e| e.stem() == name))
        {
            self.at(child, rest);
        }
    }

    fn resolved(&mut self, node: &Node, rest: &[Turn]) {
        let targets: Vec<Box<str>> = node
            .types
            .iter()
            .flat_map(|rule| rule.targets.iter().cloned())
            .collect();
        match (self.by, rest, targets.as_slice()) {
            (_, _, []) => {}
            (By::Profile, [], _) => self.push(Sign::Profiles(targets)),
            (By::Type, [], _) => {
                let of = |url: &str| {
                    let core = core_type(url).and_then(|n| table().any(n)).map(|of| of.name);
                    core.or_else(|| self.definitions.type_of(url))
                };
                let types = targets.iter().filter_map(|url| of(url)).collect();
                self.push(Sign::Types(types));
            }
            (_, _, [one]) => {
                if let Some(tree) = self.tree(one) {
                    self.at(&tree, rest);
                }
            }
            _ => {}
        }
    }

    fn here(&mut self, node: &Node) {
        match self.by {
            By::Value => match (&node.demand, &node.binding) {
                (Some(demand), _) => self.push(Sign::Is(demand.clone())),
                (None, Some(binding)) if binding.strength == Strength::Required => {
                    self.push(Sign::CodeOf(binding.value_set.clone()));
                }
                _ => self.below(node),
            },
            By::Exists if node.min > 0 => self.push(Sign::There(true)),
            By::Exists if node.max == 0 => self.push(Sign::There(false)),
            By::Exists => {}
            By::Type => {
                let types = node.types.iter().map(|rule| rule.code).collect();
                self.push(Sign::Types(types));
            }
            By::Profile => {
                let profiles: Vec<Box<str>> = node
                    .types
                    .iter()
                    .flat_map(|rule| rule.profiles.iter().cloned())
                    .collect();
                if !profiles.is_empty() {
                    self.push(Sign::Profiles(profiles));
                }
            }
        }
    }

    /// A value whose parts are fixed, not itself: `type.coding.system` and `type.coding.code`.
    fn below(&mut self, node: &Node) {
        for child in &node.children {
            self.walked
                .push(Turn::Member(child.element.map_or("", |e| e.stem()).into()));
            if child.demand.is_some() || !child.children.is_empty() || !child.slices.is_empty() {
                self.here(child);
                for slice in child.slices.iter().filter(|slice| slice.node.min > 0) {
                    self.here(&slice.node);
                }
            }
            self.walked.pop();
        }
    }

    fn tree(&self, profile: &str) -> Option<Arc<Node>> {
        self.definitions
            .find(profile)
            .and_then(|at| self.definitions.tree(at).ok())
    }

    fn push(&mut self, sign: Sign) {
        self.found.push(Told {
            path: self.walked.clone(),
            sign,
        });
    }
}

fn has_url(node: &Node, url: &str) -> bool {
    let fixed = node.child("url").and_then(|url| url.demand.as_ref());
    node.types
        .iter()
        .any(|rule| rule.profiles.iter().any(|profile| split(profile).0 == url))
        || fixed.is_some_and(|demand| demand.met_by(&Value::from(url)))
}

impl<'v> Walk<'v> {
    pub(super) fn fits(&mut self, slice: &Slice, slicing: &Slicing, spot: Spot<'v>) -> Fit {
        let mut all = Fit::Yes;
        if !self.spend(8) {
            return Fit::Unknown;
        }
        let signs = signs(self.definitions, slicing, &slice.node);
        self.spend(signs.len());
        for told in signs {
            match self.has(&told, spot) {
                Fit::Yes => {}
                Fit::No => return Fit::No,
                Fit::Unknown => all = Fit::Unknown,
            }
        }
        all
    }

    fn has(&mut self, told: &Told, spot: Spot<'v>) -> Fit {
        let mut found = vec![Some(spot)];
        for turn in &told.path {
            found = found
                .into_iter()
                .flatten()
                .flat_map(|spot| self.turn(spot, turn))
                .collect();
        }
        if let Sign::There(wanted) = told.sign {
            return if wanted == found.iter().any(Option::is_some) {
                Fit::Yes
            } else {
                Fit::No
            };
        }
        let mut best = Fit::No;
        for one in found {
            match self.shows(&told.sign, one) {
                Fit::Yes => return Fit::Yes,
                Fit::Unknown => best = Fit::Unknown,
                Fit::No => {}
            }
        }
        best
    }

    /// `None` in the list: something is there and not at hand.
    fn turn(&self, spot: Spot<'v>, turn: &Turn) -> Vec<Option<Spot<'v>>> {
        match turn {
            Turn::Member(name) => {
                let (Some(of), Some(map)) = (spot.content(), spot.members()) else {
                    return Vec::new();
                };
                let named = of
                    .elements
                    .iter()
                    .find(|e| e.name == &**name || e.is_choice() && e.stem() == &**name);
                named
                    .map(|e| of_element(map, of, e))
                    .unwrap_or_default()
                    .into_iter()
                    .map(Some)
                    .collect()
            }
            Turn::OfType(name) => (spot.type_name == &**name)
                .then_some(Some(spot))
                .into_iter()
                .collect(),
            Turn::Extension(url) => {
                let named = self.turn(spot, &Turn::Member("extension".into()));
                named
                    .into_iter()
                    .filter(|e| e.and_then(|e| e.text("url")) == Some(url))
                    .collect()
            }
            Turn::Resolve => match self.target(spot) {
                Target::Here(resource) => vec![Spot::resource(resource)],
                Target::Elsewhere(type_name) => vec![Some(Spot {
                    value: &Value::Null,
                    beside: None,
                    child: None,
                    type_name,
                    index: None,
                })],
                Target::Unknown => vec![None],
            },
        }
    }

    fn shows(&mut self, sign: &Sign, spot: Option<Spot<'v>>) -> Fit {
        let Some(spot) = spot else { return Fit::Unknown };
        let decided = |yes: bool| if yes { Fit::Yes } else { Fit::No };
        match sign {
            Sign::Types(types) => decided(
                types
                    .iter()
                    .any(|name| *name == spot.type_name || *name == "Resource"),
            ),
            _ if spot.child.is_none() && spot.value.is_null() => Fit::Unknown,
            Sign::Is(demand) => decided(demand.met_by(spot.value)),
            Sign::CodeOf(url) => self.has_code_of(spot, url).map_or(Fit::Unknown, decided),
            Sign::There(wanted) => decided(*wanted),
            Sign::Profiles(profiles) => self.is_one_of(profiles, spot),
        }
    }

    fn is_one_of(&mut self, profiles: &[Box<str>], spot: Spot<'v>) -> Fit {
        let mut best = Fit::No;
        for url in profiles {
            if core_type(url) == Some(spot.type_name) {
                return Fit::Yes;
            }
            match self.definitions.find(url) {
                Some(at) if self.conforms(at, spot) => return Fit::Yes,
                Some(_) => {}
                None => best = Fit::Unknown,
            }
        }
        best
    }
}
