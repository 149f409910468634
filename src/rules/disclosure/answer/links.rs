//! What comes with a match, what a client may not see, and parts of resources: each over a small release with links in it.
//! <https://hl7.org/fhir/R4/search.html#include>

use std::sync::Arc;

use serde_json::{Value, json};

use super::made_up::{asking, bundle, everything, names, pages, pairs, query, release, rules};
use super::{Answer, Permits, Reading};
use crate::search::{Values, View};

fn linked() -> Vec<(Value, i64)> {
    let to = |reference: &str| json!({"reference": reference});
    vec![
        (
            json!({"resourceType": "Patient", "id": "a1", "gender": "female"}),
            1,
        ),
        (
            json!({"resourceType": "CarePlan", "id": "plan", "subject": to("Patient/a1"), "status": "active", "intent": "plan",
            "goal": [to("Goal/g"), to("Goal/gone")], "careTeam": [to("CareTeam/t")], "author": to("Practitioner/dr")}),
            2,
        ),
        (
            json!({"resourceType": "CarePlan", "id": "part", "subject": to("Patient/a1"), "partOf": [to("CarePlan/plan")],
            "goal": [to("Goal/g")]}),
            3,
        ),
        (
            json!({"resourceType": "CareTeam", "id": "t", "subject": to("Patient/a1"), "participant": [
            {"member": to("PractitionerRole/r")}, {"member": to("Organization/o")}]}),
            1,
        ),
        (
            json!({"resourceType": "Goal", "id": "g", "subject": to("Patient/a1"), "lifecycleStatus": "active",
            "note": [{"text": "a note"}], "description": {"text": "sleep"}}),
            1,
        ),
        (
            json!({"resourceType": "PractitionerRole", "id": "r", "practitioner": to("Practitioner/dr"), "organization": to("Organization/o")}),
            1,
        ),
        (json!({"resourceType": "Practitioner", "id": "dr"}), 1),
        (json!({"resourceType": "Organization", "id": "o"}), 1),
    ]
}

/// Matches and what comes with them.
fn with(pairs_: &[(&str, &str)], permits: &Permits<'_>) -> (Vec<String>, Vec<String>) {
    let rules = rules();
    let (bundle, _) = bundle(
        &[release(&linked())],
        &query("CarePlan", &pairs(pairs_), None),
        &asking(rules, permits),
    );
    assert_eq!(bundle["total"], json!(names(&bundle, "match").len()));
    (names(&bundle, "match"), names(&bundle, "include"))
}

#[test]
fn links_are_followed_inside_the_release_and_each_resource_comes_once() {
    let of = |pairs: &[(&str, &str)]| with(pairs, &everything).1;
    assert_eq!(of(&[("_include", "CarePlan:goal")]), ["Goal/g"]);
    assert_eq!(of(&[("_include", "CarePlan:care-team:CareTeam")]), ["CareTeam/t"]);
    assert_eq!(
        of(&[("_include", "CarePlan:patient"), ("_include", "CarePlan:goal")]),
        ["Goal/g", "Patient/a1"]
    );
    // What matches comes as a match.
    assert_eq!(of(&[("_include", "CarePlan:part-of")]), [""; 0]);
    assert_eq!(
        of(&[("_id", "part"), ("_include", "CarePlan:part-of")]),
        ["CarePlan/plan"]
    );
    assert_eq!(
        of(&[("_id", "plan"), ("_revinclude", "CarePlan:part-of")]),
        ["CarePlan/part"]
    );
    // From what was included only with `:iterate`.
    let team = ("_include", "CarePlan:care-team");
    assert_eq!(of(&[team, ("_include", "CareTeam:participant")]), ["CareTeam/t"]);
    assert_eq!(
        of(&[
            team,
            ("_include:iterate", "CareTeam:participant:PractitionerRole")
        ]),
        ["CareTeam/t", "PractitionerRole/r"]
    );
    assert_eq!(
        of(&[
            team,
            ("_include:iterate", "CareTeam:participant"),
            ("_include:iterate", "PractitionerRole:practitioner")
        ]),
        [
            "CareTeam/t",
            "Organization/o",
            "Practitioner/dr",
            "PractitionerRole/r"
        ]
    );
}

