//! The SMART configuration. <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known>

use serde_json::{Value, json};

use crate::auth::{ALGORITHMS, Algorithm};
use crate::gateway::Gateway;

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
        scopes.extend(self.served_types().keys().map(|name| format!("system/{name}.rs")));
        scopes
    }
}
