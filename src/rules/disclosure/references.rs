//! References go when their target is not released: a name behind a link is as telling as the resource.
//! Removing a reference can make a resource invalid, which withholds it, which can orphan other references;
//! so this repeats until nothing changes. It only shrinks.

use std::collections::{HashMap, HashSet};

use super::consider::Candidate;
use super::explain::{Rule, Withheld};

pub(super) fn settle(candidates: &mut Vec<Candidate<'_>>, withheld: &mut Vec<Withheld>) {
    loop {
        let released: HashSet<String> = candidates.iter().map(|c| c.stored.reference()).collect();
        let before = candidates.len();
        candidates.retain_mut(|candidate| keep(candidate, &released, withheld));
        if candidates.len() == before {
            break;
        }
    }
    drop_unreferenced(candidates);
}

/// Removes the links that lead nowhere; `false` when the resource cannot stay without them.
fn keep(candidate: &mut Candidate<'_>, released: &HashSet<String>, withheld: &mut Vec<Withheld>) -> bool {
    let mut gone: HashSet<String> = HashSet::new();
    candidate.profile.links(&candidate.body, &mut |path, link| {
        if !link.target().is_some_and(|target| released.contains(target)) {
            gone.insert(path.to_owned());
        }
    });
    if gone.is_empty() {
        return true;
    }
    let kept = candidate
        .profile
        .remove(&candidate.body, &|path| gone.contains(path));
    let stays = kept.is_some();
    match kept {
        Some(body) => candidate.body = body,
        None if candidate.shared => {}
        None => {
            let basis = "a required reference leads to something withheld".to_owned();
            withheld.push(Withheld {
                path: candidate.stored.reference(),
                rule: Rule::Shape,
                label: None,
                basis,
            });
        }
    }
    stays
}

/// Shared resources stay only when something released about the person leads to them: a release is no directory.
fn drop_unreferenced(candidates: &mut Vec<Candidate<'_>>) {
    let of_reference: Vec<(String, usize)> = candidates
        .iter()
        .enumerate()
        .filter(|(_, c)| c.shared)
        .map(|(at, c)| (c.stored.reference(), at))
        .collect();
    let shared: HashMap<&str, usize> = of_reference
        .iter()
        .map(|(reference, at)| (reference.as_str(), *at))
        .collect();
    let mut reached: Vec<bool> = candidates.iter().map(|c| !c.shared).collect();
    let mut open: Vec<usize> = (0..candidates.len()).filter(|at| reached[*at]).collect();
    while let Some(at) = open.pop() {
        let candidate = &candidates[at];
        candidate.profile.links(&candidate.body, &mut |_, link| {
            let target = link.target().and_then(|target| shared.get(target));
            if let Some(next) = target.filter(|next| !reached[**next]) {
                reached[*next] = true;
                open.push(*next);
            }
        });
    }
    let mut reached = reached.into_iter();
    candidates.retain(|_| reached.next().unwrap_or_default());
}
