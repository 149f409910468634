//! The released plan as a document, for systems that file documents only: in every data set, made from the release as it is when
//! it is read, with everything that is in it on the log.
//! <http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference>, <https://hl7.org/fhir/R4/binary.html>

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_rules::document::takes_in;
use postern_rules::fhir::excerpt::Excerpt;
use postern_rules::fhir::gate;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, BRIGID, DemoRecord, Engine, MAPLE, OPEN_DOOR, PRAIRIE, Partner, Person, RIVERSIDE, STRANGER,
    Who, World, demo_record, numbered, parameter, records, stories,
};

stories!(
    every_data_set_has_the_plan_as_a_document,
    a_document_is_had_as_a_file_and_as_a_resource,
    everything_that_is_in_a_document_is_on_the_log_with_its_version,
    what_is_withheld_stands_on_no_page,
    the_notice_of_part_2_goes_with_its_content,
    a_document_changes_when_something_in_it_does_and_only_then,
    a_revocation_between_the_reference_and_the_file_holds,
    without_a_plan_there_is_no_document,
    an_emergency_has_a_document_of_its_own,
    who_may_see_the_reference_may_have_the_file,
    a_document_is_found_by_what_us_core_searches,
);

/// The one DocumentReference of the plan that this partner finds.
async fn reference(partner: &Partner<'_>, patient: &str) -> Value {
    let found = partner.get(&format!("DocumentReference?patient={patient}")).await;
    assert_eq!(found.status, 200, "{}", found.text());
    let mut all = found.matches();
    // beside the papers a source has about the person
    all.retain(|one| one["masterIdentifier"].is_object());
    assert_eq!(all.len(), 1, "{}: {}", partner.who.name, found.text());
    all.remove(0)
}

/// The path of a form of it, below the FHIR base.
fn path(reference: &Value, media: &str) -> String {
    let content = reference["content"].as_array().expect("content");
    let one = content
        .iter()
        .find(|one| one["attachment"]["contentType"] == media);
    let url = one
        .and_then(|one| one["attachment"]["url"].as_str())
        .expect("an address");
    url.strip_prefix("https://postern.test/fhir/")
        .expect("of this server")
        .to_owned()
}

async fn file(partner: &Partner<'_>, path: &str, accept: &str) -> Answer {
    partner
        .send(Ask::get(&format!("/fhir/{path}")).with("accept", accept))
        .await
}

/// A consent of Rosa's for another recipient.
fn consent_for(who: Who, base: &str, number: &str, kind: &str) -> DemoRecord {
    let mut record = demo_record("consent", base);
    record.body["consentNo"] = json!(number);
    record.body["recipients"] = json!([{"npi": who.npi, "name": who.name}]);
    record.body["kind"] = json!(kind);
    record.body["part2"] = json!("N");
    record.body["program"] = json!("ACT");
    record.body["purposes"] = json!(["PAY", "CMGT"]);
    record.body["information"] = json!({"described": "What they need for this", "extent": "ALL"});
    record
}

/// The text of a file, as somebody reads it; nothing for a PDF where there is no reader.
fn text_of(answer: &Answer) -> Option<String> {
    match answer.header("content-type") {
        "text/html" => {
            let page = answer.text();
            let body = page.split_once("<body>")?.1.to_owned();
            let texts = body
                .split('<')
                .filter_map(|part| part.split_once('>'))
                .map(|(_, text)| text);
            let text: String = texts.collect();
            Some(text.replace("&#39;", "'").replace("&amp;", "&"))
        }
        _ => pdf_text(&answer.body),
    }
}

fn pdf_text(file: &[u8]) -> Option<String> {
    let mut reader = Command::new("pdftotext");
    reader.args(["-layout", "-", "-"]).stdin(Stdio::piped());
    let started = reader.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut reading) = started else {
        println!("skipped: what the PDF says (pdftotext is not here)");
        return None;
    };
    reading.stdin.take()?.write_all(file).ok()?;
    let read = reading.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&read.stdout).into_owned())
}