#[test]
fn what_a_client_may_not_see_is_neither_matched_nor_included_nor_counted() {
    let no_goals = |of: &str, _: &Values| of != "Goal";
    assert_eq!(with(&[("_include", "CarePlan:goal")], &no_goals).1, [""; 0]);
    // By what a resource holds, as a granular scope has it.
    let active = |of: &str, values: &Values| of != "CarePlan" || values.has_token("status", None, "active");
    let (matches, with_it) = with(&[("_revinclude", "CarePlan:part-of")], &active);
    assert_eq!((matches, with_it), (vec!["CarePlan/plan".to_owned()], Vec::new()));
    let rules = rules();
    let (whole, view) = (release(&linked()), View::default());
    let read = |id: &str, permits: &Permits<'_>| {
        let reading = Reading {
            resource_type: "CarePlan",
            id,
            version: None,
            known: None,
            view: &view,
        };
        Answer::read(Some(Arc::clone(&whole)), &reading, &asking(rules, permits)).status
    };
    assert_eq!(
        (
            read("part", &everything),
            read("part", &active),
            read("nobody", &active)
        ),
        (200, 404, 404)
    );
}

#[test]
fn a_page_brings_no_more_than_it_can_hold() {
    let rules = rules();
    let mut many: Vec<(Value, i64)> = (0..60)
        .flat_map(|n| {
            let plan = json!({"resourceType": "CarePlan", "id": format!("p{n}"), "goal": (0..30)
                .map(|g| json!({"reference": format!("Goal/g{n}-{g}")})).collect::<Vec<_>>()});
            let goals = (0..30).map(move |g| json!({"resourceType": "Goal", "id": format!("g{n}-{g}")}));
            std::iter::once(plan).chain(goals).map(|one| (one, 1))
        })
        .collect();
    let asked = pairs(&[("_include", "CarePlan:goal")]);
    let whole = release(&many);
    let pages = pages(&[Arc::clone(&whole)], "CarePlan", &asked, rules);
    assert_eq!(
        pages.iter().map(|(names, _)| names.len()).collect::<Vec<_>>(),
        [30, 30]
    );
    // One match alone that brings too many.
    let all: Vec<Value> = (0..60)
        .flat_map(|n| (0..30).map(move |g| json!({"reference": format!("Goal/g{n}-{g}")})))
        .collect();
    many.push((json!({"resourceType": "CarePlan", "id": "all", "goal": all}), 0));
    let asked = pairs(&[("_include", "CarePlan:goal"), ("_id", "all")]);
    let answer = Answer::search(
        vec![release(&many)],
        &query("CarePlan", &asked, None),
        &asking(rules, &everything),
    );
    assert_eq!((answer.status, answer.subjects.len()), (400, 0));
}

#[test]
fn a_part_shows_no_more_than_the_whole_and_keeps_what_must_go_with_it() {
    let rules = rules();
    for (pairs_, here, gone) in [
        (
            &[("_elements", "note")][..],
            &["lifecycleStatus", "description", "subject", "note"][..],
            &["text_whole"][..],
        ),
        (
            &[("_summary", "true")],
            &["lifecycleStatus", "description", "subject"],
            &["note"],
        ),
        (&[("_summary", "text")], &["text", "subject"], &["note"]),
        (&[("_summary", "data")], &["note", "subject"], &[]),
    ] {
        let (bundle, _) = bundle(
            &[release(&linked())],
            &query("Goal", &pairs(pairs_), None),
            &asking(rules, &everything),
        );
        let part = &bundle["entry"][0]["resource"];
        for name in here {
            assert!(!part[*name].is_null(), "{pairs_:?}: {name} in {part}");
        }
        for name in gone {
            assert!(part[*name].is_null(), "{pairs_:?}: {name} in {part}");
        }
        assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
        assert_eq!(part["meta"]["security"][0]["code"], "R");
        let div = part["text"]["div"].as_str().expect("a narrative");
        assert!(
            div.contains("keep this to yourself"),
            "the notice goes with each part: {div}"
        );
    }
    let (counted, next) = bundle(
        &[release(&linked())],
        &query("Goal", &pairs(&[("_summary", "count")]), None),
        &asking(rules, &everything),
    );
    assert_eq!(
        (&counted["total"], names(&counted, "match").len(), next),
        (&json!(1), 0, None)
    );
    let (untold, _) = bundle(
        &[release(&linked())],
        &query("Goal", &pairs(&[("_total", "none")]), None),
        &asking(rules, &everything),
    );
    assert!(untold["total"].is_null() && names(&untold, "match").len() == 1);
}

#[test]
fn a_present_version_is_read_and_no_other() {
    let rules = rules();
    let (whole, view) = (release(&linked()), View::default());
    let read = |version: Option<&str>| {
        let reading = Reading {
            resource_type: "Goal",
            id: "g",
            version,
            known: None,
            view: &view,
        };
        Answer::read(Some(Arc::clone(&whole)), &reading, &asking(rules, &everything))
    };
    let etag = read(None).etag.expect("an ETag");
    let version = etag.trim_start_matches("W/").trim_matches('"');
    assert_eq!((read(Some(version)).status, read(Some("1")).status), (200, 404));
}
