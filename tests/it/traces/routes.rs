//! What can be asked at all: chains, includes, unknown parameters, subscriptions; and the one list of routes.
//! <https://hl7.org/fhir/R4/search.html#errors>

use super::*;

/// Refused with 400, in the same words whether the guess in it is right or wrong.
async fn refused_alike(partner: &Partner<'_>, right: &str, wrong: &str) {
    let (right_answer, wrong_answer) = (partner.get(right).await, partner.get(wrong).await);
    assert_eq!(right_answer.status, 400, "{right}");
    assert_eq!(told(&right_answer), told(&wrong_answer), "{right}");
}

pub async fn s03_reverse_chains_are_refused(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let guess = |code: &str| format!("Patient?_id={rosa}&_has:Condition:patient:code={code}");
    refused_alike(&maple, &guess("F11.20"), &guess("Z99")).await;
    let nested =
        |code: &str| format!("Patient?_has:CareTeam:patient:_has:Condition:subject:code={code}&_id={rosa}");
    refused_alike(&maple, &nested("F11.20"), &nested("Z99")).await;
}

pub async fn s04_forward_chains_are_refused(engine: Engine) {
    let world = closed(engine).await;
    let maple = world.partner(MAPLE).await;
    for name in [
        "subject:Patient.name",
        "patient.name",
        "patient.identifier",
        "subject.birthdate",
    ] {
        let guess = |value: &str| format!("Condition?{name}={value}");
        refused_alike(&maple, &guess("Delgado-Synthetic"), &guess("Nobody")).await;
    }
}

pub async fn s05_includes_come_from_the_release(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let hidden = hidden(&world).await;
    for partner in world.three().await {
        let released = partner.everything(&rosa).await;
        let mut came = 0;
        for include in [
            "CarePlan?_include=CarePlan:condition&_include=CarePlan:goal&_include=CarePlan:activity-reference",
            "CarePlan?_include=CarePlan:care-team&_include:iterate=CareTeam:participant&_include:iterate=PractitionerRole:practitioner",
            "Task?_include=Task:focus&_include=Task:owner&_include=Task:requester",
            "MedicationRequest?_include=MedicationRequest:requester&_include=MedicationRequest:patient",
        ] {
            let answer = partner.get(&format!("{include}&patient={rosa}")).await;
            assert_eq!(answer.status, 200, "{include}: {}", answer.text());
            let (all, matches) = (answer.references(), answer.matches().len());
            assert_eq!(answer.json()["total"].as_u64(), Some(matches as u64), "{include}");
            assert!(
                all.iter()
                    .all(|one| released.contains_key(one) && !hidden.contains(one))
            );
            let once: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(once.len(), all.len(), "each once");
            came += all.len() - matches;
        }
        assert!(came > 3, "{}: {came}", partner.who.name);
    }
    let stranger = world.partner(crate::harness::STRANGER).await;
    for include in [
        "_include=Condition:colour",
        "_include=CarePlan:*",
        "_include=*",
        "_include:recurse=CarePlan:goal",
        "_revinclude=AuditEvent:entity",
        "_revinclude:iterate=Condition:evidence-detail",
    ] {
        let answer = stranger.get(&format!("CarePlan?patient={rosa}&{include}")).await;
        assert_eq!(answer.status, 400, "{include}");
        assert!(answer.resources().is_empty(), "{include}");
    }
}

pub async fn s07_unknown_parameters_are_refused(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for name in [
        "colour",
        "Patient",
        "patient:exact",
        "status:in",
        "_security",
        "_lastUpdated",
        "_offset",
    ] {
        let path = format!("/fhir/Condition?patient={rosa}&{name}=x");
        let answer = maple
            .send(Ask::get(&path).with("prefer", "handling=strict"))
            .await;
        assert_eq!((answer.status, answer.resources().len()), (400, 0), "{name}");
        assert_eq!(
            told(&answer),
            told(&maple.get(&path["/fhir/".len()..]).await),
            "strict is the default"
        );
    }
    // Who asks to be read leniently is told what was applied; a modifier, or a value that is none, is refused even so.
    let plain = maple.get(&format!("Condition?patient={rosa}")).await;
    for (name, status) in [
        ("colour", 200),
        ("_security", 200),
        ("status:in", 200),
        ("patient.name", 200),
        ("_has:Task:focus:status", 200),
        ("patient:exact", 400),
        ("code:below", 400),
        ("_lastUpdated", 400),
    ] {
        let path = format!("/fhir/Condition?patient={rosa}&{name}=x");
        let answer = maple
            .send(Ask::get(&path).with("prefer", "handling=lenient"))
            .await;
        assert_eq!(answer.status, status, "{name}");
        if status == 200 {
            assert_eq!(answer.json()["link"], plain.json()["link"], "{name}");
            assert_eq!(answer.references(), plain.references(), "{name}");
            assert!(answer.text().contains("was left out"), "{name}");
        }
    }
}

pub async fn s16_subscriptions_are_refused(engine: Engine) {
    let world = closed(engine).await;
    let maple = world.partner(MAPLE).await;
    let body = r#"{"resourceType":"Subscription","status":"requested","criteria":"Condition?code=F11.20"}"#;
    for path in ["/fhir/Subscription", "/fhir/Subscription/1"] {
        let answer = maple.send(Ask::post(path, body)).await;
        assert!(
            [403, 405].contains(&answer.status),
            "{path}: {}, of a partner that only reads",
            answer.status
        );
    }
    let statement = maple.get("metadata").await.text();
    assert!(!statement.contains("Subscription"), "and nothing promises them");
}

