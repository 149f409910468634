//! A granular scope opens what has its category and nothing else: in reads, searches, operations, Bundles, documents and writes.
//! Inferno's granular-scope groups for the types that US Core asks them of. <https://hl7.org/fhir/us/core/STU6.1/scopes.html>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{
    Ask, Asked, Engine, Group, MAPLE, Partner, Person, World, inferno_groups, numbered, parameters,
    reference, stories,
};

stories!(
    a_search_finds_what_has_the_category_and_its_total_says_so,
    a_read_opens_what_has_the_category_and_the_rest_is_not_there,
    two_categories_open_both_and_what_cannot_be_held_is_refused,
    what_comes_along_is_held_to_the_scope_too,
    operations_and_bundles_hold_to_the_scope,
    what_is_written_has_to_fit_before_and_after,
    who_may_read_some_people_may_not_look_for_all,
    each_scope_in_discovery_is_granted_as_it_stands,
    each_granular_test_of_inferno_holds,
);

const TYPES: [&str; 2] = ["Condition", "Observation"];
pub(super) const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// `system|code` of each of its categories.
pub(super) fn categories(resource: &Value) -> Vec<String> {
    let of = |member: &Value, name: &str| member[name].as_str().unwrap_or_default().to_owned();
    let concepts = resource["category"].as_array().cloned().unwrap_or_default();
    let codings = concepts
        .iter()
        .flat_map(|concept| concept["coding"].as_array().cloned().unwrap_or_default());
    codings
        .map(|coding| format!("{}|{}", of(&coding, "system"), of(&coding, "code")))
        .collect()
}

/// What of this type a plain scope finds: all of it, and by category.
pub(super) async fn all(
    maple: &Partner<'_>,
    patient: &str,
    of: &str,
) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let found = maple.all(&format!("{of}?patient={patient}")).await;
    let mut by_category: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &found {
        for category in categories(one) {
            by_category.entry(category).or_default().insert(reference(one));
        }
    }
    (found.iter().map(reference).collect(), by_category)
}

/// A category that leaves something out, and what has it.
pub(super) fn some_of(
    (every, by_category): (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>),
) -> (String, BTreeSet<String>) {
    let mut some = by_category
        .into_iter()
        .filter(|(_, having)| having.len() < every.len());
    some.next()
        .unwrap_or_else(|| (format!("{CONDITION}|encounter-diagnosis"), BTreeSet::new()))
}

pub(super) fn names(resources: &[Value]) -> BTreeSet<String> {
    resources.iter().map(reference).collect()
}

fn of_type<'n>(names: &'n BTreeSet<String>, of: &str) -> BTreeSet<&'n String> {
    let begins = format!("{of}/");
    names.iter().filter(|name| name.starts_with(&begins)).collect()
}

pub(super) async fn rosas(engine: Engine) -> (World, String) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    (world, rosa)
}

async fn a_search_finds_what_has_the_category_and_its_total_says_so(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let mut kept_back = 0;
    for of in TYPES {
        let (every, by_category) = all(&maple, &rosa, of).await;
        assert!(!by_category.is_empty(), "{of} has categories");
        for (category, expected) in by_category {
            let scope = format!("system/{of}.rs?category={category}");
            let granted = maple.ask_token(&scope, &[]).await;
            assert_eq!(granted.json()["scope"], scope.as_str(), "granted as asked for");
            maple.narrow(&scope).await;
            let answer = maple.get(&format!("{of}?patient={rosa}")).await;
            assert_eq!(names(&answer.matches()), expected, "{scope}");
            assert_eq!(answer.json()["total"], expected.len(), "{scope}");
            let counted = maple.get(&format!("{of}?patient={rosa}&_summary=count")).await;
            assert_eq!(counted.json()["total"], expected.len(), "{scope}");
            let coded = category.replace('|', "%7C");
            let stated = maple.get(&format!("{of}?patient={rosa}&category={coded}")).await;
            assert_eq!(stated.json()["total"], expected.len(), "{scope}");
            let other = maple.get(&format!("Goal?patient={rosa}")).await;
            assert_eq!(other.status, 403, "another type");
            kept_back += every.len() - expected.len();
        }
        maple.renew().await;
    }
    assert!(kept_back > 0, "some category leaves something out");
}

