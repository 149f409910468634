//! How the operations that only read are asked for, and what they refuse: as a read does, and each on the log.
//! <https://hl7.org/fhir/R4/operations.html#executing>, <https://hl7.org/fhir/R4/http.html>

use axum::http::Method;
use serde_json::{Value, json};

use super::story_operations::{names, rosas};
use crate::harness::{Answer, Ask, Engine, MAPLE, Partner, STRANGER, reference, stories};

stories!(
    get_and_post_json_and_xml_say_the_same,
    head_is_get_without_a_body_and_other_methods_are_refused,
    what_is_wrong_is_named_and_nothing_is_given,
    somebody_elses_person_is_nobody,
    scopes_hold,
    each_call_is_on_the_log_with_every_resource,
);

const LOINC: &str = "http://loinc.org";

/// `POST` of these parameters.
async fn post(partner: &Partner<'_>, path: &str, parameters: Value) -> Answer {
    let body = json!({"resourceType": "Parameters", "parameter": parameters}).to_string();
    partner.send(posted(path, &body)).await
}

fn posted(path: &str, body: &str) -> Ask {
    Ask::post(&format!("/fhir/{path}"), body).with("content-type", "application/fhir+json")
}

async fn get_and_post_json_and_xml_say_the_same(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    let everything = format!("Patient/{rosa}/$everything");
    let kind = format!("{LOINC}|18776-5");
    for (path, query, parameters) in [
        (everything.clone(), String::new(), json!([])),
        (
            everything.clone(),
            "?start=2026-01-01&end=2026-12-31&_type=Goal&_type=Task&_since=2026-01-01T00:00:00Z&_count=3"
                .to_owned(),
            json!([
                {"name": "start", "valueDate": "2026-01-01"}, {"name": "end", "valueDate": "2026-12-31"},
                {"name": "_type", "valueCode": "Goal"}, {"name": "_type", "valueCode": "Task"},
                {"name": "_since", "valueInstant": "2026-01-01T00:00:00Z"}, {"name": "_count", "valueInteger": 3}]),
        ),
        (
            "DocumentReference/$docref".to_owned(),
            format!("?patient={rosa}&type={kind}&on-demand=true"),
            json!([
                {"name": "patient", "valueId": rosa}, {"name": "on-demand", "valueBoolean": true},
                {"name": "type", "valueCoding": {"system": LOINC, "code": "18776-5"}}]),
        ),
        (format!("{plan}/$all-eltss-careplan"), String::new(), json!([])),
    ] {
        let got = maple.get(&format!("{path}{query}")).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        assert!(!got.references().is_empty());
        let mut body = json!({"resourceType": "Parameters"});
        if parameters != json!([]) {
            body["parameter"] = parameters.clone();
        }
        let said = maple.send(posted(&path, &body.to_string())).await;
        assert_eq!(
            (said.status, said.references()),
            (200, got.references()),
            "{path}: {}",
            said.text()
        );
        let escaped = maple.get(&format!("{}{query}", path.replace('$', "%24"))).await;
        assert_eq!(escaped.text(), got.text(), "a client that encodes the `$`");
        let xml = Ask::get(&format!("/fhir/{path}{query}")).with("accept", "application/fhir+xml");
        let xml = maple.send(xml).await;
        assert!(xml.header("content-type").starts_with("application/fhir+xml"));
        assert_eq!(xml.resource(), got.resource(), "{path}");
    }
    let empty = maple.send(posted(&everything, "")).await;
    assert_eq!(
        empty.references(),
        maple.get(&everything).await.references(),
        "a body may be empty"
    );
    let xml = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="_type"/><valueCode value="Goal"/></parameter></Parameters>"#;
    let asked = Ask::post(&format!("/fhir/{everything}"), xml).with("content-type", "application/fhir+xml");
    let goals = maple.get(&format!("{everything}?_type=Goal")).await;
    assert_eq!(maple.send(asked).await.references(), goals.references());
}

async fn head_is_get_without_a_body_and_other_methods_are_refused(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    for path in [
        format!("Patient/{rosa}/$everything"),
        format!("DocumentReference/$docref?patient={rosa}"),
        format!("{plan}/$all-eltss-careplan"),
        "Patient/nobody/$everything".to_owned(),
    ] {
        let (got, head) = (maple.get(&path).await, maple.head(&path).await);
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
        let of = |answer: &Answer| {
            let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(of(&head), of(&got), "{path}");
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let asked = posted(&path, "{}").method(method.clone());
            let answer = maple.send(asked).await;
            assert_eq!(
                (answer.status, &answer.json()["resourceType"]),
                (405, &json!("OperationOutcome")),
                "{method} {path}"
            );
        }
    }
}

