//! Whom a partner may find, and what it may ask staff for: `Patient/$match` over what is released to it, and
//! `Patient/[id]/$request-more`. <https://hl7.org/fhir/R4/patient-operation-match.html>, 42 CFR 2.13(c)

use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, BRIGID, Engine, Kept, MAPLE, Person, STRANGER, World, numbered, parameters, records, stories,
};

stories!(
    a_partner_finds_the_person_it_has_to_do_with,
    hidden_absent_and_ambiguous_are_one_empty_searchset,
    what_is_not_released_takes_no_part,
    hidden_and_absent_take_the_same_number_of_reads,
    every_problem_of_a_match_is_named,
    a_treating_partner_asks_staff_for_more,
    the_operations_stand_in_the_statement,
);

fn rosa_in_words() -> Value {
    json!({"resourceType": "Patient", "name": [{"family": "delgado synthetic", "given": ["ROSA"]}],
        "birthDate": "1987-03-14", "telecom": [{"system": "phone", "value": "+1 (217) 555-0142"}]})
}

async fn a_partner_finds_the_person_it_has_to_do_with(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    for person in [rosa_in_words(), numbered(Person::ROSA)] {
        let found = maple.call("Patient/$match", &parameters(&person)).await;
        assert_eq!(found.status, 200, "{}", found.text());
        assert_eq!(found.references(), [format!("Patient/{rosa}")]);
        let bundle = found.json();
        assert_eq!(
            (&bundle["type"], &bundle["total"]),
            (&json!("searchset"), &json!(1))
        );
        let search = &bundle["entry"][0]["search"];
        assert_eq!(search["extension"][0]["valueCode"], "certain", "{search}");
        assert_eq!(
            search["extension"][0]["url"],
            "http://hl7.org/fhir/StructureDefinition/match-grade"
        );
        assert!(search["score"].as_f64().is_some_and(|score| score > 0.9));
        assert_eq!(postern_rules::fhir::gate::check(&bundle), []);
    }
    // As a Patient alone, and with what R4 defines beside it.
    let alone = maple.call("Patient/$match", &rosa_in_words()).await;
    assert_eq!(alone.references().len(), 1);
    let mut more = parameters(&rosa_in_words());
    let list = more["parameter"].as_array_mut().expect("a list");
    list.push(json!({"name": "onlyCertainMatches", "valueBoolean": true}));
    list.push(json!({"name": "count", "valueInteger": 5}));
    let ask = Ask::post("/fhir/Patient/%24match", more.to_string()).with("accept", "application/fhir+xml");
    let xml = maple.send(ask).await;
    assert_eq!((xml.status, xml.references().len()), (200, 1));
}

fn body(answer: &Answer) -> (u16, String) {
    (answer.status, answer.text())
}

async fn hidden_absent_and_ambiguous_are_one_empty_searchset(engine: Engine) {
    let rosa: Vec<_> = records("rosa").cloned().collect();
    let base = World::empty(engine).await.converted(&rosa);
    let empty = World::empty(engine).await;
    let absent = empty
        .partner(STRANGER)
        .await
        .call("Patient/$match", &parameters(&rosa_in_words()))
        .await;
    assert_eq!((absent.status, absent.references().len()), (200, 0));
    let full = World::holding(engine, &base).await;
    let stranger = full.partner(STRANGER).await;
    let hidden = stranger
        .call("Patient/$match", &parameters(&rosa_in_words()))
        .await;
    assert_eq!(body(&hidden), body(&absent), "somebody it has nothing to do with");
    let numbered = stranger
        .call("Patient/$match", &parameters(&numbered(Person::ROSA)))
        .await;
    assert_eq!(body(&numbered), body(&absent));

    // A twin it has nothing to do with changes nothing; one it knows as well makes the match ambiguous.
    let patient = base.iter().find(|one| one.body["resourceType"] == "Patient");
    let mut twin = patient.expect("a person").clone();
    let rosa_id = twin.body["id"].as_str().expect("an id").to_owned();
    twin.body["id"] = "twin".into();
    twin.body["identifier"] = json!([{"system": Person::ROSA.system, "value": "HCS-1"}]);
    twin.patient = Some("twin".to_owned());
    let mut two: Vec<Kept> = base.iter().cloned().chain([twin]).collect();
    let world = World::holding(engine, &two).await;
    let maple = world.partner(MAPLE).await;
    let found = maple.call("Patient/$match", &parameters(&rosa_in_words())).await;
    assert_eq!(found.references(), [format!("Patient/{rosa_id}")]);
    let related: Vec<Kept> = base
        .iter()
        .filter(|one| one.patient.is_some())
        .filter(|one| one.body["resourceType"] == "Consent" || one.body["resourceType"] == "CareTeam")
        .cloned()
        .map(|mut one| {
            let text = one.body.to_string().replace(&rosa_id, "twin");
            one.body = serde_json::from_str(&text).expect("JSON");
            let id = format!("t{}", one.body["id"].as_str().expect("an id"));
            one.body["id"] = id.into();
            one.patient = Some("twin".to_owned());
            one
        })
        .collect();
    two.extend(related);
    let world = World::holding(engine, &two).await;
    let maple = world.partner(MAPLE).await;
    assert_eq!(maple.get("Patient/twin").await.status, 200, "it knows both");
    let several = maple.call("Patient/$match", &parameters(&rosa_in_words())).await;
    assert_eq!(body(&several), body(&absent), "never a guess");
}

