//! The requests of a kit by which a partner writes, where its scopes let it: what it states itself, its side of a referral, and
//! what staff decide. SEMANTICS 5; <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#patch>

use serde_json::{Value, json};

use super::Facts;
use super::sample::{FHIR, PATCH, Sample, encoded};
use crate::auth::Scopes;
use crate::cli::sandbox::seat;
use crate::egress::Method;

const MILESTONES: &str = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS";

/// Empty for a partner that only reads.
pub fn writes(facts: &Facts<'_>) -> Vec<Sample> {
    let scopes = Scopes::parse(&facts.seated.partner.scopes).unwrap_or_default();
    let serves = |name: &str| facts.types.iter().any(|of| of == name);
    let mut all = Vec::new();
    if scopes.may_create("Observation") && serves("Observation") {
        all.extend(statement(scopes.may_update("Observation")));
    }
    let creates = scopes.may_create("ServiceRequest") && scopes.may_create("Task");
    if creates && serves("ServiceRequest") && serves("Task") {
        all.extend(referring());
    }
    if scopes.may_update("Task")
        && let Some((system, value)) = seat::referral_to(&facts.seated.partner.class)
    {
        all.extend(referred(system, value));
    }
    if scopes.may_update("CarePlan") && serves("CarePlan") {
        all.extend(proposal());
        all.extend(refusals());
    }
    all
}

fn create(name: &str, title: &str, body: &Value) -> Sample {
    let path = format!("/fhir/{}", body["resourceType"].as_str().unwrap_or_default());
    Sample::post(name, title, &path, FHIR, body.to_string())
}

/// What the partner says itself. It is its own until staff accept it.
fn statement(changes: bool) -> Vec<Sample> {
    let stated = json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "social-history"}]}],
        "code": {"coding": [{"system": "https://postern.example/fhir/CodeSystem/plan-content", "code": "presentation"}], "text": "Current presentation"},
        "subject": {"reference": "Patient/{{patient}}"},
        "effectiveDateTime": "2025-01-15",
        "valueString": "Sleeping better."});
    let mut all = vec![
        create("create", "State something of your own", &stated)
            .tells(
                201,
                "the Observation as you see it, with Location; staff are shown it, others only when staff accept it",
            )
            .learns("statement"),
    ];
    if changes {
        let mut again = stated;
        again["id"] = "{{statement}}".into();
        again["valueString"] = "Sleeping better, six hours a night.".into();
        let path = "/fhir/Observation/{{statement}}";
        let body = ("statement", again.to_string());
        all.push(
            Sample::change(Method::Put, "update", "Change what you stated", path, body)
                .tells(200, "the Observation in its new form")
                .learns("statement"),
        );
    }
    all
}

/// Somebody is referred to the agency: the request, and the Task by which staff answer it.
fn referring() -> Vec<Sample> {
    let request = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": "Assertive community treatment"},
        "subject": {"reference": "Patient/{{patient}}"}});
    let task = json!({
        "resourceType": "Task",
        "status": "requested",
        "businessStatus": {"coding": [{"system": MILESTONES, "code": "2.0"}]},
        "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "focus": {"reference": "ServiceRequest/{{request}}"},
        "for": {"reference": "Patient/{{patient}}"}});
    vec![
        create("create-request", "Refer that person to the agency", &request)
            .tells(
                201,
                "the ServiceRequest; requester and performer are set from your registration",
            )
            .learns("request"),
        create(
            "create-task",
            "The Task by which staff answer the referral",
            &task,
        )
        .tells(201, "the Task; read it again for status and businessStatus")
        .learns("task"),
    ]
}

/// The agency referred somebody to the partner: one step of that, by the version it has seen.
fn referred(system: &str, value: &str) -> Vec<Sample> {
    let number = encoded(&format!("{system}|{value}"));
    let find = format!("/fhir/Task?patient={{{{patient}}}}&identifier={number}");
    let step = json!([
        {"op": "test", "path": "/status", "value": "requested"},
        {"op": "replace", "path": "/status", "value": "accepted"},
        {"op": "replace", "path": "/businessStatus", "value": {"coding": [{"system": MILESTONES, "code": "3.0"}]}}]);
    let path = "/fhir/Task/{{referral}}";
    let body = ("referral", step.to_string());
    vec![
        Sample::get("referral", "The referral that the agency sent you", &find)
            .tells(200, "a searchset with one Task")
            .learns("referral"),
        Sample::change(Method::Patch, "patch", "Accept it", path, body)
            .tells(
                200,
                "the Task in its new state; a step that is none is 409 and names the next ones",
            )
            .learns("referral"),
    ]
}

/// What is not the partner's own to write.
fn proposal() -> Vec<Sample> {
    let find = "/fhir/CarePlan?patient={{patient}}&status=active&_count=1";
    let path = "/fhir/CarePlan/{{plan}}";
    let body = ("plan", retitled("Plan for the winter"));
    vec![
        Sample::get("plan", "The plan, with its version", find)
            .tells(200, "a searchset; its first CarePlan is meant below")
            .learns("plan"),
        Sample::change(
            Method::Patch,
            "propose",
            "Propose a change of the plan",
            path,
            body,
        )
        .tells(
            202,
            "an OperationOutcome: staff were asked; the plan changes when one of them accepts",
        ),
    ]
}

fn retitled(title: &str) -> String {
    json!([{"op": "add", "path": "/title", "value": title}]).to_string()
}

fn refusals() -> Vec<Sample> {
    let path = "/fhir/CarePlan/{{plan}}";
    let write = |name: &str, title: &str, version: Option<&str>| Sample {
        method: Method::Patch,
        version: version.map(str::to_owned),
        ..Sample::post(name, title, path, PATCH, retitled("Another title"))
    };
    vec![
        write("error-version", "A write without `If-Match`", None).tells(
            400,
            "state the version you have read: nothing is written over unseen",
        ),
        write(
            "error-stale",
            "A write to a version that is not the present one",
            Some("W/\"0\""),
        )
        .tells(412, "read it again"),
    ]
}