async fn a_read_opens_what_has_the_category_and_the_rest_is_not_there(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let mut refused = 0;
    for of in TYPES {
        let found = maple.all(&format!("{of}?patient={rosa}")).await;
        let (_, by_category) = all(&maple, &rosa, of).await;
        for (category, expected) in by_category {
            maple.narrow(&format!("system/{of}.r?category={category}")).await;
            for one in &found {
                let name = reference(one);
                let version = one["meta"]["versionId"].as_str().expect("a version");
                let status = if expected.contains(&name) { 200 } else { 404 };
                for path in [name.clone(), format!("{name}/_history/{version}")] {
                    assert_eq!(maple.get(&path).await.status, status, "{of}, {category}");
                }
                refused += usize::from(status == 404);
            }
            let search = maple.get(&format!("{of}?patient={rosa}")).await;
            assert_eq!(search.status, 403, "it reads, and does not search");
        }
        maple.renew().await;
    }
    assert!(refused > 0, "some category leaves something out");
}

async fn two_categories_open_both_and_what_cannot_be_held_is_refused(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let (_, by_category) = all(&maple, &rosa, "Observation").await;
    let scopes: Vec<String> = by_category
        .keys()
        .map(|one| format!("system/Observation.rs?category={one}"))
        .collect();
    maple.narrow(&scopes.join(" ")).await;
    let both = maple.all(&format!("Observation?patient={rosa}")).await;
    let expected: BTreeSet<String> = by_category.into_values().flatten().collect();
    assert_eq!(names(&both), expected);
    maple
        .narrow(&format!("system/Observation.rs?category={OBSERVATION}|imaging"))
        .await;
    let answer = maple.get(&format!("Observation?patient={rosa}")).await;
    assert_eq!(
        (answer.status, answer.matches().len()),
        (200, 0),
        "a category that nothing has"
    );
    for refused in [
        "system/Observation.rs?category=",
        "system/*.rs?category=x",
        "system/Observation.rs?code-text=x",
    ] {
        let answer = maple.ask_token(refused, &[]).await;
        let error = answer.json()["error"].as_str().map(str::to_owned);
        assert_eq!(
            (answer.status, error.as_deref()),
            (400, Some("invalid_scope")),
            "{refused}"
        );
    }
}

async fn what_comes_along_is_held_to_the_scope_too(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let (category, expected) = some_of(all(&maple, &rosa, "Condition").await);
    let plan = format!("CarePlan?patient={rosa}&_include=CarePlan:condition&_include=CarePlan:patient");
    let came = names(&maple.get(&plan).await.resources());
    assert!(
        !of_type(&came, "Condition").is_subset(&expected.iter().collect()),
        "more comes with a plain scope"
    );
    let scope = format!("system/Condition.rs?category={category} system/CarePlan.rs system/Provenance.rs");
    maple.narrow(&scope).await;
    let comes = names(&maple.get(&plan).await.resources());
    assert!(of_type(&comes, "Condition").is_subset(&expected.iter().collect()));
    assert!(of_type(&comes, "Patient").is_empty(), "no scope reads Patient");
    assert_eq!(of_type(&comes, "CarePlan"), of_type(&came, "CarePlan"));
    let whence = maple
        .get(&format!("Condition?patient={rosa}&_revinclude=Provenance:target"))
        .await;
    let written = maple.get(&format!("Provenance?patient={rosa}")).await;
    for answer in [whence, written] {
        let of: Vec<Value> = answer.resources();
        let targets = of.iter().filter_map(|one| one["target"][0]["reference"].as_str());
        let targets: BTreeSet<String> = targets.map(str::to_owned).collect();
        let conditions = of_type(&targets, "Condition");
        assert_eq!(
            conditions,
            expected.iter().collect(),
            "each has its Provenance, and nothing else"
        );
    }
}

