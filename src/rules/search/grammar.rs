//! The grammar of R4, rule by rule, with R4's own examples where it has them.
//! <https://hl7.org/fhir/R4/search.html>

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Extractor, Query, Setting, Values};
use crate::fhir::excerpt::Excerpt;
use crate::fhir::{Instant, Issue, IssueCode};

const BASE: &str = "https://here.test/fhir";

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

fn parse(of: &'static str, list: &[(&str, &str)], lenient: bool) -> Result<Query, Vec<Issue>> {
    let zone = TimeZone::get("America/Chicago").expect("a zone");
    let setting = Setting {
        base: BASE,
        zone: &zone,
        now: Instant::parse("2026-11-21T12:00:00Z").expect("an instant"),
        lenient,
    };
    Query::parse(of, &pairs(list), &setting)
}

fn query(of: &'static str, list: &[(&str, &str)]) -> Query {
    parse(of, list, false).unwrap_or_else(|issues| panic!("{list:?}: {issues:?}"))
}

pub(super) fn values(resource: &Value) -> Values {
    let mut excerpt = Excerpt::default();
    excerpt.value("", resource);
    let zone = TimeZone::get("America/Chicago").expect("a zone");
    Extractor::new(&zone).extract(excerpt.root().expect("a resource"))
}

fn finds(resource: &Value, list: &[(&str, &str)]) -> bool {
    let of = resource["resourceType"].as_str().expect("a type");
    let of = super::searched_types()
        .find(|t| *t == of)
        .expect("a type that is searched");
    let id = resource["id"].as_str().unwrap_or_default();
    query(of, list).matches(id, Instant(1_795_262_400_000_000), &values(resource))
}

/// Each row: name, value, whether it finds the resource.
fn table(resource: &Value, rows: &[(&str, &str, bool)]) {
    for (name, value, wanted) in rows {
        assert_eq!(finds(resource, &[(name, value)]), *wanted, "{name}={value}");
    }
}

#[test]
fn tokens_are_codes_with_or_without_their_system() {
    let condition = json!({"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"},
        "clinicalStatus": {"coding": [{"system": "urn:status", "code": "active"}]},
        "code": {"coding": [{"system": "http://acme.org/conditions/codes", "code": "ha125"}, {"code": "local|1"}], "text": "x"}});
    table(
        &condition,
        &[
            ("code", "http://acme.org/conditions/codes|ha125", true),
            ("code", "ha125", true),
            ("code", "HA125", false),
            ("code", "http://other.org|ha125", false),
            ("code", "|ha125", false),
            ("code", r"|local\|1", true),
            ("code", r"local\|1", true),
            ("code", "http://acme.org/conditions/codes|", true),
            ("code", "http://other.org|", false),
            ("code", "nothing,ha125", true),
            ("code:not", "ha125", false),
            ("code:not", "other", true),
            ("code:not", "other,ha125", false),
            ("severity:not", "severe", true),
            ("code:missing", "false", true),
            ("severity:missing", "true", true),
            ("severity:missing", "false", false),
        ],
    );
    assert!(finds(
        &condition,
        &[("code", "ha125"), ("clinical-status", "active")]
    ));
    assert!(
        !finds(&condition, &[("code", "ha125"), ("code", "nothing")]),
        "repeating is and"
    );
}

#[test]
fn a_bare_code_has_the_system_of_its_value_set() {
    let patient = json!({"resourceType": "Patient", "id": "p", "gender": "male", "active": true,
        "telecom": [{"system": "phone", "value": "555-1"}, {"system": "email", "value": "a@b.test"}]});
    table(
        &patient,
        &[
            ("gender", "male", true),
            ("gender", "http://hl7.org/fhir/administrative-gender|male", true),
            ("gender", "|male", true),
            ("gender", "urn:other|male", false),
            ("gender:not", "male,female", false),
            ("active", "true", true),
            ("active", "false", false),
            ("email", "a@b.test", true),
            ("phone", "a@b.test", false),
            ("telecom", "555-1", true),
        ],
    );
}

#[test]
fn identifiers_are_found_by_number_and_by_what_kind_of_number_it_is() {
    let v2 = "http://terminology.hl7.org/CodeSystem/v2-0203";
    let patient = json!({"resourceType": "Patient", "id": "p", "identifier": [
        {"system": "http://acme.org/patient", "value": "2345", "type": {"coding": [{"system": v2, "code": "MR"}]}},
        {"value": "446053"}]});
    table(
        &patient,
        &[
            ("identifier", "http://acme.org/patient|2345", true),
            ("identifier", "2345", true),
            ("identifier", "|446053", true),
            ("identifier", "|2345", false),
            ("identifier:of-type", &format!("{v2}|MR|2345"), true),
            ("identifier:of-type", &format!("{v2}|MR|446053"), false),
            ("identifier:of-type", &format!("{v2}|SS|2345"), false),
        ],
    );
}

