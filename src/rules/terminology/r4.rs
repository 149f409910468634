//! The code systems and value sets that R4 itself defines and that can be told from its definitions alone: codes only.
//! <https://hl7.org/fhir/R4/terminologies-systems.html>, <https://hl7.org/fhir/R4/terminologies-valuesets.html>
//!
//! The tables are text in the binary. A first question indexes their lines; a set is read when it is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, OnceLock};

static CODE_SYSTEMS: LazyLock<Lines<HashSet<&'static str>>> =
    LazyLock::new(|| Lines::index(include_str!("../fhir/r4/code_systems.tsv")));
static VALUE_SETS: LazyLock<Lines<Members>> =
    LazyLock::new(|| Lines::index(include_str!("../fhir/r4/value_sets.tsv")));

/// Codes of a value set by system.
pub type Members = Vec<(&'static str, &'static HashSet<&'static str>)>;

/// All codes of a code system that R4 defines completely.
pub fn code_system(url: &str) -> Option<&'static HashSet<&'static str>> {
    CODE_SYSTEMS.get(url, |cells| cells.split('\t').collect())
}

/// Every code of a value set of R4; `None` where the set is not R4's, or is not listed by its definitions.
pub fn value_set(url: &str) -> Option<&'static Members> {
    VALUE_SETS.get(url, |cells| cells.split('\t').filter_map(members).collect())
}

/// `system` for all of it, `system|code|code` for some.
fn members(cell: &'static str) -> Option<(&'static str, &'static HashSet<&'static str>)> {
    match cell.split_once('|') {
        None => code_system(cell).map(|all| (cell, all)),
        // Kept for the life of the process, as the index that names it is.
        Some((system, codes)) => Some((system, Box::leak(Box::new(codes.split('|').collect())))),
    }
}

/// Lines `url`, tab, cells; each read once.
struct Lines<T: 'static>(HashMap<&'static str, (&'static str, OnceLock<T>)>);

impl<T> Lines<T> {
    fn index(text: &'static str) -> Lines<T> {
        let line = |line: &'static str| {
            line.split_once('\t')
                .map(|(url, cells)| (url, (cells, OnceLock::new())))
        };
        Lines(text.lines().filter_map(line).collect())
    }

    fn get(&'static self, url: &str, read: impl FnOnce(&'static str) -> T) -> Option<&'static T> {
        let (cells, read_once) = self.0.get(url)?;
        Some(read_once.get_or_init(|| read(cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::element::table;

    #[test]
    fn required_bindings_of_r4_have_their_codes_here() {
        let statuses = value_set("http://hl7.org/fhir/ValueSet/request-status").expect("a set of R4");
        assert_eq!(statuses[0].0, "http://hl7.org/fhir/request-status");
        assert!(statuses[0].1.contains("on-hold") && !statuses[0].1.contains("bogus"));
        let mut absent = HashSet::new();
        for resource in table().resource_types() {
            let mut open = vec![table().any(resource).expect("a type")];
            while let Some(of) = open.pop() {
                for element in &of.elements {
                    absent.extend(element.binding.filter(|url| value_set(url).is_none()));
                    open.extend(element.children().filter(|_| element.content_reference.is_none()));
                }
            }
        }
        // Grammars and lists kept elsewhere: media types, UCUM, ISO 4217, LOINC.
        let mut absent: Vec<_> = absent.into_iter().collect();
        absent.sort_unstable();
        assert_eq!(
            absent,
            [
                "http://hl7.org/fhir/ValueSet/mimetypes",
                "http://hl7.org/fhir/ValueSet/ucum-units",
                "http://loinc.org/vs/LL379-9"
            ]
        );
    }

    #[test]
    fn hierarchies_were_followed_when_the_table_was_made() {
        let purposes = value_set("http://terminology.hl7.org/ValueSet/v3-PurposeOfUse").expect("a set");
        assert!(purposes[0].1.contains("ETREAT") && !purposes[0].1.contains("_ActReason"));
        let categories = value_set("http://hl7.org/fhir/ValueSet/observation-category").expect("a set");
        assert!(categories[0].1.contains("vital-signs"));
    }
}
