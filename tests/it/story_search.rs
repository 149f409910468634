//! Searches as a partner's stock client makes them: US Core's parameters and combinations, GET and POST, dates, references, and
//! what is said when something is not served.
//! <https://hl7.org/fhir/R4/search.html>, <https://hl7.org/fhir/us/core/STU6.1/general-guidance.html>

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Ask, Engine, MAPLE, Person, World, stories};

stories!(
    what_us_core_combines_finds_what_it_names,
    form_and_address_are_one_list_of_parameters,
    dates_compare_by_their_prefixes,
    lenient_says_what_was_applied,
    references_are_understood_in_each_form,
    versions_of_fhir_are_told_apart,
);

/// What a resource holds at a path of names, lists opened.
fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for name in path.split('.') {
        found = found
            .into_iter()
            .flat_map(|one| match &one[name] {
                Value::Array(items) => items.iter().collect(),
                Value::Null => Vec::new(),
                other => vec![other],
            })
            .collect();
    }
    found
}

/// `code` and `system|code` of a coded element, as Inferno takes them from a resource to ask for it.
fn codes(value: &Value) -> Vec<String> {
    let coding = |c: &Value| {
        let (system, code) = (c["system"].as_str(), c["code"].as_str()?);
        Some(system.map_or(code.to_owned(), |system| format!("{system}|{code}")))
    };
    match value {
        Value::String(code) => vec![code.clone()],
        _ => value["coding"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(coding)
            .collect(),
    }
}

/// Type, parameter, where it looks.
const CODED: &[(&str, &str, &str)] = &[
    ("CarePlan", "category", "category"),
    ("CarePlan", "status", "status"),
    ("CareTeam", "status", "status"),
    ("CareTeam", "role", "participant.role"),
    ("Goal", "lifecycle-status", "lifecycleStatus"),
    ("ServiceRequest", "status", "status"),
    ("ServiceRequest", "code", "code"),
    ("Condition", "category", "category"),
    ("Condition", "clinical-status", "clinicalStatus"),
    ("Condition", "code", "code"),
    ("MedicationRequest", "intent", "intent"),
    ("MedicationRequest", "status", "status"),
    ("AllergyIntolerance", "clinical-status", "clinicalStatus"),
    ("Observation", "code", "code"),
    ("Observation", "status", "status"),
    ("Task", "code", "code"),
    ("Task", "status", "status"),
    ("Task", "business-status", "businessStatus"),
];

/// As Inferno does it: a value is taken from what is released, searched for, and what comes back has to have it.
async fn what_us_core_combines_finds_what_it_names(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let mut asked = 0;
    for (of, name, path) in CODED {
        let whole = maple.get(&format!("{of}?patient={rosa}")).await.resources();
        let values: BTreeSet<String> = whole
            .iter()
            .flat_map(|one| at(one, path))
            .flat_map(codes)
            .collect();
        for value in values.iter().take(3) {
            let wanted: Vec<&Value> = whole
                .iter()
                .filter(|one| {
                    at(one, path)
                        .into_iter()
                        .flat_map(codes)
                        .any(|held| held == *value)
                })
                .collect();
            let plain = value.rsplit('|').next().unwrap_or_default();
            for form in [value.as_str(), plain] {
                let query = [("patient", rosa.as_str()), (name, form)];
                let found = maple.get(&written(of, &query)).await;
                assert_eq!(found.status, 200, "{of}?{name}: {}", found.text());
                let found = found.resources();
                assert!(wanted.iter().all(|one| found.contains(one)), "{of}?{name}={form}");
                let all_have = found.iter().all(|one| {
                    at(one, path)
                        .into_iter()
                        .flat_map(codes)
                        .any(|held| held == *value || held.ends_with(plain))
                });
                assert!(all_have, "{of}?{name}={form}");
                asked += 1;
            }
            let not = maple
                .get(&written(
                    of,
                    &[("patient", &rosa), (&format!("{name}:not"), value)],
                ))
                .await;
            assert_eq!(
                not.resources().len(),
                whole.len() - wanted.len(),
                "{of}?{name}:not={value}"
            );
        }
    }
    assert!(asked > 40, "{asked}");
    // Every combination US Core names is answered.
    let statement = maple.get("metadata").await.json();
    let mut combined = 0;
    for resource in statement["rest"][0]["resource"].as_array().expect("types") {
        let of = resource["type"].as_str().expect("a type");
        for extension in resource["extension"].as_array().into_iter().flatten() {
            let names = extension["extension"]
                .as_array()
                .expect("parts")
                .iter()
                .filter(|e| e["url"] == "required");
            let names: Vec<&str> = names.filter_map(|e| e["valueString"].as_str()).collect();
            if !names.contains(&"patient") {
                continue;
            }
            let value = |name: &str| match name {
                "patient" => rosa.clone(),
                _ if name.contains("date")
                    || name == "authored"
                    || name == "authoredon"
                    || name == "period" =>
                {
                    "gt1900".to_owned()
                }
                _ => "active".to_owned(),
            };
            let pairs: Vec<(&str, String)> = names.iter().map(|name| (*name, value(name))).collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let answer = maple.get(&written(of, &pairs)).await;
            assert_eq!(answer.status, 200, "{of} {names:?}: {}", answer.text());
            combined += 1;
        }
    }
    assert!(combined > 20, "{combined}");
}

fn written(of: &str, pairs: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{of}?{query}")
}

async fn form_and_address_are_one_list_of_parameters(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for (of, pairs) in [
        (
            "Condition",
            vec![
                ("patient", rosa.as_str()),
                ("code:not", "x"),
                ("_sort", "-recorded-date,_id"),
            ],
        ),
        (
            "Goal",
            vec![("patient", &rosa), ("_include", "Goal:patient"), ("_count", "2")],
        ),
        (
            "Task",
            vec![
                ("patient", &rosa),
                ("_elements", "status,focus"),
                ("status", "requested,completed,in-progress"),
            ],
        ),
        ("Provenance", vec![("target", &format!("Patient/{rosa}"))]),
    ] {
        let got = maple.get(&written(of, &pairs)).await;
        let posted = maple.post(&format!("{of}/_search"), &pairs).await;
        assert_eq!((got.status, got.text()), (200, posted.text()), "{of}");
        let (first, rest) = pairs.split_at(1);
        let both = maple
            .post(&format!("{of}/_search?{}", &written("", first)[1..]), rest)
            .await;
        assert_eq!(
            both.text(),
            got.text(),
            "{of}: some in the address, some in the form"
        );
    }
    let size = |body: &str| {
        Ask::form(
            &format!("/fhir/Goal/_search?_count=2&patient={rosa}"),
            &[("_count", body)],
        )
    };
    assert_eq!(maple.send(size("2")).await.status, 200);
    let conflict = maple.send(size("3")).await;
    assert_eq!(
        (conflict.status, conflict.json()["resourceType"].clone()),
        (400, "OperationOutcome".into())
    );
    for media in [
        "application/json",
        "application/fhir+json",
        "text/plain",
        "multipart/form-data",
    ] {
        let ask = Ask::post("/fhir/Goal/_search", format!("patient={rosa}")).with("content-type", media);
        let answer = maple.send(ask).await;
        assert_eq!(
            (answer.status, answer.json()["resourceType"].clone()),
            (415, "OperationOutcome".into()),
            "{media}"
        );
    }
    let charset = Ask::post("/fhir/Goal/_search", format!("patient={rosa}"))
        .with("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
    assert_eq!(maple.send(charset).await.status, 200);
    let empty = Ask::post(&format!("/fhir/Goal/_search?patient={rosa}"), "");
    assert_eq!(
        maple.send(empty).await.status,
        200,
        "nothing in the body needs no type"
    );
}

async fn dates_compare_by_their_prefixes(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let count = |query: &str| {
        let path = format!("CarePlan?patient={rosa}&{query}");
        let maple = &maple;
        async move {
            let answer = maple.get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer.resources().len()
        }
    };
    // The plan runs from 2026-11-01 to 2027-10-31 where the agency is.
    let plans = maple
        .get(&format!("CarePlan?patient={rosa}&category=assess-plan"))
        .await
        .resources();
    assert!(
        plans.iter().any(|plan| plan["period"]["start"] == "2026-11-01"),
        "{plans:?}"
    );
    let all = count("date:missing=false").await;
    assert!(all > 0);
    for (query, wanted) in [
        ("date=ge2026-11-01&date=le2027-10-31", all),
        ("date=gt2027-10-30", all),
        ("date=gt2027-10-31", 0),
        ("date=sa2026-10-31", all),
        ("date=eb2026-11-01", 0),
        ("date=lt2026-11-01", 0),
        ("date=lt2026-11-02", all),
        ("date=ap2027-03", all),
        ("date=2026", 0),
        ("date=ne2026", all),
        ("date=lt2026-11-02T00:00:00-06:00", all),
        ("date=lt2026-11-02T00:00:00%2B02:00", all),
        ("_lastUpdated=ge2026-11-21", 2),
        ("_lastUpdated=lt2026-11-21T00:00Z", 0),
    ] {
        assert_eq!(count(query).await, wanted, "{query}");
    }
}

async fn lenient_says_what_was_applied(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let path = format!(
        "/fhir/Goal?patient={rosa}&colour=red&_sort=colour,-start-date&_include=Goal:colour&lifecycle-status:not=x"
    );
    let strict = maple.send(Ask::get(&path)).await;
    assert_eq!(
        (strict.status, strict.json()["issue"].as_array().map(Vec::len)),
        (400, Some(3))
    );
    let lenient = maple
        .send(Ask::get(&path).with("prefer", "return=minimal, handling=lenient"))
        .await;
    assert_eq!(lenient.status, 200);
    let bundle = lenient.json();
    assert_eq!(
        bundle["link"][0]["url"],
        format!(
            "https://postern.test/fhir/Goal?patient={rosa}&_sort=-start-date&lifecycle-status%3Anot=x&_count=100"
        )
    );
    let outcome = bundle["entry"]
        .as_array()
        .and_then(|entries| entries.last())
        .expect("an outcome");
    assert_eq!(outcome["resource"]["issue"][1]["severity"], "warning");
    let plain = maple.get(&format!("Goal?patient={rosa}")).await.json();
    let said = plain["entry"]
        .as_array()
        .and_then(|entries| entries.last())
        .expect("an outcome");
    assert_eq!(said["resource"]["issue"].as_array().map(Vec::len), Some(1));
}

async fn references_are_understood_in_each_form(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let tasks = maple
        .get(&format!("Task?patient={rosa}&owner:missing=false"))
        .await;
    let owner = tasks.resources()[0]["owner"]["reference"]
        .as_str()
        .expect("an owner")
        .to_owned();
    let (of, id) = owner.split_once('/').expect("a reference");
    let count = |query: String| {
        let maple = &maple;
        async move {
            let answer = maple.get(&query).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.text());
            answer.resources().len()
        }
    };
    let own = count(format!("Task?patient={rosa}&owner={owner}")).await;
    assert!(own > 0);
    for form in [
        format!("owner={id}"),
        format!("owner:{of}={id}"),
        format!("owner=https://postern.test/fhir/{owner}"),
    ] {
        assert_eq!(count(format!("Task?patient={rosa}&{form}")).await, own, "{form}");
    }
    assert_eq!(
        count(format!(
            "Task?patient={rosa}&owner=https://elsewhere.test/fhir/{owner}"
        ))
        .await,
        0
    );
    assert_eq!(
        count(format!("Task?patient=https://elsewhere.test/fhir/Patient/{rosa}")).await,
        0
    );
    assert_eq!(
        count(format!("Task?patient:Patient={rosa}")).await,
        count(format!("Task?patient={rosa}")).await
    );
}

async fn versions_of_fhir_are_told_apart(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for (accept, status, media) in [
        (
            "application/fhir+json; fhirVersion=4.0",
            200,
            "application/fhir+json; charset=utf-8",
        ),
        (
            "application/json+fhir",
            200,
            "application/fhir+json; charset=utf-8",
        ),
        (
            "application/fhir+xml;q=1.0, application/fhir+json;q=1.0, application/xml+fhir;q=0.9, application/json+fhir;q=0.9",
            200,
            "application/fhir+xml; charset=utf-8",
        ),
        (
            "application/fhir+json; fhirVersion=3.0",
            406,
            "application/fhir+json; charset=utf-8",
        ),
        (
            "application/fhir+xml;fhirVersion=5.0, application/fhir+json;fhirVersion=4.0;q=0.1",
            200,
            "application/fhir+json; charset=utf-8",
        ),
    ] {
        let answer = maple
            .send(Ask::get(&format!("/fhir/Patient/{rosa}")).with("accept", accept))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, media),
            "{accept}"
        );
    }
    for (format, status) in [
        ("application/fhir%2Bjson;fhirVersion=4.0", 200),
        ("xml", 200),
        ("application/fhir%2Bxml;fhirVersion=3.0", 406),
    ] {
        let answer = maple.get(&format!("Patient/{rosa}?_format={format}")).await;
        assert_eq!(answer.status, status, "{format}");
    }
}
