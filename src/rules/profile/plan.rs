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
    /// JSON keys, found through `slots`.
    keys: Vec<Key>,
    /// For each hash of a name, modulo a power of two, the position in `keys` plus one, or in the next free slot; 0 is free.
    slots: Vec<u16>,
    /// Positions in `opened` of what must be there.
    pub required: Vec<usize>,
    /// A bit for each of `required`, in order.
    pub complete: u128,
}

/// What a JSON key stands for. Keys are looked up for each member of each resource: by a hash of their length and first
/// eight bytes, which tell most names of R4 apart.
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
            slots: Vec::new(),
            required: Vec::new(),
            complete: 0,
        }
    }

    /// What a JSON key (without leading underscore) stands for, if it may pass.
    pub(super) fn find(&self, key: &str) -> Option<(&Opened, &Form)> {
        let head = head(key);
        let mut slot = slot(head, key.len());
        loop {
            let at = usize::from(*self.slots.get(slot & self.slots.len().wrapping_sub(1))?);
            let found = self.keys.get(at.checked_sub(1)?)?;
            if found.is(head, key) {
                let opened = &self.opened[found.opened];
                return Some((opened, &opened.forms[found.form]));
            }
            slot += 1;
        }
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
        // At most half full, so that a search ends soon.
        self.slots = vec![0; (2 * self.keys.len()).next_power_of_two()];
        let mask = self.slots.len() - 1;
        for (number, key) in (1..).zip(&self.keys) {
            let mut at = slot(key.head, key.name.len());
            while self.slots[at & mask] != 0 {
                at += 1;
            }
            self.slots[at & mask] = number;
        }
    }
}

impl Key {
    fn is(&self, head: u64, name: &str) -> bool {
        self.head == head && self.name.len() == name.len() && (name.len() <= 8 || self.name == name)
    }
}

/// The first eight bytes of a name.
fn head(name: &str) -> u64 {
    match name.as_bytes().first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => name.bytes().fold(0, |head, byte| head << 8 | u64::from(byte)),
    }
}

/// Where to begin to look for a name, before it is cut to the size of the table.
fn slot(head: u64, length: usize) -> usize {
    let spread = (head ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> 40) as usize
}
