//! Canonical addresses, `url|version`, and which of two versions is the later one.
//! <https://hl7.org/fhir/R4/references.html#canonical>

use std::cmp::Ordering;

/// Url and version of a canonical; a fragment is left out.
pub(super) fn split(canonical: &str) -> (&str, Option<&str>) {
    let whole = canonical.split('#').next().unwrap_or_default();
    match whole.split_once('|') {
        Some((url, version)) if !version.is_empty() => (url, Some(version)),
        Some((url, _)) => (url, None),
        None => (whole, None),
    }
}

/// Dotted numbers count as numbers; what has a suffix (`2.0.0-ballot`) stands before the same without.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let parts = |v: &str| {
        let (numbers, suffix) = v.split_once('-').map_or((v, None), |(n, s)| (n, Some(s)));
        let numbers: Vec<u64> = numbers.split('.').map(|n| n.parse().unwrap_or(0)).collect();
        (numbers, suffix.is_none(), suffix.unwrap_or_default().to_owned())
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

/// `6.1` stands for every `6.1.x`, as packages that depend on each other write it.
pub(super) fn covers(asked: &str, version: &str) -> bool {
    asked == version
        || version
            .strip_prefix(asked)
            .is_some_and(|rest| rest.starts_with('.'))
}

/// The type that a core definition describes: `Patient` of `http://hl7.org/fhir/StructureDefinition/Patient`.
pub(super) fn core_type(canonical: &str) -> Option<&str> {
    let name = split(canonical)
        .0
        .strip_prefix("http://hl7.org/fhir/StructureDefinition/")?;
    (!name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_version_is_known_by_its_numbers() {
        let mut versions = vec!["2.0.0-ballot", "10.0.0", "2.0.0", "2.0.0-snapshot1", "9.1"];
        versions.sort_by(|a, b| order(a, b));
        assert_eq!(
            versions,
            ["2.0.0-ballot", "2.0.0-snapshot1", "2.0.0", "9.1", "10.0.0"]
        );
        assert!(covers("6.1", "6.1.0") && covers("6.1.0", "6.1.0") && !covers("6.1", "6.10.0"));
    }

    #[test]
    fn a_canonical_is_an_address_and_perhaps_a_version() {
        assert_eq!(split("http://a/b|1.0#c"), ("http://a/b", Some("1.0")));
        assert_eq!(split("http://a/b"), ("http://a/b", None));
        assert_eq!(
            core_type("http://hl7.org/fhir/StructureDefinition/Patient|4.0.1"),
            Some("Patient")
        );
        assert_eq!(core_type("http://example.org/Patient"), None);
    }
}
