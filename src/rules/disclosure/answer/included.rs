//! What goes with the matches of a page: links followed from them and to them, inside the same releases. Each resource once,
//! and only what the client may see. <https://hl7.org/fhir/R4/search.html#include>

use std::collections::HashSet;
use std::sync::Arc;

use super::Asking;
use super::page::Place;
use crate::disclosure::release::{Release, Released};
use crate::search::{Include, Query};

/// At most so many go with one page. A page that would bring more holds fewer matches.
pub(super) const MOST_INCLUDED: usize = 1000;

/// In order of type and id. It stops beyond `MOST_INCLUDED`.
pub(super) fn included(
    releases: &[Arc<Release>],
    matches: &[Place],
    query: &Query,
    asking: &Asking<'_>,
) -> Vec<Place> {
    if query.includes.is_empty() || matches.is_empty() {
        return Vec::new();
    }
    let mut following = Following {
        releases,
        asking,
        seen: HashSet::new(),
        found: Vec::new(),
    };
    let known = matches.iter().map(|place| following.name(*place));
    following.seen = known.collect();
    let mut frontier = matches.to_vec();
    let mut first = true;
    // It ends: each round takes in what no round took in before.
    while !frontier.is_empty() && following.found.len() <= MOST_INCLUDED {
        let before = following.found.len();
        let those = query.includes.iter().filter(|include| first || include.iterate);
        for include in those {
            match include.reverse {
                false => following.forward(include, &frontier),
                true => following.back(include, &frontier),
            }
        }
        frontier = following.found[before..].to_vec();
        first = false;
    }
    let mut found = std::mem::take(&mut following.found);
    found.sort_by_key(|place| following.name(*place));
    found
}

/// What a resource is called, and whether its Provenance is meant.
type Name<'r> = (bool, &'r str, &'r str);

struct Following<'r, 'a> {
    releases: &'r [Arc<Release>],
    asking: &'a Asking<'a>,
    seen: HashSet<Name<'r>>,
    found: Vec<Place>,
}

impl<'r> Following<'r, '_> {
    fn one(&self, place: Place) -> &'r Released {
        &self.releases[place.release].resources[place.at]
    }

    fn name(&self, place: Place) -> Name<'r> {
        let (of, id) = self.one(place).name();
        (place.provenance, of, id)
    }

    fn add(&mut self, place: Place) {
        let permitted = self.releases[place.release].permits(place, self.asking);
        if permitted && self.seen.insert(self.name(place)) {
            self.found.push(place);
        }
    }

    /// From what holds the reference to what it leads to.
    fn forward(&mut self, include: &Include, frontier: &[Place]) {
        for from in frontier {
            let one = self.one(*from);
            let source = if from.provenance {
                "Provenance"
            } else {
                &one.resource_type
            };
            if source != include.source {
                continue;
            }
            let to = |at: usize| Place {
                at,
                provenance: false,
                ..*from
            };
            if from.provenance {
                // All its links lead to what it is of; `patient` only where that is one.
                let patient = include.parameter.code == "patient";
                if include.leads_to(&one.resource_type) && (!patient || one.resource_type == "Patient") {
                    self.add(to(from.at));
                }
                continue;
            }
            for (of, id) in one.values.references(include.parameter.code) {
                let target = self.releases[from.release].find(of, id);
                if let Some(at) = target.filter(|_| include.leads_to(of)) {
                    self.add(to(at));
                }
            }
        }
    }

    /// From what a reference leads to, to what holds it.
    fn back(&mut self, include: &Include, frontier: &[Place]) {
        let targets = frontier
            .iter()
            .filter(|to| !to.provenance && include.leads_to(&self.one(**to).resource_type));
        if include.source == "Provenance" {
            let of = targets.map(|to| Place {
                provenance: true,
                ..*to
            });
            return of
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|place| self.add(place));
        }
        let names: HashSet<(usize, &str, &str)> = targets
            .map(|to| (to.release, self.one(*to).name()))
            .map(|(release, (of, id))| (release, of, id))
            .collect();
        if names.is_empty() {
            return;
        }
        let releases = self.releases;
        for (release, holder) in releases.iter().enumerate() {
            for at in holder.of_type(include.source) {
                let mut held = holder.resources[at].values.references(include.parameter.code);
                if held.any(|(of, id)| names.contains(&(release, of, id))) {
                    self.add(Place {
                        release,
                        at,
                        provenance: false,
                    });
                }
            }
        }
    }
}