async fn every_data_set_has_the_plan_as_a_document(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    world
        .import(&consent_for(PRAIRIE, "rosa-riverside", "C-41001", "GEN"))
        .await;
    world
        .import(&consent_for(OPEN_DOOR, "rosa-maple", "C-41002", "HIPAA"))
        .await;
    let mut identifiers = BTreeSet::new();
    for who in [MAPLE, RIVERSIDE, BRIGID, PRAIRIE, OPEN_DOOR] {
        let partner = world.partner(who).await;
        let found = reference(&partner, &rosa).await;
        assert_eq!(gate::check(&found), []);
        assert_eq!(found["type"]["coding"][0]["code"], "18776-5");
        assert_eq!(found["category"][0]["coding"][0]["code"], "clinical-note");
        assert_eq!(
            (&found["status"], &found["docStatus"]),
            (&json!("current"), &json!("final"))
        );
        assert_eq!(found["subject"]["reference"], format!("Patient/{rosa}"));
        assert_eq!(found["date"], found["meta"]["lastUpdated"]);
        assert_eq!(found["context"]["period"]["start"], "2026-11-01");
        assert!(
            found["author"][0]["reference"]
                .as_str()
                .is_some_and(|r| r.starts_with("Organization/"))
        );
        assert!(
            identifiers.insert(found["identifier"][0]["value"].to_string()),
            "each has its own"
        );
        for media in ["text/html", "application/pdf"] {
            let answer = file(&partner, &path(&found, media), "*/*").await;
            assert_eq!((answer.status, answer.header("content-type")), (200, media));
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            let Some(text) = text_of(&answer) else { continue };
            for said in [
                "Delgado-Synthetic",
                "Hearthstone",
                "This document may be incomplete",
                "About this document",
            ] {
                assert!(text.contains(said), "{} {media}: {said}", who.name);
            }
            let crisis = text.contains("In a crisis");
            assert_eq!(
                crisis,
                who != PRAIRIE,
                "{}: sections follow the data set",
                who.name
            );
        }
    }
    let stranger = world.partner(STRANGER).await;
    let nothing = stranger.get(&format!("DocumentReference?patient={rosa}")).await;
    assert!(nothing.matches().is_empty());
}

async fn a_document_is_had_as_a_file_and_as_a_resource(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let found = reference(&maple, &rosa).await;
    for media in ["text/html", "application/pdf"] {
        let path = path(&found, media);
        let bytes = file(&maple, &path, media).await;
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in ["*/*", browser] {
            let again = file(&maple, &path, accept).await;
            assert_eq!(
                (again.status, again.header("content-type")),
                (200, media),
                "{accept}"
            );
            assert!(again.body == bytes.body, "the same bytes each time");
        }
        let confined = bytes
            .header("content-security-policy")
            .starts_with("sandbox; default-src 'none'");
        assert_eq!(confined, media == "text/html");
        for (accept, kind) in [
            ("application/fhir+json", "application/fhir+json"),
            ("application/json", "application/fhir+json"),
            ("application/fhir+xml", "application/fhir+xml"),
        ] {
            let answer = file(&maple, &path, accept).await;
            assert!(answer.header("content-type").starts_with(kind), "{accept}");
            let binary = answer.resource().expect("a resource");
            assert_eq!(
                (&binary["resourceType"], &binary["contentType"]),
                (&json!("Binary"), &json!(media))
            );
            let reference = format!("DocumentReference/{}", found["id"].as_str().expect("an id"));
            assert_eq!(binary["securityContext"]["reference"], reference);
            let data = STANDARD
                .decode(binary["data"].as_str().expect("data"))
                .expect("base64");
            assert!(data == bytes.body, "{accept}");
            assert_eq!(answer.header("etag"), bytes.header("etag"));
        }
        let format = maple.get(&format!("{path}?_format=json")).await;
        assert_eq!(format.json()["resourceType"], "Binary");
        let part = maple
            .get(&format!("{path}?_elements=contentType&_format=json"))
            .await;
        assert_eq!((part.status, &part.json()["data"]), (200, &Value::Null));
        let head = maple
            .send(Ask::get(&format!("/fhir/{path}")).method(Method::HEAD))
            .await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("etag"), bytes.header("etag"));
        let known = Ask::get(&format!("/fhir/{path}")).with("if-none-match", bytes.header("etag"));
        let unchanged = maple.send(known).await;
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
        let version = bytes
            .header("etag")
            .trim_start_matches("W/")
            .trim_matches('"')
            .to_owned();
        assert_eq!(maple.get(&format!("{path}/_history/{version}")).await.status, 200);
        assert_eq!(maple.get(&format!("{path}/_history/0123")).await.status, 404);
    }
}

