//! A profile as a tree: at each place that asks for more than R4 does, what it asks.
//! <https://hl7.org/fhir/R4/profiling.html#snapshot>
//!
//! Places that ask for no more than R4 are left out, so a tree is about as large as a differential.

use std::sync::Arc;

use serde_json::Value;

use super::invariant::Invariant;
use super::rule::{Binding, By, Demand, Discriminator, Openness, Rule, Slicing, Strength, Turn, TypeRule};
use crate::fhir::constraint::{ancestor, constraints, stated_at};
use crate::fhir::element::{Element, Type, table};

/// The rules of one element, or of the root.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// R4's definition; `None` for the root.
    pub element: Option<&'static Element>,
    pub min: u32,
    /// `u32::MAX` for `*`.
    pub max: u32,
    /// None of them for content that another element defines.
    pub types: Vec<TypeRule>,
    pub demand: Option<Demand>,
    pub binding: Option<Binding>,
    /// Beyond R4's own.
    pub invariants: Vec<Arc<Invariant>>,
    pub slicing: Option<Slicing>,
    pub slices: Vec<Slice>,
    pub max_length: Option<u32>,
    pub least: Option<Value>,
    pub most: Option<Value>,
    pub children: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub name: Box<str>,
    pub node: Node,
}

impl Node {
    /// Elements in it, slices among them, itself counted.
    pub(super) fn extent(&self) -> usize {
        1 + self.below().map(Node::extent).sum::<usize>()
    }

    /// Elements one below another.
    pub(super) fn depth(&self) -> usize {
        1 + self.below().map(Node::depth).max().unwrap_or_default()
    }

    fn below(&self) -> impl Iterator<Item = &Node> {
        let slices = self.slices.iter().map(|slice| &slice.node);
        self.children.iter().chain(slices)
    }

    pub(super) fn root() -> Node {
        Node {
            element: None,
            min: 0,
            max: u32::MAX,
            types: Vec::new(),
            demand: None,
            binding: None,
            invariants: Vec::new(),
            slicing: None,
            slices: Vec::new(),
            max_length: None,
            least: None,
            most: None,
            children: Vec::new(),
        }
    }

