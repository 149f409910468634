//! Which resources of the releases match, and which of them stand on the page that was asked for.
//! <https://hl7.org/fhir/R4/http.html#paging>, <https://hl7.org/fhir/R4/search.html#sort>

use std::collections::HashSet;
use std::sync::Arc;

use super::Asking;
use crate::disclosure::provenance::{is_served, of_release};
use crate::disclosure::release::Release;
use crate::fhir::Instant;
use crate::search::{Key, Position, Query, Values, compare, provenance_target};

/// A resource of an answer: the release it is in, its place there, and whether it is meant itself or its Provenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::disclosure) struct Place {
    pub release: usize,
    pub at: usize,
    pub provenance: bool,
}

/// The matches of one page, in order.
pub(super) struct Page {
    pub places: Vec<Place>,
    pub total: usize,
    /// Where the next page begins.
    pub next: Option<Position>,
    /// Releases whose matches are only counted.
    pub counted: HashSet<usize>,
}

/// One match, before it is known on which page it stands.
struct Match<'m> {
    changed_at: Instant,
    id: &'m str,
    values: &'m Values,
    place: Place,
}

impl Release {
    /// Where this resource stands, when the client may see it.
    pub(in crate::disclosure) fn place(
        &self,
        resource_type: &str,
        id: &str,
        asking: &Asking<'_>,
    ) -> Option<Place> {
        let provenance = resource_type == "Provenance";
        let at = match provenance.then(|| provenance_target(id)) {
            Some(target) => target.and_then(|(of, id)| self.find(of, id))?,
            None => self.find(resource_type, id)?,
        };
        let place = Place {
            release: 0,
            at,
            provenance,
        };
        self.permits(place, asking).then_some(place)
    }

    /// Does the release hold it, and may the client see it?
    pub fn shows(&self, resource_type: &str, id: &str, asking: &Asking<'_>) -> bool {
        #[cfg(debug_assertions)]
        if crate::disclosure::planted::keeps_back(&self.about, resource_type, id) {
            return true;
        }
        self.place(resource_type, id, asking).is_some()
    }

    /// A Provenance speaks of what it is of, so both have to be permitted.
    pub(in crate::disclosure) fn permits(&self, place: Place, asking: &Asking<'_>) -> bool {
        let one = &self.resources[place.at];
        let itself = self.sees(place.at, asking);
        if !place.provenance {
            return itself;
        }
        let of = of_release(one);
        itself && is_served(self, one, asking.rules) && (asking.permits)("Provenance", &of)
    }
}

impl Page {
    /// At most `count` matches, after the place where the page before ended. Where candidates are known so far only, the next page
    /// goes on from there.
    pub fn of(releases: &[Arc<Release>], query: &Query, count: usize, asking: &Asking<'_>) -> Page {
        let page = Page::known(releases, query, count, asking);
        let next = page.next.or_else(|| until(query).cloned());
        Page { next, ..page }
    }

    fn known(releases: &[Arc<Release>], query: &Query, count: usize, asking: &Asking<'_>) -> Page {
        let mut page = Filling::new(query, count);
        if query.resource_type == "Provenance" {
            let made = provenances(releases, query, asking);
            let matches = made.iter().map(|(changed_at, id, values, place)| Match {
                changed_at: *changed_at,
                id,
                values,
                place: *place,
            });
            page.take_all(matches, releases.len() == 1);
        } else {
            page.take_all(matches(releases, query, asking), releases.len() == 1);
        }
        page.page
    }
}

/// Do more matches follow on this page, as far as candidates were looked at?
pub fn fills_page(releases: &[Arc<Release>], query: &Query, asking: &Asking<'_>) -> bool {
    Page::known(releases, query, query.count, asking).next.is_some()
}

fn until(query: &Query) -> Option<&Position> {
    query.reach.as_ref()?.until.as_ref()
}

