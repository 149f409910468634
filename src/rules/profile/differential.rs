//! A StructureDefinition's differential read into a tree of the elements it names.
//! <https://hl7.org/fhir/R4/structuredefinition-definitions.html#StructureDefinition.differential>
//!
//! Only what projection enforces is accepted: a keyword that would promise more (`binding`, `constraint`,
//! `maxLength` …) is refused by name.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::pattern::Demand;
use super::problem::Rule;
use crate::fhir::Issue;

/// One element the differential names, or opens because it names something below.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub name: String,
    /// `None`: only a container on the way to a named element.
    pub def: Option<Def>,
    pub children: Vec<Named>,
    pub slices: Vec<Named>,
}

/// What one element definition says.
#[derive(Clone, Debug, Default)]
pub(super) struct Def {
    pub min: u32,
    /// `None`: `*` or not said.
    pub max: Option<u32>,
    pub must_support: bool,
    pub types: Vec<String>,
    /// Canonical of the extension that `type.profile` names.
    pub type_profile: Option<String>,
    /// (type, path) of each discriminator; `Some` when the element has `slicing`.
    pub discriminators: Option<Vec<(String, String)>>,
    pub demand: Option<Demand>,
    pub short: Option<String>,
    pub comment: Option<String>,
}

impl Named {
    fn new(name: &str) -> Named {
        Named {
            name: name.to_owned(),
            ..Named::default()
        }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Named> {
        self.children.iter().find(|c| c.name == name)
    }

    /// Named, to be kept out (`max: "0"`).
    pub(super) fn excluded(&self) -> bool {
        self.def.as_ref().is_some_and(|d| d.max == Some(0))
    }

    /// A slice of `self` with what `self` says for every item: the slice's own word goes before.
    pub(super) fn with_slice(&self, slice: &Named) -> Named {
        let mut out = slice.clone();
        out.take_children(self);
        out
    }

    fn take_children(&mut self, of: &Named) {
        for theirs in &of.children {
            match self.children.iter_mut().find(|c| c.name == theirs.name) {
                None => self.children.push(theirs.clone()),
                Some(ours) => {
                    ours.take_children(theirs);
                    if ours.def.is_none() {
                        ours.def.clone_from(&theirs.def);
                    }
                    if ours.slices.is_empty() {
                        ours.slices.clone_from(&theirs.slices);
                    }
                }
            }
        }
    }

    /// The element at `steps` (name, slice), made when it is not there yet.
    fn reach(&mut self, steps: &[(&str, Option<&str>)]) -> &mut Named {
        let mut here = self;
        for (name, slice) in steps {
            here = member(&mut here.children, name);
            if let Some(slice) = slice {
                here = member(&mut here.slices, slice);
            }
        }
        here
    }
}

fn member<'a>(list: &'a mut Vec<Named>, name: &str) -> &'a mut Named {
    let at = list.iter().position(|c| c.name == name).unwrap_or_else(|| {
        list.push(Named::new(name));
        list.len() - 1
    });
    &mut list[at]
}

/// More element definitions than any R4 resource needs; depth likewise.
const MAX_ELEMENTS: usize = 2_000;
const MAX_DEPTH: usize = 24;

/// The tree under the resource type `root`; what is wrong is added to `problems`.
pub(super) fn read(sd: &Value, root: &str, problems: &mut Vec<Issue>) -> Named {
    let mut tree = Named::new(root);
    let Some(elements) = sd.pointer("/differential/element").and_then(Value::as_array) else {
        problems.push(Rule::Header.broken("differential", "a profile needs differential.element"));
        return tree;
    };
    if elements.len() > MAX_ELEMENTS {
        problems.push(Rule::Header.broken("differential", format!("more than {MAX_ELEMENTS} elements")));
        return tree;
    }
    let mut seen = HashSet::new();
    for (index, element) in elements.iter().enumerate() {
        let at = format!("differential.element[{index}]");
        let Some(id) = element.get("id").and_then(Value::as_str) else {
            problems.push(Rule::Element.broken(&at, "has no id"));
            continue;
        };
        if !seen.insert(id) {
            problems.push(Rule::Element.broken(id, "stands twice"));
            continue;
        }
        place(&mut tree, root, id, element, problems);
    }
    undeclared_slices(&tree, root, problems);
    tree
}

