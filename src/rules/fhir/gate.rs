//! The R4 gate: is this JSON value a resource as R4 defines it? Every problem it finds is listed, with FHIRPath.
//! <https://hl7.org/fhir/R4/json.html>, <https://hl7.org/fhir/R4/element.html> (ele-1, ext-1), <https://hl7.org/fhir/R4/domainresource.html> (dom-2)
//!
//! Shape only: names, lists, cardinality, choices, primitives, extensions. Bindings, invariants and profiles are
//! judged elsewhere. Paths are built only for problems, so a valid resource costs no allocation here.

use serde_json::{Map, Value};

use super::element::{self, Child, Element, Type};
use super::{Issue, IssueCode, json, path, primitive};

/// Problems listed; one more says that there were more.
pub const MAX_ISSUES: usize = 200;

/// What is said of a name that R4 does not know at its place.
pub const NO_ELEMENT: &str = "is no element that R4 defines here";

/// All problems of a resource; none means it is valid R4 in shape.
pub fn check(resource: &Value) -> Vec<Issue> {
    let mut walk = Walk {
        steps: Vec::new(),
        issues: Vec::new(),
        in_contained: false,
    };
    walk.resource(resource);
    if walk.issues.len() > MAX_ISSUES {
        walk.issues.truncate(MAX_ISSUES);
        let more = "there are more problems; the first 200 are listed";
        walk.issues.push(Issue::error(IssueCode::TooLong, "", more));
    }
    walk.issues
}

/// One step of a path, kept borrowed until somebody needs the text.
#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

struct Walk<'a> {
    steps: Vec<Step<'a>>,
    issues: Vec<Issue>,
    in_contained: bool,
}

