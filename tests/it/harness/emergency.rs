//! A hospital that meets a person it has nothing to do with, in an emergency. 42 CFR 2.51

use postern::gateway::{ClientRegistration, NewPartner, Partner as Registration};
use serde_json::{Value, json};

use super::{Answer, Ask, Partner, Who, World, key_of};

/// Related to nobody of the demo, and registered for emergencies.
pub const COUNTY: Who = Who {
    id: "spare",
    name: "County General Hospital",
    class: "hospital",
    npi: "1999002045",
    purposes: &["TREAT", "ETREAT"],
};

/// A call that states everything, about this `Patient`.
pub fn emergency(person: &Value, obtainable: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "resource", "resource": person},
        {"name": "requester-name", "valueString": "Lee Okafor, MD"},
        {"name": "affiliation", "valueString": "County General Hospital, emergency department"},
        {"name": "role", "valueString": "emergency physician"},
        {"name": "reason", "valueCode": "overdose"},
        {"name": "consent-obtainable", "valueCode": obtainable}]})
}

/// A `Patient` with nothing but the number the agency knows the person by.
pub fn numbered(person: super::Person) -> Value {
    json!({"resourceType": "Patient", "identifier": [{"system": person.system, "value": person.identifier}]})
}

/// The resource in a `Parameters`, as `$match` takes it.
pub fn parameters(person: &Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": person}]})
}

impl World {
    /// The hospital, registered as medical personnel or not, with a token for treatment.
    pub async fn county(&self, medical_personnel: bool) -> Partner<'_> {
        let who = COUNTY;
        let partner = Registration {
            medical_personnel,
            phone: Some("217-555-0175".to_owned()),
            ..super::registration_of(who)
        };
        let client = ClientRegistration::with_keys(json!({"keys": [key_of(who.id).public_jwk()]}));
        let added = self
            .gateway
            .add_partner(NewPartner { partner, client }, "test operator")
            .await;
        let client_id = added.expect("the registration is in order").client_id;
        let mut partner = Partner {
            world: self,
            who,
            client_id,
            token: String::new(),
        };
        partner.renew().await;
        partner
    }
}

impl Partner<'_> {
    /// The same partner with a token for this purpose.
    pub async fn for_purpose(&self, purpose: &str) -> Partner<'_> {
        let answer = self.ask_token("system/*.rs", &[purpose]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        Partner {
            world: self.world,
            who: self.who,
            client_id: self.client_id.clone(),
            token,
        }
    }

    /// The same partner at another process of the deployment, with the token it has.
    pub fn at<'o>(&self, other: &'o World) -> Partner<'o> {
        Partner {
            world: other,
            who: self.who,
            client_id: self.client_id.clone(),
            token: self.token.clone(),
        }
    }

    /// `POST /fhir/Patient/$…` with this body.
    pub async fn call(&self, path: &str, body: &Value) -> Answer {
        let ask = Ask::post(&format!("/fhir/{path}"), body.to_string());
        self.send(ask.with("content-type", "application/fhir+json")).await
    }

    pub async fn break_glass(&self, person: &Value, obtainable: &str) -> Answer {
        self.call("Patient/$break-glass", &emergency(person, obtainable))
            .await
    }
}

/// One of the parameters of an answer.
pub fn parameter(answer: &Answer, name: &str) -> String {
    let body = answer.json();
    let list = body["parameter"].as_array().cloned().unwrap_or_default();
    let one = list.into_iter().find(|one| one["name"] == name);
    let said = answer.text();
    let one = one.ok_or_else(|| format!("{name}: {said}")).expect("a parameter");
    let value = one
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| *key != "name");
    match value {
        Some((_, Value::String(text))) => text.clone(),
        Some((_, other)) => other["reference"].as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    }
}
