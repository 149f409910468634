//! `fixed[x]` and `pattern[x]`, and the slices that are told apart by them.
//! <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>,
//! <https://hl7.org/fhir/R4/profiling.html#discriminator>

use serde_json::Value;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Demand {
    /// Exactly this.
    Fixed(Value),
    /// At least this.
    Pattern(Value),
}

impl Demand {
    pub(super) fn met_by(&self, value: &Value) -> bool {
        match self {
            Demand::Fixed(fixed) => same(fixed, value),
            Demand::Pattern(pattern) => conforms(pattern, value),
        }
    }

    pub(super) fn value(&self) -> &Value {
        match self {
            Demand::Fixed(v) | Demand::Pattern(v) => v,
        }
    }
}

/// Every part of the pattern is found: members by name, list items somewhere in the list.
fn conforms(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::Object(p), Value::Object(v)) => {
            p.iter().all(|(k, p)| v.get(k).is_some_and(|v| conforms(p, v)))
        }
        (Value::Array(p), Value::Array(v)) => p.iter().all(|p| v.iter().any(|v| conforms(p, v))),
        (p, v) => p == v,
    }
}

/// Equal but for the order of members.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b,
    }
}

/// One thing that tells a slice: what stands at a path below the item (empty: the item itself).
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub path: Vec<String>,
    pub demand: Demand,
}

impl Want {
    pub(super) fn met_by(&self, item: &Value) -> bool {
        anywhere(item, &self.path, &self.demand)
    }
}

/// Lists on the way are searched: one item that fits is enough.
fn anywhere(value: &Value, path: &[String], demand: &Demand) -> bool {
    if let (Value::Array(items), false) = (value, path.is_empty()) {
        return items.iter().any(|v| anywhere(v, path, demand));
    }
    match path {
        [] => match value {
            Value::Array(items) => demand.met_by(value) || items.iter().any(|v| demand.met_by(v)),
            _ => demand.met_by(value),
        },
        [first, rest @ ..] => value
            .get(first.as_str())
            .is_some_and(|v| anywhere(v, rest, demand)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_is_contained_and_a_fixed_value_is_equal() {
        let pattern = Demand::Pattern(json!({"coding": [{"system": "s", "code": "a"}]}));
        assert!(pattern.met_by(
            &json!({"coding": [{"code": "b"}, {"code": "a", "system": "s", "display": "A"}], "text": "t"})
        ));
        assert!(!pattern.met_by(&json!({"coding": [{"code": "a", "system": "other"}]})));
        assert!(Demand::Fixed(json!({"a": 1, "b": 2})).met_by(&json!({"b": 2, "a": 1})));
        assert!(!Demand::Fixed(json!({"a": 1})).met_by(&json!({"a": 1, "b": 2})));
    }

    #[test]
    fn a_discriminator_path_searches_lists() {
        let want = Want {
            path: vec!["coding".to_owned(), "code".to_owned()],
            demand: Demand::Fixed(json!("x")),
        };
        assert!(want.met_by(&json!({"coding": [{"code": "y"}, {"code": "x"}]})));
        assert!(!want.met_by(&json!({"coding": [{"code": "y"}]})));
    }
}