async fn what_is_not_released_takes_no_part(engine: Engine) {
    let mut rosa: Vec<_> = records("rosa").cloned().collect();
    for record in rosa.iter_mut().filter(|record| record.record == "consent") {
        let boxes = record.body["sensitive"].as_array_mut().expect("boxes");
        boxes.iter_mut().for_each(|one| one["share"] = "N".into());
    }
    let mut base = World::empty(engine).await.converted(&rosa);
    let patient = base.iter_mut().find(|one| one.body["resourceType"] == "Patient");
    let patient = patient.expect("a person");
    // Where she lives is what she keeps from everyone: violence at home.
    let label = json!({"url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
        "valueCoding": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SDV"}});
    patient.body["address"][0]["extension"] = json!([label]);
    let world = World::holding(engine, &base).await;
    let brigid = world.partner(BRIGID).await;
    let by = |more: Value| {
        let mut person = json!({"resourceType": "Patient", "birthDate": "1987-03-14",
            "name": [{"family": "Delgado-Synthetic", "given": ["Rosa"]}]});
        let object = person.as_object_mut().expect("an object");
        object.extend(more.as_object().expect("an object").clone());
        parameters(&person)
    };
    let right = brigid
        .call(
            "Patient/$match",
            &by(json!({"address": [{"postalCode": "62704"}]})),
        )
        .await;
    let wrong = brigid
        .call(
            "Patient/$match",
            &by(json!({"address": [{"postalCode": "99999"}]})),
        )
        .await;
    assert_eq!(body(&right), body(&wrong), "an address is not guessed by asking");
    let known = brigid
        .call("Patient/$match", &by(json!({"gender": "female"})))
        .await;
    assert_eq!(known.references().len(), 1);
}

/// `S15`: what is asked of the database does not depend on whether somebody is there.
async fn hidden_and_absent_take_the_same_number_of_reads(engine: Engine) {
    let rosa: Vec<_> = records("rosa").cloned().collect();
    let mut base = World::empty(engine).await.converted(&rosa);
    for one in base.iter_mut().filter(|one| one.patient.is_some()) {
        one.body["meta"]["security"] =
            json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}]);
    }
    let mut counted = Vec::new();
    for resources in [&base[..], &[]] {
        let world = World::holding(engine, resources).await;
        let county = world.county(false).await;
        let emergency = county.for_purpose("ETREAT").await;
        // Once for what is remembered of the token.
        emergency.get("Patient/nobody").await;
        let mut reads = Vec::new();
        for _ in 0..2 {
            for partner in [&county, &emergency] {
                let before = world.gateway.store.reads();
                let found = partner
                    .call("Patient/$match", &parameters(&rosa_in_words()))
                    .await;
                assert_eq!((found.status, found.references().len()), (200, 0));
                let matched = world.gateway.store.reads();
                let broken = partner.break_glass(&rosa_in_words(), "no").await;
                assert_eq!(broken.status, 404);
                reads.push((matched - before, world.gateway.store.reads() - matched));
            }
        }
        counted.push(reads);
    }
    assert_eq!(counted[0], counted[1]);
}

