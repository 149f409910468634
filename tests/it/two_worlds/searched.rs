//! Searches of the type a hidden thing could show in: each of its parameters with modifiers and prefixes, each order, each link
//! forwards and backwards, parts of resources, and the Provenance of what is found.
//! <https://hl7.org/fhir/R4/search.html>

use postern_rules::search::{Kind, includes_of, is_sorted, parameters, revincludes_of};

use super::corpus::{Corpus, Route, What, written};
use crate::harness::Ask;

impl Corpus<'_> {
    /// What every search of the focus is narrowed by.
    fn whose(&self) -> Vec<(&'static str, String)> {
        match self.thing.focus {
            "Patient" => vec![("_id", self.thing.person.clone())],
            _ => vec![("patient", self.thing.person.clone())],
        }
    }

    /// Each partner asks a part of these, so that a corpus stays as long as it has to be.
    fn in_turn(&mut self, number: usize, pairs: &[(&str, String)]) {
        if number % 3 != self.partner {
            return;
        }
        let whose = self.whose();
        let all = whose
            .iter()
            .chain(pairs)
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = all.collect();
        let focus = self.thing.focus;
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&all)
            .finish();
        let ask = Ask::get(&format!("/fhir/{focus}?{query}"));
        match number / 3 % 4 {
            0 => self.ask(Route::Form, Ask::form(&format!("/fhir/{focus}/_search"), &all)),
            1 => self.ask(Route::Search, ask.with("accept", "application/fhir+xml")),
            _ => self.ask(Route::Search, ask),
        }
    }

    /// Every parameter of the focus, with modifiers and prefixes that find most of what is there.
    pub(super) fn filters(&mut self) {
        for (number, parameter) in parameters(self.thing.focus).iter().enumerate() {
            let code = parameter.code;
            let ways: &[(&str, &str)] = match parameter.kind {
                Kind::Token => &[(":not", "nothing"), (":missing", "false"), ("", "active")],
                Kind::Reference => &[(":missing", "false"), (":missing", "true")],
                Kind::Date => &[
                    ("", "ge1900"),
                    ("", "lt2100"),
                    ("", "ap2026"),
                    (":missing", "true"),
                ],
                Kind::String => &[(":contains", "e"), ("", "r"), (":missing", "false")],
                Kind::Uri => &[(":missing", "true")],
            };
            for (way, (modifier, value)) in ways.iter().enumerate() {
                self.in_turn(
                    number + way,
                    &[(&format!("{code}{modifier}"), (*value).to_owned())],
                );
            }
        }
        for (number, pairs) in [
            &[("_lastUpdated", "ge2020")][..],
            &[("_lastUpdated", "le2030"), ("_summary", "count")],
            &[("_summary", "true")],
            &[("_summary", "data")],
            &[("_summary", "text")],
            &[("_elements", "identifier,meta")],
            &[("_total", "none")],
            &[("_total", "accurate"), ("_count", "1")],
        ]
        .into_iter()
        .enumerate()
        {
            let pairs: Vec<(&str, String)> = pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            self.in_turn(number, &pairs);
        }
        let whose = written(&self.whose());
        let unknown = Ask::get(&format!("/fhir/{}?{whose}&colour=red", self.thing.focus));
        self.ask(Route::Search, unknown.with("prefer", "handling=lenient"));
    }

    /// Every order of the focus, both ways, and its pages.
    pub(super) fn orders(&mut self) {
        let sorted: Vec<&str> = parameters(self.thing.focus)
            .iter()
            .filter(|p| is_sorted(p))
            .map(|p| p.code)
            .chain(["_id", "_lastUpdated"])
            .collect();
        for (number, code) in sorted.iter().enumerate() {
            let sign = if number % 2 == 0 { "-" } else { "" };
            self.in_turn(number, &[("_sort", format!("{sign}{code}"))]);
        }
        let last = sorted[self.partner % sorted.len()];
        let path = format!(
            "/fhir/{}?{}&_sort=-{last}&_count=2",
            self.thing.focus,
            written(&self.whose())
        );
        self.add(Route::Page, What::Pages(Ask::get(&path)));
    }

    /// What comes with matches: of the focus, of the plan and of the person; and where each came from.
    pub(super) fn links(&mut self) {
        let focus = self.thing.focus;
        for (number, link) in includes_of(focus).into_iter().enumerate() {
            self.in_turn(number, &[("_include", link)]);
        }
        for (number, link) in revincludes_of(focus).into_iter().enumerate() {
            self.in_turn(number, &[("_revinclude", link)]);
        }
        let (id, target) = (&self.thing.person, &self.thing.target);
        let plan = "_include=CarePlan:goal&_include=CarePlan:condition&_include=CarePlan:activity-reference\
&_include=CarePlan:care-team&_include:iterate=CareTeam:participant&_revinclude:iterate=Provenance:target";
        for path in [
            format!("/fhir/CarePlan?patient={id}&{plan}"),
            format!(
                "/fhir/Patient?_id={id}&_revinclude={focus}:patient&_revinclude:iterate=Provenance:target"
            ),
            format!("/fhir/Provenance?target={target}"),
            format!("/fhir/Provenance?_id={}", target.replacen('/', "-", 1)),
            format!("/fhir/Provenance?patient={id}"),
        ] {
            self.ask(Route::Search, Ask::get(&path));
        }
        let provenance = format!("/fhir/Provenance/{}", target.replacen('/', "-", 1));
        self.ask(Route::Read, Ask::get(&provenance));
        self.add(Route::Conditional, What::Again(Ask::get(&provenance)));
        self.ask(Route::Read, Ask::get(&format!("/fhir/{target}?_summary=true")));
        self.ask(
            Route::Read,
            Ask::get(&format!("/fhir/{target}?_elements=identifier")),
        );
        self.ask(
            Route::Read,
            Ask::get(&format!("/fhir/{target}/_history/0123456789abcdef")),
        );
    }
}
