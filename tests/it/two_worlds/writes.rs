//! Writes in two worlds: one after the other, each with what is read after it. What a writer does not see changes no answer to what it
//! writes, nor any later read: not where it writes over something hidden, beside it, or towards it. SEMANTICS 5
//!
//! Asked one by one: a write changes what the next one is answered, so neither order nor warmth may differ.

use axum::http::Method;
use postern::store::WorkFilter;
use serde_json::{Value, json};

use super::compare::told;
use super::thing::{self, Over, Thing, last};
use crate::harness::{
    Answer, Ask, BRIGID, Engine, JSON_PATCH, Kept, MAPLE, Partner, RIVERSIDE, Who, World, stories,
};

stories!(
    a_reason_that_is_written_over_leaves_no_trace,
    a_note_beside_which_is_written_leaves_no_trace,
    an_output_beside_which_is_written_leaves_no_trace,
    a_period_that_is_written_over_leaves_no_trace,
    a_hidden_item_of_another_element_leaves_no_trace,
    a_description_that_is_proposed_over_leaves_no_trace,
);

async fn a_reason_that_is_written_over_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_reason).await;
}

async fn a_note_beside_which_is_written_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_note).await;
}

async fn an_output_beside_which_is_written_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_output).await;
}

async fn a_period_that_is_written_over_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_period).await;
}

async fn a_hidden_item_of_another_element_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_note_beside).await;
}

async fn a_description_that_is_proposed_over_leaves_no_trace(engine: Engine) {
    hold_over(engine, thing::hidden_description).await;
}

/// Everybody of the corpus, by their place in it.
const WHO: [Who; 3] = [MAPLE, RIVERSIDE, BRIGID];
const BSER: &str = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS";
const FHIR_JSON: &str = "application/fhir+json";

/// The answers of one world, each with what was asked.
type Told = Vec<(String, Answer)>;

struct Script<'w> {
    partner: Partner<'w>,
    told: Told,
    /// Of the last read or write that had one.
    etag: String,
}

impl Script<'_> {
    async fn ask(&mut self, what: &str, ask: Ask) -> Answer {
        let request = format!("w-{}", self.told.len());
        let answer = self.partner.send(ask.with("x-request-id", &request)).await;
        if !answer.header("etag").is_empty() {
            answer.header("etag").clone_into(&mut self.etag);
        }
        self.told.push((what.to_owned(), answer.clone()));
        answer
    }

    async fn read(&mut self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), Ask::get(&format!("/fhir/{path}")))
            .await
    }

    async fn patch(&mut self, path: &str, version: &str, operations: Value) -> Answer {
        let ask = Ask::post(&format!("/fhir/{path}"), operations.to_string())
            .method(Method::PATCH)
            .with("content-type", JSON_PATCH)
            .with("if-match", version);
        self.ask(&format!("PATCH {path} {operations}"), ask).await
    }

    /// Of what was read last.
    async fn patch_now(&mut self, path: &str, operations: Value) -> Answer {
        let version = self.etag.clone();
        self.patch(path, &version, operations).await
    }

    async fn put_now(&mut self, path: &str, body: &Value) -> Answer {
        let ask = Ask::post(&format!("/fhir/{path}"), body.to_string())
            .method(Method::PUT)
            .with("content-type", FHIR_JSON)
            .with("if-match", &self.etag.clone());
        self.ask(&format!("PUT {path}"), ask).await
    }

    async fn post(&mut self, path: &str, body: &Value, condition: Option<&str>) -> Answer {
        let mut ask = Ask::post(&format!("/fhir{path}"), body.to_string()).with("content-type", FHIR_JSON);
        if let Some(condition) = condition {
            ask = ask.with("if-none-exist", condition);
        }
        self.ask(&format!("POST {path} {condition:?}"), ask).await
    }
}

/// The scripts in a world that holds these resources.
async fn told_in(engine: Engine, resources: &[Kept], who: Who, script: &Asked<'_>) -> Told {
    let world = World::holding(engine, resources).await;
    let partner = world.writer(who).await;
    let mut told = Script {
        partner,
        told: Vec::new(),
        etag: "W/\"0\"".to_owned(),
    };
    match script {
        Asked::About(thing) => about(&mut told, thing).await,
        Asked::Over(task) => over(&mut told, task, &world).await,
    }
    told.told
}

