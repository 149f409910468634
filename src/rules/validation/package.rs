//! A FHIR package as its files: the definitions in it, each understood or the package refused.
//! <https://hl7.org/fhir/packages.html>, <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>

use serde_json::Value;

use super::code_list::{CodeSystem, ValueSet};
use super::structure::Structure;
use crate::fhir::element::table;
use crate::fhir::json;

/// Everything in a package that validation can be asked for. Made by `Package::reader`.
#[derive(Debug, Default)]
pub struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) structures: Vec<Structure>,
    pub(super) value_sets: Vec<Named<ValueSet>>,
    pub(super) code_systems: Vec<Named<CodeSystem>>,
    pub(super) others: Vec<Named<Other>>,
}

#[derive(Debug)]
pub(super) struct Named<T> {
    pub url: Box<str>,
    pub version: Box<str>,
    pub what: T,
}

/// A ConceptMap or SearchParameter, kept as text until somebody asks.
#[derive(Debug)]
pub(super) struct Other {
    pub resource_type: &'static str,
    pub text: Box<str>,
}

/// What is wrong with a file of a package; never what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct PackageProblem {
    pub file: String,
    pub what: String,
}

/// Takes files one by one, so that none has to be kept.
#[derive(Debug)]
pub struct PackageReader {
    package: Package,
    differentials: bool,
    problems: Vec<PackageProblem>,
}

impl Package {
    /// `name`: what the package is called where its own `package.json` does not say.
    pub fn reader(name: &str) -> PackageReader {
        PackageReader {
            package: Package {
                name: name.to_owned(),
                ..Package::default()
            },
            differentials: false,
            problems: Vec::new(),
        }
    }

    /// Name and version, as `name#version`.
    pub fn label(&self) -> String {
        match self.version.as_str() {
            "" => self.name.clone(),
            version => format!("{}#{version}", self.name),
        }
    }

    /// How many definitions it holds.
    pub fn len(&self) -> usize {
        self.structures.len() + self.value_sets.len() + self.code_systems.len() + self.others.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Definitions, by the type that the name of a file begins with.
const DEFINITIONS: [&str; 5] = [
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "ConceptMap",
    "SearchParameter",
];

impl PackageReader {
    /// Can a file of this name hold a definition? Packages name files `Type-id.json`; what is named otherwise may.
    pub fn wants(file: &str) -> bool {
        let name = file.rsplit('/').next().unwrap_or_default();
        let Some((before, _)) = name.split_once('-') else {
            return true;
        };
        DEFINITIONS.contains(&before) || table().resource(before).is_none()
    }

    /// Reads profiles from their differentials even where they carry a snapshot.
    pub fn from_differentials(mut self) -> PackageReader {
        self.differentials = true;
        self
    }

    /// One `.json` file. Resources that define nothing (examples, guides) are passed over.
    pub fn add(&mut self, file: &str, bytes: &[u8]) {
        let value = match json::parse(bytes) {
            Ok(value) => value,
            Err(issues) => {
                let what = issues.first().map(ToString::to_string).unwrap_or_default();
                return self.refuse(file, what);
            }
        };
        if file.rsplit('/').next() == Some("package.json") {
            return self.described(&value);
        }
        match value["resourceType"].as_str() {
            Some("StructureDefinition") => match Structure::read(&value, self.differentials) {
                Ok(Some(structure)) => self.package.structures.push(structure),
                Ok(None) => {}
                Err(fault) => self.refuse(file, fault.to_string()),
            },
            Some("ValueSet") => {
                if let Some(one) = self.named(file, &value, ValueSet::read) {
                    self.package.value_sets.push(one);
                }
            }
            Some("CodeSystem") => {
                if let Some(one) = self.named(file, &value, CodeSystem::read) {
                    self.package.code_systems.push(one);
                }
            }
            Some("ConceptMap") => self.other(file, &value, "ConceptMap"),
            Some("SearchParameter") => self.other(file, &value, "SearchParameter"),
            _ => {}
        }
    }

    /// What cannot be read from the outside: a file that is too large, a path that leads out.
    pub fn refuse(&mut self, file: &str, what: impl Into<String>) {
        self.problems.push(PackageProblem {
            file: file.to_owned(),
            what: what.into(),
        });
    }

    /// The whole package, or everything wrong with it.
    pub fn finish(mut self) -> Result<Package, Vec<PackageProblem>> {
        if self.problems.is_empty() && self.package.is_empty() {
            let name = self.package.name.clone();
            self.refuse(&name, "holds no definition");
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let version: Box<str> = self.package.version.as_str().into();
        for structure in self
            .package
            .structures
            .iter_mut()
            .filter(|s| s.version.is_empty())
        {
            structure.version.clone_from(&version);
        }
        Ok(self.package)
    }

    fn described(&mut self, value: &Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        self.package.name = text("name").unwrap_or_else(|| self.package.name.clone());
        self.package.version = text("version").unwrap_or_default();
    }

    fn named<T>(&mut self, file: &str, value: &Value, read: impl FnOnce(&Value) -> T) -> Option<Named<T>> {
        let Some(url) = value["url"].as_str() else {
            // Examples inside a guide may lack one; nobody can name them.
            return None;
        };
        if url.contains('|') || url.contains(char::is_whitespace) {
            self.refuse(file, "has a url that is no address");
            return None;
        }
        Some(Named {
            url: url.into(),
            version: value["version"].as_str().unwrap_or_default().into(),
            what: read(value),
        })
    }

    fn other(&mut self, file: &str, value: &Value, resource_type: &'static str) {
        let text = || {
            let mut plain = value.clone();
            if let Some(map) = plain.as_object_mut() {
                map.shift_remove("text");
            }
            plain.to_string().into()
        };
        let read = |_: &Value| Other {
            resource_type,
            text: text(),
        };
        if let Some(one) = self.named(file, value, read) {
            self.package.others.push(one);
        }
    }
}
