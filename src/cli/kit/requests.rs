//! The requests of a kit that are answered: discovery, a token, one person, everything about that person, the operations.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>, <https://hl7.org/fhir/R4/http.html>

use serde_json::json;

use super::Facts;
use super::sample::{FHIR, FORM, Sample, encoded};
use crate::cli::sandbox::seat::TestPerson;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub fn requests(facts: &Facts<'_>, person: &TestPerson) -> Vec<Sample> {
    let mut all = discovery();
    all.push(
        token(facts, "token", "An access token", &facts.seated.partner.scopes)
            .tells(200, "access_token, good for expires_in seconds"),
    );
    let number = format!("{}|{}", person.system, person.value);
    all.push(
        Sample::get(
            "find",
            &format!("Find {} by number", person.name),
            &format!("/fhir/Patient?identifier={}", encoded(&number)),
        )
        .tells(
            200,
            "a searchset with one match; its id is {{patient}} from here on",
        ),
    );
    all.push(
        Sample::get("read", "Read one resource", "/fhir/Patient/{{patient}}")
            .tells(200, "Patient, with an ETag"),
    );
    for name in &facts.types {
        let path = format!("/fhir/{name}?patient={{{{patient}}}}");
        let title = format!("{name} of that person");
        all.push(
            Sample::get(&format!("search-{}", name.to_lowercase()), &title, &path).tells(200, "a searchset"),
        );
    }
    all.push(
        Sample::post(
            "search-by-post",
            "The same without the person's id in an address",
            "/fhir/CarePlan/_search",
            FORM,
            "patient={{patient}}&status=active".to_owned(),
        )
        .tells(200, "a searchset"),
    );
    all.extend(operations(facts, person));
    all.push(
        Sample::post(
            "introspect",
            "What a token of yours is worth",
            "/auth/introspect",
            FORM,
            "token={{token}}".to_owned(),
        )
        .plain()
        .tells(200, "active, scope, exp"),
    );
    all
}

/// The last of a kit: nothing is answered after it.
pub fn revoke() -> Sample {
    Sample::post(
        "revoke",
        "Take a token back",
        "/auth/revoke",
        FORM,
        "token={{token}}".to_owned(),
    )
    .plain()
    .tells(200, "that token is worth nothing from now on")
}

fn discovery() -> Vec<Sample> {
    let configuration = Sample::get(
        "discovery",
        "Where tokens come from",
        "/fhir/.well-known/smart-configuration",
    );
    let metadata = Sample::get("metadata", "What is served", "/fhir/metadata");
    vec![
        configuration
            .plain()
            .without_token()
            .tells(200, "token_endpoint, signing algorithms, scopes"),
        metadata.without_token().tells(200, "CapabilityStatement"),
    ]
}

/// A token request for this scope, as the client proves itself.
pub fn token(facts: &Facts<'_>, name: &str, title: &str, scope: &str) -> Sample {
    let terms = format!("grant_type=client_credentials&scope={}", encoded(scope));
    let body = match facts.secret {
        true => format!(
            "{terms}&client_id={}&client_secret={{{{secret}}}}",
            facts.seated.client_id
        ),
        false => format!(
            "{terms}&client_assertion_type={}&client_assertion={{{{assertion}}}}",
            encoded(ASSERTION_TYPE)
        ),
    };
    Sample::post(name, title, "/auth/token", FORM, body)
        .plain()
        .without_token()
}

fn operations(facts: &Facts<'_>, person: &TestPerson) -> Vec<Sample> {
    let numbered =
        json!({"resourceType": "Patient", "identifier": [{"system": person.system, "value": person.value}]});
    let parameters =
        |members: serde_json::Value| json!({"resourceType": "Parameters", "parameter": members}).to_string();
    let mut all = vec![
        Sample::post(
            "match",
            "Who is this? At most one answer",
            "/fhir/Patient/$match",
            FHIR,
            parameters(json!([{"name": "resource", "resource": numbered}])),
        )
        .tells(200, "a searchset with one match"),
    ];
    if facts.treating {
        let asked = json!([
            {"name": "what", "valueString": "Observation of the last three months"},
            {"name": "why", "valueString": "dose change at the next visit"},
            {"name": "requester-name", "valueString": "Integration Test"}]);
        all.push(
            Sample::post(
                "request-more",
                "Ask the agency's staff for more",
                "/fhir/Patient/{{patient}}/$request-more",
                FHIR,
                parameters(asked),
            )
            .tells(202, "staff were asked"),
        );
    }
    if facts.emergency {
        let stated = json!([
            {"name": "resource", "resource": numbered},
            {"name": "requester-name", "valueString": "Integration Test, MD"},
            {"name": "affiliation", "valueString": facts.seated.partner.name},
            {"name": "role", "valueString": "emergency physician"},
            {"name": "reason", "valueCode": "overdose"},
            {"name": "consent-obtainable", "valueCode": "no"}]);
        let title = "An emergency: open one person for four hours";
        all.push(
            Sample::post(
                "break-glass",
                title,
                "/fhir/Patient/$break-glass",
                FHIR,
                parameters(stated),
            )
            .tells(200, "Parameters: patient, grant, until"),
        );
    }
    all
}
