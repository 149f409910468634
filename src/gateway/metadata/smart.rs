//! The SMART configuration. <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known>

use serde_json::{Value, json};

use crate::auth::{ALGORITHMS, Algorithm};
use crate::gateway::Gateway;

/// The granular scopes that US Core 6.1.0 asks of a server for these types, each a category of its system.
/// <https://hl7.org/fhir/us/core/STU6.1/scopes.html#the-following-granular-scopes-shall-be-supported>
const GRANULAR: [(&str, &str, &[&str]); 5] = [
    (
        "Condition",
        "http://hl7.org/fhir/us/core/CodeSystem/condition-category",
        &["health-concern"],
    ),
    (
        "Condition",
        "http://terminology.hl7.org/CodeSystem/condition-category",
        &["encounter-diagnosis", "problem-list-item"],
    ),
    (
        "DocumentReference",
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
        &["clinical-note"],
    ),
    (
        "Observation",
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-category",
        &["sdoh"],
    ),
    (
        "Observation",
        "http://terminology.hl7.org/CodeSystem/observation-category",
        &["laboratory", "social-history", "survey", "vital-signs"],
    ),
];

impl Gateway {
    /// Follows from the configuration alone: it tells of no partner. Without `issuer` and `jwks_uri`: nobody signs in.
    pub fn smart_configuration(&self) -> Value {
        let secrets = self.config.smart.client_secrets;
        let methods = ["private_key_jwt", "client_secret_basic", "client_secret_post"];
        let capabilities = [
            "client-confidential-asymmetric",
            "permission-v1",
            "permission-v2",
            "client-confidential-symmetric",
        ];
        let mut told = json!({
            "token_endpoint": self.token_endpoint(),
            "introspection_endpoint": self.introspection_endpoint(),
            "revocation_endpoint": self.revocation_endpoint(),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods[..if secrets { 3 } else { 1 }],
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS.map(Algorithm::name),
            "scopes_supported": self.scopes_supported(),
            "response_types_supported": ["token"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": capabilities[..if secrets { 4 } else { 3 }]
        });
        // RFC 8705 3.3.
        if self.config.server.client_authorities().is_some() {
            told["tls_client_certificate_bound_access_tokens"] = true.into();
        }
        told
    }

    fn scopes_supported(&self) -> Vec<String> {
        let mut scopes = vec!["system/*.rs".to_owned()];
        let served = self.served_types();
        scopes.extend(served.keys().map(|name| format!("system/{name}.rs")));
        for (of, system, codes) in GRANULAR.into_iter().filter(|(of, ..)| served.contains_key(*of)) {
            scopes.extend(
                codes
                    .iter()
                    .map(|code| format!("system/{of}.rs?category={system}|{code}")),
            );
        }
        scopes
    }
}
