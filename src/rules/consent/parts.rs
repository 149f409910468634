//! The consents that took part in a decision. Few do, so that deciding allocates nothing.

use std::ops::Deref;

use super::{Dimensions, Effect, Part};

const FEW: usize = 6;

/// A list of [`Part`], in the order in which the consents were compiled.
#[derive(Clone, Debug)]
pub struct Parts(Held);

#[derive(Clone, Debug)]
enum Held {
    Few([Part; FEW], usize),
    Many(Vec<Part>),
}

impl Parts {
    pub(super) fn none() -> Parts {
        let unused = Part {
            consent: 0,
            rule: 0,
            effect: Effect::Silent,
            failed: Dimensions::NONE,
        };
        Parts(Held::Few([unused; FEW], 0))
    }

    pub(super) fn push(&mut self, part: Part) {
        match &mut self.0 {
            Held::Few(parts, len) if *len < FEW => {
                parts[*len] = part;
                *len += 1;
            }
            Held::Few(parts, _) => {
                let mut many = parts.to_vec();
                many.push(part);
                self.0 = Held::Many(many);
            }
            Held::Many(parts) => parts.push(part),
        }
    }
}

impl Deref for Parts {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        match &self.0 {
            Held::Few(parts, len) => &parts[..*len],
            Held::Many(parts) => parts,
        }
    }
}

impl<'a> IntoIterator for &'a Parts {
    type Item = &'a Part;
    type IntoIter = std::slice::Iter<'a, Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Parts) -> bool {
        **self == **other
    }
}

impl Eq for Parts {}
