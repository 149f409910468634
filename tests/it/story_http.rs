//! FHIR over HTTP as stock clients expect it: methods, media types, headers, discovery.
//! <https://hl7.org/fhir/R4/http.html>, <https://hl7.org/fhir/R4/search.html>

use std::collections::BTreeSet;

use axum::http::Method;
use postern_rules::fhir::{gate, json, xml};

use crate::harness::{Ask, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, stories};

stories!(
    post_search_equals_get,
    xml_reads_back_to_the_same_resource,
    what_nobody_serves_is_406,
    head_is_get_without_a_body,
    unknown_routes_and_methods_say_so,
    answers_carry_no_header_beyond_the_list,
    a_request_id_is_echoed_when_it_is_plain,
    discovery_needs_no_token_and_tells_no_secret,
    what_is_ours_is_defined,
    search_parameters_find_what_they_name,
    pages_hold_together_what_one_answer_holds,
);

async fn post_search_equals_get(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let patient = format!("Patient/{rosa}");
    for (kind, pairs) in [
        ("CarePlan", vec![("patient", rosa.as_str())]),
        (
            "CarePlan",
            vec![("patient", patient.as_str()), ("status", "active")],
        ),
        (
            "Condition",
            vec![("patient", rosa.as_str()), ("category", "problem-list-item")],
        ),
        ("Patient", vec![("_id", rosa.as_str())]),
        ("Goal", vec![("patient", "nobody")]),
    ] {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        let got = maple.get(&format!("{kind}?{query}")).await;
        let posted = maple.post(&format!("{kind}/_search"), &pairs).await;
        assert_eq!(
            (got.status, got.text()),
            (posted.status, posted.text()),
            "{kind}?{query}"
        );
        assert_eq!(got.status, 200);
    }
    let unknown = maple
        .post("CarePlan/_search", &[("patient", &rosa), ("colour", "red")])
        .await;
    assert_eq!(unknown.status, 400);
}

async fn xml_reads_back_to_the_same_resource(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let mut asked = 0;
    for path in [
        format!("CarePlan?patient={rosa}"),
        format!("Task?patient={rosa}"),
        format!("Patient/{rosa}"),
        "metadata".to_owned(),
    ] {
        let path = format!("/fhir/{path}");
        let in_json = maple.send(Ask::get(&path)).await;
        let joined = if path.contains('?') { '&' } else { '?' };
        let ways = [
            Ask::get(&path).with("accept", "application/fhir+xml"),
            Ask::get(&path).with("accept", "text/html, application/xml;q=0.9"),
            Ask::get(&format!("{path}{joined}_format=xml")),
            Ask::get(&format!("{path}{joined}_format=application/fhir%2Bxml"))
                .with("accept", "application/json"),
        ];
        for ask in ways {
            let answer = maple.send(ask.clone()).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, "application/fhir+xml; charset=utf-8"),
                "{ask:?}"
            );
            let read = xml::from_xml(&answer.body).expect("it is FHIR XML");
            assert_eq!(gate::check(&read), [], "{}", ask.path);
            assert_eq!(read, json::parse(&in_json.body).expect("JSON"), "{}", ask.path);
            asked += 1;
        }
    }
    assert_eq!(asked, 16);
}

async fn what_nobody_serves_is_406(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for path in [
        format!("/fhir/Patient/{rosa}"),
        format!("/fhir/CarePlan?patient={rosa}"),
        "/fhir/metadata".to_owned(),
    ] {
        for media in ["text/html", "application/pdf", "application/fhir+turtle"] {
            let answer = maple.send(Ask::get(&path).with("accept", media)).await;
            assert_eq!(answer.status, 406, "{path} {media}");
            assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        }
    }
    let turtle = maple.get(&format!("Patient/{rosa}?_format=ttl")).await;
    assert_eq!(turtle.status, 406);
}

async fn head_is_get_without_a_body(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for path in [
        format!("Patient/{rosa}"),
        format!("CarePlan?patient={rosa}"),
        "Patient/nobody".to_owned(),
    ] {
        let (got, head) = (maple.get(&path).await, maple.head(&path).await);
        assert_eq!((head.status, head.text().as_str()), (got.status, ""), "{path}");
        for name in [
            "etag",
            "last-modified",
            "content-type",
            "cache-control",
            "content-length",
        ] {
            assert_eq!(head.header(name), got.header(name), "{path} {name}");
        }
    }
}

