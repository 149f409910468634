//! `$validate`: a partner asks whether what it is about to send is right. Judged by R4, by the packages loaded here and by our own
//! closed profiles; nothing is quoted, nothing kept, nobody looked for. <https://hl7.org/fhir/R4/resource-operation-validate.html>

use axum::http::Method;
use postern::config::Config;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, Engine, MAPLE, Person, STRANGER, World, numbered, parameters, root, stories,
};

stories!(
    a_resource_is_judged_as_json_and_as_xml,
    packages_and_our_own_profiles_are_held,
    what_is_wrong_with_the_request_is_named,
    nobody_is_looked_for_and_nothing_is_kept,
    costly_bodies_end_and_too_many_are_turned_away,
);

/// Diagnostics of a severity, each after its place.
fn told(answer: &Answer, severity: &str) -> Vec<String> {
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    assert_eq!(postern_rules::fhir::gate::check(&outcome), []);
    let issues = outcome["issue"].as_array().expect("issues").clone();
    let of = issues.into_iter().filter(|issue| issue["severity"] == severity);
    of.map(|issue| {
        let place = issue["expression"][0].as_str().unwrap_or_default().to_owned();
        format!("{place}: {}", issue["diagnostics"].as_str().unwrap_or_default())
    })
    .collect()
}

fn wrong() -> Value {
    json!({"resourceType": "Patient", "gender": "SECRETGENDER", "birthDate": "SECRETDATE",
        "name": [{"family": "Secretfamily"}], "contact": [{"gender": "female"}]})
}

async fn a_resource_is_judged_as_json_and_as_xml(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let good = maple
        .call(
            "Patient/$validate",
            &json!({"resourceType": "Patient", "gender": "female"}),
        )
        .await;
    assert_eq!(
        (good.status, told(&good, "error").len()),
        (200, 0),
        "{}",
        good.text()
    );
    for body in [wrong(), parameters(&wrong())] {
        for path in [
            "Patient/$validate",
            "Patient/%24validate",
            "Patient/any/$validate",
        ] {
            let answer = maple.call(path, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let errors = told(&answer, "error");
            for place in [
                "Patient.gender: ",
                "Patient.birthDate: ",
                "Patient.contact[0]: pat-1: ",
            ] {
                assert!(
                    errors.iter().any(|e| e.starts_with(place)),
                    "{place} in {errors:?}"
                );
            }
            assert!(
                !answer.text().to_lowercase().contains("secret"),
                "{}",
                answer.text()
            );
        }
    }
    let xml = r#"<Patient xmlns="http://hl7.org/fhir"><gender value="f"/></Patient>"#;
    let ask = Ask::post("/fhir/Patient/$validate", xml)
        .with("content-type", "application/fhir+xml")
        .with("accept", "application/fhir+xml");
    let answer = maple.send(ask).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("<expression value=\"Patient.gender\"/>"),
        "{}",
        answer.text()
    );
}

async fn packages_and_our_own_profiles_are_held(engine: Engine) {
    let packages = root().join("src/rules/validation/cases");
    let with_packages = |config: &mut Config| config.paths.packages = Some(packages.clone());
    let world = World::configured(engine, &with_packages).await;
    let maple = world.partner(MAPLE).await;
    let visitor = "https://postern.example/fhir/StructureDefinition/visitor";
    let own = "https://postern.example/fhir/StructureDefinition/primary-care-Goal";
    let patient = json!({"resourceType": "Patient", "gender": "female"});

    let asked = maple
        .call(&format!("Patient/$validate?profile={visitor}"), &patient)
        .await;
    let errors = told(&asked, "error");
    assert!(
        errors.iter().any(|e| e.starts_with("Patient.name: is required")),
        "{errors:?}"
    );
    let mut claimed = patient.clone();
    claimed["meta"] = json!({"profile": [visitor]});
    let claimed = maple.call("Patient/$validate", &claimed).await;
    assert_eq!(
        told(&claimed, "error"),
        errors,
        "asked for and claimed are the same"
    );

    let mut both = parameters(
        &json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"},
        "subject": {"reference": "Patient/1"}, "statusReason": "x"}),
    );
    both["parameter"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"name": "profile", "valueCanonical": own}));
    let closed = maple.call("Goal/$validate", &both).await;
    assert!(
        !told(&closed, "error").is_empty(),
        "a reason for the status is not in the closed profile: {}",
        closed.text()
    );

    let unknown = maple
        .call("Patient/$validate?profile=https://nowhere.example/p", &patient)
        .await;
    assert_eq!(told(&unknown, "error"), [""; 0]);
    assert_eq!(told(&unknown, "information").len(), 1, "{}", unknown.text());
}