async fn what_is_wrong_is_named_and_nothing_is_given(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    let (everything, docref) = (
        format!("Patient/{rosa}/$everything"),
        format!("DocumentReference/$docref?patient={rosa}"),
    );
    let with_all = format!("{plan}/$all-eltss-careplan");
    for path in [
        format!("{everything}?colour=zebra"),
        format!("{everything}?patient={rosa}"),
        format!("{everything}?start=zebra"),
        format!("{everything}?_since=zebra"),
        format!("{everything}?_count=zebra"),
        format!("{everything}?_count=-1"),
        format!("{everything}?_type=Zebra"),
        format!("{everything}?_type="),
        format!("{everything}?start=2026&start=2025"),
        format!("{everything}?_after=zebra"),
        format!("{docref}&_since=2026"),
        format!("{docref}&on-demand=zebra"),
        format!("{docref}&profile="),
        format!("{docref}&type="),
        format!("{docref}&patient={rosa}"),
        format!("{docref}&colour=zebra"),
        "DocumentReference/$docref".to_owned(),
        "DocumentReference/$docref?patient=".to_owned(),
        "DocumentReference/$docref?patient=Group/zebra".to_owned(),
        format!("{with_all}?_count=5"),
        format!("{with_all}?colour=zebra"),
    ] {
        refused(&maple.get(&path).await, &path);
    }
    let parameters = |list: Value| json!({"resourceType": "Parameters", "parameter": list}).to_string();
    for (path, body) in [
        (&everything, "zebra".to_owned()),
        (&everything, "[]".to_owned()),
        (&everything, json!({"resourceType": "Patient"}).to_string()),
        (
            &everything,
            parameters(json!([{"name": "colour", "valueString": "zebra"}])),
        ),
        (
            &everything,
            parameters(json!([{"name": "start", "valueString": "zebra"}])),
        ),
        (
            &everything,
            parameters(json!([{"name": "_count", "valueInteger": 1}, {"name": "_count", "valueInteger": 2}])),
        ),
        (&everything, parameters(json!([{"name": "_type"}]))),
        (
            &with_all,
            parameters(json!([{"name": "_count", "valueInteger": 5}])),
        ),
    ] {
        refused(&maple.send(posted(path, &body)).await, &body);
    }
    let nobody = post(
        &maple,
        "DocumentReference/$docref",
        json!([{"name": "type", "valueCoding": {"code": "x"}}]),
    )
    .await;
    refused(&nobody, "no patient");
    let twice = post(
        &maple,
        &format!("{everything}?_count=5"),
        json!([{"name": "_count", "valueInteger": 6}]),
    )
    .await;
    refused(&twice, "in the address and in the body");
    // Who asks for it is answered without what is not served, and told so.
    let lenient =
        Ask::get(&format!("/fhir/{everything}?colour=zebra&_type=Goal")).with("prefer", "handling=lenient");
    let lenient = maple.send(lenient).await;
    assert_eq!(lenient.status, 200);
    let own = lenient.json()["link"][0]["url"].as_str().map(str::to_owned);
    assert_eq!(
        own,
        Some(format!("https://postern.test/fhir/{everything}?_type=Goal"))
    );
    assert!(lenient.text().contains("not-supported") && !lenient.text().contains("zebra"));
}

/// A 400 that says what is wrong and repeats nothing.
fn refused(answer: &Answer, asked: &str) {
    let outcome = answer.json();
    assert_eq!(
        (answer.status, &outcome["resourceType"]),
        (400, &json!("OperationOutcome")),
        "{asked}: {}",
        answer.text()
    );
    assert!(
        !answer.text().to_lowercase().contains("zebra"),
        "{asked}: {}",
        answer.text()
    );
}

async fn somebody_elses_person_is_nobody(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let (maple, stranger) = (world.partner(MAPLE).await, world.partner(STRANGER).await);
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    let with_all = format!("{plan}/$all-eltss-careplan");
    let absent = "0123456789abcdef0123456789abcdef";
    for (path, nobodys) in [
        (
            format!("Patient/{rosa}/$everything"),
            format!("Patient/{absent}/$everything"),
        ),
        (with_all, format!("CarePlan/{absent}/$all-eltss-careplan")),
    ] {
        for query in ["", "?_format=xml"] {
            let (foreign, nobody) = (
                stranger.get(&format!("{path}{query}")).await,
                stranger.get(&format!("{nobodys}{query}")).await,
            );
            assert_eq!(foreign.status, 404);
            assert_eq!(
                (foreign.status, foreign.body),
                (nobody.status, nobody.body),
                "{path}{query}"
            );
        }
        let own = maple.get(&nobodys).await;
        assert_eq!((own.status, own.body), (404, stranger.get(&path).await.body));
    }
    let documents = |id: &str| format!("DocumentReference/$docref?patient={id}");
    let (foreign, nobody) = (
        stranger.get(&documents(&rosa)).await,
        stranger.get(&documents(absent)).await,
    );
    assert_eq!(
        (
            foreign.status,
            foreign.references().len(),
            &foreign.json()["total"]
        ),
        (200, 0, &json!(0))
    );
    assert_eq!(
        foreign.text(),
        nobody.text().replace(absent, &rosa),
        "but for the self link"
    );
    // A resource of another type or person under this address is not there either.
    let goal = reference(&maple.all(&format!("Goal?patient={rosa}")).await[0]);
    let id = goal.split_once('/').expect("an id").1;
    for path in [
        format!("Patient/{id}/$everything"),
        format!("CarePlan/{id}/$all-eltss-careplan"),
    ] {
        assert_eq!(maple.get(&path).await.status, 404, "{path}");
    }
}

