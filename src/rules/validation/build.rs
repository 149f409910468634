//! From a definition to its tree: a snapshot read as it is, or made from a differential over the base it names, down to R4.
//! <https://hl7.org/fhir/R4/profiling.html#snapshot>

use std::sync::Arc;

use super::canonical::core_type;
use super::definitions::Definitions;
use super::rule::Step;
use super::structure::Structure;
use super::tree::{Node, Slice};
use crate::fhir::element::{Type, is_primitive, table};

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Its base, this address, is not loaded.
    NoBase(Box<str>),
    /// It rests on itself.
    Circular,
    /// It has an element that its type does not have.
    NoElement(Box<str>),
    /// It asks for more than a tree may hold, or rests on too long a chain of others.
    TooLarge,
}

/// Profiles under way at once, one resting on the next. Guides have six.
const MOST_OPEN: usize = 16;
/// Elements of a path.
const LONGEST_PATH: usize = 32;
/// Elements of a tree, one below another.
const DEEPEST: usize = 96;
/// Elements of a tree. What is copied from others counts: a few lines can ask for a million.
const MOST_NODES: usize = 100_000;

pub(super) type Built = Result<Arc<Node>, Unusable>;

/// Builds a tree and those it rests on.
pub(super) struct Builder<'d> {
    definitions: &'d Definitions,
    /// Those under way, by position.
    open: Vec<usize>,
    /// Elements that the tree under way may still copy.
    left: usize,
}

impl<'d> Builder<'d> {
    pub(super) fn new(definitions: &'d Definitions) -> Builder<'d> {
        Builder {
            definitions,
            open: Vec::new(),
            left: MOST_NODES,
        }
    }

    pub(super) fn build(&mut self, at: usize) -> Built {
        if let Some(built) = self.definitions.built(at) {
            return built;
        }
        if self.open.contains(&at) {
            return Err(Unusable::Circular);
        }
        if self.open.len() >= MOST_OPEN {
            return Err(Unusable::TooLarge);
        }
        self.open.push(at);
        let around = std::mem::replace(&mut self.left, MOST_NODES);
        let built = self.tree(self.definitions.structure(at)).map(Arc::new);
        self.left = around;
        self.open.pop();
        self.definitions.keep(at, &built);
        built
    }

    fn tree(&mut self, structure: &Structure) -> Result<Node, Unusable> {
        let mut root = match structure.is_snapshot {
            true => Node::root(),
            false => self.base(structure)?,
        };
        for rule in &structure.rules {
            if let Some(node) = self.descend(&mut root, structure, &rule.steps)? {
                node.apply(rule);
            }
        }
        root.prune(structure.of);
        if root.depth() > DEEPEST {
            return Err(Unusable::TooLarge);
        }
        Ok(root)
    }

    /// Is there room for a copy of so many elements?
    fn copied(&mut self, elements: usize) -> Result<(), Unusable> {
        let left = self.left.checked_sub(elements);
        self.left = left.ok_or(Unusable::TooLarge)?;
        Ok(())
    }

    fn base(&mut self, structure: &Structure) -> Result<Node, Unusable> {
        let Some(base) = &structure.base else {
            return Ok(Node::root());
        };
        match self.definitions.find(base) {
            Some(at) => {
                let tree = self.build(at)?;
                self.copied(tree.extent())?;
                Ok(Node::clone(&tree))
            }
            None if core_type(base).is_some_and(|name| table().any(name).is_some()) => Ok(Node::root()),
            None => Err(Unusable::NoBase(base.clone())),
        }
    }

    /// The node at the end of the steps, made where it is not there. None for the value of a primitive: it is the
    /// primitive itself.
    fn descend<'n>(
        &mut self,
        root: &'n mut Node,
        structure: &Structure,
        steps: &[Step],
    ) -> Result<Option<&'n mut Node>, Unusable> {
        if steps.len() > LONGEST_PATH {
            return Err(Unusable::TooLarge);
        }
        let (mut here, mut content) = (root, table().any(structure.of));
        for step in steps {
            if !structure.is_snapshot {
                self.open_profile(here)?;
            }
            if &*step.name == "value" && here.types.len() == 1 && is_primitive(here.types[0].code) {
                return Ok(None);
            }
            let unknown = || Unusable::NoElement(step.name.clone());
            let (name, slice) = plain(content, step).ok_or_else(unknown)?;
            here = child(here, content, name).ok_or_else(unknown)?;
            if let Some(slice) = slice {
                self.copied(copied_for(here, slice, structure.is_snapshot))?;
                here = sliced(here, slice, structure.is_snapshot);
            }
            content = here.content();
        }
        Ok(Some(here))
    }

    /// What stands below an element of one profile begins with what that profile says.
    fn open_profile(&mut self, node: &mut Node) -> Result<(), Unusable> {
        let [rule] = node.types.as_slice() else {
            return Ok(());
        };
        let [profile] = rule.profiles.as_slice() else {
            return Ok(());
        };
        if !node.children.is_empty() {
            return Ok(());
        }
        let tree = self.definitions.find(profile).and_then(|at| self.build(at).ok());
        if let Some(tree) = tree {
            self.copied(tree.extent())?;
            node.children.clone_from(&tree.children);
        }
        Ok(())
    }
}

