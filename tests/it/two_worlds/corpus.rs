//! The corpus: every route a partner can reach, with each parameter, modifier and header that could make a hidden thing
//! show. The channels are those of `S1` to `S22` (`reference/operations.md` 3.2): totals, pages, reverse chains, includes,
//! sorting, unknown parameters, 404 against 403, dates and versions, references, caches, ids, sizes, errors.
//! <https://hl7.org/fhir/R4/http.html>, <https://hl7.org/fhir/R4/search.html>

use axum::http::Method;
use serde_json::Value;

use super::refusals::refusals;
use super::thing::{Thing, last};
use super::{across, emergency};
use crate::harness::{Ask, Kept};

pub enum What {
    /// With the partner's token.
    Ask(Ask),
    /// Without any.
    Bare(Ask),
    /// With a token for an emergency, after the glass was broken.
    Emergency(Ask),
    /// A search and every page its `next` links lead to.
    Pages(Ask),
    /// A read, and the same again with the version it gave.
    Again(Ask),
    /// A search of papers, and the bytes of every attachment it names.
    Papers(Ask),
    Token {
        scope: &'static str,
        good: bool,
    },
}

/// A route, as the power of the corpus is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    Read,
    Search,
    Form,
    Head,
    Page,
    Conditional,
    /// What is made of a release as a whole: `$everything`, `$all-eltss-careplan`, `$docref`, the papers with their bytes.
    Whole,
    Match,
    BreakGlass,
    RequestMore,
    Refused,
    /// Answers that speak of nobody: discovery, tokens, health.
    Open,
}

impl Route {
    /// Those that would show any visible thing; the others show some.
    pub const TELLING: [Route; 7] = [
        Route::Read,
        Route::Search,
        Route::Form,
        Route::Head,
        Route::Page,
        Route::Conditional,
        Route::Whole,
    ];
}

/// One request of one partner, or a few that follow from each other.
pub struct Turn {
    pub partner: usize,
    pub route: Route,
    /// Asked before the others, one after the other: it builds what they read.
    pub opens: bool,
    pub what: What,
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            What::Ask(ask)
            | What::Bare(ask)
            | What::Emergency(ask)
            | What::Pages(ask)
            | What::Again(ask)
            | What::Papers(ask) => {
                let (method, path) = (&ask.method, &ask.path);
                write!(
                    f,
                    "partner {}: {:?} {method} {path} {:?}",
                    self.partner, self.route, ask.headers
                )
            }
            What::Token { scope, good } => write!(f, "partner {}: token {scope} {good}", self.partner),
        }
    }
}

/// Types of everybody's data sets, each searched once whatever is hidden.
const TYPES: &[&str] = &[
    "CarePlan",
    "Condition",
    "Observation",
    "Task",
    "CareTeam",
    "RiskAssessment",
    "Consent",
    "Goal",
    "MedicationRequest",
    "AllergyIntolerance",
    "RelatedPerson",
    "ServiceRequest",
    "Encounter",
    "Appointment",
    "QuestionnaireResponse",
    "DocumentReference",
    "Communication",
];

pub fn corpus(thing: &Thing) -> Vec<Turn> {
    let mut turns = Vec::new();
    for partner in thing.askers.iter().copied() {
        let mut all = Corpus {
            thing,
            partner,
            turns: Vec::new(),
        };
        all.opening();
        all.searches();
        all.filters();
        all.orders();
        all.links();
        all.forms();
        all.reads();
        all.around();
        all.pages();
        all.across();
        all.whole();
        all.operations();
        all.refused();
        all.tokens();
        turns.append(&mut all.turns);
    }
    turns.extend(open(thing));
    turns
}

pub(super) struct Corpus<'t> {
    pub(super) thing: &'t Thing,
    pub(super) partner: usize,
    turns: Vec<Turn>,
}

