//! The CapabilityStatement: what is served, in which forms, to whom.
//! <https://hl7.org/fhir/R4/capabilitystatement.html>, <https://hl7.org/fhir/us/core/STU6.1/CapabilityStatement-us-core-server.html>

use serde_json::{Value, json};

use super::DATE;
use super::resource::resource;
use crate::gateway::Gateway;
use crate::gateway::write::{patch_formats, stated_types, system_interactions};

/// What is said of what is served, each at its own address.
const DEFINITIONS: [&str; 4] = [
    "CodeSystem",
    "ConceptMap",
    "OperationDefinition",
    "StructureDefinition",
];

impl Gateway {
    pub fn capability_statement(&self) -> Value {
        let mut served = self.served_types();
        for stated in stated_types() {
            served.entry(stated.to_owned()).or_default();
        }
        let resources: Vec<Value> = served
            .into_iter()
            .map(|(t, p)| resource(&t, &p, &self.config.base()))
            .chain(DEFINITIONS.map(|of| json!({"type": of, "interaction": [{"code": "read"}]})))
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
            "instantiates": ["http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"],
            "implementationGuide": ["http://hl7.org/fhir/us/core/ImplementationGuide/hl7.fhir.us.core|6.1.0"],
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
                    "description": "SMART Backend Services: private_key_jwt, system scopes of v1 and v2, granular ones too, one purpose of use per token (hl7-b2b)"
                },
                "resource": resources,
                "interaction": system_interactions()
            }]
        })
    }
}