#[test]
fn references_are_ids_relative_and_absolute_and_foreign_ones_find_nothing() {
    let task = json!({"resourceType": "Task", "id": "t", "for": {"reference": "Patient/p"},
        "owner": {"reference": "Organization/o", "identifier": {"system": "urn:npi", "value": "7"}},
        "focus": {"reference": "ServiceRequest/s/_history/3"}});
    table(
        &task,
        &[
            ("owner", "o", true),
            ("owner", "Organization/o", true),
            ("owner", "https://here.test/fhir/Organization/o", true),
            ("owner", "https://elsewhere.test/fhir/Organization/o", false),
            ("owner", "Practitioner/o", false),
            ("owner", "Nonsense/o", false),
            ("owner:Organization", "o", true),
            ("owner:Organization", "Organization/o", true),
            ("owner:Practitioner", "o", false),
            ("owner:Practitioner", "Organization/o", false),
            ("owner:identifier", "urn:npi|7", true),
            ("owner:identifier", "7", true),
            ("owner:identifier", "urn:npi|8", false),
            ("focus", "ServiceRequest/s", true),
            ("requester:missing", "true", true),
        ],
    );
    let filled = json!({"resourceType": "QuestionnaireResponse", "id": "q",
        "questionnaire": "http://example.org/Questionnaire/phq-9|1.2"});
    table(
        &filled,
        &[
            ("questionnaire", "http://example.org/Questionnaire/phq-9", true),
            (
                "questionnaire",
                "http://example.org/Questionnaire/phq-9|1.2",
                true,
            ),
            (
                "questionnaire",
                "http://example.org/Questionnaire/phq-9|1.3",
                false,
            ),
            ("questionnaire", "http://example.org/Questionnaire/phq", false),
        ],
    );
}

#[test]
fn dates_have_prefixes_and_are_days_of_the_agency() {
    let plan = json!({"resourceType": "CarePlan", "id": "c", "period": {"start": "2026-03-01", "end": "2026-03-31"}});
    table(
        &plan,
        &[
            ("date", "2026-03", true),
            ("date", "2026", true),
            ("date", "2026-03-05", false),
            ("date", "ap2026-03-05", true),
            ("date", "gt2026-03-30", true),
            ("date", "gt2026-03-31", false),
            ("date", "ge2026-04-01T04:58Z", true),
            ("date", "ge2026-04-01T05:00Z", false),
            ("date", "lt2026-03-01", false),
            ("date", "le2026-03-01", false),
            ("date", "sa2026-02-28", true),
            ("date", "eb2026-04-01", true),
            ("date", "ne2026-03", false),
            ("date", "2025,2026", true),
            ("date:missing", "true", false),
        ],
    );
    let both = [("date", "ge2026-01-01"), ("date", "lt2026-02-01")];
    assert!(!finds(&plan, &both));
}

#[test]
fn texts_are_found_by_their_beginning_without_case_accents_and_signs() {
    let patient = json!({"resourceType": "Patient", "id": "p",
        "name": [{"family": "Carreno Quinones", "given": ["Severine", "\u{c9}ve-Marie"], "text": "Dr. S\u{e9}verine"}],
        "address": [{"line": ["12 O\u{2019}Brien St."], "city": "Springfield", "postalCode": "62704-1234"}]});
    table(
        &patient,
        &[
            ("given", "eve", true),
            ("given", "\u{c9}VE-M", true),
            ("given", "marie", false),
            ("given:contains", "marie", true),
            ("given:exact", "Severine", true),
            ("given:exact", "severine", false),
            ("given:exact", "Sev", false),
            ("family", "carren\u{303}o qui\u{f1}", true),
            ("name", "dr sev", true),
            ("name", "carreno", true),
            ("address", "12 obrien", true),
            ("address-city", "spring", true),
            ("address-postalcode", "62704", true),
            ("address", "chicago", false),
        ],
    );
}

#[test]
fn uris_are_the_same_or_not() {
    let document = json!({"resourceType": "DocumentReference", "id": "d",
        "content": [{"attachment": {"url": "https://here.test/fhir/Binary/b"}}]});
    table(
        &document,
        &[
            ("location", "https://here.test/fhir/Binary/b", true),
            ("location", "https://here.test/fhir/Binary/B", false),
            ("location", "https://here.test/fhir/Binary", false),
        ],
    );
}

