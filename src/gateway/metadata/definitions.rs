//! Definitions served beside the CapabilityStatement: of our operations, and of the closed profiles.
//! <https://hl7.org/fhir/R4/operationdefinition.html>, <https://hl7.org/fhir/R4/structuredefinition.html>

use serde_json::{Value, json};

use super::DATE;
use crate::gateway::Gateway;
use crate::gateway::emergency::BREAK_GLASS;
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

/// What can be called on `Patient`.
const OPERATIONS: [&Operation; 3] = [&MATCH, &BREAK_GLASS, &REQUEST_MORE];

/// R4 defines `$match` itself; the others are ours.
pub(super) fn operations(base: &str) -> Vec<Value> {
    let definition = |code: &str| match code {
        "match" => "http://hl7.org/fhir/OperationDefinition/Patient-match".to_owned(),
        own => format!("{base}/OperationDefinition/{own}"),
    };
    let listed = OPERATIONS.iter().map(|operation| {
        json!({"name": operation.code, "definition": definition(operation.code), "documentation": operation.about})
    });
    listed.collect()
}
