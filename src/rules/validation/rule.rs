//! One `ElementDefinition`, reduced to what a resource is held to.
//! <https://hl7.org/fhir/R4/elementdefinition.html>

use std::sync::Arc;

use serde_json::Value;

use super::invariant::Invariant;
use super::structure::Fault;
use crate::fhir::element::{is_primitive, table};

/// What stands where in a profile, and what it demands there; absent is inherited.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// Below the root of the profile.
    pub steps: Vec<Step>,
    pub min: Option<u32>,
    /// `u32::MAX` for `*`.
    pub max: Option<u32>,
    pub types: Option<Vec<TypeRule>>,
    pub demand: Option<Demand>,
    pub binding: Option<Binding>,
    pub invariants: Vec<Arc<Invariant>>,
    pub slicing: Option<Slicing>,
    pub max_length: Option<u32>,
    /// `minValue[x]` and `maxValue[x]`.
    pub least: Option<Value>,
    pub most: Option<Value>,
}

/// `category:AssessPlan` is a name with a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub name: Box<str>,
    pub slice: Option<Box<str>>,
}

/// A type and the profiles that its value, or what it refers to, meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeRule {
    pub code: &'static str,
    pub profiles: Vec<Box<str>>,
    pub targets: Vec<Box<str>>,
}

/// `fixed[x]` or `pattern[x]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Demand {
    Fixed(Value),
    Pattern(Value),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub strength: Strength,
    /// Empty: that of the base, more strictly.
    pub value_set: Box<str>,
    /// The set that nothing may leave, beside an extensible one.
    pub most: Option<Box<str>>,
}

/// Preferred and example bindings ask for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    Required,
    Extensible,
    Loose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slicing {
    pub discriminators: Vec<Discriminator>,
    pub ordered: bool,
    pub rules: Openness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Openness {
    Open,
    OpenAtEnd,
    Closed,
}

/// <https://hl7.org/fhir/R4/profiling.html#discriminator>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discriminator {
    pub by: By,
    pub path: Vec<Turn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// `value` and `pattern`: what is fixed, is a pattern, or is bound.
    Value,
    Exists,
    Type,
    Profile,
}

/// One step of a discriminator's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Member(Box<str>),
    Resolve,
    Extension(Box<str>),
    OfType(Box<str>),
}

impl Rule {
    /// Reads an element of a snapshot or differential; `earlier` knows the slices that stand open where ids are missing.
    pub(super) fn read(element: &Value, earlier: &mut Slices) -> Result<Rule, Fault> {
        let text = |name: &str| element.get(name).and_then(Value::as_str);
        let path = text("path").ok_or(Fault::NoPath)?;
        let steps = earlier.steps(text("id"), path, text("sliceName"));
        let number = |name: &str| element.get(name).and_then(Value::as_u64).map(|n| n as u32);
        let max = match text("max") {
            None => None,
            Some("*") => Some(u32::MAX),
            Some(max) => Some(max.parse().map_err(|_| Fault::Max)?),
        };
        let list = |name: &str| element.get(name).and_then(Value::as_array).map(Vec::as_slice);
        let types = list("type").map(|all| all.iter().map(type_rule).collect::<Result<_, _>>());
        let invariants = list("constraint").unwrap_or_default();
        Ok(Rule {
            steps,
            min: number("min"),
            max,
            types: types.transpose()?,
            demand: chosen(element, "fixed")
                .map(Demand::Fixed)
                .or_else(|| chosen(element, "pattern").map(Demand::Pattern)),
            binding: element.get("binding").and_then(binding),
            invariants: invariants
                .iter()
                .filter_map(Invariant::read)
                .map(Arc::new)
                .collect(),
            slicing: element.get("slicing").map(slicing).transpose()?,
            max_length: number("maxLength"),
            least: chosen(element, "minValue"),
            most: chosen(element, "maxValue"),
        })
    }
}

/// `fixedCode`, `patternCodeableConcept`: the member that begins with the stem.
fn chosen(element: &Value, stem: &str) -> Option<Value> {
    let is_type = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase());
    let mut members = element.as_object()?.iter();
    let found = members.find(|(key, _)| key.strip_prefix(stem).is_some_and(is_type));
    found.map(|(_, value)| value.clone())
}

fn type_rule(value: &Value) -> Result<TypeRule, Fault> {
    let stated = value.get("code").and_then(Value::as_str).ok_or(Fault::Type)?;
    let texts = |name: &str| -> Vec<Box<str>> {
        let list = value.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(Box::from).collect()
    };
    Ok(TypeRule {
        // What FHIRPath calls System.String is the id of an element or the url of an extension; the table knows which.
        code: match stated.strip_prefix("http://hl7.org/fhirpath/") {
            Some(_) => "string",
            None => type_name(stated).ok_or(Fault::Type)?,
        },
        profiles: texts("profile"),
        targets: texts("targetProfile"),
    })
}

/// The table's own spelling of a type it has.
pub(super) fn type_name(name: &str) -> Option<&'static str> {
    const PRIMITIVES: [&str; 20] = [
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
        "xhtml",
    ];
    if is_primitive(name) {
        return PRIMITIVES.into_iter().find(|known| *known == name);
    }
    table().any(name).map(|found| found.name)
}

fn binding(value: &Value) -> Option<Binding> {
    let most = value
        .get("extension")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|e| e["url"] == "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet");
    let most = most.and_then(|e| e["valueCanonical"].as_str().or(e["valueUri"].as_str()));
    Some(Binding {
        strength: match value.get("strength").and_then(Value::as_str)? {
            "required" => Strength::Required,
            "extensible" => Strength::Extensible,
            _ => Strength::Loose,
        },
        value_set: value
            .get("valueSet")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .into(),
        most: most.map(Box::from),
    })
}

