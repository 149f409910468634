//! The search parameters Postern serves, each a FHIRPath expression from the R4 definitions, and the values a
//! released resource has for them. <https://hl7.org/fhir/R4/searchparameter-registry.html>

use std::collections::HashMap;
use std::sync::LazyLock;

use super::plain::Plain;
use crate::fhir::Value;
use crate::fhir::element::table;
use crate::fhir::excerpt::{Excerpt, Part};
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
    /// The same, when it is no more than a path.
    plain: Option<Plain>,
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

    /// The same for a reference of the form `Type/id`.
    pub fn has_reference_to(&self, parameter: &str, resource_type: &str, id: &str) -> bool {
        let names = |reference: &str| reference.split_once('/') == Some((resource_type, id));
        self.0.iter().any(|(p, _, c)| *p == parameter && names(c))
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
            let own = paths_of(base, text);
            if let Ok(expression) = Expression::parse(&own.join(" | "), Dialect::Search) {
                let plain = match own[..] {
                    [path] => Plain::of(path),
                    _ => None,
                };
                table.entry(base).or_default().push(Parameter {
                    code,
                    kind,
                    expression,
                    plain,
                });
            }
        }
    }
    table
}

/// A definition lists the paths of all its base types joined by `|`; only those of `base` apply to it.
fn paths_of(base: &str, text: &'static str) -> Vec<&'static str> {
    text.split(" | ")
        .map(str::trim)
        .filter(|part| part.trim_start_matches('(').split(['.', ' ']).next() == Some(base))
        .collect()
}

/// The values a released resource has for every parameter served for its type.
pub fn extract(resource: Part<'_, '_>) -> Values {
    let mut values = Values::default();
    let resource_type = resource.member("resourceType").and_then(Part::as_str);
    for parameter in parameters(resource_type.unwrap_or_default()) {
        let plainly =
            |plain: &Plain| plain.visit(resource, &mut |found| collect(parameter, found, &mut values));
        if !parameter.plain.as_ref().is_some_and(plainly) {
            by_engine(parameter, &resource.to_value(), &mut values);
        }
    }
    values
}

/// Any expression, by the one engine.
fn by_engine(parameter: &Parameter, resource: &Value, values: &mut Values) {
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
    for found in items.iter().filter_map(Item::value) {
        let mut excerpt = Excerpt::default();
        excerpt.value("", found);
        excerpt
            .root()
            .into_iter()
            .for_each(|found| collect(parameter, found, values));
    }
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

fn collect(parameter: &Parameter, found: Part<'_, '_>, values: &mut Values) {
    let mut put = |system: &str, code: &str| {
        values
            .0
            .push((parameter.code, system.to_owned(), code.to_owned()));
    };
    match parameter.kind {
        Kind::Reference => {
            if let Some(reference) = text(found, "reference") {
                put("", reference);
            }
        }
        Kind::Token => tokens(found, &mut put),
    }
}

fn text<'a>(part: Part<'_, 'a>, name: &str) -> Option<&'a str> {
    part.member(name).and_then(Part::as_str)
}

/// code, boolean, Coding, CodeableConcept, Identifier and ContactPoint as R4 indexes tokens: `put` takes system and code.
fn tokens(found: Part<'_, '_>, put: &mut dyn FnMut(&str, &str)) {
    match found.scalar() {
        Some(Value::String(code)) => put("", code),
        Some(Value::Bool(flag)) => put("", if *flag { "true" } else { "false" }),
        Some(_) => {}
        None => {
            if let Some(codings) = found.member("coding").filter(|codings| codings.is_list()) {
                codings.parts().for_each(|coding| tokens(coding, put));
                return;
            }
            let code = found.member("code").or_else(|| found.member("value"));
            if let Some(code) = code.and_then(Part::as_str) {
                put(text(found, "system").unwrap_or_default(), code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn extracted(resource: &Value) -> Values {
        let mut excerpt = Excerpt::default();
        excerpt.value("", resource);
        extract(excerpt.root().expect("a resource"))
    }

    #[test]
    fn a_plain_path_finds_what_the_engine_finds() {
        let reference = |text: &str| json!({"reference": text, "type": "Patient"});
        let subjects = [
            json!({"display": "nobody"}),
            json!({"type": "Patient"}),
            json!(null),
        ]
        .into_iter()
        .chain(
            [
                "Patient/p",
                "Group/p",
                "Patient/p/_history/2",
                "https://x.example/fhir/Patient/p",
                "urn:uuid:1",
                "#p",
                "#",
                "Patient",
                "/",
                "Patient/",
                "Nothing/p",
            ]
            .map(reference),
        );
        for subject in subjects {
            for (of, name) in [
                ("CarePlan", "subject"),
                ("Consent", "patient"),
                ("Task", "for"),
                ("Appointment", "participant"),
            ] {
                let subject = match of {
                    "Appointment" => json!([{"actor": subject}, {"actor": reference("Patient/q")}]),
                    _ => subject.clone(),
                };
                let resource = json!({"resourceType": of, "id": "1", name: subject, "status": "active", "_status": {"id": "s"},
                    "identifier": [{"system": "s", "value": "v"}, {"value": "w"}, {"system": "t"}],
                    "category": [{"coding": [{"system": "c", "code": "d"}, {"display": "e"}], "text": "x"}, {"text": "y"}]});
                let mut values = Values::default();
                for parameter in parameters(of) {
                    by_engine(parameter, &resource, &mut values);
                    assert!(parameter.plain.is_some(), "{of} {}", parameter.code);
                }
                assert_eq!(extracted(&resource).0, values.0, "{resource}");
            }
        }
    }

    #[test]
    fn a_care_plan_answers_to_its_category_status_and_patient() {
        let plan = json!({"resourceType": "CarePlan", "status": "active", "intent": "plan",
            "subject": {"reference": "Patient/p"},
            "category": [{"coding": [{"system": "urn:s", "code": "assess-plan"}]}]});
        let values = extracted(&plan);
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
