//! How much one validation may take: whatever is sent, it ends. <https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/>

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use super::walk::Walk;

/// Steps of expressions, elements and rules looked at, all together; `tests/effort.rs` keeps every published example under a twentieth.
pub(super) const MOST_STEPS: usize = 20_000_000;
/// Places one inside another, references followed included. What passed the JSON door is not half as deep.
const DEEPEST: usize = 256;
/// What an expression adds that asks for a profile in the middle of its evaluation.
const NESTED: usize = 32;

/// For each value of a resource, what a profile that is kept elsewhere takes.
pub(super) const ELSEWHERE: usize = 8;

/// How many values a resource holds, itself among them.
pub(super) fn extent(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(extent).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(extent).sum::<usize>(),
        _ => 1,
    }
}

/// What is left of it, shared by the walks that one validation takes.
#[derive(Debug)]
pub(super) struct Work {
    /// Steps left; expressions take theirs of the same.
    pub left: Cell<usize>,
    /// Something lay deeper than is followed.
    pub too_deep: Cell<bool>,
}

impl Work {
    pub(super) fn new() -> Rc<Work> {
        Rc::new(Work {
            left: Cell::new(MOST_STEPS),
            too_deep: Cell::new(false),
        })
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

impl Walk<'_> {
    /// Takes a few steps; `false` when none are left: then the walk ends, and its list says so.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let left = self.work.left.get().saturating_sub(steps);
        self.work.left.set(left);
        left > 0
    }

    /// Deeper than is followed? Then it is noted.
    pub(super) fn is_deep(&self) -> bool {
        let deep = self.outer + self.places.len() > DEEPEST;
        if deep {
            self.work.too_deep.set(true);
        }
        deep
    }

    /// A walk of its own within this one, for a resource that an expression asks about.
    pub(super) fn within<'o>(&self, resource: &'o Value) -> Walk<'o>
    where
        Self: 'o,
    {
        let mut walk = Walk::new(self.definitions, resource);
        walk.work = Rc::clone(&self.work);
        walk.outer = self.outer + self.places.len() + NESTED;
        walk
    }
}