impl Corpus<'_> {
    pub(super) fn add(&mut self, route: Route, what: What) {
        self.turns.push(Turn {
            partner: self.partner,
            route,
            opens: false,
            what,
        });
    }

    pub(super) fn ask(&mut self, route: Route, ask: Ask) {
        self.add(route, What::Ask(ask));
    }

    /// The first question of each partner builds its release; what is shared can be read from then on.
    fn opening(&mut self) {
        let first = Ask::get(&format!("/fhir/Patient/{}", self.thing.person));
        self.turns.push(Turn {
            partner: self.partner,
            route: Route::Read,
            opens: true,
            what: What::Ask(first),
        });
    }

    /// The ways to find the type the thing could show in, as pairs of names and values.
    fn ways(&self) -> Vec<Vec<(&'static str, String)>> {
        let (id, target) = (self.thing.person.clone(), last(&self.thing.target).to_owned());
        let identifier = ("identifier", self.thing.identifier.clone());
        if self.thing.focus == "Patient" {
            return vec![
                vec![("_id", id.clone())],
                vec![("_id", format!("{id},nobody"))],
                vec![("_id", id.clone()), ("_count", "1".to_owned())],
                vec![("_id", id), identifier.clone()],
                vec![identifier],
            ];
        }
        vec![
            vec![("patient", id.clone())],
            vec![("patient", format!("Patient/{id}"))],
            vec![("subject", id.clone())],
            vec![("patient", format!("https://postern.test/fhir/Patient/{id}"))],
            vec![("patient", format!("{id},nobody"))],
            vec![("patient", id.clone()), ("patient", id.clone())],
            vec![("patient", id.clone()), ("_count", "200".to_owned())],
            vec![("patient", id.clone()), ("_count", "0".to_owned())],
            vec![("patient", id.clone()), ("_id", target.clone())],
            vec![("patient", id), identifier.clone()],
            vec![("_id", target)],
            vec![identifier],
        ]
    }

    fn searches(&mut self) {
        let focus = self.thing.focus;
        for (index, way) in self.ways().into_iter().enumerate() {
            let query = written(&way);
            let plain = format!("/fhir/{focus}?{query}");
            self.ask(Route::Search, Ask::get(&plain));
            self.ask(Route::Search, Ask::get(&format!("{plain}&_format=xml")));
            match index % 3 {
                0 => self.ask(Route::Search, Ask::get(&plain).with("accept-encoding", "gzip")),
                1 => self.ask(
                    Route::Search,
                    Ask::get(&plain).with("accept", "application/fhir+xml"),
                ),
                _ => self.ask(Route::Head, head(&plain)),
            }
        }
        let way = self.ways().swap_remove(0);
        let plain = format!("/fhir/{focus}?{}", written(&way));
        self.ask(Route::Head, head(&plain));
        self.ask(Route::Search, Ask::get(&format!("{plain}&_format=json")));
        self.ask(Route::Search, Ask::get(&format!("{plain}&_pretty=true")));
        for (name, value) in [
            ("accept", "application/json;q=0.5, */*;q=0.1"),
            ("accept-encoding", "gzip"),
            ("if-none-match", "W/\"0123456789abcdef\""),
            ("if-modified-since", "Sat, 21 Nov 2026 11:00:00 GMT"),
            ("prefer", "handling=lenient"),
            ("prefer", "handling=strict"),
            ("range", "bytes=0-99"),
            ("x-forwarded-for", "192.0.2.1"),
            ("cache-control", "no-cache"),
        ] {
            self.ask(Route::Search, Ask::get(&plain).with(name, value));
        }
    }

    fn forms(&mut self) {
        let path = format!("/fhir/{}/_search", self.thing.focus);
        for (index, way) in self.ways().into_iter().enumerate() {
            let pairs: Vec<(&str, &str)> = way.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let form = Ask::form(&path, &pairs);
            match index % 3 {
                0 => self.ask(Route::Form, form),
                1 => self.ask(Route::Form, form.with("accept", "application/fhir+xml")),
                _ => self.ask(Route::Form, form.with("accept-encoding", "gzip")),
            }
        }
    }

    /// Every way to read it, and what has its version.
    fn reads(&mut self) {
        let path = format!("/fhir/{}", self.thing.target);
        for ask in [
            Ask::get(&path),
            Ask::get(&path).with("accept", "application/fhir+xml"),
            Ask::get(&path).with("accept-encoding", "gzip"),
            Ask::get(&path).with("if-none-match", "*"),
            Ask::get(&format!("{path}?_format=xml")),
        ] {
            self.ask(Route::Read, ask);
        }
        self.ask(Route::Head, Ask::get(&path).method(Method::HEAD));
        self.add(Route::Conditional, What::Again(Ask::get(&path)));
    }

    /// What stands beside it and might speak of it: the plan, the person, the team, and one of everything else.
    fn around(&mut self) {
        let id = self.thing.person.clone();
        let mut references: Vec<String> = vec![format!("Patient/{id}")];
        for kind in TYPES
            .iter()
            .chain(&["Practitioner", "Organization", "PractitionerRole"])
        {
            references.extend(self.unlabelled(kind));
        }
        for (index, reference) in references.iter().enumerate() {
            let path = format!("/fhir/{reference}");
            let xml = || Ask::get(&path).with("accept", "application/fhir+xml");
            match (reference.starts_with("CarePlan/"), index % 4) {
                (true, _) => {
                    self.ask(Route::Read, Ask::get(&path));
                    self.ask(Route::Read, xml());
                    self.ask(Route::Read, Ask::get(&path).with("accept-encoding", "gzip"));
                    self.add(Route::Conditional, What::Again(Ask::get(&path)));
                }
                (_, 0) => self.add(Route::Conditional, What::Again(Ask::get(&path))),
                (_, 1) => self.ask(Route::Read, xml()),
                _ => self.ask(Route::Read, Ask::get(&path)),
            }
        }
        for kind in TYPES.iter().filter(|kind| **kind != self.thing.focus) {
            self.ask(Route::Search, Ask::get(&format!("/fhir/{kind}?patient={id}")));
        }
        self.ask(Route::Search, Ask::get(&format!("/fhir/Patient?_id={id}")));
        let pairs = [("patient", id.as_str())];
        self.ask(Route::Form, Ask::form("/fhir/CarePlan/_search", &pairs));
    }

    /// One resource of this type that the source has labelled in no way.
    fn unlabelled(&self, kind: &str) -> Option<String> {
        let of_kind =
            |one: &&Kept| one.body["resourceType"] == kind && one.body["meta"]["security"] == Value::Null;
        self.thing.hidden.iter().find(of_kind).map(Kept::reference)
    }

    fn pages(&mut self) {
        let (focus, id) = (self.thing.focus, &self.thing.person);
        let of = |kind: &str, count: usize| match kind {
            "Patient" => format!("/fhir/Patient?_id={id}&_count={count}"),
            _ => format!("/fhir/{kind}?patient={id}&_count={count}"),
        };
        let mut all = vec![of(focus, 1), of(focus, 2), of(focus, 3)];
        all.extend([of("Observation", 4), of("Task", 2)]);
        for path in all {
            self.add(Route::Page, What::Pages(Ask::get(&path)));
        }
    }

    fn across(&mut self) {
        for (route, what) in across::asks(self.thing, self.partner) {
            self.add(route, what);
        }
    }

    fn whole(&mut self) {
        let id = &self.thing.person;
        let everything = format!("/fhir/Patient/{id}/$everything");
        let papers = format!("/fhir/DocumentReference/$docref?patient={id}");
        let mut paths = vec![
            everything.clone(),
            format!("{everything}?_format=xml"),
            papers.clone(),
        ];
        let plan = self.unlabelled("CarePlan");
        paths.extend(plan.map(|plan| format!("/fhir/{plan}/$all-eltss-careplan")));
        let papers = [papers, format!("/fhir/DocumentReference?patient={id}")];
        for path in paths {
            self.ask(Route::Whole, Ask::get(&path));
        }
        for path in papers {
            self.add(Route::Whole, What::Papers(Ask::get(&path)));
        }
    }

    fn operations(&mut self) {
        let path = format!("/fhir/Patient/{}/$request-more", self.thing.person);
        self.ask(Route::RequestMore, emergency::more(&path));
        self.ask(
            Route::RequestMore,
            emergency::more("/fhir/Patient/nobody/$request-more"),
        );
        for ask in emergency::matches(self.thing) {
            self.ask(Route::Match, ask);
        }
        if self.partner != emergency::WHO {
            return;
        }
        // Asked before the rest: a grant moves the record, and whoever reads at that moment asks again.
        let calls = emergency::calls(self.thing).into_iter().map(|ask| Turn {
            partner: emergency::WHO,
            route: Route::BreakGlass,
            opens: true,
            what: What::Ask(ask),
        });
        self.turns.extend(calls);
        if self.thing.sealed {
            for path in self.found_in_an_emergency() {
                self.add(Route::Search, What::Emergency(Ask::get(&path)));
                self.add(
                    Route::Search,
                    What::Emergency(Ask::get(&path).with("accept", "application/fhir+xml")),
                );
            }
        }
    }

    fn found_in_an_emergency(&self) -> Vec<String> {
        let focus = self.thing.focus;
        let mut paths: Vec<String> = self
            .ways()
            .iter()
            .map(|way| format!("/fhir/{focus}?{}", written(way)))
            .collect();
        paths.push(format!("/fhir/{}", self.thing.target));
        paths.push(format!("/fhir/CarePlan?patient={}", self.thing.person));
        paths
    }

    fn refused(&mut self) {
        let partner = self.partner;
        for ask in emergency::validations(self.thing) {
            self.ask(Route::Open, ask);
        }
        // Each partner asks a third of them, so that refusals do not outweigh what can tell something.
        for (_, ask) in refusals(self.thing)
            .into_iter()
            .enumerate()
            .filter(|(n, _)| n % 3 == partner)
        {
            self.ask(Route::Refused, ask);
        }
    }

    fn tokens(&mut self) {
        for (scope, good) in [
            ("system/*.rs", true),
            ("system/CarePlan.rs", false),
            ("system/CarePlan.rs", true),
        ] {
            self.add(Route::Open, What::Token { scope, good });
        }
    }
}

/// What needs no token, and what is refused without one.
fn open(thing: &Thing) -> Vec<Turn> {
    let (read, search) = (
        format!("/fhir/{}", thing.target),
        format!("/fhir/{}?patient={}", thing.focus, thing.person),
    );
    let paths = [
        "/livez",
        "/readyz",
        "/fhir/metadata",
        "/fhir/metadata?_format=xml",
        "/fhir/.well-known/smart-configuration",
        "/fhir/StructureDefinition/crisis-team-CarePlan",
        &read,
        &search,
    ];
    let turn = |path: &str| Turn {
        partner: 0,
        route: Route::Open,
        opens: false,
        what: What::Bare(Ask::get(path)),
    };
    paths.into_iter().map(turn).collect()
}

fn head(path: &str) -> Ask {
    Ask::get(path)
        .method(Method::HEAD)
        .with("accept-encoding", "identity")
}

/// Percent-encoded, as a client writes a query.
pub fn written(pairs: &[(&'static str, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