async fn unknown_routes_and_methods_say_so(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let patient = format!("/fhir/Patient/{rosa}");
    let cases = [
        (Method::GET, "/".to_owned(), 404),
        (Method::GET, "/fhir".to_owned(), 405),
        (Method::GET, "/fhir/".to_owned(), 405),
        (Method::GET, format!("{patient}/"), 404),
        (Method::GET, format!("{patient}/_history"), 404),
        (Method::GET, format!("{patient}/_history/1"), 404),
        (Method::GET, format!("{patient}/$nothing-like-it"), 404),
        (Method::GET, "/admin".to_owned(), 404),
        (Method::GET, "/fhir/../livez".to_owned(), 404),
        (Method::GET, "/fhir/Patient/..%2F..%2Flivez".to_owned(), 404),
        (Method::PUT, patient.clone(), 403),
        (Method::DELETE, patient.clone(), 405),
        (Method::PATCH, patient.clone(), 403),
        (Method::POST, "/fhir/Patient".to_owned(), 403),
        (Method::GET, "/auth/token".to_owned(), 405),
        (Method::POST, "/livez".to_owned(), 405),
        (Method::TRACE, patient, 405),
    ];
    for (method, path, status) in cases {
        let answer = maple.send(Ask::get(&path).method(method.clone())).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(
            answer.json()["resourceType"],
            "OperationOutcome",
            "{method} {path}"
        );
        assert!(answer.resources().is_empty());
    }
}

