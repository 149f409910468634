//! Break-glass: what it opens, for whom, and what it never does. The answer to the call tells nothing of what the record
//! holds. SEMANTICS 4; 42 CFR 2.51, 2.13(c), 45 CFR 164.508(a)(2), 164.522(a)(1)(iii)

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Engine, Kept, MAPLE, Partner, Person, World, emergency, numbered, parameter, records, stories,
};

stories!(
    a_stranger_who_breaks_the_glass_gets_the_crisis_set_and_only_in_the_emergency,
    a_refused_consent_gives_way_and_part_2_content_only_to_medical_personnel,
    notes_of_therapy_are_never_opened,
    nobody_several_and_the_unacknowledged_are_one_answer,
    the_answer_is_the_same_whatever_the_record_holds,
    all_but_the_narrative_is_required_and_each_problem_is_named,
    only_partners_registered_for_emergencies_may,
);

/// `Type/id` of all that this partner finds.
async fn seen(partner: &Partner<'_>, patient: &str) -> BTreeSet<String> {
    partner.everything(patient).await.into_keys().collect()
}

async fn a_stranger_who_breaks_the_glass_gets_the_crisis_set_and_only_in_the_emergency(engine: Engine) {
    let world = World::demo(engine).await;
    let county = world.county(false).await;
    let marcus = world.id_of(Person::MARCUS).await;
    let asserted = county.for_purpose("ETREAT").await;
    assert!(seen(&county, &marcus).await.is_empty());
    assert!(
        seen(&asserted, &marcus).await.is_empty(),
        "an emergency only asserted opens nothing"
    );
    let person = json!({"resourceType": "Patient", "name": [{"family": "OYELARAN SYNTHETIC", "given": ["marcus"]}],
        "birthDate": "1994-11-02", "gender": "male"});
    let granted = county.break_glass(&person, "no").await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(parameter(&granted, "patient"), format!("Patient/{marcus}"));
    assert_eq!(parameter(&granted, "until"), "2026-11-21T16:00:00.000Z");
    assert!(parameter(&granted, "use").contains("ETREAT"));
    // The token it had is enough: what counts is the purpose of each request.
    let opened = asserted.everything(&marcus).await;
    let kinds: BTreeSet<&str> = opened
        .values()
        .filter_map(|one| one["resourceType"].as_str())
        .collect();
    for kind in ["Patient", "CarePlan", "MedicationRequest", "RiskAssessment"] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    let set = world.gateway.rules.policy.break_glass();
    for one in opened.values() {
        let profile = one["meta"]["profile"][0].as_str().unwrap_or_default();
        assert!(
            profile.contains(&format!("/{set}-")),
            "{profile} is not of the set of break-glass"
        );
    }
    assert!(
        seen(&county, &marcus).await.is_empty(),
        "a token for treatment sees what it saw"
    );
    let rosa = world.id_of(Person::ROSA).await;
    assert!(seen(&asserted, &rosa).await.is_empty(), "nobody else is opened");
}

/// Rosa's records, in which every partner's consent was refused.
async fn refused(engine: Engine) -> World {
    let world = World::empty(engine).await;
    for record in records("rosa").cloned() {
        let mut record = record;
        if record.record == "consent" {
            record.body["status"] = "REFUSED".into();
        }
        world.import(&record).await;
    }
    world
}

async fn a_refused_consent_gives_way_and_part_2_content_only_to_medical_personnel(engine: Engine) {
    let cases = [(true, "no", true), (true, "refused", false), (false, "no", false)];
    for (medical, obtainable, opens) in cases {
        let world = refused(engine).await;
        let county = world.county(medical).await;
        let rosa = world.id_of(Person::ROSA).await;
        let emergency = county.for_purpose("ETREAT").await;
        assert!(seen(&emergency, &rosa).await.is_empty());
        let granted = county.break_glass(&numbered(Person::ROSA), obtainable).await;
        assert_eq!(granted.status, 200, "{}", granted.text());
        let all = emergency.everything(&rosa).await;
        let text = Value::from_iter(all).to_string();
        assert!(text.contains("CarePlan"), "a consent that denies gives way");
        let told = text.contains("42CFRPart2") || text.contains("pioid") || text.contains("uprenorphine");
        assert_eq!(
            told, opens,
            "medical personnel: {medical}, consent obtainable: {obtainable}"
        );
        if opens {
            let events = world.events().await;
            let on_what = events
                .iter()
                .any(|e| e.kind == "disclosure" && e.body.contains("emergency"));
            assert!(on_what, "the log states on what basis");
        }
    }
}

