//! What staff are told of a release: for everybody of the demo and every partner, each thing kept back with its reason, its law and
//! a change that works; what-if; and who may look. 45 CFR 171.202(b), 164.514(d)

use axum::http::Method;
use postern::gateway::{Look, StaffMember};
use serde_json::{Value, json};

use crate::harness::{Answer, Ask, BRIGID, Engine, MAPLE, Person, RIVERSIDE, STRANGER, World, stories};

stories!(
    each_thing_kept_back_has_a_reason_and_the_change_printed_releases_it,
    only_compliance_and_clinical_staff_look_and_each_look_is_on_the_log,
    a_stranger_and_an_unknown_person_are_said_clearly,
    what_if_is_checked_before_it_is_believed,
);

async fn staff(world: &World, id: &str, role: &str) -> String {
    let added = world
        .gateway
        .add_staff(id, id, role, false, "test operator")
        .await;
    added.expect("a known role")
}

async fn look(world: &World, token: &str, patient: &str, partner: &str, more: &str) -> Answer {
    let path = format!("/staff/preview?patient={patient}&as={partner}&purpose=TREAT{more}");
    world
        .send(Ask::post(&path, "").method(Method::GET).bearer(token))
        .await
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

async fn supposing(world: &World, patient: &str, partner: &str, with: Vec<Value>, grant: bool) -> Value {
    let look = Look {
        patient: patient.to_owned(),
        partner: partner.to_owned(),
        purpose: "TREAT".to_owned(),
        without: Vec::new(),
        with,
        grant,
    };
    let staff = StaffMember::operator("test operator");
    let looked = world.gateway.preview(&staff, &look, &world.unique("look")).await;
    looked.expect("a good look").to_json()
}

/// Is the thing at this path no longer kept back, its resource in the release?
fn is_released(told: &Value, path: &str) -> bool {
    let reference = path.split('#').next().unwrap_or_default();
    list(told, "released")
        .iter()
        .any(|one| one["reference"] == reference)
        && !list(told, "withheld").iter().any(|one| one["path"] == path)
}

async fn each_thing_kept_back_has_a_reason_and_the_change_printed_releases_it(engine: Engine) {
    let world = World::demo(engine).await;
    for who in [MAPLE, RIVERSIDE, BRIGID, STRANGER] {
        world.register(who).await;
    }
    let kim = staff(&world, "kim", "compliance").await;
    let (mut reasons, mut none, mut proven) = (0, 0, 0);
    for person in [Person::ROSA, Person::MARCUS, Person::TAMSIN] {
        let patient = world.id_of(person).await;
        let record = world.gateway.load_record(&patient).await.expect("reads");
        for who in [MAPLE, RIVERSIDE, BRIGID, STRANGER] {
            let answer = look(&world, &kim, &patient, who.id, "").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let told = answer.json();
            if let Some(denied) = told.get("denied") {
                let (criterion, law) = (denied["criterion"].as_str(), denied["law"].as_str());
                assert!(
                    criterion.is_some_and(|text| !text.is_empty())
                        && law.is_some_and(|text| !text.is_empty())
                );
                assert!(
                    !list(&denied["smallestChange"], "steps").is_empty(),
                    "{}: {denied}",
                    who.id
                );
                continue;
            }
            let mut changes: Vec<&Value> = Vec::new();
            for reason in list(&told, "withheld") {
                reasons += 1;
                for key in ["path", "rule", "why", "standsAt", "law"] {
                    assert!(
                        reason[key].as_str().is_some_and(|text| !text.is_empty()),
                        "{key}: {reason}"
                    );
                }
                let steps = list(&reason["smallestChange"], "steps");
                let sentence = reason["smallestChange"]["sentence"].as_str().unwrap_or_default();
                assert_eq!(steps.is_empty(), sentence.starts_with("None"), "{reason}");
                none += usize::from(steps.is_empty());
                if steps.len() == 1 && !changes.contains(&&reason["smallestChange"]["steps"]) {
                    changes.push(&reason["smallestChange"]["steps"]);
                }
            }
            for steps in changes {
                let step = &steps[0];
                let with = match step["step"].as_str() {
                    Some("withdraw-provision") => without_provision(&record, step),
                    Some("new-consent") => vec![consent(&patient, who.npi, step)],
                    Some("break-glass") => Vec::new(),
                    _ => continue,
                };
                let grant = step["step"] == "break-glass";
                if with.is_empty() && !grant {
                    continue;
                }
                let after = supposing(&world, &patient, who.id, with, grant).await;
                for reason in list(&told, "withheld")
                    .iter()
                    .filter(|r| &r["smallestChange"]["steps"] == steps)
                {
                    let path = reason["path"].as_str().unwrap_or_default();
                    assert!(is_released(&after, path), "{} {path}: {steps}\n{after:#}", who.id);
                    proven += 1;
                }
            }
        }
    }
    println!(
        "{reasons} reasons, {none} without a change, {proven} changes made by other means and found to work"
    );
    assert!(reasons > 100 && proven > 10 && none * 3 < reasons);
}

/// The consent as it is after the person took the provision back.
fn without_provision(record: &postern_rules::disclosure::Record, step: &Value) -> Vec<Value> {
    let reference = step["consent"].as_str().unwrap_or_default();
    let path = step["provision"].as_str().unwrap_or_default();
    let Some(stored) = record.resources.iter().find(|one| one.reference() == reference) else {
        return Vec::new();
    };
    let index = path
        .strip_prefix("provision[")
        .and_then(|rest| rest.strip_suffix(']'));
    let Some(index) = index.and_then(|text| text.parse::<usize>().ok()) else {
        return Vec::new();
    };
    let mut body = stored.body.clone();
    body["provision"]["provision"]
        .as_array_mut()
        .expect("nested provisions")
        .remove(index);
    if body["provision"]["provision"] == json!([]) {
        body["provision"]
            .as_object_mut()
            .expect("a provision")
            .shift_remove("provision");
    }
    vec![body]
}

/// A whole consent by the person for this recipient and these labels.
fn consent(patient: &str, npi: &str, step: &Value) -> Value {
    let ours = |name: &str| format!("https://postern.example/fhir/StructureDefinition/{name}");
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let labels: Vec<Value> = list(step, "labels")
        .iter()
        .map(|code| {
            let code = code.as_str().unwrap_or_default();
            let system = if code.len() == 1 {
                "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
            } else {
                act
            };
            json!({"system": system, "code": code})
        })
        .collect();
    let elements: Vec<Value> = [
        "patientName",
        "discloser",
        "description",
        "recipient",
        "purpose",
        "rightToRevoke",
        "expiry",
        "signature",
        "dateSigned",
        "redisclosureStatement",
        "consequencesOfRefusal",
    ]
    .iter()
    .map(|name| json!({"url": name, "valueBoolean": true}))
    .collect();
    let rule = if step["part2"] == true {
        "42CFRPart2CD"
    } else {
        "HIPAAAuthCD"
    };
    let kind = if step["part2"] == true {
        "specific"
    } else {
        "hipaa-authorization"
    };
    let mut consent = json!({
        "resourceType": "Consent", "id": "supposed", "status": "active",
        "extension": [
            {"url": ours("consent-kind"), "valueCode": kind},
            {"url": ours("consent-part2-elements"), "extension": elements},
            {"url": ours("consent-right-to-revoke"), "valueString": "in writing"}],
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{patient}")},
        "performer": [{"reference": format!("Patient/{patient}")}],
        "dateTime": "2026-11-21T11:00:00Z",
        "policyRule": {"coding": [{"system": act, "code": rule}]},
        "verification": [{"verified": true, "verificationDate": "2026-11-20"}],
        "provision": {"type": "permit", "period": {"start": "2026-11-20", "end": "2027-06-01"},
            "actor": [{"role": {"coding": [{"code": "IRCP"}]},
                "reference": {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": npi}}}],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
    });
    if !labels.is_empty() {
        consent["provision"]["securityLabel"] = labels.into();
    }
    consent
}

async fn only_compliance_and_clinical_staff_look_and_each_look_is_on_the_log(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    for (role, status) in [
        ("compliance", 200),
        ("clinical", 200),
        ("frontline", 403),
        ("admin", 403),
    ] {
        let token = staff(&world, &format!("staff-{role}"), role).await;
        assert_eq!(
            look(&world, &token, &rosa, "maple", "").await.status,
            status,
            "{role}"
        );
    }
    assert_eq!(
        look(&world, &maple.token, &rosa, "maple", "").await.status,
        401,
        "partners are no staff"
    );
    let record = world.gateway.load_record(&rosa).await.expect("reads");
    let consent = record.of_type("Consent").next().expect("a consent").id.clone();
    let token = staff(&world, "lee", "compliance").await;
    let told = look(&world, &token, &rosa, "maple", &format!("&without={consent}")).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(
        told.json()["supposed"],
        json!([format!("Consent/{consent} taken away")])
    );
    let events = world.events().await;
    let last = events.last().expect("an event");
    assert_eq!(
        (last.kind.as_str(), last.purpose.as_str(), last.actor.as_str()),
        ("staff-read", "HCOMPL", "lee")
    );
    assert_eq!(last.patient, format!("Patient/{rosa}"));
    assert!(
        last.body.contains("preview-for") && last.body.contains("taken away") && last.body.contains("TREAT")
    );
    let looks = events.iter().filter(|event| event.kind == "staff-read").count();
    assert_eq!(looks, 3, "what was refused showed nothing");
}

async fn a_stranger_and_an_unknown_person_are_said_clearly(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    world.register(STRANGER).await;
    let kim = staff(&world, "kim", "compliance").await;
    let rosa = world.id_of(Person::ROSA).await;
    let told = look(&world, &kim, &rosa, "stranger", "").await.json();
    assert_eq!(told["denied"]["refusal"], "no-relationship");
    assert!(
        told["denied"]["smallestChange"]["sentence"]
            .as_str()
            .is_some_and(|text| text.contains("referral"))
    );
    for (patient, partner) in [
        ("nobody", "stranger"),
        (rosa.as_str(), "no-such"),
        ("a%7Cb", "stranger"),
    ] {
        let answer = look(&world, &kim, patient, partner, "").await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let by_identifier = Look {
        patient: format!("{}|{}", Person::ROSA.system, Person::ROSA.identifier),
        partner: "stranger".to_owned(),
        purpose: "TREAT".to_owned(),
        ..Look::default()
    };
    let staff = StaffMember::operator("test operator");
    let looked = world
        .gateway
        .preview(&staff, &by_identifier, "by-identifier")
        .await;
    assert_eq!(looked.expect("found").explanation.patient, rosa);
}

async fn what_if_is_checked_before_it_is_believed(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    world.register(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    let staff = StaffMember::operator("test operator");
    let good = consent(&rosa, MAPLE.npi, &json!({"labels": [], "part2": false}));
    let mut somebody_else = good.clone();
    somebody_else["patient"] = json!({"reference": "Patient/else"});
    let mut no_consent = good.clone();
    no_consent["status"] = json!("perhaps");
    for (with, without) in [
        (vec![somebody_else], vec![]),
        (vec![json!({"resourceType": "Goal"})], vec![]),
        (vec![no_consent, json!(7)], vec![]),
        (vec![], vec!["Consent/none".to_owned()]),
    ] {
        let look = Look {
            patient: rosa.clone(),
            partner: "maple".to_owned(),
            purpose: "TREAT".to_owned(),
            without,
            with,
            grant: false,
        };
        assert!(world.gateway.preview(&staff, &look, "refused").await.is_err());
    }
    let told = supposing(&world, &rosa, "maple", vec![good], false).await;
    assert!(
        told["supposed"][0]
            .as_str()
            .is_some_and(|text| text.starts_with("Consent/supposed added"))
    );
}
