//! A partner's system that writes: registered for it, it patches, puts and states as stock clients do.
//! <https://hl7.org/fhir/R4/http.html#update>

use axum::http::Method;
use postern::gateway::{ClientRegistration, NewPartner};
use serde_json::{Value, json};

use super::{Answer, Ask, Partner, Who, World, key_of, registration_of};

/// As fhirclient.js sends it.
pub const JSON_PATCH: &str = "application/json-patch+json; charset=UTF-8";
const FHIR_JSON: &str = "application/fhir+json";

impl World {
    /// The partner with a token that lets it write.
    pub async fn writer(&self, who: Who) -> Partner<'_> {
        let mut partner = registration_of(who);
        "system/*.cruds".clone_into(&mut partner.scopes);
        let jwks = json!({"keys": [key_of(who.id).public_jwk()]});
        let client = ClientRegistration::with_keys(jwks);
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
        partner.narrow("system/*.cruds").await;
        partner
    }
}

impl Partner<'_> {
    /// `PATCH` of this version: `patch("Task/x", "W/\"…\"", json!([…]))`.
    pub async fn patch(&self, path: &str, version: &str, operations: Value) -> Answer {
        let ask = Ask::post(&format!("/fhir/{path}"), operations.to_string())
            .method(Method::PATCH)
            .with("content-type", JSON_PATCH)
            .with("if-match", version);
        self.send(ask).await
    }

    /// `PUT` of a resource at its own address.
    pub async fn put(&self, version: &str, resource: &Value) -> Answer {
        let path = format!("/fhir/{}", super::exchange::reference(resource));
        let ask = Ask::post(&path, resource.to_string())
            .method(Method::PUT)
            .with("content-type", FHIR_JSON)
            .with("if-match", version);
        self.send(ask).await
    }

    /// `POST` of a resource to its type.
    pub async fn create(&self, resource: &Value) -> Answer {
        self.send(creation(resource)).await
    }
}

/// A `POST` of this resource to its type.
pub fn creation(resource: &Value) -> Ask {
    let kind = resource["resourceType"].as_str().unwrap_or_default();
    Ask::post(&format!("/fhir/{kind}"), resource.to_string()).with("content-type", FHIR_JSON)
}