    /// What R4 says of an element and no more.
    pub(super) fn of(element: &'static Element) -> Node {
        let rule = |code: &&'static str| TypeRule {
            code,
            profiles: Vec::new(),
            targets: Vec::new(),
        };
        Node {
            element: Some(element),
            min: element.min,
            max: element.max,
            types: element.types.iter().map(rule).collect(),
            ..Node::root()
        }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name() == name)
    }

    /// `value[x]`; empty for the root.
    pub(super) fn name(&self) -> &'static str {
        self.element.map_or("", |element| element.name)
    }

    /// The type whose elements stand below; `Element` where several are allowed, because that much all of them have.
    pub(super) fn content(&self) -> Option<&'static Type> {
        let element = self.element?;
        if let Some(shared) = element.children() {
            return Some(shared);
        }
        match self.types.as_slice() {
            [one] => table().any(one.code).or_else(|| table().datatype("Element")),
            _ => table().datatype("Element"),
        }
    }

    /// Takes over what a rule states.
    pub(super) fn apply(&mut self, rule: &Rule) {
        self.min = rule.min.unwrap_or(self.min);
        self.max = rule.max.unwrap_or(self.max);
        if let Some(types) = &rule.types {
            self.types.clone_from(types);
        }
        let replace = |mine: &mut Option<Value>, theirs: &Option<Value>| {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        };
        replace(&mut self.least, &rule.least);
        replace(&mut self.most, &rule.most);
        self.max_length = rule.max_length.or(self.max_length);
        if rule.demand.is_some() {
            self.demand.clone_from(&rule.demand);
        }
        match (&rule.binding, &mut self.binding) {
            (Some(stricter), Some(own)) if stricter.value_set.is_empty() => own.strength = stricter.strength,
            (Some(stated), own) if !stated.value_set.is_empty() => *own = Some(stated.clone()),
            _ => {}
        }
        if rule.slicing.is_some() {
            self.slicing.clone_from(&rule.slicing);
        }
        for invariant in &rule.invariants {
            match self
                .invariants
                .iter_mut()
                .find(|known| known.key == invariant.key)
            {
                Some(known) => *known = Arc::clone(invariant),
                None => self.invariants.push(Arc::clone(invariant)),
            }
        }
    }

    /// Leaves out what is asked for anyway: by R4, or of a slice by the element it is a slice of. `of`: type of the root.
    pub(super) fn prune(&mut self, of: &'static str) {
        self.settle();
        self.plain(of);
        self.children.iter_mut().for_each(|child| child.prune(of));
        self.children.retain(|child| !child.asks_nothing());
        let mut slices = std::mem::take(&mut self.slices);
        for slice in &mut slices {
            slice.node.prune(of);
            slice.node.without(self);
        }
        self.slices = slices;
        if self.slices.is_empty()
            || self
                .slicing
                .as_ref()
                .is_some_and(|slicing| self.goes_without_saying(slicing))
        {
            self.slicing = None;
        }
    }

    /// Leaves out what the element that this is a slice of asks of each of its items.
    fn without(&mut self, whole: &Node) {
        self.invariants
            .retain(|own| whole.invariants.iter().all(|known| known.key != own.key));
        if self.binding == whole.binding {
            self.binding = None;
        }
        self.children.retain_mut(|child| {
            let Some(known) = whole.child(child.name()) else {
                return true;
            };
            if known.asks_the_same(child) {
                return false;
            }
            child.without(known);
            true
        });
    }

    /// A choice of which one type must be there is of that type.
    fn settle(&mut self) {
        if !self.element.is_some_and(|e| e.is_choice() && !e.is_list()) {
            return;
        }
        let [slice] = self.slices.as_slice() else { return };
        if slice.node.types.len() != 1 || slice.node.min == 0 {
            return;
        }
        let only = self.slices.remove(0).node;
        let (mut invariants, mut children) = (
            std::mem::take(&mut self.invariants),
            std::mem::take(&mut self.children),
        );
        invariants.retain(|own| only.invariants.iter().all(|known| known.key != own.key));
        children.retain(|own| only.child(own.name()).is_none());
        *self = Node {
            demand: only.demand.or(self.demand.take()),
            binding: only.binding.or(self.binding.take()),
            slicing: None,
            ..only
        };
        self.invariants.extend(invariants);
        self.children.extend(children);
    }

    /// Extensions are told apart by url and choices by type, whether a profile says so or not.
    pub(super) fn goes_without_saying(&self, slicing: &Slicing) -> bool {
        slicing.rules == Openness::Open
            && !slicing.ordered
            && self.element.and_then(implied).as_ref() == Some(&slicing.discriminators)
    }

    fn asks_the_same(&self, other: &Node) -> bool {
        let keys = |node: &Node| node.invariants.iter().map(|i| i.key.clone()).collect::<Vec<_>>();
        (self.min, self.max, self.max_length) == (other.min, other.max, other.max_length)
            && (&self.types, &self.demand, &self.binding) == (&other.types, &other.demand, &other.binding)
            && (&self.slicing, &self.least, &self.most) == (&other.slicing, &other.least, &other.most)
            && keys(self) == keys(other)
            && self.children.len() == other.children.len()
            && self.children.iter().all(|own| {
                other
                    .child(own.name())
                    .is_some_and(|child| own.asks_the_same(child))
            })
            && self.slices.len() == other.slices.len()
            && self
                .slices
                .iter()
                .zip(&other.slices)
                .all(|(a, b)| a.name == b.name && a.node.asks_the_same(&b.node))
    }

    fn plain(&mut self, of: &'static str) {
        let element = self.element;
        if let (Some([own]), [rule]) = (element.map(|e| e.types), self.types.as_mut_slice())
            && *own != "Resource"
        {
            // The one type that it can have, whatever a definition calls it (System.String of an id).
            rule.code = own;
        }
        for rule in &mut self.types {
            if element.is_some_and(|e| e.simple_quantity) {
                rule.profiles.retain(|url| !url.ends_with("/SimpleQuantity"));
            }
            // R4's own definition of the type asks for nothing beyond R4.
            rule.profiles
                .retain(|url| super::canonical::core_type(url) != Some(rule.code));
            if element.is_some_and(|e| same_targets(e.targets, &rule.targets)) {
                rule.targets.clear();
            }
        }
        if let Some(binding) = &self.binding {
            let url = super::canonical::split(&binding.value_set).0;
            let is_r4 = match (binding.strength, element) {
                (Strength::Loose, _) => true,
                (Strength::Required, Some(e)) => e.binding == Some(url),
                (Strength::Extensible, Some(e)) => e.extensible == Some(url),
                _ => false,
            };
            let widest = binding.most.as_deref().map(|url| super::canonical::split(url).0);
            if is_r4 && (widest.is_none() || widest == element.and_then(|e| e.widest)) {
                self.binding = None;
            }
        }
        let types = self
            .types
            .iter()
            .map(|rule| rule.code)
            .chain(element.is_none().then_some(of));
        let known: Vec<&str> = types
            .flat_map(keys)
            .chain(element.into_iter().flat_map(|e| keys(e.path)))
            .collect();
        self.invariants
            .retain(|own| !known.contains(&&*own.key) && !EVERYWHERE.contains(&&*own.key));
        self.max_length = self.max_length.filter(|_| element.is_some());
    }

    fn asks_nothing(&self) -> bool {
        let Some(element) = self.element else { return false };
        self.min <= element.min
            && self.max >= element.max
            && self.demand.is_none()
            && self.binding.is_none()
            && self.invariants.is_empty()
            && self.slices.is_empty()
            && self.children.is_empty()
            && (self.max_length.is_none() && self.least.is_none() && self.most.is_none())
            && self
                .types
                .iter()
                .all(|rule| rule.profiles.is_empty() && rule.targets.is_empty())
            && element
                .types
                .iter()
                .all(|name| self.types.iter().any(|rule| rule.code == *name))
    }
}

/// What tells the items of an element apart where no profile says.
pub(super) fn implied(element: &Element) -> Option<Vec<Discriminator>> {
    let (by, path) = match element.name {
        "extension" | "modifierExtension" => (By::Value, vec![Turn::Member("url".into())]),
        _ if element.is_choice() => (By::Type, Vec::new()),
        _ => return None,
    };
    Some(vec![Discriminator { by, path }])
}

/// Of every element, of every extension, and of quantities where R4 says so.
const EVERYWHERE: [&str; 3] = ["ele-1", "ext-1", "sqty-1"];

fn keys(path: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut at = Some(path);
    while let Some(path) = at {
        found.extend(
            stated_at(path)
                .iter()
                .map(|at| constraints()[usize::from(*at)].key),
        );
        at = ancestor(path);
    }
    found
}

/// `Resource` is any; a list from a profile names definitions.
fn same_targets(r4: &[&str], stated: &[Box<str>]) -> bool {
    let name = |url: &str| super::canonical::core_type(url).map(str::to_owned);
    let stated: Option<Vec<String>> = stated.iter().map(|url| name(url)).collect();
    stated.is_some_and(|names| {
        names.iter().any(|n| n == "Resource") && (r4.is_empty() || r4.contains(&"Resource"))
            || r4.len() == names.len() && names.iter().all(|n| r4.contains(&n.as_str()))
    })
}
