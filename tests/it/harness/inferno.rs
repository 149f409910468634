//! What Inferno's US Core 6.1.0 test kit asks of a server, read from its own metadata (`../shared/requirements`).
//! <https://github.com/inferno-framework/us-core-test-kit>

mod coverage;
mod navigation;
mod searching;
mod yaml;

use serde_json::Value;

use super::people::root;
use navigation::{Node, at, list};
pub use searching::{Asked, moved};

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

/// A combination of parameters a server has to find by.
#[derive(Clone, Debug)]
pub struct Search {
    pub names: Vec<String>,
    /// SHALL or SHOULD.
    pub expectation: String,
}

impl Group {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub fn resource(&self) -> &str {
        self.text("resource")
    }

    pub fn profile(&self) -> &str {
        self.text("profile_url")
    }

    /// The last step of the profile's address.
    pub fn profile_name(&self) -> &str {
        self.profile().rsplit('/').next().unwrap_or_default()
    }

    /// Is it tried only with what resources of other groups lead to? Then Inferno has no test of its searches.
    pub fn is_delayed(&self) -> bool {
        self.0["is_delayed"] == true
    }

    /// The name of one of the group's tests: `read` is `us_core_v610_careplan_read_test`.
    pub fn test(&self, of: &str) -> String {
        format!("{}_{of}_test", self.text("id"))
    }

    pub fn search_test(&self, search: &Search) -> String {
        self.test(&format!("{}_search", search.names.join("_").replace('-', "_")))
    }

    pub fn searches(&self) -> Vec<Search> {
        let search = |one: &Value| Search {
            names: texts(&one["names"]),
            expectation: one["expectation"].as_str().unwrap_or_default().to_owned(),
        };
        list(&self.0["searches"]).map(search).collect()
    }

    /// Where the must-support references of this resource lead.
    pub fn must_support_references(&self, resource: &Value) -> Vec<String> {
        let elements = list(&self.0["must_supports"]["elements"]);
        let references = elements.filter(|element| list(&element["types"]).any(|kind| kind == "Reference"));
        let paths = references.filter_map(|element| element["path"].as_str());
        let found = paths.flat_map(|path| at(Node::of(resource), path, &[]));
        found
            .filter_map(|node| node.value?["reference"].as_str().map(str::to_owned))
            .collect()
    }

    /// What the metadata says of one parameter: paths, type, values, comparators, multiple_or.
    pub fn parameter(&self, name: &str) -> &Value {
        &self.0["search_definitions"][name]
    }

    /// Everything that stands where this parameter looks.
    fn values<'v>(&self, resource: &'v Value, parameter: &str) -> Vec<Node<'v>> {
        let paths = list(&self.parameter(parameter)["paths"]).filter_map(Value::as_str);
        paths.flat_map(|path| located(resource, path)).collect()
    }

    /// `Provenance:target`
    pub fn revincludes(&self) -> Vec<String> {
        texts(&self.0["revincludes"])
    }

    /// Is this one of those that the group's first search finds: by the codes it asks for?
    pub fn covers(&self, resource: &Value) -> bool {
        let first = self.searches().into_iter().next();
        let names = first.map(|search| search.names).unwrap_or_default();
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

/// At a path of a search parameter, which may be an extension's: `extension.where(url='…').valueDateTime`.
fn located<'v>(resource: &'v Value, path: &str) -> Vec<Node<'v>> {
    let extension = path.strip_prefix("extension.where(url='");
    let Some((url, rest)) = extension.and_then(|path| path.split_once("').")) else {
        return at(Node::of(resource), path, &[]);
    };
    let own = list(&resource["extension"]).filter(|one| one["url"] == url);
    own.flat_map(|one| at(Node::of(one), rest, &[])).collect()
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