enum Asked<'t> {
    /// Towards something that could show.
    About(&'t Thing),
    /// Over and beside something hidden in the Task that the writer owns.
    Over(&'t str),
}

/// Nothing of what is asked about this thing differs.
pub async fn hold(engine: Engine, thing: &Thing) {
    let who = WHO[thing.askers[0]];
    let asked = Asked::About(thing);
    let a = told_in(engine, &thing.hidden, who, &asked).await;
    let b = told_in(engine, &thing.absent, who, &asked).await;
    same(thing.name, &a, &b);
}

/// Nothing of what is written over an element differs; `worlds`: hidden, never there, seen.
async fn hold_over(engine: Engine, make: fn(&[Kept]) -> Over) {
    let Over { name, task, worlds } = make(&super::base().await);
    let asked = Asked::Over(&task);
    let a = told_in(engine, &worlds[0], MAPLE, &asked).await;
    let b = told_in(engine, &worlds[1], MAPLE, &asked).await;
    let seen = told_in(engine, &worlds[2], MAPLE, &asked).await;
    same(name, &a, &b);
    let good = a
        .iter()
        .filter(|(_, answer)| (200..300).contains(&answer.status))
        .count();
    assert!(good * 2 > a.len(), "{name}: only {good} of {} go well", a.len());
    let shows = a
        .iter()
        .zip(&seen)
        .filter(|((_, a), (_, c))| told(a, false) != told(c, false))
        .count();
    assert!(shows > 0, "{name}: it would not show where it is seen");
}

fn same(name: &str, a: &Told, b: &Told) {
    assert_eq!(a.len(), b.len(), "{name}: the scripts part");
    for ((what, a), (_, b)) in a.iter().zip(b) {
        assert!(
            told(a, false) == told(b, false),
            "{name}: {what}\n  A: {} {:?} {}\n  B: {} {:?} {}",
            a.status,
            a.headers,
            a.text(),
            b.status,
            b.headers,
            b.text()
        );
    }
}

fn observation(person: &str, number: usize, more: Value) -> Value {
    let mut body = json!({"resourceType": "Observation", "status": "final",
        "identifier": [{"system": "https://ehr.test/observation", "value": format!("O-{number}")}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
        "subject": {"reference": format!("Patient/{person}")}, "effectiveDateTime": "2026-11-21",
        "valueQuantity": {"value": 72, "unit": "/min"}});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// Writes to it, with any version; statements that refer to it; conditions that it would fit.
async fn about(script: &mut Script<'_>, thing: &Thing) {
    let (target, person) = (thing.target.as_str(), thing.person.as_str());
    let kind = thing.focus;
    let remove = json!([{"op": "remove", "path": "/identifier"}]);
    let replace = json!([{"op": "add", "path": "/language", "value": "en"}]);
    script.patch(target, "W/\"0\"", remove.clone()).await;
    script.read(target).await;
    script.patch_now(target, replace.clone()).await;
    let id = last(target);
    script
        .put_now(target, &json!({"resourceType": kind, "id": id}))
        .await;
    script
        .put_now(target, &json!({"resourceType": "Basic", "id": id}))
        .await;
    script.patch(target, "*", replace.clone()).await;
    script
        .ask(
            "no version",
            Ask::post(&format!("/fhir/{target}"), replace.to_string())
                .method(Method::PATCH)
                .with("content-type", JSON_PATCH),
        )
        .await;
    script
        .ask(
            "DELETE",
            Ask::get(&format!("/fhir/{target}")).method(Method::DELETE),
        )
        .await;
    // What a statement leads to.
    for (number, reference) in [target.to_owned(), format!("{kind}/{}", "0".repeat(32))]
        .into_iter()
        .enumerate()
    {
        let more =
            json!({"derivedFrom": [{"reference": reference}], "hasMember": [{"reference": reference}]});
        script
            .post("/Observation", &observation(person, 10 + number, more), None)
            .await;
    }
    // A condition looks at the writer's own alone.
    let condition = format!("identifier={}", thing.identifier);
    let (system, value) = thing.identifier.split_once('|').expect("a system and a value");
    let more = json!({"identifier": [{"system": system, "value": value}]});
    for _ in 0..3 {
        script
            .post(
                "/Observation",
                &observation(person, 20, more.clone()),
                Some(&condition),
            )
            .await;
    }
    script
        .post(
            "/Observation",
            &observation(person, 30, json!({})),
            Some("identifier=https://ehr.test/observation|O-30"),
        )
        .await;
    script
        .post(
            "/Observation",
            &observation(person, 30, json!({})),
            Some("identifier=https://ehr.test/observation|O-30"),
        )
        .await;
    script
        .post("/Observation", &observation(person, 31, json!({})), None)
        .await;
    script
        .post("/Observation", &observation(person, 31, json!({})), None)
        .await;
    // The same in Bundles.
    let entry = |method: &str, url: &str, resource: Option<Value>| {
        let mut entry = json!({"request": {"method": method, "url": url}});
        if let Some(resource) = resource {
            entry["resource"] = resource;
        }
        entry
    };
    let refers = observation(
        person,
        40,
        json!({"derivedFrom": [{"reference": format!("{kind}?identifier={}", thing.identifier)}]}),
    );
    for kind in ["batch", "transaction"] {
        let entries = json!([
            entry("GET", target, None),
            entry("GET", &format!("{}?patient={person}", thing.focus), None),
            entry("POST", "Observation", Some(observation(person, 41, json!({}))))
        ]);
        script
            .post(
                "",
                &json!({"resourceType": "Bundle", "type": kind, "entry": entries}),
                None,
            )
            .await;
        let entries = json!([entry("POST", "Observation", Some(refers.clone()))]);
        script
            .post(
                "",
                &json!({"resourceType": "Bundle", "type": kind, "entry": entries}),
                None,
            )
            .await;
    }
    script.read(&format!("Observation?patient={person}")).await;
    script.read(&format!("{kind}?patient={person}")).await;
    script.read(target).await;
}

/// The state of the referral written over and beside what is hidden in it, proposals, and what staff accept.
async fn over(script: &mut Script<'_>, task: &str, world: &World) {
    script.read(task).await;
    let first = script.etag.clone();
    let step = |status: &str, milestone: &str| {
        json!([{"op": "replace", "path": "/status", "value": status},
            {"op": "replace", "path": "/businessStatus", "value": {"coding": [{"system": BSER, "code": milestone}]}}])
    };
    script
        .patch(task, "W/\"0123456789abcdef\"", step("accepted", "3.0"))
        .await;
    script.patch_now(task, step("completed", "7.0")).await;
    script.patch_now(task, step("accepted", "3.0")).await;
    script.patch(task, &first, step("rejected", "4.0")).await;
    script.read(task).await;
    let mut wanted = script.told.last().expect("a read").1.json();
    wanted["statusReason"] = json!({"text": "No appointment before Monday"});
    wanted["executionPeriod"] = json!({"start": "2026-11-20"});
    script.put_now(task, &wanted).await;
    script.read(task).await;
    for (path, value) in [
        ("/note", json!([{"text": "We called her in the morning."}])),
        ("/note/-", json!({"text": "And again in the evening."})),
        (
            "/output",
            json!([{"type": {"text": "Letter"}, "valueString": "Seen by the nurse"}]),
        ),
        ("/statusReason", json!({"text": "She asked for another day"})),
    ] {
        script
            .patch_now(task, json!([{"op": "add", "path": path, "value": value}]))
            .await;
        script.read(task).await;
    }
    script
        .patch_now(task, json!([{"op": "remove", "path": "/statusReason"}]))
        .await;
    script
        .patch_now(task, json!([{"op": "remove", "path": "/output/0"}]))
        .await;
    script
        .patch_now(task, json!([{"op": "remove", "path": "/note"}]))
        .await;
    script.read(task).await;
    script
        .patch_now(
            task,
            json!([{"op": "add", "path": "/description", "value": "Diabetes care"}]),
        )
        .await;
    script
        .patch_now(
            task,
            json!([{"op": "add", "path": "/reasonCode", "value": {"text": "Blood sugar"}}]),
        )
        .await;
    script.read(task).await;
    accept_all(world).await;
    script.read(task).await;
    script.patch_now(task, step("in-progress", "5.1.1")).await;
    script.read("Task?_count=100&patient=").await;
    let person = last(
        script.told[0].1.json()["for"]["reference"]
            .as_str()
            .unwrap_or_default(),
    )
    .to_owned();
    script.read(&format!("Task?patient={person}")).await;
}

/// Staff accept whatever was proposed, oldest first.
async fn accept_all(world: &World) {
    let token = world
        .gateway
        .add_staff("kim", "Kim", "clinical", false, "test operator")
        .await
        .expect("a known role");
    let filter = WorkFilter {
        kind: Some("proposal".to_owned()),
        ..WorkFilter::default()
    };
    let items = world.gateway.store.work_items(&filter, 100).await.expect("reads");
    assert!(!items.is_empty(), "something was proposed");
    for item in items {
        let ask = |path: &str, body: &str| {
            Ask::post(&format!("/staff/work/{}/{path}", item.id), body).bearer(&token)
        };
        assert_eq!(world.send(ask("take", "")).await.status, 200);
        let settled = world
            .send(ask("settle", "{\"accept\": true, \"outcome\": \"Agreed.\"}"))
            .await;
        assert!(matches!(settled.status, 200 | 422), "{}", settled.text());
    }
}