fn place(tree: &mut Named, root: &str, id: &str, element: &Value, problems: &mut Vec<Issue>) {
    let steps: Vec<(&str, Option<&str>)> = id
        .split('.')
        .map(|step| {
            step.split_once(':')
                .map_or((step, None), |(name, slice)| (name, Some(slice)))
        })
        .collect();
    let plain: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
    let path = element.get("path").and_then(Value::as_str).unwrap_or_default();
    if plain.join(".") != path || steps.len() > MAX_DEPTH {
        problems.push(Rule::Element.broken(id, "its path is not its id without slice names"));
        return;
    }
    if steps[0] != (root, None) {
        problems.push(Rule::UnknownPath.broken(id, format!("the path does not start with {root}")));
        return;
    }
    let slice = steps.last().and_then(|(_, slice)| *slice);
    if element.get("sliceName").and_then(Value::as_str) != slice {
        problems.push(Rule::Slicing.broken(id, "sliceName and id do not name the same slice"));
        return;
    }
    let Some(def) = define(id, element, problems) else {
        return;
    };
    if steps.len() > 1 && !def.must_support && def.min == 0 && def.max != Some(0) {
        problems.push(Rule::Unmarked.broken(id, "needs mustSupport true, min of 1 or more, or max \"0\""));
    }
    tree.reach(&steps[1..]).def = Some(def);
}

/// Keywords that say something projection keeps, or that only describe.
const KEYWORDS: &[&str] = &[
    "id",
    "path",
    "sliceName",
    "slicing",
    "short",
    "definition",
    "comment",
    "requirements",
    "alias",
    "label",
    "code",
    "min",
    "max",
    "base",
    "type",
    "mustSupport",
    "isModifier",
    "isModifierReason",
    "isSummary",
    "mapping",
    "meaningWhenMissing",
    "example",
];

fn define(id: &str, element: &Value, problems: &mut Vec<Issue>) -> Option<Def> {
    let map = element.as_object()?;
    let mut def = Def::default();
    for (key, value) in map {
        if let Some(demand) = demand(key, value) {
            if def.demand.replace(demand).is_some() {
                problems.push(Rule::Element.broken(id, "has more than one fixed or pattern value"));
            }
        } else if !KEYWORDS.contains(&key.as_str()) {
            problems.push(
                Rule::Unenforced.broken(id, format!("`{}` is not enforced by projection", keyword(key))),
            );
        }
    }
    def.min = cardinality(map, "min", id, problems).unwrap_or(0);
    def.max = cardinality(map, "max", id, problems);
    if def.max.is_some_and(|max| max < def.min) {
        problems.push(Rule::Cardinality.broken(id, "max is less than min"));
    }
    def.must_support = map.get("mustSupport") == Some(&Value::Bool(true));
    def.short = text(map, "short");
    def.comment = text(map, "comment");
    read_types(map, &mut def, id, problems);
    def.discriminators = map.get("slicing").map(discriminators);
    Some(def)
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// The file's own key, shortened: it is our own configuration, but an issue stays one line.
fn keyword(key: &str) -> String {
    key.chars().filter(char::is_ascii_graphic).take(40).collect()
}

fn demand(key: &str, value: &Value) -> Option<Demand> {
    let of = |prefix: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    match () {
        () if of("fixed") => Some(Demand::Fixed(value.clone())),
        () if of("pattern") => Some(Demand::Pattern(value.clone())),
        () => None,
    }
}

fn cardinality(map: &Map<String, Value>, key: &str, id: &str, problems: &mut Vec<Issue>) -> Option<u32> {
    let value = map.get(key)?;
    let number = match (key, value) {
        ("min", Value::Number(n)) => n.to_string().parse().ok(),
        ("max", Value::String(s)) if s == "*" => return None,
        ("max", Value::String(s)) => s.parse().ok(),
        _ => None,
    };
    if number.is_none() {
        problems.push(Rule::Cardinality.broken(id, format!("{key} is not a cardinality")));
    }
    number
}

fn read_types(map: &Map<String, Value>, def: &mut Def, id: &str, problems: &mut Vec<Issue>) {
    for entry in map.get("type").and_then(Value::as_array).into_iter().flatten() {
        def.types
            .extend(entry.get("code").and_then(Value::as_str).map(str::to_owned));
        let profiles = entry.get("profile").and_then(Value::as_array);
        match entry.get("code").and_then(Value::as_str) {
            Some("Extension") => {
                def.type_profile = profiles
                    .and_then(|p| p.first())
                    .and_then(Value::as_str)
                    .map(str::to_owned);
            }
            _ if profiles.is_some()
                || entry.get("targetProfile").is_some()
                || entry.get("aggregation").is_some() =>
            {
                problems.push(
                    Rule::Unenforced.broken(id, "a type's profile or target is not enforced by projection"),
                );
            }
            _ => {}
        }
    }
}

fn discriminators(slicing: &Value) -> Vec<(String, String)> {
    let part = |d: &Value, key: &str| d.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = slicing.get("discriminator").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|d| (part(d, "type"), part(d, "path")))
        .collect()
}

