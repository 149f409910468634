//! References go when their target is not released: a name behind a link is as telling as the resource.
//! Removing a reference can make a resource invalid, which withholds it, which can orphan other references;
//! so this repeats until nothing changes. It only shrinks, and each time only those are looked at again that lead to
//! something that has just gone. <https://hl7.org/fhir/R4/references.html>

use std::collections::HashMap;

use super::consider::{Candidate, is_whole};
use super::explain::{Rule, Withheld};
use crate::profile::Projected;

pub(super) fn settle(candidates: &mut Vec<Candidate<'_>>, withheld: &mut Vec<Withheld>) {
    let places = Places::of(candidates);
    let mut targets: Vec<Targets> = candidates.iter().map(|c| places.led_to(c)).collect();
    let leading = leading(&targets);
    let mut released: Vec<bool> = vec![true; candidates.len()];
    let mut ahead: Vec<usize> = (0..candidates.len()).collect();
    while !ahead.is_empty() {
        let mut gone = Vec::new();
        for at in ahead {
            if targets[at]
                .iter()
                .all(|target| target.is_some_and(|t| released[t]))
            {
                continue;
            }
            let there = |target: &str| places.find(target).is_some_and(|at| released[at]);
            if candidates[at].keep(&there, withheld) {
                targets[at] = places.led_to(&candidates[at]);
            } else {
                gone.push(at);
            }
        }
        gone.iter().for_each(|at| released[*at] = false);
        ahead = gone.iter().flat_map(|at| leading_to(&leading, *at)).collect();
        ahead.retain(|at| released[*at]);
        ahead.sort_unstable();
        ahead.dedup();
    }
    drop_unreferenced(candidates, &targets, released);
}

/// Where the links of one candidate lead, as places among the candidates; `None`: to nothing that could be released.
type Targets = Vec<Option<usize>>;

/// Where each candidate stands, by type and id.
struct Places<'a>(HashMap<(&'a str, &'a str), usize>);

impl<'a> Places<'a> {
    fn of(candidates: &[Candidate<'a>]) -> Places<'a> {
        let name = |c: &Candidate<'a>| (c.stored.resource_type.as_str(), c.stored.id.as_str());
        Places(
            candidates
                .iter()
                .enumerate()
                .map(|(at, c)| (name(c), at))
                .collect(),
        )
    }

    fn find(&self, target: &str) -> Option<usize> {
        self.0.get(&target.split_once('/')?).copied()
    }

    fn led_to(&self, candidate: &Candidate<'_>) -> Targets {
        let links = candidate.projected.links.iter();
        links.map(|target| target.and_then(|t| self.find(t))).collect()
    }
}

/// Which candidate leads to which: target first, sorted.
fn leading(targets: &[Targets]) -> Vec<(usize, usize)> {
    let mut leading = Vec::new();
    for (from, targets) in targets.iter().enumerate() {
        leading.extend(targets.iter().flatten().map(|to| (*to, from)));
    }
    leading.sort_unstable();
    leading
}

fn leading_to(leading: &[(usize, usize)], target: usize) -> impl Iterator<Item = usize> {
    let first = leading.partition_point(|(to, _)| *to < target);
    let those = leading[first..].iter().take_while(move |(to, _)| *to == target);
    those.map(|(_, from)| *from)
}

impl Candidate<'_> {
    /// Takes out the links that lead to nothing that is `there`; `false` when the resource cannot stay without them.
    fn keep(&mut self, there: &dyn Fn(&str) -> bool, withheld: &mut Vec<Withheld>) -> bool {
        let kept = self.project(Some(&|target| !target.is_some_and(there)));
        let stands =
            |kept: &Projected<'_>| self.profile.is_none() || is_whole(&self.stored.resource_type, kept);
        if let Some(kept) = kept.filter(stands) {
            self.projected = kept;
            return true;
        }
        if !self.shared {
            let basis = "a required reference leads to something withheld".to_owned();
            withheld.push(Withheld {
                path: self.stored.reference(),
                rule: Rule::Shape,
                label: None,
                basis,
            });
        }
        false
    }
}

/// Shared resources stay only when something released about the person leads to them: a release is no directory. Who answers stays. Bytes
/// go only with the document that leads to them.
fn drop_unreferenced(candidates: &mut Vec<Candidate<'_>>, targets: &[Targets], released: Vec<bool>) {
    let mut reached: Vec<bool> = candidates
        .iter()
        .zip(&released)
        .map(|(c, released)| *released && (!c.shared && c.stored.resource_type != "Binary" || c.stays))
        .collect();
    let mut open: Vec<usize> = (0..candidates.len()).filter(|at| reached[*at]).collect();
    while let Some(at) = open.pop() {
        for next in targets[at].iter().flatten() {
            if released[*next] && !reached[*next] {
                reached[*next] = true;
                open.push(*next);
            }
        }
    }
    let mut reached = reached.into_iter();
    candidates.retain(|_| reached.next().unwrap_or_default());
}
