//! What of the loaded definitions is not held, and why: invariants outside the language here, profiles that cannot be used.
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>

use std::collections::{BTreeMap, BTreeSet};

use super::build::Unusable;
use super::definitions::Definitions;
use super::invariant::{Invariant, refusal};
use super::tree::Node;
use crate::fhir::constraint::constraints;

/// How much of what the definitions state is held.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Invariants stated by R4 and by the loaded profiles, each once.
    pub invariants: usize,
    /// Those not evaluated: key, where it is first stated (an element of R4, or a profile's address), and why.
    pub unread: Vec<(String, String, String)>,
    /// Profiles that cannot be used: address, and why.
    pub unusable: Vec<(String, String)>,
}

impl Definitions {
    /// Looks at every invariant and every profile; for a person who asks, not for each request.
    pub fn coverage(&self) -> Coverage {
        let mut seen = BTreeSet::new();
        let mut unread = BTreeMap::new();
        let mut note = |key: &str, expression: &str, place: &str| {
            if seen.insert((key.to_owned(), expression.to_owned()))
                && let Some(why) = refusal(expression)
            {
                let told = (place.to_owned(), why);
                unread.insert((key.to_owned(), expression.to_owned()), told);
            }
        };
        for constraint in constraints() {
            note(constraint.key, constraint.expression, constraint.path);
        }
        let mut unusable = Vec::new();
        for at in 0..self.structures().len() {
            let place = &self.structure(at).url;
            match self.tree(at) {
                Ok(tree) => each(&tree, &mut |one| note(&one.key, one.expression_text(), place)),
                Err(why) => unusable.push((place.to_string(), why.to_string())),
            }
        }
        Coverage {
            invariants: seen.len(),
            unread: unread
                .into_iter()
                .map(|((key, _), (place, why))| (key, place, why))
                .collect(),
            unusable,
        }
    }
}

fn each(node: &Node, note: &mut dyn FnMut(&Invariant)) {
    node.invariants.iter().for_each(|one| note(one));
    for child in &node.children {
        each(child, note);
    }
    for slice in &node.slices {
        each(&slice.node, note);
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unusable::NoBase(base) => write!(f, "rests on {base}, which is not loaded"),
            Unusable::Circular => f.write_str("rests on itself"),
            Unusable::TooLarge => {
                f.write_str("asks for more elements than a profile may, or rests on too many others")
            }
            Unusable::NoElement(path) => write!(f, "has the element {path}, which its type does not have"),
        }
    }
}