async fn what_is_wrong_with_the_request_is_named(engine: Engine) {
    let world = World::empty(engine).await;
    let maple = world.partner(MAPLE).await;
    let patient = json!({"resourceType": "Patient"});
    let with = |more: Value| {
        let mut all = parameters(&patient);
        all["parameter"].as_array_mut().expect("a list").push(more);
        all
    };
    let many: String = (0..21).map(|n| format!("profile=urn:{n}&")).collect();
    for (path, body) in [
        (
            "Patient/$validate?secretname=secretvalue".to_owned(),
            patient.clone(),
        ),
        ("Patient/$validate?mode=secretmode".to_owned(), patient.clone()),
        (format!("Patient/$validate?{many}"), patient.clone()),
        (
            "Patient/$validate".to_owned(),
            with(json!({"name": "secretname", "valueCode": "secretvalue"})),
        ),
        (
            "Patient/$validate".to_owned(),
            with(json!({"name": "resource", "resource": {"resourceType": "Patient"}})),
        ),
        (
            "Patient/$validate".to_owned(),
            json!({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "create"}]}),
        ),
    ] {
        let answer = maple.call(&path, &body).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    // What the mode asks is part of the judgement.
    for (path, place) in [
        ("Patient/$validate?mode=update", "Patient.id: "),
        ("Patient/$validate?mode=delete", ": nothing is deleted"),
        ("Goal/$validate", ": must be of the type in the address"),
    ] {
        let answer = maple.call(path, &patient).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            told(&answer, "error").iter().any(|e| e.starts_with(place)),
            "{path}: {}",
            answer.text()
        );
    }
    let other = json!({"resourceType": "Patient", "id": "b"});
    let other = maple.call("Patient/a/$validate", &other).await;
    assert_eq!(told(&other, "error").len(), 1, "{}", other.text());

    for garbage in [
        "",
        "{",
        "[]",
        "null",
        "{\"resourceType\": \"Patient\", \"resourceType\": \"Patient\"}",
    ] {
        let answer = maple.send(Ask::post("/fhir/Patient/$validate", garbage)).await;
        assert!(matches!(answer.status, 200 | 400), "{garbage}: {}", answer.status);
        assert!(garbage != "{" || answer.status == 400);
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        maple
            .send(Ask::post("/fhir/Patient/$validate", deep))
            .await
            .status,
        400
    );
    let large = vec![b' '; 3 * 1024 * 1024];
    assert_eq!(
        maple
            .send(Ask::post("/fhir/Patient/$validate", large))
            .await
            .status,
        413
    );
    let nobody = world
        .send(Ask::post("/fhir/Patient/$validate", patient.to_string()))
        .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(maple.call("Colour/$validate", &patient).await.status, 404);
    let got = maple
        .send(Ask::get("/fhir/Patient/$validate").method(Method::GET))
        .await;
    assert_eq!(got.status, 405);
}

async fn nobody_is_looked_for_and_nothing_is_kept(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let stranger = world.partner(STRANGER).await;
    let rosa = world.id_of(Person::ROSA).await;
    let body = numbered(Person::ROSA);
    let known = stranger.call(&format!("Patient/{rosa}/$validate"), &body).await;
    let unknown = stranger.call("Patient/nobody/$validate", &body).await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    let before = world.events().await.len();
    let kept = stranger.call("Patient/$validate?mode=create", &wrong()).await;
    assert_eq!(kept.status, 200);
    let events = world.events().await;
    assert_eq!(events.len(), before + 1, "one event and nothing else");
    let event = events.last().expect("an event");
    assert_eq!((event.kind.as_str(), event.patient.as_str()), ("validation", ""));
    assert!(
        event.body.contains("create") && !event.body.to_lowercase().contains("secret"),
        "{}",
        event.body
    );
}

/// References among contained resources: each is looked for among all.
fn costly(count: usize) -> Value {
    let contained: Vec<Value> = (0..count)
        .map(|n| json!({"resourceType": "Basic", "id": format!("c{n}"), "code": {"text": "x"}}))
        .collect();
    let entries: Vec<Value> = (0..count)
        .map(|n| json!({"item": {"reference": format!("#c{n}")}}))
        .collect();
    json!({"resourceType": "List", "status": "current", "mode": "working", "contained": contained, "entry": entries})
}

async fn costly_bodies_end_and_too_many_are_turned_away(engine: Engine) {
    // The bound is the work, not the time: unoptimised beside other tests it takes long.
    let one_at_a_time = |config: &mut Config| {
        let limits = &mut config.limits;
        (limits.validations, limits.request_seconds, limits.idle_seconds) = (1, 300, 400);
    };
    let world = World::configured(engine, &one_at_a_time).await;
    let maple = world.partner(MAPLE).await;
    if engine == Engine::Sqlite {
        let answer = maple.call("List/$validate", &costly(8_000)).await;
        let errors = told(&answer, "error");
        assert!(
            errors.iter().any(|e| e.contains("not checked to the end")),
            "{errors:?}"
        );
    }
    let other = world.partner(STRANGER).await;
    let body = costly(200).to_string();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (door, ask) = (world.door(), Ask::post("/fhir/List/$validate", body.clone()));
        let ask = ask.bearer(&maple.token);
        crowd.spawn(async move { door.send(ask).await.expect("an answer") });
    }
    // Meanwhile somebody else has a place.
    let heard = other
        .call("List/$validate", &json!({"resourceType": "List"}))
        .await;
    assert_eq!(heard.status, 200, "one client has at most half of the places");
    let answers = crowd.join_all().await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(200) + count(503), 20);
    assert!(count(200) >= 5 && count(503) >= 1, "{} answered", count(200));
    let busy = answers.iter().find(|answer| answer.status == 503).expect("one");
    assert_eq!(busy.header("retry-after"), "2");
    assert_eq!(
        maple
            .call("List/$validate", &json!({"resourceType": "List"}))
            .await
            .status,
        200,
        "places come back"
    );
}
