//! Who is meant? Facts about a person and candidates in, at most one confident match out. The rule is in the README of
//! this folder. <https://hl7.org/fhir/R4/patient-operation-match.html>

mod agreement;
mod normal;
mod stated;

pub use agreement::{How, agreement};
pub use stated::Stated;

use crate::fhir::Value;

/// What a person is indexed by: birth date with each family name, normalised. Sorted, each once; empty when a full birth
/// date or every family name is missing. Elements with a label of their own make no key.
pub fn keys(patient: &Value) -> Vec<String> {
    let known = Stated::stored(patient);
    let mut keys: Vec<String> = known.families().filter_map(|family| known.key(family)).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Of the candidates that agree at all, the one that is meant: the only one by identifier, else, where none agrees by
/// identifier, the only one by demographics.
pub fn only<T>(agreeing: Vec<(T, How)>) -> Option<(T, How)> {
    let by_identifier = agreeing.iter().any(|(_, how)| *how == How::Identifier);
    let mut meant = agreeing
        .into_iter()
        .filter(|(_, how)| !by_identifier || *how == How::Identifier);
    let first = meant.next();
    if meant.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_birth_date_with_each_family_name() {
        let patient = json!({"birthDate": "1987-03-14", "name": [
            {"family": "Delgado-Núñez"}, {"family": "DELGADO NUNEZ", "use": "old"}, {"family": "Marsh"}]});
        assert_eq!(keys(&patient), ["1987-03-14 delgadonunez", "1987-03-14 marsh"]);
        assert!(keys(&json!({"birthDate": "1987-03", "name": [{"family": "Marsh"}]})).is_empty());
        assert!(keys(&json!({"birthDate": "1987-03-14"})).is_empty());
    }

    #[test]
    fn one_or_none() {
        use How::{Demographics as D, Identifier as I};
        assert_eq!(only(vec![("a", D)]), Some(("a", D)));
        assert_eq!(only(vec![("a", D), ("b", D)]), None);
        assert_eq!(only(vec![("a", D), ("b", I), ("c", D)]), Some(("b", I)));
        assert_eq!(only(vec![("a", I), ("b", I)]), None);
        assert_eq!(only::<()>(Vec::new()), None);
    }
}
