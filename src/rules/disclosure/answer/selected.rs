//! `$everything` and `$docref`: what a release holds of what was selected, in its own order, page by page.
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>

use std::sync::Arc;

use super::{Answer, Asking, Chosen, Subject, bundle};
use crate::disclosure::release::{Release, Released};
use crate::fhir::json as door;
use crate::search::{Key, Position, Selection};

impl Answer {
    /// One page of the selection. Without a release it is an empty one: whether that is told is the caller's.
    pub fn selected(release: Option<Arc<Release>>, selection: &Selection, asking: &Asking<'_>) -> Answer {
        let releases: Vec<Arc<Release>> = release.into_iter().collect();
        let places: Vec<usize> = releases
            .iter()
            .flat_map(|release| release.selected(selection, asking))
            .collect();
        let (page, next) = match releases.first() {
            Some(release) => cut(release, &places, selection),
            None => (Vec::new(), None),
        };
        let matches: Vec<(usize, Chosen)> = page.iter().map(|at| (0, Chosen::Released(*at))).collect();
        let path = selection.path();
        let searchset = bundle::Searchset {
            path: &path,
            releases: &releases,
            matches: &matches,
            with: &[],
            total: places.len(),
            next: next.as_ref(),
        };
        let body = searchset.write(&selection.query, asking.base);
        let chosen: Vec<Chosen> = matches.into_iter().map(|(_, one)| one).collect();
        // Who only counts is told of the person all the same.
        let speaks = !places.is_empty();
        let subjects = releases
            .into_iter()
            .filter(|_| speaks)
            .map(|release| Subject::shown(release, chosen.clone()));
        Answer::new(200, None, None, subjects.collect(), body.into(), asking.request)
    }
}

impl Release {
    /// Places of what is selected and the client may see.
    fn selected(&self, selection: &Selection, asking: &Asking<'_>) -> Vec<usize> {
        let made = self.about.document.as_ref().map(|document| document.id.as_str());
        let all = self.resources.iter().enumerate().filter(|(at, one)| {
            selection.takes(&one.resource_type, one.changed_at, &one.values)
                && self.sees(*at, asking)
                && (!selection.only_made || made == Some(one.id.as_str()))
                && has_profile(one, &selection.profiles)
        });
        all.map(|(at, _)| at).collect()
    }
}

/// Says the resource that it is of one of these profiles? Of none is of any.
fn has_profile(one: &Released, profiles: &[String]) -> bool {
    if profiles.is_empty() {
        return true;
    }
    let Ok(resource) = door::parse(&one.body) else {
        return false;
    };
    let own = resource["meta"]["profile"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    own.iter().any(|own| {
        own.as_str()
            .is_some_and(|own| profiles.iter().any(|wanted| wanted == own))
    })
}

/// The page after the place where the one before ended, and where the next one begins.
fn cut(release: &Release, places: &[usize], selection: &Selection) -> (Vec<usize>, Option<Position>) {
    let of = |at: usize| position(&release.resources[at]);
    let after = selection.query.after.as_ref();
    let begun = places
        .iter()
        .copied()
        .filter(|at| after.is_none_or(|after| is_behind(&of(*at), after)));
    let begun: Vec<usize> = begun.collect();
    let count = selection.query.count.min(begun.len());
    let next = (count > 0 && count < begun.len()).then(|| of(begun[count - 1]));
    (begun[..count].to_vec(), next)
}

/// In the order of a release: last change, type, id.
fn position(one: &Released) -> Position {
    Position {
        keys: vec![Key::Number(one.changed_at.0)],
        id: one.reference(),
    }
}

fn is_behind(one: &Position, other: &Position) -> bool {
    let of = |place: &Position| {
        let changed = match place.keys.first() {
            Some(Key::Number(changed)) => *changed,
            _ => i64::MIN,
        };
        let name = place.id.split_once('/').unwrap_or_default();
        (changed, name.0.to_owned(), name.1.to_owned())
    };
    of(one) > of(other)
}