fn undeclared_slices(named: &Named, id: &str, problems: &mut Vec<Issue>) {
    for child in &named.children {
        let id = format!("{id}.{}", child.name);
        for slice in &child.slices {
            let id = format!("{id}:{}", slice.name);
            if slice.def.is_none() {
                problems.push(Rule::Slicing.broken(&id, "the slice itself is not in the differential"));
            }
            undeclared_slices(slice, &id, problems);
        }
        undeclared_slices(child, &id, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems_of(element: Value) -> String {
        let mut problems = Vec::new();
        read(
            &json!({"differential": {"element": [element]}}),
            "CarePlan",
            &mut problems,
        );
        problems
            .iter()
            .map(Issue::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_broken_rule_of_an_element_has_its_name() {
        let broken = |element, name: &str| {
            let text = problems_of(element);
            assert!(text.contains(&format!("{name}: ")), "{name} not in {text:?}");
        };
        broken(
            json!({"id": "CarePlan.status", "path": "CarePlan.status"}),
            "unmarked",
        );
        broken(json!({"path": "CarePlan.status", "min": 1}), "element");
        broken(
            json!({"id": "CarePlan.status", "path": "CarePlan.state", "min": 1}),
            "element",
        );
        broken(
            json!({"id": "Patient.name", "path": "Patient.name", "min": 1}),
            "unknown-path",
        );
        broken(
            json!({"id": "CarePlan.status", "path": "CarePlan.status", "min": 1, "binding": {}}),
            "unenforced",
        );
        broken(
            json!({"id": "CarePlan.status", "path": "CarePlan.status", "min": "1"}),
            "cardinality",
        );
        broken(
            json!({"id": "CarePlan.status", "path": "CarePlan.status", "min": 2, "max": "1"}),
            "cardinality",
        );
        broken(
            json!({"id": "CarePlan.category:a.coding", "path": "CarePlan.category.coding", "min": 1}),
            "slicing",
        );
        assert_eq!(
            problems_of(json!({"id": "CarePlan", "path": "CarePlan", "short": "x"})),
            ""
        );
        assert_eq!(
            problems_of(json!({"id": "CarePlan.note", "path": "CarePlan.note", "max": "0"})),
            ""
        );
    }

    #[test]
    fn a_slice_takes_what_its_list_says_for_every_item() {
        let mut tree = Named::new("CarePlan");
        tree.reach(&[("category", None), ("coding", None)]).def = Some(Def::default());
        tree.reach(&[("category", Some("plan")), ("text", None)]).def = Some(Def::default());
        let category = tree.child("category").expect("named");
        let merged = category.with_slice(&category.slices[0]);
        assert!(merged.child("text").is_some() && merged.child("coding").is_some());
    }
}
