//! What this server says of itself, generated from what exists: each kind of statement in a file of its own.
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

mod capability;
mod definitions;
mod ours;
mod resource;
mod smart;
#[cfg(test)]
mod us_core;

use std::collections::BTreeMap;

use super::Gateway;

/// The day the form of these statements last changed; their content follows the data sets.
const DATE: &str = "2026-11-30";

impl Gateway {
    /// Resource types that some data set releases, with the profiles they come in.
    pub fn served_types(&self) -> BTreeMap<String, Vec<String>> {
        let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for set in self.rules.data_sets.values() {
            for profile in set.profiles() {
                served
                    .entry(profile.resource_type().to_owned())
                    .or_default()
                    .push(profile.url().to_owned());
            }
        }
        served.values_mut().for_each(|profiles| profiles.sort());
        served
    }
}