/// What a route gives out, and therefore what it must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    /// Resources about a person: only `Answer::open` yields them, and each 2xx has its events.
    AboutPeople,
    /// What is the same for everyone.
    Open,
    /// To a partner's system: about its own tokens, and about what it sends to be checked.
    ToClients,
    /// To an internal source: counts of what it sent itself.
    ToSources,
    /// To named staff, on the log.
    ToStaff,
}

/// Every route there is. One that is new has to be named here.
const ROUTES: &[(&str, Gives)] = &[
    ("/livez", Gives::Open),
    ("/readyz", Gives::Open),
    ("/auth/token", Gives::Open),
    ("/.well-known/jwks.json", Gives::Open),
    ("/auth/introspect", Gives::ToClients),
    ("/auth/revoke", Gives::ToClients),
    ("/fhir/metadata", Gives::Open),
    ("/fhir/.well-known/smart-configuration", Gives::Open),
    ("/fhir/StructureDefinition/{id}", Gives::Open),
    ("/fhir/CodeSystem/{id}", Gives::Open),
    // For partners alone, and the same for each.
    ("/fhir/ConceptMap/{id}", Gives::Open),
    ("/fhir/OperationDefinition/{id}", Gives::Open),
    ("/fhir/Patient/$match", Gives::AboutPeople),
    ("/fhir/Patient/%24match", Gives::AboutPeople),
    ("/fhir/Patient/$break-glass", Gives::AboutPeople),
    ("/fhir/Patient/%24break-glass", Gives::AboutPeople),
    ("/fhir/Patient/{id}/$request-more", Gives::AboutPeople),
    ("/fhir/Patient/{id}/%24request-more", Gives::AboutPeople),
    ("/fhir/{type}/$validate", Gives::ToClients),
    ("/fhir/{type}/%24validate", Gives::ToClients),
    ("/fhir/{type}/{id}/$validate", Gives::ToClients),
    ("/fhir/{type}/{id}/%24validate", Gives::ToClients),
    ("/fhir/Patient/{id}/$everything", Gives::AboutPeople),
    ("/fhir/Patient/{id}/%24everything", Gives::AboutPeople),
    ("/fhir/DocumentReference/$docref", Gives::AboutPeople),
    ("/fhir/DocumentReference/%24docref", Gives::AboutPeople),
    ("/fhir/CarePlan/{id}/$all-eltss-careplan", Gives::AboutPeople),
    ("/fhir/CarePlan/{id}/%24all-eltss-careplan", Gives::AboutPeople),
    ("/fhir", Gives::AboutPeople),
    ("/fhir/", Gives::AboutPeople),
    ("/fhir/{type}", Gives::AboutPeople),
    ("/fhir/{type}/_search", Gives::AboutPeople),
    ("/fhir/{type}/{id}", Gives::AboutPeople),
    ("/fhir/{type}/{id}/_history/{version}", Gives::AboutPeople),
    ("/intake/{source}/{record}", Gives::ToSources),
    ("/staff/preview", Gives::ToStaff),
    ("/staff/disclosures", Gives::ToStaff),
    ("/staff/disclosures/{id}/approve", Gives::ToStaff),
    ("/staff/work", Gives::ToStaff),
    ("/staff/work/{id}", Gives::ToStaff),
    ("/staff/work/{id}/take", Gives::ToStaff),
    ("/staff/work/{id}/settle", Gives::ToStaff),
    ("/staff/grants", Gives::ToStaff),
    ("/staff/grants/{id}/end", Gives::ToStaff),
    ("/staff/notices", Gives::ToStaff),
];

/// Between the first and the last quotation mark after each `.route(`.
fn routes_in(router: &str) -> Vec<&str> {
    let parts = router.split(".route(").skip(1);
    parts.filter_map(|part| part.split('"').nth(1)).collect()
}

pub async fn s13_every_route_passes_the_choke_point(engine: Engine) {
    let source = |path: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(path).expect("our own source")
    };
    let known: Vec<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
    assert_eq!(
        routes_in(&source("src/http/mod.rs")),
        known,
        "name a new route in ROUTES, with what it gives out"
    );
    // Handlers of partners have no other way to bytes about a person: an opened answer is what they get.
    for handler in [
        "src/http/fhir.rs",
        "src/http/operation.rs",
        "src/http/validate.rs",
        "src/http/wanted.rs",
    ] {
        assert!(
            !source(handler).contains("store"),
            "{handler} asks use cases, never the database"
        );
    }

    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let asked = [
        Ask::get(&format!("/fhir/CarePlan?patient={rosa}")),
        Ask::form("/fhir/CarePlan/_search", &[("patient", &rosa)]),
        Ask::get(&format!("/fhir/Patient/{rosa}")),
        Ask::post(
            "/fhir/Patient/$match",
            r#"{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient",
                "identifier":[{"system":"https://hearthstone.example/ids/client","value":"HCS-104233"}]}}]}"#,
        )
        .with("content-type", "application/fhir+json"),
    ];
    for ask in asked {
        let request = world.unique("choke");
        let path = ask.path.clone();
        let answer = maple.send(ask.with("x-request-id", &request)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.resources().is_empty(), "{path}");
        let events = world.events().await;
        let disclosed = events
            .iter()
            .any(|e| e.request == request && e.kind == "disclosure");
        assert!(disclosed, "{path}: what left is on the log");
    }
}
