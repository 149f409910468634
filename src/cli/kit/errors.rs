//! The requests of a kit that are refused, each for one reason. <https://hl7.org/fhir/R4/http.html#status>,
//! <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>

use super::Facts;
use super::requests::token;
use super::sample::{FHIR, Sample};

pub fn errors(facts: &Facts<'_>) -> Vec<Sample> {
    let mut all = vec![
        Sample::get("error-no-token", "No token", "/fhir/Patient/{{patient}}")
            .without_token()
            .tells(
                401,
                "no valid token: missing, unknown, expired or taken back are one answer",
            ),
        Sample::get(
            "error-parameter",
            "A parameter that is not served",
            "/fhir/CarePlan?patient={{patient}}&intent-of-it=plan",
        )
        .tells(400, "OperationOutcome naming the parameter; nothing is ignored"),
        Sample::get(
            "error-nobody",
            "Somebody who is not there for you",
            "/fhir/Patient/nobody",
        )
        .tells(404, "absent, not yours and withheld are one answer"),
        Sample::get(
            "error-whole-panel",
            "A search across people",
            "/fhir/CarePlan?status=active",
        )
        .tells(400, "patient or _id is needed"),
        scope(facts),
        proof(facts),
    ];
    if !facts.emergency {
        let empty = r#"{"resourceType":"Parameters"}"#.to_owned();
        all.push(
            Sample::post(
                "error-emergency",
                "An operation you are not registered for",
                "/fhir/Patient/$break-glass",
                FHIR,
                empty,
            )
            .tells(403, "not registered for emergencies"),
        );
    }
    all
}

fn scope(facts: &Facts<'_>) -> Sample {
    token(
        facts,
        "error-scope",
        "A scope of somebody who signs in",
        "patient/*.rs",
    )
    .tells(400, "invalid_scope: nobody signs in here")
}

fn proof(facts: &Facts<'_>) -> Sample {
    let mut sample = token(facts, "error-proof", "A proof that is none", "system/*.rs");
    if let Some((_, body)) = &mut sample.body {
        *body = body.replace("{{assertion}}", "x.y.z").replace("{{secret}}", "x");
    }
    sample.tells(
        401,
        "invalid_client: one answer for every defect; the reason stands in the agency's own log",
    )
}