async fn scopes_hold(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    let everything = format!("Patient/{rosa}/$everything");
    let docref = format!("DocumentReference/$docref?patient={rosa}");
    let with_all = format!("{plan}/$all-eltss-careplan");
    for path in [&everything, &docref, &with_all] {
        let answer = world.send(Ask::get(&format!("/fhir/{path}"))).await;
        assert_eq!(answer.status, 401, "without a token");
    }
    for (scope, opens) in [
        ("system/Patient.rs", [200, 403, 403]),
        ("system/DocumentReference.rs", [403, 200, 403]),
        ("system/CarePlan.rs", [403, 403, 200]),
        ("system/Goal.rs", [403, 403, 403]),
    ] {
        maple.narrow(scope).await;
        for (path, status) in [&everything, &docref, &with_all].into_iter().zip(opens) {
            let answer = maple.get(path).await;
            assert_eq!(answer.status, status, "{scope} {path}");
            let of = scope
                .trim_start_matches("system/")
                .trim_end_matches("rs")
                .replace('.', "/");
            assert!(
                answer
                    .references()
                    .iter()
                    .all(|name| status != 200 || name.starts_with(&of)),
                "{scope} {path}"
            );
        }
        // What may not be asked is refused whoever it is about.
        let (own, nobody) = (
            maple.get(&everything).await,
            maple.get("Patient/nobody/$everything").await,
        );
        assert!(own.status != 403 || own.body == nobody.body);
    }
    maple.narrow("system/Patient.rs system/Goal.rs").await;
    let found = names(&maple.get(&everything).await);
    assert!(
        found
            .iter()
            .all(|name| name.starts_with("Patient/") || name.starts_with("Goal/"))
            && found.len() > 1
    );
}

async fn each_call_is_on_the_log_with_every_resource(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let plan = reference(&maple.all(&format!("CarePlan?patient={rosa}")).await[0]);
    for (number, path) in [
        format!("Patient/{rosa}/$everything?_count=20"),
        format!("DocumentReference/$docref?patient={rosa}"),
        format!("{plan}/$all-eltss-careplan"),
    ]
    .iter()
    .enumerate()
    {
        let request = format!("operation-{number}");
        let answer = maple
            .send(Ask::get(&format!("/fhir/{path}")).with("x-request-id", &request))
            .await;
        let events = world.events().await;
        let mut of_it = events.iter().filter(|event| event.request == request);
        let disclosure = of_it
            .find(|event| event.kind == "disclosure")
            .expect("an event of what left");
        assert_eq!(
            (disclosure.patient.as_str(), disclosure.purpose.as_str()),
            (format!("Patient/{rosa}").as_str(), "TREAT")
        );
        assert!(disclosure.body.contains("\"operation\""), "{path}");
        let resources = answer.resources();
        assert!(!resources.is_empty());
        for one in &resources {
            assert!(
                disclosure.body.contains(&reference(one)),
                "{path}: {}",
                reference(one)
            );
            assert!(
                disclosure
                    .body
                    .contains(one["meta"]["versionId"].as_str().expect("a version"))
            );
        }
    }
    let asked = posted(
        &format!("Patient/{rosa}/$everything"),
        &json!({"resourceType": "Parameters",
        "parameter": [{"name": "_type", "valueCode": "Goal"}]})
        .to_string(),
    );
    maple.send(asked.with("x-request-id", "operation-body")).await;
    let stranger = world.partner(STRANGER).await;
    let asked =
        Ask::get(&format!("/fhir/Patient/{rosa}/$everything")).with("x-request-id", "operation-refused");
    assert_eq!(stranger.send(asked).await.status, 404);
    let events = world.events().await;
    let of = |request: &str| {
        events
            .iter()
            .filter(|event| event.request == request)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("operation-body").len(), 2, "the request and the disclosure");
    let refused = of("operation-refused");
    assert_eq!(refused.len(), 1, "a refusal");
    assert_ne!(refused[0].kind, "disclosure");
}
