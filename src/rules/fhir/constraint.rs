//! The invariants of R4, by the type or element that states them, from `r4/constraints.tsv`.
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Severity;

/// One invariant: what must be true of each value of a type or element.
#[derive(Debug)]
pub struct Constraint {
    /// `Patient.contact`, `Period`, `SimpleQuantity`.
    pub path: &'static str,
    pub key: &'static str,
    pub severity: Severity,
    /// FHIRPath.
    pub expression: &'static str,
    /// What it demands, in R4's words.
    pub human: &'static str,
}

/// All of them, by path, then key.
pub fn constraints() -> &'static [Constraint] {
    static ALL: LazyLock<Vec<Constraint>> =
        LazyLock::new(|| include_str!("r4/constraints.tsv").lines().map(row).collect());
    &ALL
}

/// Those stated at this path alone, as positions in `constraints`; what a type inherits stands at its ancestors.
pub fn stated_at(path: &str) -> &'static [u16] {
    static BY_PATH: LazyLock<HashMap<&'static str, Vec<u16>>> = LazyLock::new(|| {
        let mut found: HashMap<&'static str, Vec<u16>> = HashMap::new();
        for (at, constraint) in (0u16..).zip(constraints()) {
            found.entry(constraint.path).or_default().push(at);
        }
        found
    });
    BY_PATH.get(path).map_or(&[], Vec::as_slice)
}

/// The type that a type specialises, where that one states invariants.
pub fn ancestor(type_name: &str) -> Option<&'static str> {
    match type_name {
        "Age" | "Count" | "Distance" | "Duration" => Some("Quantity"),
        "Bundle" | "Binary" | "Parameters" | "Resource" | "DomainResource" => None,
        name => super::element::table().resource(name).map(|_| "DomainResource"),
    }
}

fn row(line: &'static str) -> Constraint {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (path, key, severity, expression, human) = (next(), next(), next(), next(), next());
    let severity = match severity {
        "warning" => Severity::Warning,
        _ => Severity::Error,
    };
    Constraint {
        path,
        key,
        severity,
        expression,
        human,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::element::table;

    #[test]
    fn each_invariant_stands_at_a_type_or_element_of_the_table() {
        assert_eq!(constraints().len(), 240);
        for constraint in constraints() {
            let known = table().any(constraint.path).is_some()
                || table().element(constraint.path).is_some()
                || constraint.path == "SimpleQuantity";
            assert!(known && !constraint.expression.is_empty(), "{constraint:?}");
        }
        let keys = |path| {
            stated_at(path)
                .iter()
                .map(|at| constraints()[usize::from(*at)].key)
                .collect::<Vec<_>>()
        };
        assert_eq!(keys("Period"), ["per-1"]);
        assert_eq!(keys("Patient.contact"), ["pat-1"]);
        assert_eq!(
            keys("DomainResource"),
            ["dom-2", "dom-3", "dom-4", "dom-5", "dom-6"]
        );
        assert!(keys("Patient").is_empty());
        assert_eq!(ancestor("Patient"), Some("DomainResource"));
        assert_eq!((ancestor("Age"), ancestor("Bundle")), (Some("Quantity"), None));
    }
}
