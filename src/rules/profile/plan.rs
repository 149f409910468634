//! The projection plan: for every element a profile opens, what may stand in it.
//! <https://hl7.org/fhir/R4/elementdefinition.html>
//!
//! Nodes lie in one array and name each other by number, so a content reference is a cycle and needs no
//! recursion limit of its own: the depth of the resource is the depth of the walk.

use super::pattern::{Demand, Want};
use crate::fhir::element::{Element, Type};

pub(super) type NodeId = usize;

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// `nodes[0]` is the resource.
    pub nodes: Vec<Node>,
}

/// The inside of one element.
#[derive(Debug)]
pub(super) struct Node {
    pub content: Content,
    /// Opened elements in definition order.
    pub opened: Vec<Opened>,
    /// JSON key → (position in `opened`, position in its forms), sorted by key.
    pub keys: Vec<(String, usize, usize)>,
    /// Positions in `opened` of what must be there.
    pub required: Vec<usize>,
    /// A Reference, canonical or url can stand here or below.
    pub links: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Complex(&'static Type),
    Primitive(&'static str),
}

impl Content {
    pub(super) fn name(self) -> &'static str {
        match self {
            Content::Complex(t) => t.name,
            Content::Primitive(name) => name,
        }
    }
}

/// One opened element.
#[derive(Debug)]
pub(super) struct Opened {
    pub element: &'static Element,
    /// The stricter of R4 and the profile.
    pub min: u32,
    pub max: u32,
    /// Never dropped while what holds it stays.
    pub modifier: bool,
    pub demand: Option<Demand>,
    /// One for each type that may pass; one where there is no choice.
    pub forms: Vec<Form>,
    /// When not empty, an item passes as the first slice it matches or not at all.
    pub slices: Vec<Slice>,
    pub discriminators: Vec<(String, String)>,
    pub words: Words,
}

#[derive(Debug)]
pub(super) struct Form {
    pub key: String,
    /// `_key` for primitives.
    pub shadow: String,
    pub type_name: &'static str,
    pub node: NodeId,
}

#[derive(Debug)]
pub(super) struct Slice {
    pub name: String,
    pub wants: Vec<Want>,
    pub demand: Option<Demand>,
    pub min: u32,
    pub max: u32,
    pub node: NodeId,
    pub words: Words,
}

/// What the profile says to people.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub must_support: bool,
    pub short: Option<String>,
    pub comment: Option<String>,
}

impl Opened {
    pub(super) fn is_list(&self) -> bool {
        self.element.is_list()
    }

    pub(super) fn is_extension(&self) -> bool {
        matches!(self.element.name, "extension" | "modifierExtension")
    }
}

impl Node {
    pub(super) fn new(content: Content) -> Node {
        Node {
            content,
            opened: Vec::new(),
            keys: Vec::new(),
            required: Vec::new(),
            links: false,
        }
    }

    /// What a JSON key (without leading underscore) stands for, if it may pass.
    pub(super) fn find(&self, key: &str) -> Option<(&Opened, &Form)> {
        let at = self.keys.binary_search_by(|(k, _, _)| k.as_str().cmp(key)).ok()?;
        let (_, opened, form) = self.keys[at];
        Some((&self.opened[opened], &self.opened[opened].forms[form]))
    }

    /// Fills what is looked up while projecting; called once, when `opened` is complete.
    pub(super) fn index(&mut self) {
        for (o, opened) in self.opened.iter().enumerate() {
            self.keys.extend(
                opened
                    .forms
                    .iter()
                    .enumerate()
                    .map(|(f, form)| (form.key.clone(), o, f)),
            );
            if opened.min > 0 {
                self.required.push(o);
            }
        }
        self.keys.sort();
    }
}

impl Plan {
    /// Marks each node below which a link can stand; a walk for links enters no other.
    pub(super) fn mark_links(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for n in 0..self.nodes.len() {
                if !self.nodes[n].links && self.may_link(n) {
                    self.nodes[n].links = true;
                    changed = true;
                }
            }
        }
    }

    fn may_link(&self, n: NodeId) -> bool {
        let node = &self.nodes[n];
        matches!(node.content.name(), "Reference" | "canonical" | "url")
            || node.opened.iter().any(|o| {
                o.forms.iter().any(|f| self.nodes[f.node].links)
                    || o.slices.iter().any(|s| self.nodes[s.node].links)
            })
    }
}