async fn everything_that_is_in_a_document_is_on_the_log_with_its_version(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let all = maple.everything(&rosa).await;
    let found = reference(&maple, &rosa).await;
    let in_it = |one: &Value| {
        let mut excerpt = Excerpt::default();
        excerpt.value("", one);
        excerpt.root().is_some_and(takes_in)
    };
    let named = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let version = one["meta"]["versionId"].as_str().unwrap_or_default().to_owned();
        (format!("{}/{}", text("resourceType"), text("id")), version)
    };
    let mut wanted: BTreeSet<(String, String)> = all.values().filter(|one| in_it(one)).map(named).collect();
    wanted.insert(named(&found));
    let path = path(&found, "application/pdf");
    let answer = file(&maple, &path, "application/pdf").await;
    let version = answer
        .header("etag")
        .trim_start_matches("W/")
        .trim_matches('"')
        .to_owned();
    wanted.insert((path.clone(), version));
    assert!(wanted.len() > 40, "{}", wanted.len());
    let disclosed: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter(|e| e.kind == "disclosure")
        .collect();
    let event: Value = serde_json::from_str(&disclosed.last().expect("an event").body).expect("JSON");
    let mut logged = BTreeSet::new();
    for entity in event["entity"].as_array().expect("entities") {
        let details = entity["detail"].as_array().cloned().unwrap_or_default();
        if let Some(version) = details.iter().find(|detail| detail["type"] == "version") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            logged.insert((text(&entity["what"]["reference"]), text(&version["valueString"])));
        }
    }
    assert_eq!(logged, wanted);
}

async fn what_is_withheld_stands_on_no_page(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let withheld = [
        "immunodeficiency",
        "Dolutegravir",
        "pioid",
        "aloxone",
        "former partner",
        "Harbor",
    ];
    let riverside = world.partner(RIVERSIDE).await;
    let found = reference(&riverside, &rosa).await;
    for media in ["text/html", "application/pdf"] {
        let answer = file(&riverside, &path(&found, media), media).await;
        let Some(text) = text_of(&answer) else { continue };
        assert!(text.contains("Never block the door"), "{text}");
        for word in withheld {
            assert!(!text.contains(word), "{media}: {word}");
        }
    }
    let text = found.to_string();
    assert!(
        !text.contains("42CFRPart2") && !text.contains("HIV"),
        "labels are those of what is in it: {text}"
    );
}

async fn the_notice_of_part_2_goes_with_its_content(engine: Engine) {
    const NOTICE: &str = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    for (who, is_there) in [(MAPLE, true), (RIVERSIDE, false)] {
        let partner = world.partner(who).await;
        let found = reference(&partner, &rosa).await;
        assert_eq!(
            found["text"]["div"].as_str().expect("a div").contains(NOTICE),
            is_there
        );
        assert_eq!(
            found["meta"]["security"].to_string().contains("NORDSCLCD"),
            is_there
        );
        for media in ["text/html", "application/pdf"] {
            let answer = file(&partner, &path(&found, media), media).await;
            let Some(text) = text_of(&answer) else { continue };
            assert_eq!(text.contains(NOTICE), is_there, "{} {media}", who.name);
        }
    }
}

async fn a_document_changes_when_something_in_it_does_and_only_then(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut riverside = world.partner(RIVERSIDE).await;
    let first = reference(&riverside, &rosa).await;
    let pdf = path(&first, "application/pdf");
    let before = file(&riverside, &pdf, "*/*").await;
    world.clock.advance(3600);
    riverside.renew().await;
    // A medicine that Riverside is denied changes its dose: nobody can tell.
    let mut plan = demo_record("care-plan", "rosa");
    let text = plan
        .body
        .to_string()
        .replace("Dolutegravir 50 mg tablet", "Dolutegravir 25 mg tablet");
    plan.body = serde_json::from_str(&text).expect("JSON");
    assert!(world.import(&plan).await.changed() > 0);
    assert_eq!(reference(&riverside, &rosa).await, first);
    assert!(file(&riverside, &pdf, "*/*").await.body == before.body);
    // Something it sees changes: another version of the same document.
    let text = plan
        .body
        .to_string()
        .replace("Never block the door", "Never stand in the door");
    plan.body = serde_json::from_str(&text).expect("JSON");
    assert!(world.import(&plan).await.changed() > 0);
    let second = reference(&riverside, &rosa).await;
    assert_eq!(
        (&second["id"], &second["identifier"]),
        (&first["id"], &first["identifier"])
    );
    assert_ne!(second["masterIdentifier"], first["masterIdentifier"]);
    assert_ne!(second["date"], first["date"]);
    let after = file(&riverside, &pdf, "*/*").await;
    assert!(after.header("etag") != before.header("etag") && after.body != before.body);
    let stale = Ask::get(&format!("/fhir/{pdf}")).with("if-none-match", before.header("etag"));
    assert_eq!(riverside.send(stale).await.status, 200);
}

async fn a_revocation_between_the_reference_and_the_file_holds(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let found = reference(&riverside, &rosa).await;
    let paths = ["text/html", "application/pdf"].map(|media| path(&found, media));
    assert_eq!(file(&riverside, &paths[0], "*/*").await.status, 200);
    let mut revoked = demo_record("consent", "rosa-riverside");
    revoked.body["status"] = "REVOKED".into();
    revoked.body["revokedAt"] = "11/21/2026 6:30 AM".into();
    assert!(world.import(&revoked).await.changed() > 0);
    for path in &paths {
        let gone = file(&riverside, path, "*/*").await;
        let absent = file(&riverside, "Binary/0123456789abcdef0123456789abcdef-pdf", "*/*").await;
        assert_eq!(gone.status, 404);
        assert_eq!(gone.body, absent.body, "withheld and absent are one answer");
    }
    // Another partner's document is nobody's business either.
    let maple = world.partner(MAPLE).await;
    assert_eq!(file(&maple, &paths[1], "*/*").await.status, 404);
}