/// The element's own name and the slice: `valueQuantity` is the slice of that name of `value[x]`.
fn plain<'s>(content: Option<&'static Type>, step: &'s Step) -> Option<(&'static str, Option<&'s str>)> {
    let content = content?;
    let slice = step.slice.as_deref();
    if let Some(element) = content.element(&step.name) {
        return Some((element.name, slice));
    }
    let chosen = content.child(&step.name)?;
    Some((chosen.element.name, slice.or(Some(&step.name))))
}

fn child<'n>(node: &'n mut Node, content: Option<&'static Type>, name: &str) -> Option<&'n mut Node> {
    let at = match node.children.iter().position(|child| child.name() == name) {
        Some(at) => at,
        None => {
            node.children.push(Node::of(content?.element(name)?));
            node.children.len() - 1
        }
    };
    Some(&mut node.children[at])
}

/// How many elements `sliced` copies.
fn copied_for(node: &Node, name: &str, fresh: bool) -> usize {
    let find = |name: &str| node.slices.iter().find(|slice| *slice.name == *name);
    if fresh || find(name).is_some() {
        return 1;
    }
    let within = name.rsplit_once('/').and_then(|(above, _)| find(above));
    within.map_or_else(
        || 1 + node.children.iter().map(Node::extent).sum::<usize>(),
        |above| above.node.extent(),
    )
}

/// A new slice begins as the element it is a slice of, optional; `a/b` as the slice `a`.
fn sliced<'n>(node: &'n mut Node, name: &str, fresh: bool) -> &'n mut Node {
    let find = |slices: &[Slice], name: &str| slices.iter().position(|slice| *slice.name == *name);
    let at = find(&node.slices, name).unwrap_or_else(|| {
        let within = name
            .rsplit_once('/')
            .and_then(|(above, _)| find(&node.slices, above));
        let mut new = match (fresh, within, node.element) {
            (true, _, Some(element)) => Node::of(element),
            (_, Some(above), _) => node.slices[above].node.clone(),
            _ => Node {
                slices: Vec::new(),
                ..node.clone()
            },
        };
        new.slicing = None;
        new.min = 0;
        if let Some(element) = node.element.filter(|e| e.is_choice()) {
            let named = |code: &str| element.json_key(code) == name;
            if new.types.iter().any(|rule| named(rule.code)) {
                new.types.retain(|rule| named(rule.code));
            }
        }
        node.slices.push(Slice {
            name: name.into(),
            node: new,
        });
        node.slices.len() - 1
    });
    &mut node.slices[at].node
}