fn labelled(one: &mut Kept, system: &str, code: &str) {
    one.body["meta"]["security"] = json!([{"system": system, "code": code}]);
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const NOTE_KIND: &str = "https://postern.example/fhir/CodeSystem/note-kind";

async fn notes_of_therapy_are_never_opened(engine: Engine) {
    let marcus: Vec<_> = records("marcus").cloned().collect();
    let mut all = World::empty(engine).await.converted(&marcus);
    let own = |one: &&mut Kept| one.patient.is_some() && one.body["resourceType"] == "MedicationRequest";
    let mut notes: Vec<&mut Kept> = all.iter_mut().filter(own).collect();
    assert!(notes.len() >= 2, "two to relabel");
    labelled(notes[0], ACT_CODE, "PSYTHPN");
    labelled(notes[1], NOTE_KIND, "sud-counseling-notes");
    let closed: Vec<String> = notes.iter().take(2).map(|one| one.reference()).collect();
    let world = World::holding(engine, &all).await;
    let county = world.county(true).await;
    let marcus = world.id_of(Person::MARCUS).await;
    let granted = county.break_glass(&numbered(Person::MARCUS), "no").await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let emergency = county.for_purpose("ETREAT").await;
    let seen = seen(&emergency, &marcus).await;
    assert!(seen.iter().any(|one| one.starts_with("CarePlan/")));
    for note in closed {
        assert!(!seen.contains(&note), "{note}");
        assert_eq!(emergency.get(&note).await.status, 404);
    }
}

type Told = (u16, Vec<(String, Vec<u8>)>, Vec<u8>);

/// All a caller has of an answer but the request's own id.
fn told(answer: &Answer) -> Told {
    let mut headers: Vec<(String, Vec<u8>)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.body.clone())
}

/// The person of these resources under another id and number.
fn twin(all: &[Kept]) -> Kept {
    let patient = all.iter().find(|one| one.body["resourceType"] == "Patient");
    let mut twin = patient.expect("a person").clone();
    twin.body["id"] = "twin".into();
    twin.body["identifier"] = json!([{"system": "https://hearthstone.example/ids/client", "value": "HCS-1"}]);
    twin.patient = Some("twin".to_owned());
    twin
}

fn marcus_in_words() -> Value {
    json!({"resourceType": "Patient", "name": [{"family": "Oyelaran-Synthetic", "given": ["Marcus"]}],
        "birthDate": "1994-11-02", "address": [{"postalCode": "62703"}]})
}

async fn nobody_several_and_the_unacknowledged_are_one_answer(engine: Engine) {
    let marcus: Vec<_> = records("marcus").cloned().collect();
    let base = World::empty(engine).await.converted(&marcus);
    let mut answers = Vec::new();

    let absent = World::empty(engine).await;
    let county = absent.county(true).await;
    answers.push(("nobody", county.break_glass(&marcus_in_words(), "no").await));

    let several: Vec<Kept> = base.iter().cloned().chain([twin(&base)]).collect();
    let several = World::holding(engine, &several).await;
    let county = several.county(true).await;
    answers.push(("several", county.break_glass(&marcus_in_words(), "no").await));
    let by_number = county.break_glass(&numbered(Person::MARCUS), "no").await;
    assert_eq!(by_number.status, 200, "a number tells them apart");

    let mut whole = base.clone();
    whole
        .iter_mut()
        .filter(|one| one.patient.is_some())
        .for_each(|one| labelled(one, ACT_CODE, "42CFRPart2"));
    for (medical, obtainable) in [(false, "no"), (true, "refused")] {
        let hidden = World::holding(engine, &whole).await;
        let county = hidden.county(medical).await;
        let answer = county.break_glass(&marcus_in_words(), obtainable).await;
        answers.push(("not acknowledged", answer));
        // Staff learn of it at once, whatever the caller learns.
        let waiting = hidden.gateway.store.notices("queued", 10).await.expect("reads");
        assert_eq!(waiting.len(), 1);
        let events = hidden.events().await;
        let event = events
            .iter()
            .find(|e| e.kind == "break-glass")
            .expect("on the log");
        assert!(event.patient.starts_with("Patient/") && event.body.contains("may not be acknowledged"));
        let emergency = county.for_purpose("ETREAT").await;
        let patient = hidden.id_of(Person::MARCUS).await;
        assert_eq!(
            emergency.get(&format!("Patient/{patient}")).await.status,
            404,
            "no grant was given"
        );
    }
    for (what, answer) in &answers {
        assert_eq!(told(answer), told(&answers[0].1), "{what}");
        assert_eq!(answer.status, 404);
    }
    let shown = World::holding(engine, &whole).await;
    let county = shown.county(true).await;
    let answer = county.break_glass(&marcus_in_words(), "no").await;
    assert_eq!(
        answer.status,
        200,
        "medical personnel in an emergency: {}",
        answer.text()
    );
}