async fn answers_carry_no_header_beyond_the_list(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let known = [
        "content-type",
        "content-length",
        "content-encoding",
        "vary",
        "etag",
        "last-modified",
        "cache-control",
        "retry-after",
        "www-authenticate",
        "allow",
        "x-content-type-options",
        "x-request-id",
    ];
    for path in [
        format!("/fhir/Patient/{rosa}"),
        format!("/fhir/CarePlan?patient={rosa}"),
        "/fhir/Patient/nobody".to_owned(),
        "/fhir/Patient?colour=red".to_owned(),
        "/fhir/metadata".to_owned(),
        "/livez".to_owned(),
        "/readyz".to_owned(),
        "/fhir/.well-known/smart-configuration".to_owned(),
        "/nowhere".to_owned(),
        "/auth/token".to_owned(),
    ] {
        for encoding in ["identity", "gzip"] {
            let answer = maple
                .send(Ask::get(&path).with("accept-encoding", encoding))
                .await;
            let foreign: Vec<_> = answer
                .headers
                .keys()
                .filter(|name| !known.contains(&name.as_str()))
                .collect();
            assert!(foreign.is_empty(), "{path}: {foreign:?}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
    }
}

async fn a_request_id_is_echoed_when_it_is_plain(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let ask = |id: &str| Ask::get("/livez").with("x-request-id", id);
    for plain in ["a", "4f1c-22.x_Y", &"z".repeat(64)] {
        assert_eq!(world.send(ask(plain)).await.header("x-request-id"), plain);
    }
    for odd in ["", "a b", "a\"b", &"z".repeat(65), "a/b", "<script>"] {
        let own = world.send(ask(odd)).await.header("x-request-id").to_owned();
        assert!(
            own != odd && own.len() == 32,
            "{odd}: an id of ours instead, {own}"
        );
    }
}

async fn pages_hold_together_what_one_answer_holds(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let whole = riverside.get(&format!("Observation?patient={rosa}")).await;
    let mut next = Some(format!("Observation?patient={rosa}&_count=4"));
    let mut found = Vec::new();
    while let Some(path) = next {
        let page = riverside.get(&path).await;
        assert_eq!(
            (page.status, &page.json()["total"]),
            (200, &whole.json()["total"]),
            "{}",
            page.text()
        );
        let resources = page.resources();
        found.extend(resources.iter().cloned());
        let links = page.json()["link"].as_array().cloned().unwrap_or_default();
        let link = links
            .iter()
            .find(|link| link["relation"] == "next")
            .and_then(|link| link["url"].as_str());
        assert!(
            link.is_none() || resources.len() == 4,
            "pages before the last are full"
        );
        next = link.map(|url| url.trim_start_matches("https://postern.test/fhir/").to_owned());
    }
    assert!(found.len() > 8, "there are several pages");
    assert_eq!(found, whole.resources());
}

async fn discovery_needs_no_token_and_tells_no_secret(engine: Engine) {
    let world = World::demo(engine).await;
    world.three().await;
    let open = world.send(Ask::get("/fhir/metadata")).await;
    let statement = open.json();
    assert_eq!(open.status, 200);
    assert_eq!(gate::check(&statement), []);
    assert_eq!(
        (&statement["fhirVersion"], &statement["kind"]),
        (&"4.0.1".into(), &"instance".into())
    );
    let smart = world
        .send(Ask::get("/fhir/.well-known/smart-configuration"))
        .await;
    assert_eq!(
        (smart.status, smart.header("content-type")),
        (200, "application/json; charset=utf-8")
    );
    let smart = smart.json();
    assert_eq!(smart["token_endpoint"], "https://postern.test/auth/token");
    assert_eq!(
        smart["token_endpoint_auth_methods_supported"][0],
        "private_key_jwt"
    );
    assert!(!statement.to_string().contains("maple") && !smart.to_string().contains("maple"));
    for resource in statement["rest"][0]["resource"].as_array().expect("types") {
        let own = |url: &&serde_json::Value| !url.as_str().unwrap_or_default().contains("/us/core/");
        for profile in resource["supportedProfile"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(own)
        {
            let id = profile
                .as_str()
                .and_then(|url| url.rsplit('/').next())
                .expect("an address");
            let served = world
                .send(Ask::get(&format!("/fhir/StructureDefinition/{id}")))
                .await;
            assert_eq!((served.status, &served.json()["url"]), (200, profile), "{id}");
        }
    }
    assert_eq!(
        world
            .send(Ask::get("/fhir/StructureDefinition/none"))
            .await
            .status,
        404
    );
}

/// Each code system and extension of ours that stands in what a partner got, and what a source's words became.
async fn what_is_ours_is_defined(engine: Engine) {
    let world = World::demo(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let all: Vec<String> = maple
        .everything(&rosa)
        .await
        .values()
        .map(ToString::to_string)
        .collect();
    let (all, mut asked) = (all.join("\n"), 0);
    for kind in ["CodeSystem", "StructureDefinition"] {
        let place = format!("https://postern.example/fhir/{kind}/");
        let parts = all.split(place.as_str()).skip(1);
        let ids: BTreeSet<&str> = parts.filter_map(|rest| rest.split(['"', '|']).next()).collect();
        for id in ids {
            let served = world.send(Ask::get(&format!("/fhir/{kind}/{id}"))).await;
            let defined = served.json();
            assert_eq!((served.status, &defined["id"]), (200, &id.into()), "{kind}/{id}");
            assert_eq!(defined["url"], format!("{place}{id}"));
            assert_eq!(gate::check(&defined), [], "{kind}/{id}");
            asked += 1;
        }
    }
    assert!(asked > 5, "{asked}");
    let path = "/fhir/ConceptMap/hearthstone-action-phase";
    let map = maple.send(Ask::get(path)).await;
    assert_eq!(map.status, 200, "{}", map.text());
    assert_eq!(gate::check(&map.json()), []);
    assert_eq!(
        map.json()["group"][0]["element"][0]["target"][0]["code"],
        "start-of-shift"
    );
    assert_eq!(world.send(Ask::get(path)).await.status, 401, "for partners alone");
    for none in [
        "CodeSystem/none",
        "ConceptMap/hearthstone-none",
        "ConceptMap/none",
    ] {
        assert_eq!(maple.get(none).await.status, 404, "{none}");
    }
}

async fn search_parameters_find_what_they_name(engine: Engine) {
    let world = World::demo(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let (maple, riverside) = (world.partner(MAPLE).await, world.partner(RIVERSIDE).await);
    let count = |path: String| {
        let riverside = &riverside;
        async move {
            let answer = riverside.get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(
                answer.json()["total"],
                answer.resources().len(),
                "{path}: the total is what is there"
            );
            answer.resources().len()
        }
    };
    let crisis = "https%3A%2F%2Fpostern.example%2Ffhir%2FCodeSystem%2Fplan-content%7Ccrisis-plan";
    assert_eq!(count(format!("CarePlan?patient={rosa}")).await, 2);
    assert_eq!(
        count(format!("CarePlan?patient={rosa}&category={crisis}")).await,
        1
    );
    assert_eq!(
        count(format!("CarePlan?patient={rosa}&category=crisis-plan")).await,
        1
    );
    assert_eq!(
        count(format!("CarePlan?patient={rosa}&status=active,completed")).await,
        2
    );
    assert_eq!(
        count(format!("CarePlan?patient={rosa}&status=completed")).await,
        0
    );
    assert_eq!(
        count(format!("CarePlan?patient={rosa}&status=active&status=completed")).await,
        0
    );
    assert_eq!(
        count(format!(
            "Patient?identifier={}%7C{}",
            Person::ROSA.system,
            Person::ROSA.identifier
        ))
        .await,
        1
    );
    // What is hidden cannot be found by what it is.
    for (kind, number) in [
        (
            "Condition?identifier=https://hearthstone.example/ids/diagnosis%7CDX-88102",
            0,
        ),
        ("Consent?patient=", 1),
    ] {
        let path = if kind.ends_with('=') {
            format!("{kind}{rosa}")
        } else {
            kind.to_owned()
        };
        assert_eq!(count(path).await, number, "{kind}");
    }
    let found = maple
        .get("Condition?identifier=https://hearthstone.example/ids/diagnosis%7CDX-88102")
        .await;
    assert_eq!(
        found.resources().len(),
        1,
        "and is found by whom it is not hidden from: {}",
        found.text()
    );
    let mut open = demo_record("consent", "marcus");
    open.body["information"]["fromDate"] = serde_json::Value::Null;
    world.import(&open).await;
    let two = maple
        .get(&format!(
            "Patient?_id={rosa},{}",
            world.id_of(Person::MARCUS).await
        ))
        .await;
    assert_eq!(two.resources().len(), 2, "two people, two sets of events");
}
