//! What the comparison amounts to: how much was compared, how much of it would have told something, how fast it went. The
//! last of all the stories prints the sum and holds it against what is promised. <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::compare::differs;
use super::corpus::{Route, Turn};
use super::passes::Pass;
use crate::harness::Engine;

/// In an optimised build the whole corpus is asked, else a part of it.
pub const WHOLE: bool = !cfg!(debug_assertions);
/// Responses compared over all passes, things and both engines, at least.
const PROMISED: usize = 20_000;

/// Of one thing on one engine.
pub struct Figures {
    pub responses: usize,
    good: usize,
    differing: usize,
    /// By route: turns, and those that differ where the thing is visible.
    routes: BTreeMap<Route, (usize, usize)>,
}

impl Figures {
    pub fn of(turns: &[Turn], hidden: &Pass, visible: &Pass) -> Figures {
        let mut figures = Figures {
            responses: 0,
            good: 0,
            differing: 0,
            routes: BTreeMap::new(),
        };
        for ((turn, hidden), visible) in turns.iter().zip(hidden).zip(visible) {
            let differ = differs(hidden, visible);
            figures.responses += hidden.len();
            figures.good += hidden.iter().filter(|a| (200..300).contains(&a.status)).count();
            figures.differing += if differ { hidden.len() } else { 0 };
            let route = figures.routes.entry(turn.route).or_default();
            route.0 += 1;
            route.1 += usize::from(differ);
        }
        figures
    }

    pub fn good(&self) -> usize {
        100 * self.good / self.responses.max(1)
    }

    pub fn differing(&self) -> usize {
        100 * self.differing / self.responses.max(1)
    }

    /// Routes that would have told nothing although they could.
    pub fn silent(&self) -> Vec<Route> {
        let differ = |route: &Route| self.routes.get(route).is_some_and(|(_, differ)| *differ > 0);
        Route::TELLING
            .into_iter()
            .filter(|route| !differ(route))
            .collect()
    }

    pub fn by_route(&self) -> String {
        let routes = self
            .routes
            .iter()
            .map(|(route, (all, differ))| format!("{route:?} {differ}/{all}"));
        routes.collect::<Vec<_>>().join(", ")
    }
}

#[expect(clippy::disallowed_methods, reason = "how long the tests take")]
pub fn now() -> Instant {
    Instant::now()
}

#[derive(Default)]
struct Sum {
    stories: usize,
    compared: usize,
    asked: usize,
    good: usize,
    differing: usize,
    responses: usize,
    /// By route: turns that differ where the thing is visible.
    routes: BTreeMap<Route, usize>,
    busy: Duration,
    begun: Option<Instant>,
}

static SUM: Mutex<Option<Sum>> = Mutex::new(None);

/// Notes when the first story begins.
pub fn begin() {
    let mut sum = SUM.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = &mut sum.get_or_insert_default().begun;
    *begun = begun.or_else(|| Some(now()));
}

/// Adds one story; `stories` is how many there are on each engine.
pub fn add(figures: &Figures, compared: usize, asked: usize, busy: Duration, stories: usize) {
    let mut sum = SUM.lock().unwrap_or_else(PoisonError::into_inner);
    let sum = sum.get_or_insert_default();
    sum.stories += 1;
    sum.compared += compared;
    sum.asked += asked;
    sum.good += figures.good;
    sum.differing += figures.differing;
    sum.responses += figures.responses;
    sum.busy += busy;
    for (route, (_, differ)) in &figures.routes {
        *sum.routes.entry(*route).or_default() += differ;
    }
    let engines = 1 + usize::from(Engine::Postgres.is_there());
    if sum.stories < stories * engines {
        return;
    }
    let wall = sum.begun.map(|begun| begun.elapsed()).unwrap_or_default();
    println!(
        "two worlds, all: {} things on {engines} engines; {} requests, {} responses compared, 0 differ; {} % answered 2xx; \
         {} % differ where it is visible; {:.0} s, {:.0} requests/s in all, {:.0} within a story",
        stories,
        sum.asked,
        sum.compared,
        100 * sum.good / sum.responses,
        100 * sum.differing / sum.responses,
        wall.as_secs_f64(),
        sum.asked as f64 / wall.as_secs_f64(),
        sum.asked as f64 / sum.busy.as_secs_f64(),
    );
    if WHOLE {
        let silent: Vec<_> = sum
            .routes
            .iter()
            .filter(|(_, differ)| **differ == 0)
            .map(|(route, _)| *route)
            .collect();
        assert_eq!(
            silent,
            [Route::Refused, Route::Open],
            "routes on which nothing would show"
        );
    }
    if WHOLE && engines == 2 {
        assert!(
            sum.compared >= PROMISED,
            "only {} responses were compared",
            sum.compared
        );
    }
}
