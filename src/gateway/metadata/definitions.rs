//! Definitions served beside the CapabilityStatement: of our operations, and of the closed profiles.
//! <https://hl7.org/fhir/R4/operationdefinition.html>, <https://hl7.org/fhir/R4/structuredefinition.html>

use serde_json::{Value, json};

use super::DATE;
use crate::gateway::Gateway;
use crate::gateway::emergency::BREAK_GLASS;
use crate::gateway::everything::{ALL_ELTSS, DOCREF, EVERYTHING};
use crate::gateway::find_person::MATCH;
use crate::gateway::parameters::Operation;
use crate::gateway::request_more::REQUEST_MORE;

impl Gateway {
    /// Definition of one of our operations, as served at `/fhir/OperationDefinition/[code]`.
    pub fn operation_definition(&self, code: &str) -> Option<Value> {
        let operation = OPERATIONS.iter().find(|operation| operation.code == code)?;
        Some(operation.definition(&self.config.base(), DATE))
    }

    /// A closed profile or an extension of ours by the last part of its address, as served at `/fhir/StructureDefinition/[id]`.
    pub fn structure_definition(&self, id: &str) -> Option<Value> {
        let sets = self.rules.data_sets.values();
        let mut closed = sets
            .flat_map(|set| set.profiles())
            .map(|profile| profile.closed());
        closed
            .find(|closed| closed["id"] == id)
            .cloned()
            .or_else(|| self.extension_definition(id))
    }
}

/// What can be called.
const OPERATIONS: [&Operation; 6] = [
    &MATCH,
    &BREAK_GLASS,
    &REQUEST_MORE,
    &EVERYTHING,
    &DOCREF,
    &ALL_ELTSS,
];

/// R4's own definition, of every type.
const VALIDATE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-validate";
const ABOUT_VALIDATE: &str =
    "Checks what is sent by R4, the guides loaded here and our own profiles; nothing stored is looked at";

/// Those on this type.
pub(super) fn operations(resource_type: &str, base: &str) -> Vec<Value> {
    let own = OPERATIONS
        .iter()
        .filter(|operation| operation.on == resource_type);
    let listed = own.map(|operation| {
        json!({"name": operation.code, "definition": operation.canonical(base), "documentation": operation.about})
    });
    let validate = json!({"name": "validate", "definition": VALIDATE, "documentation": ABOUT_VALIDATE});
    listed.chain([validate]).collect()
}
