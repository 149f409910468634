//! A partner refers somebody to the agency: a request and its Task, answered by staff through the Task.
//! <https://hl7.org/fhir/us/bser/>

use serde_json::json;

use super::story_contribution::{decide, made, rosa_and, staff};
use crate::harness::{Engine, MAPLE, RIVERSIDE, World, stories};

stories!(a_referral_to_the_agency_is_answered_by_its_task);

async fn a_referral_to_the_agency_is_answered_by_its_task(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let (rosa, maple, _) = rosa_and(&world).await;
    let request = json!({"resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "identifier": [{"system": "https://ehr.test/order", "value": "R-1"}],
        "code": {"text": "Assertive community treatment"}, "subject": {"reference": format!("Patient/{rosa}")}});
    let made_request = maple.create(&request).await;
    let focus = made(&made_request);
    let agency = world
        .gateway
        .rules
        .agency
        .as_ref()
        .expect("somebody answers")
        .reference();
    assert_eq!(made_request.json()["performer"][0]["reference"], agency);
    assert_eq!(made_request.json()["requester"]["identifier"]["value"], MAPLE.npi);
    let task = json!({"resourceType": "Task", "status": "requested", "intent": "order",
        "code": {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]},
        "businessStatus": {"coding": [{"system": "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS", "code": "2.0"}]},
        "focus": {"reference": focus}, "for": {"reference": format!("Patient/{rosa}")}});
    let mut begun = task.clone();
    begun["status"] = "accepted".into();
    assert_eq!(
        maple.create(&begun).await.status,
        422,
        "a referral begins at its beginning"
    );
    let mut elsewhere = task.clone();
    elsewhere["owner"] =
        json!({"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": RIVERSIDE.npi}});
    assert_eq!(
        maple.create(&elsewhere).await.status,
        422,
        "nobody comes to know her by Maple Street's word"
    );
    let made_task = maple.create(&task).await;
    let path = made(&made_task);
    let kim = staff(&world).await;
    // The request and its Task: each waits.
    for _ in 0..2 {
        let settled = decide(
            &world,
            &kim,
            "referral-received",
            json!({"accept": true, "outcome": "Intake on Monday."}),
        )
        .await;
        assert!(matches!(settled.status, 200 | 409), "{}", settled.text());
    }
    let answered = maple.get(&path).await.json();
    assert_eq!(
        (
            answered["status"].as_str(),
            answered["businessStatus"]["coding"][0]["code"].as_str()
        ),
        (Some("accepted"), Some("3.0"))
    );
    let etag = maple.get(&path).await.header("etag").to_owned();
    let cancel = json!([{"op": "replace", "path": "/status", "value": "in-progress"},
        {"op": "replace", "path": "/businessStatus/coding/0", "value": {"system": "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS", "code": "5.2"}}]);
    let asked = maple.patch(&path, &etag, cancel).await;
    assert_eq!(
        asked.status,
        200,
        "who asked asks for cancellation: {}",
        asked.text()
    );
    let accept = json!([{"op": "replace", "path": "/status", "value": "completed"}]);
    assert_eq!(
        maple.patch(&path, asked.header("etag"), accept).await.status,
        409,
        "and says nothing else"
    );
}