fn slicing(value: &Value) -> Result<Slicing, Fault> {
    let list = value.get("discriminator").and_then(Value::as_array);
    let discriminators = list
        .into_iter()
        .flatten()
        .map(discriminator)
        .collect::<Result<_, _>>()?;
    Ok(Slicing {
        discriminators,
        ordered: value.get("ordered").and_then(Value::as_bool).unwrap_or(false),
        rules: match value.get("rules").and_then(Value::as_str) {
            Some("closed") => Openness::Closed,
            Some("openAtEnd") => Openness::OpenAtEnd,
            _ => Openness::Open,
        },
    })
}

fn discriminator(value: &Value) -> Result<Discriminator, Fault> {
    let by = match value.get("type").and_then(Value::as_str) {
        Some("value" | "pattern") => By::Value,
        Some("exists") => By::Exists,
        Some("type") => By::Type,
        Some("profile") => By::Profile,
        _ => return Err(Fault::Discriminator),
    };
    let path = value
        .get("path")
        .and_then(Value::as_str)
        .ok_or(Fault::Discriminator)?;
    Ok(Discriminator {
        by,
        path: turns(path).ok_or(Fault::Discriminator)?,
    })
}

/// `$this`, `code.coding`, `resolve().code`, `value.ofType(Identifier).type`, `extension('url').value`.
fn turns(path: &str) -> Option<Vec<Turn>> {
    let (mut out, mut rest) = (Vec::new(), path.trim());
    while !rest.is_empty() {
        let end = match rest.split_once('(') {
            Some((name, _)) if !name.contains('.') => rest.find(')')? + 1,
            _ => rest.find('.').unwrap_or(rest.len()),
        };
        let (step, after) = rest.split_at(end);
        rest = after.strip_prefix('.').unwrap_or(after);
        let inside = |name: &str| step.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if step == "$this" {
            continue;
        }
        out.push(if step == "resolve()" {
            Turn::Resolve
        } else if let Some(url) = inside("extension") {
            Turn::Extension(url.trim_matches(['\'', '"']).into())
        } else if let Some(name) = inside("ofType") {
            Turn::OfType(name.into())
        } else if step.contains('(') {
            return None;
        } else {
            Turn::Member(step.into())
        });
    }
    Some(out)
}

/// Which slices are open while elements are read in order, for definitions whose elements have no ids.
#[derive(Default)]
pub(super) struct Slices(Vec<(String, String)>);

impl Slices {
    fn steps(&mut self, id: Option<&str>, path: &str, slice: Option<&str>) -> Vec<Step> {
        if let Some(id) = id.filter(|id| id.split('.').count() == path.split('.').count()) {
            let mut steps: Vec<Step> = id.split('.').skip(1).map(step).collect();
            if let Some(last) = steps.last_mut()
                && last.slice.is_none()
            {
                last.slice = slice.map(Box::from);
            }
            return steps;
        }
        self.0.retain(|(open, _)| open != path && !is_below(open, path));
        if let Some(name) = slice {
            self.0.push((path.to_owned(), name.to_owned()));
        }
        let mut here = String::new();
        let mut steps = Vec::new();
        for (at, name) in path.split('.').enumerate() {
            if at > 0 {
                here.push('.');
            }
            here.push_str(name);
            let open = self.0.iter().find(|(open, _)| *open == here);
            steps.push(Step {
                name: name.into(),
                slice: open.map(|(_, slice)| slice.as_str().into()),
            });
        }
        steps.split_off(1)
    }
}

fn is_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'))
}

fn step(text: &str) -> Step {
    match text.split_once(':') {
        Some((name, slice)) => Step {
            name: name.into(),
            slice: Some(slice.into()),
        },
        None => Step {
            name: text.into(),
            slice: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn discriminator_paths_are_read() {
        let member = |name: &str| Turn::Member(name.into());
        assert_eq!(turns("$this"), Some(vec![]));
        assert_eq!(turns("code.coding"), Some(vec![member("code"), member("coding")]));
        assert_eq!(turns("$this.resolve()"), Some(vec![Turn::Resolve]));
        assert_eq!(turns("resolve().code"), Some(vec![Turn::Resolve, member("code")]));
        assert_eq!(
            turns("value.ofType(Identifier).type"),
            Some(vec![
                member("value"),
                Turn::OfType("Identifier".into()),
                member("type")
            ])
        );
        assert_eq!(
            turns("extension('http://a.b/c').value"),
            Some(vec![Turn::Extension("http://a.b/c".into()), member("value")])
        );
        assert_eq!(turns("where(a = 1)"), None);
    }

    #[test]
    fn slices_are_found_with_and_without_ids() {
        let mut open = Slices::default();
        let mut steps = |element: Value| {
            let rule = Rule::read(&element, &mut open).expect("a rule");
            let show = |s: &Step| match &s.slice {
                Some(slice) => format!("{}:{slice}", s.name),
                None => s.name.to_string(),
            };
            rule.steps.iter().map(show).collect::<Vec<_>>().join(".")
        };
        assert_eq!(steps(json!({"path": "Patient"})), "");
        assert_eq!(steps(json!({"path": "Patient.name", "sliceName": "a"})), "name:a");
        assert_eq!(steps(json!({"path": "Patient.name.given"})), "name:a.given");
        assert_eq!(steps(json!({"path": "Patient.name", "sliceName": "b"})), "name:b");
        assert_eq!(steps(json!({"path": "Patient.name.given"})), "name:b.given");
        assert_eq!(steps(json!({"path": "Patient.gender"})), "gender");
        assert_eq!(
            steps(json!({"id": "Patient.name:c.given", "path": "Patient.name.given"})),
            "name:c.given"
        );
    }
}