/// In each release in the default order.
fn matches<'m>(
    releases: &'m [Arc<Release>],
    query: &'m Query,
    asking: &'m Asking<'_>,
) -> impl Iterator<Item = Match<'m>> {
    let places = releases.iter().enumerate().flat_map(|(release, of)| {
        let all = of.of_type(query.resource_type);
        all.map(move |at| Place {
            release,
            at,
            provenance: false,
        })
    });
    places.filter_map(|place| {
        let one = &releases[place.release].resources[place.at];
        let fits = query.matches(&one.id, one.changed_at, &one.values)
            && query.is_taken_from(&releases[place.release].about.patient, &one.id)
            && releases[place.release].sees(place.at, asking);
        fits.then_some(Match {
            changed_at: one.changed_at,
            id: &one.id,
            values: &one.values,
            place,
        })
    })
}

type OfProvenance = (Instant, String, Values, Place);

/// The Provenances that match: one of each resource, or of those that are named. Ordered as what they are of, which is by
/// last change and then by their ids.
fn provenances(releases: &[Arc<Release>], query: &Query, asking: &Asking<'_>) -> Vec<OfProvenance> {
    let named = query.named();
    let mut found = Vec::new();
    for (release, of) in releases.iter().enumerate() {
        for (at, one) in of.resources.iter().enumerate() {
            if !named.is_empty()
                && !named
                    .iter()
                    .any(|(t, id)| (t.as_str(), id.as_str()) == one.name())
            {
                continue;
            }
            let place = Place {
                release,
                at,
                provenance: true,
            };
            let (id, values) = (one.provenance_id(), of_release(one));
            if query.matches(&id, one.changed_at, &values) && of.permits(place, asking) {
                found.push((one.changed_at, id, values, place));
            }
        }
    }
    found
}

/// A page while its matches come in.
struct Filling<'q> {
    query: &'q Query,
    count: usize,
    page: Page,
    last: Option<Position>,
}

impl<'q> Filling<'q> {
    fn new(query: &'q Query, count: usize) -> Filling<'q> {
        let count = if query.is_count() { 0 } else { count };
        Filling {
            query,
            count,
            page: Page {
                places: Vec::with_capacity(count.min(64)),
                total: 0,
                next: None,
                counted: HashSet::new(),
            },
            last: None,
        }
    }

    /// One release holds its matches in the default order: nothing is kept of those on other pages.
    fn take_all<'m>(&mut self, matches: impl Iterator<Item = Match<'m>>, one: bool) {
        let sort = &self.query.sort;
        if one && self.query.is_in_default_order() {
            let by = sort[0];
            return matches.for_each(|found| {
                self.take(&[by.key(found.id, found.changed_at, found.values)], &found);
            });
        }
        let mut seen: HashSet<&str> = HashSet::new();
        // A shared resource can stand in the releases of several people; it is one match.
        let found: Vec<Match<'m>> = matches.filter(|found| one || seen.insert(found.id)).collect();
        let keys = found
            .iter()
            .flat_map(|m| sort.iter().map(|by| by.key(m.id, m.changed_at, m.values)));
        let keys: Vec<Key<&str>> = keys.collect();
        let of = |at: usize| &keys[at * sort.len()..(at + 1) * sort.len()];
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|a, b| compare(sort, (of(*a), found[*a].id), (of(*b), found[*b].id)));
        order.into_iter().for_each(|at| self.take(of(at), &found[at]));
    }

    /// In order.
    fn take(&mut self, keys: &[Key<&str>], found: &Match<'_>) {
        let beyond =
            |until: &Position| compare(&self.query.sort, (keys, found.id), (&until.keys, &until.id)).is_gt();
        if until(self.query).is_some_and(beyond) {
            return;
        }
        self.page.total += 1;
        if self.count == 0 {
            self.page.counted.insert(found.place.release);
            return;
        }
        let (sort, after) = (&self.query.sort, self.query.after.as_ref());
        let begun =
            after.is_none_or(|after| compare(sort, (keys, found.id), (&after.keys, &after.id)).is_gt());
        if !begun {
            return;
        }
        if self.page.places.len() < self.count {
            self.page.places.push(found.place);
            if self.page.places.len() == self.count {
                self.last = Some(Position {
                    keys: keys.iter().map(Key::to_owned).collect(),
                    id: found.id.to_owned(),
                });
            }
        } else if self.page.next.is_none() {
            // There is more: the next page begins after the last match of this one.
            self.page.next = self.last.take();
        }
    }
}
