//! `fixed[x]` and `pattern[x]`, and the slices that are told apart by them.
//! <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>,
//! <https://hl7.org/fhir/R4/profiling.html#discriminator>

use serde_json::{Map, Value};

use crate::fhir::excerpt::Part;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Demand {
    /// Exactly this.
    Fixed(Value),
    /// At least this.
    Pattern(Value),
}

/// A value held against a demand: as it is stored, or as it was projected.
pub(super) trait Seen: Copy {
    fn scalar(&self) -> Option<&Value>;
    fn is_object(self) -> bool;
    fn is_list(self) -> bool;
    /// Members of an object or items of a list.
    fn parts(self) -> impl Iterator<Item = Self>;
    fn member(self, name: &str) -> Option<Self>;
}

impl Seen for &Value {
    fn scalar(&self) -> Option<&Value> {
        (!self.is_object() && !self.is_array()).then_some(*self)
    }

    fn is_object(self) -> bool {
        Value::is_object(self)
    }

    fn is_list(self) -> bool {
        self.is_array()
    }

    fn parts(self) -> impl Iterator<Item = Self> {
        let members = self.as_object().into_iter().flat_map(Map::values);
        self.as_array().into_iter().flatten().chain(members)
    }

    fn member(self, name: &str) -> Option<Self> {
        // Few members: looking at each is quicker than hashing the name.
        let found = self.as_object()?.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value)
    }
}

impl Seen for Part<'_, '_> {
    fn scalar(&self) -> Option<&Value> {
        Part::scalar(*self)
    }

    fn is_object(self) -> bool {
        Part::is_object(self)
    }

    fn is_list(self) -> bool {
        Part::is_list(self)
    }

    fn parts(self) -> impl Iterator<Item = Self> {
        Part::parts(self)
    }

    fn member(self, name: &str) -> Option<Self> {
        Part::member(self, name)
    }
}

impl Demand {
    pub(super) fn met_by(&self, value: impl Seen) -> bool {
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
fn conforms(pattern: &Value, value: impl Seen) -> bool {
    match pattern {
        Value::Object(p) => {
            value.is_object()
                && p.iter()
                    .all(|(k, p)| value.member(k).is_some_and(|v| conforms(p, v)))
        }
        Value::Array(p) => value.is_list() && p.iter().all(|p| value.parts().any(|v| conforms(p, v))),
        p => value.scalar() == Some(p),
    }
}

/// Equal but for the order of members.
fn same(fixed: &Value, value: impl Seen) -> bool {
    match fixed {
        Value::Object(f) => {
            value.is_object()
                && f.len() == value.parts().count()
                && f.iter().all(|(k, f)| value.member(k).is_some_and(|v| same(f, v)))
        }
        Value::Array(f) => {
            value.is_list()
                && f.len() == value.parts().count()
                && f.iter().zip(value.parts()).all(|(f, v)| same(f, v))
        }
        f => value.scalar() == Some(f),
    }
}

/// One thing that tells a slice: what stands at a path below the item (empty: the item itself).
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub path: Vec<String>,
    pub demand: Demand,
}

impl Want {
    pub(super) fn met_by(&self, item: impl Seen) -> bool {
        anywhere(item, &self.path, &self.demand)
    }
}

/// Lists on the way are searched: one item that fits is enough.
fn anywhere(value: impl Seen, path: &[String], demand: &Demand) -> bool {
    match path {
        [] => demand.met_by(value) || value.is_list() && value.parts().any(|v| demand.met_by(v)),
        _ if value.is_list() => value.parts().any(|v| anywhere(v, path, demand)),
        [first, rest @ ..] => value.member(first).is_some_and(|v| anywhere(v, rest, demand)),
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
