//! Searches across people: by number, by what is theirs, by what changed, through the directory. Whatever is hidden
//! has no row and no key, so none of them can find, count, order or page by it.
//! <https://hl7.org/fhir/R4/search.html#lastupdated>

use super::corpus::{Route, What, written};
use super::thing::Thing;
use crate::harness::{Ask, Kept};

/// The organisations of the three partners, by their place in the corpus.
const NPIS: [&str; 3] = ["1999002011", "1999002029", "1999002037"];

/// What one partner asks across people.
pub fn asks(thing: &Thing, partner: usize) -> Vec<(Route, What)> {
    let focus = thing.focus;
    let organization = organization(&thing.hidden, NPIS[partner]);
    let number = thing
        .identifier
        .split_once('|')
        .map_or("", |(_, value)| value)
        .to_owned();
    let since = ("_lastUpdated", "ge2026-01-01".to_owned());
    let with = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        path(
            focus,
            &std::iter::once(since.clone()).chain(more).collect::<Vec<_>>(),
        )
    };
    let mut found = vec![
        (Route::Search, get(&path(focus, &[("identifier", number)]))),
        (Route::Search, get(&with(&[]))),
        (Route::Search, get(&with(&[("_sort", "-_lastUpdated")]))),
        (
            Route::Search,
            get(&with(&[("_total", "accurate"), ("_count", "1")])),
        ),
        (Route::Search, get(&with(&[("_summary", "count")]))),
        (
            Route::Search,
            get(&format!("/fhir/{focus}?_lastUpdated=gt2026-11-21T12:00:00Z")),
        ),
        (Route::Page, What::Pages(Ask::get(&with(&[("_count", "2")])))),
        (
            Route::Page,
            What::Pages(Ask::get(&with(&[("_count", "1"), ("_sort", "_id")]))),
        ),
        (
            Route::Form,
            What::Ask(Ask::form(
                &format!("/fhir/{focus}/_search"),
                &[("_lastUpdated", "ge2026-01-01")],
            )),
        ),
    ];
    let references = [
        format!("/fhir/Task?owner=Organization/{organization}"),
        format!("/fhir/Task?requester=Organization/{organization}&_lastUpdated=ge2026"),
        format!("/fhir/ServiceRequest?performer=Organization/{organization}"),
        format!("/fhir/PractitionerRole?organization={organization}"),
    ];
    let names = [
        "/fhir/Patient?identifier=HCS-104233",
        "/fhir/Patient?identifier=HCS-104233,HCS-0&birthdate=1987",
        "/fhir/Patient?_lastUpdated=ge2026",
        "/fhir/Practitioner?name=nov",
        "/fhir/Practitioner?name=marsh",
        "/fhir/Organization?name=h",
        "/fhir/Organization?_lastUpdated=ge2026&_sort=-_id",
    ];
    let asks = references.iter().map(String::as_str).chain(names);
    found.extend(asks.map(|path| (Route::Search, get(path))));
    for kind in ["Task", "Observation", "Practitioner"] {
        let pages = Ask::get(&format!("/fhir/{kind}?_lastUpdated=ge2026&_count=3"));
        found.push((Route::Page, What::Pages(pages)));
    }
    found
}

fn get(path: &str) -> What {
    What::Ask(Ask::get(path))
}

fn path(focus: &str, pairs: &[(&'static str, String)]) -> String {
    format!("/fhir/{focus}?{}", written(pairs))
}

fn organization(all: &[Kept], npi: &str) -> String {
    let named = |one: &&Kept| {
        let identifiers = one.body["identifier"].as_array();
        one.body["resourceType"] == "Organization"
            && identifiers.is_some_and(|list| list.iter().any(|i| i["value"] == npi))
    };
    let found = all.iter().find(named).and_then(|one| one.body["id"].as_str());
    found.unwrap_or("none").to_owned()
}
