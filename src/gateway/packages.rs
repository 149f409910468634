//! FHIR packages, from their files to definitions: every package whole, or every problem, by file.
//! <https://hl7.org/fhir/packages.html>

use std::path::Path;

use postern_rules::disclosure::Rules;
use postern_rules::fhir::{Issue, Value};
use postern_rules::profile::DataSet;
use postern_rules::validation::{Definitions, Package, PackageReader};

use super::CatalogError;
use crate::config::{TakesFiles, list_packages, package_name, read_package};

struct Taking(PackageReader);

impl TakesFiles for Taking {
    fn wants(&self, file: &str) -> bool {
        PackageReader::wants(file)
    }

    fn take(&mut self, file: &str, bytes: &[u8]) {
        self.0.add(file, bytes);
    }

    fn refuse(&mut self, file: &str, why: &str) {
        self.0.refuse(file, why);
    }
}

/// Reads every package of a folder; without one, R4 alone is known.
pub fn load_packages(folder: Option<&Path>) -> Result<Definitions, CatalogError> {
    let Some(folder) = folder else {
        return Ok(Definitions::default());
    };
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    for path in list_packages(folder)? {
        let mut taking = Taking(Package::reader(&package_name(&path)));
        read_package(&path, &mut taking);
        match taking.0.finish() {
            Ok(package) => packages.push(package),
            Err(found) => problems.extend(
                found
                    .iter()
                    .map(|problem| format!("{}: {problem}", path.display())),
            ),
        }
    }
    if problems.is_empty() {
        Ok(Definitions::new(packages))
    } else {
        Err(CatalogError(problems))
    }
}

/// Everything wrong with a resource, by R4, by the packages and by the closed profiles of `rules`, asked for or claimed.
pub fn validated(
    definitions: &Definitions,
    rules: Option<&Rules>,
    resource: &Value,
    profiles: &[&str],
) -> Vec<Issue> {
    let own = |url: &str, resource: &Value| {
        let sets = rules.into_iter().flat_map(|rules| rules.data_sets.values());
        let mut all = sets.flat_map(DataSet::profiles);
        all.find(|profile| profile.url() == url)
            .map(|profile| profile.validate(resource))
    };
    definitions.validate_beside(resource, profiles, &own)
}