async fn every_problem_of_a_match_is_named(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let mut maple = world.partner(MAPLE).await;
    let few = parameters(&json!({"resourceType": "Patient", "name": [{"family": "Delgado-Synthetic"}]}));
    let few = maple.call("Patient/$match", &few).await;
    assert_eq!(few.status, 400);
    for what in ["name.given", "birthDate", "telecom"] {
        assert!(few.text().contains(what), "{what}: {}", few.text());
    }
    assert!(!few.text().contains("Delgado"));
    for wrong in [
        json!({"resourceType": "Parameters"}),
        json!({"resourceType": "Bundle", "type": "collection"}),
        parameters(&json!({"resourceType": "Group", "type": "person", "actual": true})),
    ] {
        assert_eq!(maple.call("Patient/$match", &wrong).await.status, 400, "{wrong}");
    }
    maple.narrow("system/CarePlan.rs").await;
    let refused = maple.call("Patient/$match", &parameters(&rosa_in_words())).await;
    assert_eq!(refused.status, 403);
}

async fn a_treating_partner_asks_staff_for_more(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    let stranger = world.partner(STRANGER).await;
    let rosa = world.id_of(Person::ROSA).await;
    let path = format!("Patient/{rosa}/$request-more");
    let wish = json!({"resourceType": "Parameters", "parameter": [
        {"name": "what", "valueString": "the last laboratory results"},
        {"name": "what", "valueCode": "Observation"},
        {"name": "why", "valueString": "dose of lithium to be reviewed"}]});
    let asked = maple.call(&path, &wish).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let again = maple.call(&path, &wish).await;
    assert_eq!(
        asked.body, again.body,
        "the answer says only that staff were asked"
    );
    let foreign = stranger.call(&path, &wish).await;
    let absent = stranger.call("Patient/nobody/$request-more", &wish).await;
    assert_eq!(foreign.status, 404);
    assert_eq!(foreign.body, absent.body);
    assert_eq!(foreign.body, stranger.get(&format!("Patient/{rosa}")).await.body);
    let lacking = maple.call(&path, &json!({"resourceType": "Parameters"})).await;
    assert_eq!(lacking.status, 400);
    assert!(lacking.text().contains("what: is required") && lacking.text().contains("why: is required"));

    let filter = postern::store::WorkFilter {
        kind: Some("request-more".to_owned()),
        ..Default::default()
    };
    let items = world.gateway.store.work_items(&filter, 10).await.expect("reads");
    assert_eq!(items.len(), 2);
    assert!(items[0].body.contains("lithium") && items[0].due.is_some());
    let events = world.events().await;
    assert_eq!(events.iter().filter(|e| e.kind == "request-more").count(), 2);
    assert!(
        !events.iter().any(|e| e.body.contains("lithium")),
        "its words stay with the item"
    );
    assert!(
        !events.iter().any(|e| e.kind == "disclosure"),
        "nothing was disclosed"
    );
}

async fn the_operations_stand_in_the_statement(engine: Engine) {
    let world = World::empty(engine).await;
    let statement = world.send(Ask::get("/fhir/metadata")).await.json();
    let resources = statement["rest"][0]["resource"].as_array().expect("types");
    let patient = resources
        .iter()
        .find(|one| one["type"] == "Patient")
        .expect("Patient");
    let names: Vec<&str> = patient["operation"]
        .as_array()
        .expect("operations")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["match", "break-glass", "request-more", "everything", "validate"]
    );
    // `$validate` is R4's own, as it stands there.
    for name in names.into_iter().filter(|name| *name != "validate") {
        let definition = world
            .send(Ask::get(&format!("/fhir/OperationDefinition/{name}")))
            .await;
        assert_eq!(definition.status, 200);
        assert_eq!(postern_rules::fhir::gate::check(&definition.json()), []);
    }
    assert_eq!(
        world
            .send(Ask::get("/fhir/OperationDefinition/none"))
            .await
            .status,
        404
    );
}