#[test]
fn what_is_not_served_is_one_issue_each_that_says_what_is_and_quotes_nothing() {
    for (name, value) in [
        ("colour", "secretvalue"),
        ("secretvalue", "x"),
        ("subject.name", "secretvalue"),
        ("patient.identifier", "secretvalue"),
        ("_has:Observation:patient:code", "secretvalue"),
        ("_filter", "secretvalue"),
        ("_list", "secretvalue"),
        ("_text", "secretvalue"),
        ("_content", "secretvalue"),
        ("_query", "secretvalue"),
        ("_contained", "both"),
        ("_containedType", "container"),
        ("_security", "R"),
        ("_tag", "x"),
        ("_profile", "x"),
        ("category:in", "secretvalue"),
        ("category:below", "secretvalue"),
        ("category:text", "secretvalue"),
        ("category:secretvalue", "x"),
        ("category:missing", "secretvalue"),
        ("category", "a|b|secretvalue"),
        ("category", "|"),
        ("category", ""),
        ("category", ","),
        ("identifier:of-type", "a|secretvalue"),
        ("date", "secretvalue"),
        ("date", "ge2026-13"),
        ("date:exact", "2026"),
        ("goal:Patient", "secretvalue"),
        ("goal:secretvalue", "x"),
        ("_id", ""),
        ("_id:not", "secretvalue"),
        ("_lastUpdated", "secretvalue"),
        ("_lastUpdated:missing", "true"),
        ("_sort", "secretvalue"),
        ("_sort", "goal"),
        ("_sort", "date,date,date,date,date,date,date"),
        ("_summary", "secretvalue"),
        ("_elements", "secretvalue"),
        ("_total", "secretvalue"),
        ("_total:exact", "none"),
        ("_count", "-1"),
        ("_count", "+1"),
        ("_count", "secretvalue"),
        ("_include", "*"),
        ("_include", "CarePlan:*"),
        ("_include", "CarePlan:secretvalue"),
        ("_include:recurse", "CarePlan:goal"),
        ("_revinclude", "*"),
        ("_after", ""),
        ("patient", "Group/x"),
    ] {
        let issues = parse("CarePlan", &[("patient", "p"), (name, value)], false).expect_err(name);
        assert_eq!(issues.len(), 1, "{name}={value}: {issues:?}");
        let details = &issues[0].details;
        assert!(!details.contains("secretvalue"), "{details}");
        let says = [
            "known: _id",
            "takes",
            "closed list",
            "has no value",
            "whole number",
            "stand",
        ];
        assert!(
            says.iter().any(|word| details.contains(word)),
            "{name}={value}: {details}"
        );
    }
    let many = [("colour", "x"), ("date", "y"), ("_sort", "z")];
    assert_eq!(parse("CarePlan", &many, false).expect_err("refused").len(), 3);
}

#[test]
fn a_name_is_a_text_with_letters() {
    assert!(parse("Patient", &[("name", "--")], false).is_err());
    assert!(parse("Patient", &[("name:exact", "--")], false).is_ok());
}

#[test]
fn lenient_leaves_out_what_is_unknown_and_says_what_was_applied() {
    let asked = [
        ("patient", "p"),
        ("colour", "red"),
        ("_has:Task:focus:status", "x"),
        ("_sort", "colour,-date"),
        ("_elements", "title,colour"),
        ("_include", "CarePlan:*"),
        ("_include", "CarePlan:goal"),
    ];
    let query = parse("CarePlan", &asked, true).expect("lenient");
    assert!(query.left_out);
    let applied: Vec<(&str, &str)> = query
        .applied
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        applied,
        [
            ("patient", "p"),
            ("_sort", "-date"),
            ("_elements", "title"),
            ("_include", "CarePlan:goal"),
            ("_count", "100"),
        ]
    );
    assert!(
        !parse("CarePlan", &[("patient", "p")], true)
            .expect("lenient")
            .left_out
    );
    // A modifier that is not served is never ignored, and a value that cannot be read is not either.
    for (name, value) in [
        ("category:text", "x"),
        ("date", "x"),
        ("_count", "x"),
        ("_summary", "x"),
    ] {
        assert!(
            parse("CarePlan", &[(name, value)], true).is_err(),
            "{name}={value}"
        );
    }
}