async fn operations_and_bundles_hold_to_the_scope(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let plan = maple.all(&format!("CarePlan?patient={rosa}")).await;
    let with_all: Vec<String> = plan
        .iter()
        .map(|one| format!("{}/$all-eltss-careplan", reference(one)))
        .collect();
    let everything = format!("Patient/{rosa}/$everything?_count=500");
    let (every, by_category) = all(&maple, &rosa, "Condition").await;
    let (category, expected) = some_of((every.clone(), by_category));
    let left_out: BTreeSet<&String> = every.difference(&expected).collect();
    let mut led_to = 0;
    for path in &with_all {
        let came = names(&maple.get(path).await.resources());
        led_to += of_type(&came, "Condition").intersection(&left_out).count();
    }
    assert!(led_to > 0, "a plan leads to what is left out");
    maple
        .narrow(&format!(
            "system/Patient.rs system/CarePlan.rs system/Condition.rs?category={category}"
        ))
        .await;
    for path in with_all.iter().chain([&everything]) {
        let answer = maple.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let came = names(&answer.resources());
        assert!(of_type(&came, "Condition").is_disjoint(&left_out), "{path}");
        let types: BTreeSet<&str> = came.iter().filter_map(|name| name.split('/').next()).collect();
        assert!(
            types.is_subset(&["CarePlan", "Condition", "OperationOutcome", "Patient"].into()),
            "{types:?}"
        );
    }
    let came = names(&maple.get(&everything).await.matches());
    assert_eq!(of_type(&came, "Condition"), expected.iter().collect());
    let asked: Vec<Value> = every
        .iter()
        .cloned()
        .chain([format!("Condition?patient={rosa}")])
        .map(|url| json!({"request": {"method": "GET", "url": url}}))
        .collect();
    for kind in ["batch", "transaction"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": asked});
        let posted = Ask::post("/fhir", bundle.to_string()).with("content-type", "application/fhir+json");
        let answer = maple.send(posted).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        let entries = answer.json()["entry"].as_array().cloned().unwrap_or_default();
        let (found, read) = entries.split_last().expect("entries");
        for (name, entry) in every.iter().zip(read) {
            let begins = if expected.contains(name) { "200" } else { "404" };
            let status = entry["response"]["status"].as_str().unwrap_or_default();
            assert!(status.starts_with(begins), "{kind}: {status}");
        }
        assert_eq!(found["resource"]["total"], expected.len(), "{kind}");
    }
}

