//! The search parameters Postern serves, type by type: the closed table of `served.tsv`, each with R4's own expression
//! or US Core's. <https://hl7.org/fhir/R4/searchparameter-registry.html>,
//! <https://hl7.org/fhir/us/core/STU6.1/search-parameters-and-operations.html>

use std::collections::HashMap;
use std::sync::LazyLock;

use super::extract::Plan;
use super::path::{self, Path};
use crate::fhir::element::table;

/// `type, code, kind, defined by, expression (where it is not R4's), links` of each parameter.
const SERVED: &str = include_str!("served.tsv");

/// `code, base types, kind, expression, targets, comparators, id` of R4, generated beside the element table.
const DEFINITIONS: &str = include_str!("../fhir/r4/search.tsv");

/// <https://hl7.org/fhir/R4/valueset-search-param-type.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Token,
    Reference,
    Date,
    String,
    Uri,
}

impl Kind {
    pub fn code(self) -> &'static str {
        match self {
            Kind::Token => "token",
            Kind::Reference => "reference",
            Kind::Date => "date",
            Kind::String => "string",
            Kind::Uri => "uri",
        }
    }

    fn of(code: &str) -> Option<Kind> {
        let all = [Kind::Token, Kind::Reference, Kind::Date, Kind::String, Kind::Uri];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

#[derive(Debug)]
pub struct Parameter {
    pub code: &'static str,
    pub kind: Kind,
    /// Canonical of its definition.
    pub definition: String,
    /// What a reference may lead to.
    pub targets: &'static [&'static str],
    /// May `_include` follow it?
    pub include: bool,
    /// May `_revinclude` follow it backwards?
    pub revinclude: bool,
    /// Code systems that a bare `code` stands for: those of its required binding.
    pub(super) systems: Vec<String>,
    /// Its place among the parameters of its type.
    pub(super) at: u8,
    #[cfg(test)]
    pub(super) expression: String,
}

impl PartialEq for Parameter {
    fn eq(&self, other: &Parameter) -> bool {
        self.definition == other.definition && self.code == other.code
    }
}

/// What is served for one type.
#[derive(Debug)]
pub(super) struct Served {
    pub resource_type: &'static str,
    pub parameters: Vec<Parameter>,
    pub plan: Plan,
}

/// The parameters served for a resource type; empty for a type Postern does not release.
pub fn parameters(resource_type: &str) -> &'static [Parameter] {
    served(resource_type).map_or(&[], |served| &served.parameters)
}

/// The types that have parameters, by name.
pub fn searched_types() -> impl Iterator<Item = &'static str> {
    all().iter().map(|served| served.resource_type)
}

pub(super) fn parameter(resource_type: &str, code: &str) -> Option<&'static Parameter> {
    parameters(resource_type).iter().find(|p| p.code == code)
}

pub(super) fn served(resource_type: &str) -> Option<&'static Served> {
    let all = all();
    let at = all.binary_search_by(|served| served.resource_type.cmp(resource_type));
    at.ok().map(|at| &all[at])
}

fn all() -> &'static [Served] {
    static TABLE: LazyLock<Vec<Served>> = LazyLock::new(build);
    &TABLE
}

fn build() -> Vec<Served> {
    let definitions = definitions();
    let mut types: Vec<(Served, Vec<Vec<Path>>)> = Vec::new();
    for line in SERVED.lines().skip(1) {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let base = table()
            .resource(columns[0])
            .expect("served.tsv names types of R4")
            .name;
        if types
            .last()
            .is_none_or(|(served, _)| served.resource_type != base)
        {
            let served = Served {
                resource_type: base,
                parameters: Vec::new(),
                plan: Plan::default(),
            };
            types.push((served, Vec::new()));
        }
        let (served, paths) = types.last_mut().expect("just put there");
        let (parameter, own) = read(base, &columns, served.parameters.len(), &definitions);
        served.parameters.push(parameter);
        paths.push(own);
    }
    let planned = types.into_iter().map(|(mut served, paths)| {
        served.plan = Plan::of(&served.parameters, &paths);
        served
    });
    planned.collect()
}

/// A row of R4's own definitions.
struct Definition {
    expression: &'static str,
    targets: &'static [&'static str],
    id: &'static str,
}

fn definitions() -> HashMap<(&'static str, &'static str), Definition> {
    let mut all = HashMap::new();
    for line in DEFINITIONS.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let targets: &[&str] = match columns[4] {
            "" => &[],
            list => list.split(',').collect::<Vec<_>>().leak(),
        };
        for base in columns[1].split(',') {
            let definition = Definition {
                expression: columns[3],
                targets,
                id: columns[6],
            };
            all.insert((base, columns[0]), definition);
        }
    }
    all
}