async fn the_answer_is_the_same_whatever_the_record_holds(engine: Engine) {
    let rosa: Vec<_> = records("rosa").cloned().collect();
    let full = World::empty(engine).await.converted(&rosa);
    let bare: Vec<Kept> = full
        .iter()
        .filter(|one| one.body["resourceType"] == "Patient")
        .cloned()
        .collect();
    let mut answers = Vec::new();
    for resources in [full, bare] {
        let world = World::holding(engine, &resources).await;
        let county = world.county(false).await;
        let body = emergency(&numbered(Person::ROSA), "unknown");
        let ask = crate::harness::Ask::post("/fhir/Patient/$break-glass", body.to_string());
        answers.push(county.send(ask.with("x-request-id", "the-same")).await);
    }
    assert_eq!(answers[0].status, 200, "{}", answers[0].text());
    assert_eq!(told(&answers[0]), told(&answers[1]));
}

async fn all_but_the_narrative_is_required_and_each_problem_is_named(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let county = world.county(true).await;
    let nothing = county
        .call("Patient/$break-glass", &json!({"resourceType": "Parameters"}))
        .await;
    assert_eq!(nothing.status, 400);
    let issues = nothing.json()["issue"].as_array().cloned().unwrap_or_default();
    assert_eq!(issues.len(), 6, "{}", nothing.text());
    for name in [
        "resource",
        "requester-name",
        "affiliation",
        "role",
        "reason",
        "consent-obtainable",
    ] {
        let named = |issue: &Value| issue["expression"][0].as_str().is_some_and(|e| e.contains(name));
        assert!(issues.iter().any(named), "{name}");
    }
    let mut wrong = emergency(&numbered(Person::MARCUS), "perhaps");
    wrong["parameter"][4]["valueCode"] = "curiosity".into();
    let wrong = county.call("Patient/$break-glass", &wrong).await;
    assert_eq!(wrong.status, 400);
    assert!(!wrong.text().contains("curiosity") && !wrong.text().contains("perhaps"));
    for body in [
        "",
        "[]",
        "{\"resourceType\":\"Parameters\",\"parameter\":{}}",
        "<Parameters",
    ] {
        let ask = crate::harness::Ask::post("/fhir/Patient/$break-glass", body);
        assert_eq!(county.send(ask).await.status, 400, "{body}");
    }
    let xml = format!(
        "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"identifier\"/><valueIdentifier><system value=\"{}\"/>\
         <value value=\"{}\"/></valueIdentifier></parameter><parameter><name value=\"requester-name\"/><valueString value=\"L\"/>\
         </parameter><parameter><name value=\"affiliation\"/><valueString value=\"C\"/></parameter><parameter><name value=\"role\"/>\
         <valueString value=\"physician\"/></parameter><parameter><name value=\"reason\"/><valueCode value=\"injury\"/></parameter>\
         <parameter><name value=\"consent-obtainable\"/><valueCode value=\"unknown\"/></parameter></Parameters>",
        Person::MARCUS.system,
        Person::MARCUS.identifier
    );
    let ask = crate::harness::Ask::post("/fhir/Patient/%24break-glass", xml)
        .with("content-type", "application/fhir+xml")
        .with("accept", "application/fhir+xml");
    let answer = county.send(ask).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("<Parameters"));
}

async fn only_partners_registered_for_emergencies_may(engine: Engine) {
    let world = World::of(engine, "marcus").await;
    let maple = world.partner(MAPLE).await;
    let refused = maple.break_glass(&numbered(Person::MARCUS), "no").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let mut county = world.county(false).await;
    county.narrow("system/CarePlan.rs").await;
    assert_eq!(
        county.break_glass(&numbered(Person::MARCUS), "no").await.status,
        403
    );
    county.narrow("system/Patient.r").await;
    assert_eq!(
        county.break_glass(&numbered(Person::MARCUS), "no").await.status,
        200
    );
    county.token = "unknown".to_owned();
    let unknown = county.call("Patient/$break-glass", &json!({})).await;
    assert_eq!(unknown.status, 401, "who calls is asked first");
}