async fn what_is_written_has_to_fit_before_and_after(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.writer(MAPLE).await;
    let observation = |value: &str, category: &str| {
        json!({"resourceType": "Observation", "status": "final",
            "identifier": [{"system": "https://ehr.test/observation", "value": value}],
            "category": [{"coding": [{"system": OBSERVATION, "code": category}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
            "subject": {"reference": format!("Patient/{rosa}")}, "effectiveDateTime": "2026-11-21",
            "valueQuantity": {"value": 72, "unit": "/min"}})
    };
    let other = maple.create(&observation("G-1", "survey")).await;
    assert_eq!(other.status, 201, "{}", other.text());
    let count = maple.all(&format!("Observation?patient={rosa}")).await.len();
    let scope = format!("system/Observation.crus?category={OBSERVATION}|vital-signs");
    assert_eq!(maple.ask_token(&scope, &[]).await.json()["scope"], scope.as_str());
    maple.narrow(&scope).await;
    let fitting = maple.create(&observation("G-2", "vital-signs")).await;
    assert_eq!(fitting.status, 201, "{}", fitting.text());
    assert_eq!(
        maple.create(&observation("G-3", "survey")).await.status,
        403,
        "what it makes does not fit"
    );
    let own = fitting.json();
    let mut changed = own.clone();
    changed["category"][0]["coding"][0]["code"] = json!("survey");
    assert_eq!(
        maple.put(fitting.header("etag"), &changed).await.status,
        403,
        "it would leave the scope"
    );
    changed = own.clone();
    changed["valueQuantity"]["value"] = json!(73);
    assert_eq!(maple.put(fitting.header("etag"), &changed).await.status, 200);
    let mut theirs = other.json();
    theirs["valueQuantity"]["value"] = json!(73);
    assert_eq!(
        maple.put(other.header("etag"), &theirs).await.status,
        404,
        "it was never in it"
    );
    maple.narrow("system/*.rs").await;
    let all = maple.all(&format!("Observation?patient={rosa}")).await;
    assert_eq!(all.len(), count + 1, "what was refused is not there");
}

async fn who_may_read_some_people_may_not_look_for_all(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    maple.narrow("system/Patient.rs?gender=female").await;
    assert_eq!(maple.get(&format!("Patient/{rosa}")).await.status, 200);
    let person = parameters(&numbered(Person::ROSA)).to_string();
    let asked = Ask::post("/fhir/Patient/$match", person).with("content-type", "application/fhir+json");
    assert_eq!(maple.send(asked).await.status, 403);
    maple.narrow("system/Patient.rs?gender=male").await;
    for path in [format!("Patient/{rosa}"), format!("Patient/{rosa}/$everything")] {
        let answer = maple.get(&path).await;
        assert_eq!(answer.status, 404, "{path}");
        let nobody = maple.get(&path.replace(&rosa, "nobody")).await;
        assert_eq!(answer.text(), nobody.text().replace("nobody", &rosa), "as nobody");
    }
}

async fn each_scope_in_discovery_is_granted_as_it_stands(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let discovery = world
        .send(Ask::get("/fhir/.well-known/smart-configuration"))
        .await
        .json();
    let capabilities = discovery["capabilities"].as_array().cloned().unwrap_or_default();
    assert!(capabilities.contains(&json!("permission-v1")) && capabilities.contains(&json!("permission-v2")));
    let supported = discovery["scopes_supported"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut granular = 0;
    for scope in supported.iter().filter_map(Value::as_str) {
        let granted = maple.ask_token(scope, &[]).await;
        assert_eq!(granted.json()["scope"], scope, "{}", granted.text());
        granular += usize::from(scope.contains("?category="));
    }
    // US Core 6.1.0's, 158 to 166 of Inferno's list.
    assert_eq!(granular, 9);
}

/// One of Inferno's searches with the values of a resource.
fn asked(group: &Group, names: &[String], patient: &str, resource: &Value) -> Option<Vec<Asked>> {
    let value = |name: &String| match name.as_str() {
        "patient" => Some(patient.to_owned()),
        name => group.value_for(resource, name),
    };
    names
        .iter()
        .map(|name| Some((name.clone(), value(name)?)))
        .collect()
}

/// With the scopes of one half of the categories and then the other, each search finds what it found before, as far as it has one
/// of them.
async fn each_granular_test_of_inferno_holds(engine: Engine) {
    let Some(groups) = inferno_groups() else { return };
    let world = World::empty(engine).await;
    let Some([patient, _]) = world.us_core(MAPLE).await else {
        return;
    };
    let mut maple = world.partner(MAPLE).await;
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for of in TYPES {
        maple.renew().await;
        let every = maple.all(&format!("{of}?patient={patient}")).await;
        let mut before: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
        for group in groups.iter().filter(|group| group.resource() == of) {
            for search in group.searches() {
                let found = every
                    .iter()
                    .find_map(|one| asked(group, &search.names, &patient, one));
                let Some(asked) = found else { continue };
                let query: String = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(asked)
                    .finish();
                let path = format!("{of}?{query}");
                let names = search.names.join("_").replace('-', "_");
                let test = format!("us_core_v610_{of}_{names}_granular_scope_search_test");
                let all = maple.all(&path).await;
                before.insert((test, path), all);
            }
        }
        let found: BTreeSet<String> = every.iter().flat_map(categories).collect();
        let (first, second): (Vec<_>, Vec<_>) = found.iter().enumerate().partition(|(at, _)| at % 2 == 0);
        for half in [first, second].into_iter().filter(|half| !half.is_empty()) {
            let scopes: Vec<String> = half
                .iter()
                .map(|(_, c)| format!("system/{of}.rs?category={c}"))
                .collect();
            maple.narrow(&scopes.join(" ")).await;
            let fits = |one: &&Value| {
                categories(one)
                    .iter()
                    .any(|own| half.iter().any(|(_, c)| *c == own))
            };
            for ((test, path), all) in &before {
                let expected: BTreeSet<String> = all.iter().filter(fits).map(reference).collect();
                assert_eq!(names(&maple.all(path).await), expected, "{test}: {path}");
                *held.entry(test.clone()).or_default() += 1;
            }
            for one in every.iter().take(20) {
                let status = if fits(&one) { 200 } else { 404 };
                assert_eq!(maple.get(&reference(one)).await.status, status);
                *held
                    .entry(format!("us_core_v610_{of}_granular_scope_read_test"))
                    .or_default() += 1;
            }
        }
    }
    for (test, times) in &held {
        println!("held {times:>4} {test}");
    }
    assert!(held.len() >= 14, "{} tests of Inferno were tried", held.len());
}
