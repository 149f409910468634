//! The search parameters Postern serves, each a FHIRPath expression from the R4 definitions, and the values a
//! released resource has for them. <https://hl7.org/fhir/R4/searchparameter-registry.html>

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::fhir::Value;
use crate::fhir::element::table;
use crate::fhirpath::{Dialect, EvalError, Expression, Host, Item, Scope};

/// Codes served for every type that defines them. `_id` needs no expression; `patient` chooses the release.
const SERVED: &[&str] = &["patient", "category", "status", "identifier"];

/// `code, base types, kind, expression` of R4, generated beside the element table.
const DEFINITIONS: &str = include_str!("../fhir/r4/search.tsv");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Token,
    Reference,
}

pub struct Parameter {
    pub code: &'static str,
    pub kind: Kind,
    expression: Expression,
}

/// What one released resource answers to: parameter code → tokens (`system`, `code`) or references.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<(&'static str, String, String)>);

impl Values {
    /// Does the resource hold `code` (of `system`, when the query names one) for this parameter?
    pub fn has_token(&self, parameter: &str, system: Option<&str>, code: &str) -> bool {
        self.0.iter().any(|(p, s, c)| {
            *p == parameter && (code.is_empty() || c == code) && system.is_none_or(|wanted| wanted == s)
        })
    }

    pub fn has_reference(&self, parameter: &str, reference: &str) -> bool {
        self.0.iter().any(|(p, _, c)| *p == parameter && c == reference)
    }

    /// Bytes held, for the cache's weight.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|(_, s, c)| s.len() + c.len() + 64).sum()
    }
}

/// The parameters served for a resource type; empty for a type Postern does not release.
pub fn parameters(resource_type: &str) -> &'static [Parameter] {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Parameter>>> = LazyLock::new(build);
    TABLE.get(resource_type).map_or(&[], Vec::as_slice)
}

fn build() -> HashMap<&'static str, Vec<Parameter>> {
    let mut table: HashMap<&'static str, Vec<Parameter>> = HashMap::new();
    for line in DEFINITIONS.lines().skip(1) {
        let mut columns = line.split('\t');
        let (Some(code), Some(bases), Some(kind), Some(text)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let kind = match kind {
            "token" => Kind::Token,
            "reference" => Kind::Reference,
            _ => continue,
        };
        if !SERVED.contains(&code) {
            continue;
        }
        for base in bases.split([',', ' ', '|']).filter(|b| !b.is_empty()) {
            if let Some(expression) = expression_for(base, text) {
                table.entry(base).or_default().push(Parameter {
                    code,
                    kind,
                    expression,
                });
            }
        }
    }
    table
}

/// A definition lists the paths of all its base types joined by `|`; only those of `base` apply to it.
fn expression_for(base: &str, text: &str) -> Option<Expression> {
    let own: Vec<&str> = text
        .split(" | ")
        .map(str::trim)
        .filter(|part| part.trim_start_matches('(').split(['.', ' ']).next() == Some(base))
        .collect();
    Expression::parse(&own.join(" | "), Dialect::Search).ok()
}

/// The values a released resource has for every parameter served for its type.
pub fn extract(resource: &Value) -> Values {
    let mut values = Values::default();
    let resource_type = resource["resourceType"].as_str().unwrap_or_default();
    for parameter in parameters(resource_type) {
        let scope = Scope {
            host: Some(&TypesOnly),
            lenient: true,
            ..Scope::default()
        };
        // An expression of R4 that cannot be evaluated on a valid resource finds nothing: fail closed.
        let items = parameter
            .expression
            .evaluate(resource, &scope)
            .unwrap_or_default();
        for item in &items {
            collect(parameter, item, &mut values);
        }
    }
    values
}

/// `resolve() is Patient` asks only for the type of what a reference names, and the reference says it.
struct TypesOnly;

impl Host for TypesOnly {
    fn call<'a>(
        &'a self,
        _: &'static str,
        _: &[Item<'a>],
        _: &[Vec<Item<'a>>],
        at: usize,
    ) -> Result<Vec<Item<'a>>, EvalError> {
        Err(EvalError::host(at, "search expressions have no host functions"))
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        static TYPES: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
            table()
                .resource_types()
                .map(|t| (t, serde_json::json!({"resourceType": t})))
                .collect()
        });
        TYPES.get(reference.rsplit('/').nth(1)?)
    }
}

fn collect(parameter: &Parameter, item: &Item<'_>, values: &mut Values) {
    let Some(node) = item.value() else { return };
    match parameter.kind {
        Kind::Reference => {
            if let Some(reference) = node["reference"].as_str() {
                values
                    .0
                    .push((parameter.code, String::new(), reference.to_owned()));
            }
        }
        Kind::Token => tokens(parameter.code, node, values),
    }
}

/// code, boolean, Coding, CodeableConcept, Identifier and ContactPoint as R4 indexes tokens.
fn tokens(parameter: &'static str, node: &Value, values: &mut Values) {
    match node {
        Value::String(code) => values.0.push((parameter, String::new(), code.clone())),
        Value::Bool(flag) => values.0.push((parameter, String::new(), flag.to_string())),
        Value::Object(object) => {
            if let Some(codings) = object.get("coding").and_then(Value::as_array) {
                codings
                    .iter()
                    .for_each(|coding| tokens(parameter, coding, values));
                return;
            }
            let code = object
                .get("code")
                .or_else(|| object.get("value"))
                .and_then(Value::as_str);
            let system = object.get("system").and_then(Value::as_str).unwrap_or_default();
            if let Some(code) = code {
                values.0.push((parameter, system.to_owned(), code.to_owned()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_care_plan_answers_to_its_category_status_and_patient() {
        let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan",
            "subject": {"reference": "Patient/p"},
            "category": [{"coding": [{"system": "urn:s", "code": "assess-plan"}]}]});
        let values = extract(&plan);
        assert!(values.has_token("category", Some("urn:s"), "assess-plan"));
        assert!(values.has_token("category", None, "assess-plan"));
        assert!(!values.has_token("category", Some(""), "assess-plan"));
        assert!(values.has_token("status", None, "active"));
        assert!(values.has_reference("patient", "Patient/p"));
    }

    #[test]
    fn the_types_of_the_shared_plan_have_a_patient_parameter() {
        for name in [
            "CarePlan",
            "Goal",
            "CareTeam",
            "ServiceRequest",
            "Task",
            "Consent",
            "Condition",
            "MedicationRequest",
            "AllergyIntolerance",
            "Observation",
            "RiskAssessment",
            "RelatedPerson",
        ] {
            assert!(parameters(name).iter().any(|p| p.code == "patient"), "{name}");
        }
    }
}