fn read(
    base: &'static str,
    columns: &[&'static str],
    at: usize,
    definitions: &HashMap<(&'static str, &'static str), Definition>,
) -> (Parameter, Vec<Path>) {
    let (code, own) = (columns[1], definitions.get(&(base, columns[1])));
    let expression = match columns.get(4).copied().unwrap_or_default() {
        "" => own.expect("served.tsv names parameters of R4").expression,
        stated => stated,
    };
    let definition = match columns[3] {
        "us-core" => format!("{US_CORE}{}-{code}", base.to_ascii_lowercase()),
        _ => format!("{R4}{}", own.map_or(code, |own| own.id)),
    };
    let paths = path::paths(base, expression).expect("what is served can be read as paths");
    let mut systems: Vec<String> = paths.iter().flat_map(systems_of).collect();
    systems.dedup();
    let links = columns.get(5).copied().unwrap_or_default();
    let parameter = Parameter {
        code,
        kind: Kind::of(columns[2]).expect("served.tsv names kinds that are served"),
        definition,
        targets: own.map_or(&[], |own| own.targets),
        include: links.contains('i'),
        revinclude: links.contains('r'),
        systems,
        at: u8::try_from(at).expect("a type has few parameters"),
        #[cfg(test)]
        expression: path::of_base(base, expression),
    };
    (parameter, paths)
}

const R4: &str = "http://hl7.org/fhir/SearchParameter/";
const US_CORE: &str = "http://hl7.org/fhir/us/core/SearchParameter/us-core-";

/// What a value set of R4 is made of: mostly the code system of the same name. These are the others.
const SYSTEMS: [(&str, &[&str]); 5] = [
    ("care-plan-intent", &["http://hl7.org/fhir/request-intent"]),
    (
        "medicationrequest-intent",
        &["http://hl7.org/fhir/CodeSystem/medicationrequest-intent"],
    ),
    (
        "medicationrequest-status",
        &["http://hl7.org/fhir/CodeSystem/medicationrequest-status"],
    ),
    ("mimetypes", &["urn:ietf:bcp:13"]),
    (
        "task-intent",
        &[
            "http://hl7.org/fhir/request-intent",
            "http://hl7.org/fhir/task-intent",
        ],
    ),
];

/// Of an element of type `code`.
fn systems_of(path: &Path) -> Vec<String> {
    let name = path
        .binding
        .and_then(|binding| binding.strip_prefix("http://hl7.org/fhir/ValueSet/"));
    let Some(name) = name.filter(|_| path.type_name == "code") else {
        return Vec::new();
    };
    match SYSTEMS.iter().find(|(set, _)| *set == name) {
        Some((_, systems)) => systems.iter().map(|s| (*s).to_owned()).collect(),
        None => vec![format!("http://hl7.org/fhir/{name}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read_and_stands_in_order() {
        let rows: Vec<Vec<&str>> = SERVED
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect())
            .collect();
        let read: usize = searched_types().map(|t| parameters(t).len()).sum();
        assert_eq!(rows.len(), read);
        let types: Vec<_> = searched_types().collect();
        assert!(types.is_sorted() && types.len() == 26, "{types:?}");
        for of in types {
            let mut codes: Vec<_> = parameters(of).iter().map(|p| p.code).collect();
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), parameters(of).len(), "{of}");
        }
    }

    #[test]
    fn links_are_references_and_lead_somewhere() {
        for of in searched_types() {
            for parameter in parameters(of) {
                let linked = parameter.include || parameter.revinclude;
                assert!(
                    !linked || parameter.kind == Kind::Reference,
                    "{of}:{}",
                    parameter.code
                );
                assert!(
                    parameter.kind != Kind::Reference || !parameter.targets.is_empty(),
                    "{of}:{}",
                    parameter.code
                );
            }
        }
    }

    #[test]
    fn a_bare_code_stands_for_the_system_of_its_binding() {
        for (of, code, system) in [
            ("Task", "status", "http://hl7.org/fhir/task-status"),
            ("Patient", "gender", "http://hl7.org/fhir/administrative-gender"),
            ("CarePlan", "intent", "http://hl7.org/fhir/request-intent"),
        ] {
            let parameter = parameter(of, code).expect("served");
            assert_eq!(parameter.systems, [system], "{of}:{code}");
        }
        assert!(
            parameter("CarePlan", "category")
                .expect("served")
                .systems
                .is_empty()
        );
    }

    #[test]
    fn every_type_of_one_person_has_a_patient_parameter() {
        for of in searched_types().filter(|of| !crate::fhir::is_shared(of) && *of != "Patient") {
            assert!(parameter(of, "patient").is_some_and(|p| p.include), "{of}");
        }
    }

    /// Facts of US Core 6.1.0, where its package lies beside the checkout.
    #[test]
    fn what_us_core_defines_is_served_as_it_defines_it() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/packages/us-core-6.1.0"
        );
        let own = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../../shared/packages/us-core-6.1.0"
        );
        let Some(files) = [folder, own].into_iter().find_map(|f| std::fs::read_dir(f).ok()) else {
            println!("skipped: no US Core package here");
            return;
        };
        let mut compared = 0;
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if !name.starts_with("SearchParameter-") {
                continue;
            }
            let text = std::fs::read(file.path()).expect("readable");
            let defined: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            let (of, code) = (
                defined["base"][0].as_str().expect("a base"),
                defined["code"].as_str(),
            );
            let Some(parameter) = parameter(of, code.expect("a code")) else {
                continue;
            };
            assert_eq!(defined["url"], parameter.definition.as_str());
            assert_eq!(defined["type"], parameter.kind.code(), "{}", parameter.definition);
            let bare = |text: &str| text.replace([' ', '(', ')'], "").replace("asdate", ".asdate");
            let theirs = bare(defined["expression"].as_str().expect("an expression"));
            assert_eq!(
                theirs.replace("..", "."),
                bare(&parameter.expression).replace("..", "."),
                "{}",
                parameter.definition
            );
            compared += 1;
        }
        assert!(compared > 60, "{compared}");
    }
}
