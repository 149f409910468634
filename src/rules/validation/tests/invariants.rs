//! Invariants that the language here does not cover, by key: of R4, and of every package beside the repository.
//! <https://hl7.org/fhir/R4/conformance-rules.html#constraints>

use super::packages;
use crate::validation::{Definitions, Package};

#[test]
fn every_invariant_is_in_the_language() {
    let r4 = Definitions::default().coverage();
    assert!(r4.invariants > 200, "{r4:?}");
    assert_eq!(r4.unread, []);
    if let Some(definitions) = packages::all() {
        let all = definitions.coverage();
        println!("{} invariants", all.invariants);
        assert_eq!(all.unread, []);
    }
}

#[test]
fn what_is_left_out_is_named() {
    let mut reader = Package::reader("test");
    for (id, base, expression) in [
        (
            "a",
            "http://hl7.org/fhir/StructureDefinition/Patient",
            "name.aggregate($this)",
        ),
        ("b", "https://postern.test/nowhere", "name.exists()"),
    ] {
        let definition = serde_json::json!({"resourceType": "StructureDefinition", "url": format!("https://postern.test/{id}"),
            "derivation": "constraint", "kind": "resource", "type": "Patient", "baseDefinition": base,
            "differential": {"element": [{"id": "Patient", "path": "Patient",
                "constraint": [{"key": "t-1", "severity": "error", "human": "x", "expression": expression}]}]}});
        reader.add(
            &format!("StructureDefinition-{id}.json"),
            definition.to_string().as_bytes(),
        );
    }
    let package = reader.finish().expect("a package");
    let coverage = Definitions::new(vec![package]).coverage();
    let [(key, place, why)] = coverage.unread.as_slice() else {
        panic!("{coverage:?}");
    };
    assert_eq!((key.as_str(), place.as_str()), ("t-1", "https://postern.test/a"));
    assert!(why.contains("aggregate"), "{why}");
    let [(url, why)] = coverage.unusable.as_slice() else {
        panic!("{coverage:?}");
    };
    assert_eq!(url, "https://postern.test/b");
    assert!(why.contains("https://postern.test/nowhere"), "{why}");
}
