//! What Inferno's US Core 6.1.0 test kit asks of a server, read from its own metadata (`../shared/requirements`).
//! <https://github.com/inferno-framework/us-core-test-kit>

mod coverage;
mod navigation;
mod yaml;

use serde_json::Value;

use super::people::root;
use navigation::{Node, at, list};

/// The groups in the order of the kit; none where the file is not there, which is printed.
pub fn groups() -> Option<Vec<Group>> {
    let path = root().join("../shared/requirements/us-core-6.1.0-metadata.yml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return None;
    };
    let read = yaml::read(&text);
    Some(list(&read["groups"]).cloned().map(Group).collect())
}

/// The tests of one profile.
#[derive(Clone, Debug)]
pub struct Group(Value);

impl Group {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub fn resource(&self) -> &str {
        self.text("resource")
    }

    fn profile(&self) -> &str {
        self.text("profile_url")
    }

    /// The last step of the profile's address.
    pub fn profile_name(&self) -> &str {
        self.profile().rsplit('/').next().unwrap_or_default()
    }

    /// Each combination of parameters a server has to find by.
    fn searches(&self) -> Vec<Vec<String>> {
        list(&self.0["searches"])
            .map(|one| texts(&one["names"]))
            .collect()
    }

    /// What the metadata says of one parameter: paths, type, values, comparators, multiple_or.
    fn parameter(&self, name: &str) -> &Value {
        &self.0["search_definitions"][name]
    }

    /// Everything that stands where this parameter looks.
    fn values<'v>(&self, resource: &'v Value, parameter: &str) -> Vec<Node<'v>> {
        let paths = list(&self.parameter(parameter)["paths"]).filter_map(Value::as_str);
        paths.flat_map(|path| at(Node::of(resource), path, &[])).collect()
    }

    /// Is this one of those that the group's first search finds: by the codes it asks for?
    pub fn covers(&self, resource: &Value) -> bool {
        let names = self.searches().into_iter().next().unwrap_or_default();
        resource["resourceType"] == self.resource()
            && names
                .iter()
                .filter(|name| !matches!(name.as_str(), "patient" | "_id"))
                .all(|name| self.asks_for(resource, name))
    }

    fn asks_for(&self, resource: &Value, parameter: &str) -> bool {
        let wanted = texts(&self.parameter(parameter)["values"]);
        let found = self.values(resource, parameter);
        wanted.is_empty() || found.iter().flat_map(codes).any(|code| wanted.contains(&code))
    }
}

/// The codes of a concept, a coding, a code.
fn codes(node: &Node<'_>) -> Vec<String> {
    let Some(value) = node.value else {
        return Vec::new();
    };
    let codings = list(&value["coding"]).map(|coding| &coding["code"]);
    let all = codings.chain([&value["code"], value]);
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).filter_map(Value::as_str).map(str::to_owned).collect()
}