async fn without_a_plan_there_is_no_document(engine: Engine) {
    let world = World::empty(engine).await;
    for record in records("marcus").filter(|one| one.record != "care-plan") {
        world.import(record).await;
    }
    let marcus = world.id_of(Person::MARCUS).await;
    for who in [MAPLE, RIVERSIDE, BRIGID] {
        let partner = world.partner(who).await;
        let found = partner.get(&format!("DocumentReference?patient={marcus}")).await;
        assert_eq!((found.status, found.matches().len()), (200, 0), "{}", who.name);
    }
}

async fn an_emergency_has_a_document_of_its_own(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let county = world.county(true).await;
    let emergency = county.for_purpose("ETREAT").await;
    let nothing = emergency.get(&format!("DocumentReference?patient={rosa}")).await;
    assert!(nothing.matches().is_empty());
    let granted = county.break_glass(&numbered(Person::ROSA), "no").await;
    let grant = parameter(&granted, "grant");
    let found = reference(&emergency, &rosa).await;
    let answer = file(&emergency, &path(&found, "text/html"), "*/*").await;
    assert_eq!(answer.status, 200);
    let text = text_of(&answer).expect("a page");
    assert!(
        text.contains("Opioid overdose"),
        "an emergency opens what a consent denies"
    );
    let disclosed = world.events().await;
    let last = disclosed
        .iter()
        .rfind(|event| event.kind == "disclosure")
        .expect("an event");
    assert!(last.body.contains(&format!("Grant/{grant}")), "{}", last.body);
    world.clock.advance(4 * 3600 + 1);
    let ended = county.for_purpose("ETREAT").await;
    assert_eq!(file(&ended, &path(&found, "text/html"), "*/*").await.status, 404);
}

async fn who_may_see_the_reference_may_have_the_file(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let path = path(&reference(&maple, &rosa).await, "application/pdf");
    for (scope, status) in [
        ("system/DocumentReference.rs", 200),
        ("system/Binary.r", 200),
        ("system/Condition.rs", 403),
        ("system/DocumentReference.s", 403),
    ] {
        let answer = maple.ask_token(scope, &[]).await;
        let token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let ask = Ask::get(&format!("/fhir/{path}")).bearer(&token);
        assert_eq!(world.send(ask).await.status, status, "{scope}");
    }
}

async fn a_document_is_found_by_what_us_core_searches(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let found = reference(&maple, &rosa).await;
    let id = found["id"].as_str().expect("an id");
    let category = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category|clinical-note";
    for query in [
        format!("_id={id}"),
        format!("patient={rosa}&category={category}"),
        format!("patient={rosa}&category={category}&date=ge2026-11-21"),
        format!("patient={rosa}&date=le2026-11-21T23:59:59Z&date=gt2026-11-20"),
        format!("patient={rosa}&type=http://loinc.org|18776-5"),
        format!("patient={rosa}&status=current&period=ge2026-12"),
        format!("patient={rosa}&_lastUpdated=ge2026-11-21"),
        format!(
            "patient={rosa}&identifier={}",
            found["identifier"][0]["value"].as_str().expect("a value")
        ),
    ] {
        let query = query.replace('|', "%7C");
        let answer = maple.get(&format!("DocumentReference?{query}")).await;
        let made: Vec<Value> = answer
            .matches()
            .into_iter()
            .filter(|one| one["masterIdentifier"].is_object())
            .collect();
        assert_eq!(made, std::slice::from_ref(&found), "{query}: {}", answer.text());
    }
    for query in ["date=lt2026-11-21", "type=34133-9", "status=superseded"] {
        let answer = maple
            .get(&format!("DocumentReference?patient={rosa}&{query}"))
            .await;
        assert!(!answer.matches().contains(&found), "{query}");
    }
    let with = maple
        .get(&format!(
            "DocumentReference?_id={id}&_revinclude=Provenance:target"
        ))
        .await;
    let provenance = world.gateway.rules.data_sets["primary-care"].profile("Provenance");
    let expected = 1 + usize::from(provenance.is_some());
    assert_eq!(with.resources().len(), expected, "{}", with.text());
    assert_eq!(maple.get(&format!("DocumentReference/{id}")).await.json(), found);
}