/// Which elements of a type an object has, and the type chosen for each choice element.
struct Seen {
    bits: u128,
    chosen: [(u8, &'static str); MAX_CHOICES],
    choices: usize,
}

/// More than any R4 type has (`ElementDefinition` has 5); a test holds it.
pub(super) const MAX_CHOICES: usize = 8;

impl<'a> Walk<'a> {
    fn resource(&mut self, value: &'a Value) {
        let Value::Object(map) = value else {
            return self.report(
                IssueCode::Structure,
                "must be a resource: a JSON object with a resourceType",
            );
        };
        let at_root = self.steps.is_empty();
        let named = match map.get("resourceType") {
            Some(Value::String(name)) => element::table().resource(name),
            Some(_) => return self.report(IssueCode::Structure, "must have a resourceType that is a string"),
            None => return self.report(IssueCode::Required, "must have a resourceType"),
        };
        let Some(definition) = named else {
            return self.report(IssueCode::Value, "must have a resourceType that R4 knows");
        };
        if at_root {
            self.steps.push(Step::Name(definition.name));
        }
        self.content(definition, map, true);
        if at_root {
            self.steps.pop();
        }
    }

    /// The members of a resource, datatype or backbone element.
    fn content(&mut self, definition: &'static Type, map: &'a Map<String, Value>, is_resource: bool) {
        if self.steps.len() > 2 * json::MAX_DEPTH {
            return self.report(IssueCode::TooLong, "is nested too deep");
        }
        let mut seen = Seen {
            bits: 0,
            chosen: [(0, ""); MAX_CHOICES],
            choices: 0,
        };
        for (key, value) in map {
            if self.issues.len() > MAX_ISSUES {
                return;
            }
            if is_resource && key == "resourceType" {
                continue;
            }
            self.member(definition, map, key, value, &mut seen);
        }
        self.requirements(definition, &seen);
        if !is_resource {
            self.has_content(definition, map, &seen);
        }
    }

    fn member(
        &mut self,
        definition: &'static Type,
        map: &'a Map<String, Value>,
        key: &'a str,
        value: &'a Value,
        seen: &mut Seen,
    ) {
        let (name, is_shadow) = match key.strip_prefix('_') {
            Some(name) => (name, true),
            None => (key, false),
        };
        let Some((index, child)) = definition.find(name) else {
            return self.report_at(name, IssueCode::Structure, NO_ELEMENT);
        };
        let conflict = seen.add(index, child);
        self.steps.push(Step::Name(if child.element.is_choice() {
            child.element.stem()
        } else {
            name
        }));
        if let Some(other) = conflict {
            let text = format!(
                "must have one type only, not both {other} and {}",
                child.type_name
            );
            self.report(IssueCode::Structure, text);
        }
        if is_shadow {
            self.shadow(child, map.get(name), value);
        } else {
            // Only lists look at both forms at once; `_x` itself is judged when its own key comes.
            let both = child.element.is_list() && element::is_primitive(child.type_name);
            let shadow = if both { shadow_of(map, name) } else { None };
            self.value(child, value, shadow);
        }
        self.steps.pop();
    }

    fn value(&mut self, child: Child, value: &'a Value, shadow: Option<&'a Value>) {
        match (child.element.is_list(), value) {
            (true, Value::Array(items)) => {
                self.count(child.element, items.len());
                for (index, item) in items.iter().enumerate() {
                    let beside = shadow.and_then(|s| s.get(index));
                    self.steps.push(Step::Index(index));
                    match item {
                        // Its place is kept for the extension beside it.
                        Value::Null if beside.is_some_and(Value::is_object) => {}
                        Value::Null if element::is_primitive(child.type_name) => {
                            self.report(
                                IssueCode::Structure,
                                "must have a value or an extension, not null",
                            );
                        }
                        _ => self.item(child, item),
                    }
                    self.steps.pop();
                }
            }
            (true, _) => self.report(IssueCode::Structure, "must be a list"),
            (false, Value::Array(_)) => self.report(IssueCode::Structure, "must not be a list"),
            (false, _) => self.item(child, value),
        }
    }

    fn count(&mut self, element: &'static Element, count: usize) {
        if count == 0 {
            self.report(IssueCode::Structure, "must not be an empty list");
        } else if count < element.min as usize {
            self.report(
                IssueCode::Required,
                format!("must have at least {} items", element.min),
            );
        } else if count > element.max as usize {
            self.report(
                IssueCode::Structure,
                format!("must have at most {} items", element.max),
            );
        }
    }

    fn item(&mut self, child: Child, value: &'a Value) {
        if value.is_null() {
            return self.report(IssueCode::Structure, "must not be null");
        }
        if element::is_primitive(child.type_name) {
            if let Err(demand) = primitive::check(child.type_name, value) {
                self.report(IssueCode::Value, demand);
            }
            return;
        }
        if child.type_name == "Resource" {
            return self.nested_resource(child.element, value);
        }
        let Value::Object(map) = value else {
            return self.report(IssueCode::Structure, "must be an object");
        };
        if map.is_empty() {
            return self.report(IssueCode::Structure, "must not be an empty object");
        }
        // The table holds a type for every name it uses; a test says so.
        if let Some(definition) = child.content() {
            self.content(definition, map, false);
        }
    }

    fn nested_resource(&mut self, element: &'static Element, value: &'a Value) {
        let is_contained = element.name == "contained";
        if is_contained && self.in_contained {
            return self.report(IssueCode::Structure, "must not be inside a contained resource");
        }
        let outside = self.in_contained;
        self.in_contained |= is_contained;
        self.resource(value);
        self.in_contained = outside;
    }

    /// `_x`: the id and extensions of a primitive, aligned with `x`.
    fn shadow(&mut self, child: Child, value: Option<&'a Value>, shadow: &'a Value) {
        if !element::is_primitive(child.type_name) || is_attribute(child.element) {
            return self.report(IssueCode::Structure, "must not have an underscore form");
        }
        if !child.element.is_list() {
            return self.shadow_item(value.is_some(), shadow);
        }
        let Value::Array(items) = shadow else {
            return self.report(IssueCode::Structure, "must be a list in its underscore form, too");
        };
        let values = match value {
            Some(Value::Array(values)) => Some(values),
            _ => None,
        };
        if values.is_some_and(|values| values.len() != items.len()) {
            self.report(
                IssueCode::Structure,
                "must have as many items as its underscore form",
            );
        } else if values.is_none() {
            self.count(child.element, items.len());
        }
        for (index, item) in items.iter().enumerate() {
            let has_value = values.and_then(|v| v.get(index)).is_some_and(|v| !v.is_null());
            self.steps.push(Step::Index(index));
            if !item.is_null() {
                self.shadow_item(has_value, item);
            } else if values.is_none() {
                self.report(
                    IssueCode::Structure,
                    "must have a value or an extension, not null",
                );
            }
            self.steps.pop();
        }
    }

    fn shadow_item(&mut self, has_value: bool, shadow: &'a Value) {
        let Value::Object(map) = shadow else {
            return self.report(IssueCode::Structure, "must be an object in its underscore form");
        };
        if map.is_empty() {
            return self.report(IssueCode::Structure, "must not be an empty object");
        }
        if !has_value && !map.contains_key("extension") {
            self.report(IssueCode::Invariant, "must have a value or an extension");
        }
        let base = element::table()
            .datatype("Element")
            .expect("R4 has a type Element");
        let mut seen = Seen {
            bits: 0,
            chosen: [(0, ""); MAX_CHOICES],
            choices: 0,
        };
        for (key, value) in map {
            self.member(base, map, key, value, &mut seen);
        }
    }

    fn requirements(&mut self, definition: &'static Type, seen: &Seen) {
        for (index, element) in definition.elements.iter().enumerate() {
            if element.min > 0 && !seen.has(index) {
                self.report_at(element.stem(), IssueCode::Required, "is required");
            }
        }
    }

    /// ele-1: something beside an id; ext-1: a value or extensions, and not both.
    fn has_content(&mut self, definition: &'static Type, map: &'a Map<String, Value>, seen: &Seen) {
        if definition.name == "Extension" {
            match (map.contains_key("extension"), seen.choices > 0) {
                (true, true) => {
                    self.report(IssueCode::Invariant, "must have a value or extensions, not both")
                }
                (false, false) => self.report(IssueCode::Invariant, "must have a value or extensions"),
                _ => {}
            }
        } else if map.len() == 1 && map.contains_key("id") {
            self.report(IssueCode::Invariant, "must have content beside its id");
        }
    }

    fn report_at(&mut self, name: &'a str, code: IssueCode, details: impl Into<String>) {
        self.steps.push(Step::Name(name));
        self.report(code, details);
        self.steps.pop();
    }

    fn report(&mut self, code: IssueCode, details: impl Into<String>) {
        if self.issues.len() > MAX_ISSUES {
            return;
        }
        let mut place = String::new();
        for step in &self.steps {
            match step {
                Step::Name(name) => path::push_name(&mut place, name),
                Step::Index(index) => path::push_index(&mut place, *index),
            }
        }
        self.issues.push(Issue::error(code, place, details));
    }
}

impl Seen {
    /// Marks the element; the type it was given before, if that was another.
    fn add(&mut self, index: usize, child: Child) -> Option<&'static str> {
        let first_time = !self.has(index);
        self.bits |= 1 << index;
        if !child.element.is_choice() {
            return None;
        }
        if first_time {
            self.chosen[self.choices] = (index as u8, child.type_name);
            self.choices += 1;
            return None;
        }
        let known = self.chosen[..self.choices]
            .iter()
            .find(|(i, _)| usize::from(*i) == index);
        known
            .map(|(_, name)| *name)
            .filter(|name| *name != child.type_name)
    }

    fn has(&self, index: usize) -> bool {
        self.bits & (1 << index) != 0
    }
}

/// XML writes these as attributes, or as the content itself: nothing can stand beside them.
fn is_attribute(element: &Element) -> bool {
    let of_element = element.name == "id" && element.types == ["string"];
    of_element || element.path == "Extension.url" || element.types == ["xhtml"]
}

/// `_x` of `x`, found without building its name.
fn shadow_of<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter()
        .find(|(key, _)| key.strip_prefix('_') == Some(name))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_of_problems_ends() {
        let patient = json!({"resourceType": "Patient", "name": vec![Value::Null; 100_000]});
        let issues = check(&patient);
        assert_eq!(issues.len(), MAX_ISSUES + 1);
        assert_eq!(issues[0].expression, "Patient.name[0]");
        assert_eq!(issues[MAX_ISSUES].expression, "");
        let many: Map<String, Value> = (0..100_000).map(|i| (format!("x{i}"), Value::Null)).collect();
        assert!(
            check(&json!({"resourceType": "Patient", "contained": [many.clone()], "meta": many})).len() > 100
        );
    }

    #[test]
    fn values_deeper_than_the_door_allows_are_refused_without_recursion_to_the_end() {
        let mut extension = json!({"url": "u", "valueString": "a"});
        for _ in 0..500 {
            extension = json!({"url": "u", "extension": [extension]});
        }
        let issues = check(&json!({"resourceType": "Patient", "extension": [extension]}));
        assert_eq!(
            issues.iter().map(|i| i.code).collect::<Vec<_>>(),
            [IssueCode::TooLong]
        );
    }
}
