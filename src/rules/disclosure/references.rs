//! References go when their target is not released: a name behind a link is as telling as the resource.
//! Removing a reference can make a resource invalid, which withholds it, which can orphan other references;
//! so this repeats until nothing changes. It only shrinks, and each time only those are looked at again that lead to
//! something that has just gone. <https://hl7.org/fhir/R4/references.html>

use std::collections::HashMap;

use super::consider::Candidate;
use super::explain::{Rule, Withheld};

pub(super) fn settle(candidates: &mut Vec<Candidate<'_>>, withheld: &mut Vec<Withheld>) {
    let places = Places::of(candidates);
    let leading = leading(candidates, &places);
    let mut released: Vec<bool> = vec![true; candidates.len()];
    let mut ahead: Vec<usize> = (0..candidates.len()).collect();
    while !ahead.is_empty() {
        let there = |target: Option<&str>| target.and_then(|t| places.find(t)).is_some_and(|at| released[at]);
        let goes = |at: &usize| !candidates[*at].keep(&there, withheld);
        let gone: Vec<usize> = ahead.into_iter().filter(goes).collect();
        gone.iter().for_each(|at| released[*at] = false);
        ahead = gone.iter().flat_map(|at| leading_to(&leading, *at)).collect();
        ahead.retain(|at| released[*at]);
        ahead.sort_unstable();
        ahead.dedup();
    }
    drop_unreferenced(candidates, &places, released);
}

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
}

/// Which candidate leads to which: target first, sorted.
fn leading(candidates: &[Candidate<'_>], places: &Places<'_>) -> Vec<(usize, usize)> {
    let mut leading = Vec::new();
    for (from, candidate) in candidates.iter().enumerate() {
        let targets = candidate.projected.links.iter().flatten();
        leading.extend(targets.filter_map(|target| Some((places.find(target)?, from))));
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
    /// Takes out the links that lead nowhere; `false` when the resource cannot stay without them.
    fn keep(&mut self, there: &dyn Fn(Option<&str>) -> bool, withheld: &mut Vec<Withheld>) -> bool {
        if self.projected.links.iter().all(|target| there(*target)) {
            return true;
        }
        if let Some(kept) = self.project(Some(&|target| !there(target))) {
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

/// Shared resources stay only when something released about the person leads to them: a release is no directory.
fn drop_unreferenced(candidates: &mut Vec<Candidate<'_>>, places: &Places<'_>, released: Vec<bool>) {
    let mut reached: Vec<bool> = candidates
        .iter()
        .zip(&released)
        .map(|(c, released)| *released && !c.shared)
        .collect();
    let mut open: Vec<usize> = (0..candidates.len()).filter(|at| reached[*at]).collect();
    while let Some(at) = open.pop() {
        for target in candidates[at].projected.links.iter().flatten() {
            if let Some(next) = places
                .find(target)
                .filter(|next| released[*next] && !reached[*next])
            {
                reached[next] = true;
                open.push(next);
            }
        }
    }
    let mut reached = reached.into_iter();
    candidates.retain(|_| reached.next().unwrap_or_default());
}
