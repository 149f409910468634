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
    /// JSON keys, sorted.
    keys: Vec<Key>,
    /// Positions in `opened` of what must be there.
    pub required: Vec<usize>,
    /// A bit for each of `required`, in order.
    pub complete: u128,
}

/// What a JSON key stands for. Keys are told apart by their first eight bytes, as one number, before they are compared.
#[derive(Debug)]
struct Key {
    head: u64,
    name: String,
    /// Positions in `opened`, and in its forms.
    opened: usize,
    form: usize,
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
    /// Its bit in `Node::complete`; none when it is optional.
    pub bit: u128,
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
            complete: 0,
        }
    }

    /// What a JSON key (without leading underscore) stands for, if it may pass.
    pub(super) fn find(&self, key: &str) -> Option<(&Opened, &Form)> {
        let head = head(key);
        let at = self
            .keys
            .binary_search_by(|k| k.head.cmp(&head).then_with(|| k.name.as_str().cmp(key)))
            .ok()?;
        let opened = &self.opened[self.keys[at].opened];
        Some((opened, &opened.forms[self.keys[at].form]))
    }

    /// Fills what is looked up while projecting; called once, when `opened` is complete.
    pub(super) fn index(&mut self) {
        for (o, opened) in self.opened.iter_mut().enumerate() {
            self.keys
                .extend(opened.forms.iter().enumerate().map(|(f, form)| Key {
                    head: head(&form.key),
                    name: form.key.clone(),
                    opened: o,
                    form: f,
                }));
            if opened.min > 0 {
                // No type of R4 requires a hundred elements.
                opened.bit = 1 << self.required.len();
                self.complete |= opened.bit;
                self.required.push(o);
            }
        }
        self.keys
            .sort_by(|a, b| (a.head, &a.name).cmp(&(b.head, &b.name)));
    }
}

/// The first eight bytes of a name, in an order that is that of names.
fn head(name: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = name.len().min(8);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}