#[test]
fn what_stands_once_is_stated_alike_wherever_it_stands() {
    let twice = |a: &str, b: &str| parse("Goal", &[("patient", "p"), ("_count", a), ("_count", b)], false);
    assert!(twice("5", "6").is_err());
    let same = twice("5", "5").expect("valid");
    assert_eq!((same.count, same.applied.len()), (5, 2));
    assert!(parse("Goal", &[("_format", "json"), ("_format", "xml")], false).is_err());
    // Filters are and.
    let both = query("Goal", &[("patient", "a,b"), ("patient", "Patient/b,c")]);
    assert_eq!(both.patients, Some(vec!["b".to_owned()]));
}

#[test]
fn patient_is_an_id_or_a_reference_to_a_patient_here() {
    for value in ["x", "Patient/x", "https://here.test/fhir/Patient/x"] {
        for name in ["patient", "subject", "patient:Patient", "subject:Patient"] {
            let query = query("CarePlan", &[(name, value)]);
            assert_eq!(query.patients, Some(vec!["x".to_owned()]), "{name}={value}");
        }
    }
    let foreign = query(
        "CarePlan",
        &[("patient", "https://elsewhere.test/fhir/Patient/x")],
    );
    assert_eq!(foreign.patients, Some(Vec::new()));
    assert!(parse("Practitioner", &[("patient", "x")], false).is_err());
}

#[test]
fn too_much_at_once_is_one_problem_and_many_problems_are_few() {
    let ids = vec!["a"; 3_000].join(",");
    let many = vec![("code", "x"); 201];
    for list in [&[("patient", "p"), ("_id", &ids)][..], &many] {
        let issues = parse("CarePlan", list, false).expect_err("too much");
        assert_eq!((issues.len(), issues[0].code), (1, IssueCode::TooCostly));
    }
    let issues = parse("CarePlan", &vec![("colour", "red"); 200], false).expect_err("unknown");
    assert_eq!(issues.len(), 20);
    let ids = vec!["a"; 900].join(",");
    let query = query("CarePlan", &[("patient", "p"), ("_id", &ids), ("_id", "a,b")]);
    assert!(query.ids.expect("named").iter().all(|id| id == "a"));
}

#[test]
fn a_page_size_is_cut_to_the_most_and_says_so() {
    for (asked, count) in [
        ("9999", 500),
        ("0", 0),
        ("99999999999999999999999", 500),
        ("7", 7),
    ] {
        let query = query("Goal", &[("_count", asked)]);
        assert_eq!(
            (query.count, query.applied[0].1.as_str()),
            (count, count.to_string().as_str())
        );
        assert_eq!(query.is_count(), count == 0);
    }
}

#[test]
fn what_a_search_names_and_when_it_changed_can_be_asked_of_it() {
    let query = query(
        "Task",
        &[
            ("owner", "Organization/o,x"),
            ("status:not", "draft"),
            ("identifier", "urn:s|1,2"),
            ("identifier", "urn:s|1,urn:t|2"),
            ("_lastUpdated", "ge2026-11-01"),
            ("_lastUpdated", "lt2026-12-01,eq2026-12-24"),
            ("_id", "a,b"),
            ("_sort", "-_lastUpdated"),
        ],
    );
    assert_eq!(query.filters_of("owner").count(), 1);
    assert_eq!(
        query.filters_of("owner").next().map(|f| f.any_of().len()),
        Some(2)
    );
    assert_eq!(
        query.filters_of("status").next().map(|f| f.any_of().len()),
        Some(0)
    );
    // Of the first one could be of any system: only the second names whom a match has to be.
    let both = [("urn:s", "1"), ("urn:t", "2")].map(|(s, v)| (s.to_owned(), v.to_owned()));
    assert_eq!(query.identifiers(), both);
    let named: Vec<String> = query
        .named()
        .iter()
        .map(|(of, id)| format!("{of}/{id}"))
        .collect();
    assert_eq!(named, ["Task/a", "Task/b"]);
    let (from, to) = query.updated_bounds().expect("bounds");
    assert_eq!(
        (from.to_fhir(), to.to_fhir()),
        (
            "2026-11-01T05:00:00.000Z".to_owned(),
            "2026-12-25T06:00:00.000Z".to_owned()
        )
    );
    assert!(query.sort[0].descending && !query.is_in_default_order());
    let of = super::query::provenance_id("Goal", "g-1");
    let made = super::grammar::query(
        "Provenance",
        &[("_id", &of), ("target", "Task/t"), ("patient", "p")],
    );
    let named: Vec<String> = made.named().iter().map(|(of, id)| format!("{of}/{id}")).collect();
    assert_eq!(named, ["Goal/g-1", "Task/t", "Patient/p"]);
}
