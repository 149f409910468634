//! What this server says of itself: CapabilityStatement and SMART configuration, generated from what exists.
//! <https://hl7.org/fhir/R4/capabilitystatement.html>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known>

use std::collections::BTreeMap;

use postern_rules::search::parameters;
use serde_json::{Value, json};

use super::Gateway;
use super::emergency::BREAK_GLASS;
use super::find_person::MATCH;
use super::parameters::Operation;
use super::request_more::REQUEST_MORE;
use super::write::{add_writes, patch_formats, stated_types, system_interactions};
use crate::auth::{ALGORITHMS, Algorithm};

/// The day this statement's form last changed; its content follows the data sets.
const DATE: &str = "2026-11-21";

impl Gateway {
    /// Resource types that some data set releases, with the profiles they come in.
    pub fn served_types(&self) -> BTreeMap<String, Vec<String>> {
        let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for set in self.rules.data_sets.values() {
            for profile in set.profiles() {
                served
                    .entry(profile.resource_type().to_owned())
                    .or_default()
                    .push(profile.url().to_owned());
            }
        }
        served.values_mut().for_each(|profiles| profiles.sort());
        served
    }

    pub fn capability_statement(&self) -> Value {
        let mut served = self.served_types();
        for stated in stated_types() {
            served.entry(stated.to_owned()).or_default();
        }
        let resources: Vec<Value> = served
            .into_iter()
            .map(|(t, p)| resource(&t, &p, &self.config.base()))
            .collect();
        let base = self.config.base();
        json!({
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": DATE,
            "kind": "instance",
            "software": {"name": "Postern", "version": env!("CARGO_PKG_VERSION")},
            "implementation": {"description": format!("Postern at {}", self.config.agency.name), "url": base},
            "fhirVersion": "4.0.1",
            "format": ["json", "xml"],
            "patchFormat": patch_formats(),
            "rest": [{
                "mode": "server",
                "security": {
                    "service": [{"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR"}]}],
                    "extension": [{
                        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                        "extension": [
                            {"url": "token", "valueUri": self.token_endpoint()},
                            {"url": "introspect", "valueUri": self.introspection_endpoint()},
                            {"url": "revoke", "valueUri": self.revocation_endpoint()}]}],
                    "description": "SMART Backend Services: private_key_jwt, system scopes, one purpose of use per token (hl7-b2b)"
                },
                "resource": resources,
                "interaction": system_interactions()
            }]
        })
    }

    /// Definition of one of our operations, as served at `/fhir/OperationDefinition/[code]`.
    pub fn operation_definition(&self, code: &str) -> Option<Value> {
        let operation = OPERATIONS.iter().find(|operation| operation.code == code)?;
        Some(operation.definition(&self.config.base(), DATE))
    }

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
        json!({
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
        })
    }

    fn scopes_supported(&self) -> Vec<String> {
        let mut scopes = vec!["system/*.rs".to_owned()];
        scopes.extend(self.served_types().keys().map(|name| format!("system/{name}.rs")));
        scopes
    }

    /// A closed profile by the last part of its address, as served at `/fhir/StructureDefinition/[id]`.
    pub fn structure_definition(&self, id: &str) -> Option<&Value> {
        let sets = self.rules.data_sets.values();
        sets.flat_map(|set| set.profiles())
            .map(|profile| profile.closed())
            .find(|closed| closed["id"] == id)
    }
}

/// What can be called on `Patient`.
const OPERATIONS: [&Operation; 3] = [&MATCH, &BREAK_GLASS, &REQUEST_MORE];

/// R4 defines `$match` itself; the others are ours.
fn operations(base: &str) -> Vec<Value> {
    let definition = |code: &str| match code {
        "match" => "http://hl7.org/fhir/OperationDefinition/Patient-match".to_owned(),
        own => format!("{base}/OperationDefinition/{own}"),
    };
    let listed = OPERATIONS.iter().map(|operation| {
        json!({"name": operation.code, "definition": definition(operation.code), "documentation": operation.about})
    });
    listed.collect()
}

fn resource(resource_type: &str, profiles: &[String], base: &str) -> Value {
    let mut known = vec![json!({"name": "_id", "type": "token"})];
    known.extend(
        parameters(resource_type)
            .iter()
            .map(|parameter| json!({"name": parameter.code, "type": parameter.kind.code()})),
    );
    let mut statement = json!({
        "type": resource_type,
        "supportedProfile": profiles,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "readHistory": false,
        "searchParam": known
    });
    if profiles.is_empty()
        && let Some(statement) = statement.as_object_mut()
    {
        statement.shift_remove("supportedProfile");
    }
    add_writes(resource_type, &mut statement);
    if resource_type == "Patient" {
        statement["operation"] = Value::Array(operations(base));
    }
    statement
}
