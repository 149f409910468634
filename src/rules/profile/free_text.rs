//! Which elements of a datatype are free text, so that a profile releases them only by naming them singly.
//! <https://hl7.org/fhir/R4/datatypes.html>

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::fhir::element::{Element, Type, table};

/// Strings that are the datum itself, not prose about it: a datatype released whole keeps them. A quantity
/// keeps its unit because a dose without its unit is another dose.
const DATA: &[&str] = &[
    "HumanName.family",
    "HumanName.given",
    "HumanName.prefix",
    "HumanName.suffix",
    "Address.line",
    "Address.city",
    "Address.district",
    "Address.state",
    "Address.postalCode",
    "Address.country",
    "ContactPoint.value",
    "Identifier.value",
    "Coding.version",
    "Reference.reference",
    "Quantity.unit",
    "Age.unit",
    "Count.unit",
    "Distance.unit",
    "Duration.unit",
    "SampledData.data",
    "Extension.url",
    "Organization.name",
];

/// Is `element`, taken as `type_name`, free text? (`CodeableConcept.text`, every `display`, Annotation,
/// markdown, and every string that is not in `DATA`.)
pub(super) fn is_free_text(element: &Element, type_name: &str) -> bool {
    matches!(type_name, "string" | "markdown" | "xhtml" | "Annotation") && !DATA.contains(&element.path)
}

/// Shows the path of each free-text element of a resource (JSON names and indexes: `Task.description`,
/// `CarePlan.note[1]`, `Condition.code.text`), narrative and contained resources aside: what goes with an
/// element that was withheld as sensitive. An Annotation is one element.
pub fn free_text(resource: &Value, see: &mut dyn FnMut(&str)) {
    let name = resource
        .get("resourceType")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if let (Some(t), Some(map)) = (table().resource(name), resource.as_object()) {
        inside(t, map, &mut name.to_owned(), see);
    }
}

fn inside(t: &'static Type, map: &Map<String, Value>, path: &mut String, see: &mut dyn FnMut(&str)) {
    for (key, value) in map {
        let name = key.strip_prefix('_').unwrap_or(key);
        let Some(child) = t.child(name).filter(|_| name == key || !map.contains_key(name)) else {
            continue;
        };
        let narrative = child.type_name == "Narrative";
        if narrative || matches!(child.element.name, "id" | "extension" | "modifierExtension") {
            continue;
        }
        let mark = path.len();
        path.push('.');
        path.push_str(name);
        let items = value.as_array();
        for (at, item) in items
            .map_or(std::slice::from_ref(value), Vec::as_slice)
            .iter()
            .enumerate()
        {
            let mark = path.len();
            if items.is_some() {
                // Writing to a String does not fail.
                let _ = write!(path, "[{at}]");
            }
            if is_free_text(child.element, child.type_name) {
                see(path);
            } else if let (Some(t), Value::Object(map)) = (child.content(), item) {
                inside(t, map, path, see);
            }
            path.truncate(mark);
        }
        path.truncate(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prose_is_free_text_and_a_family_name_is_not() {
        let free = |path: &str| {
            let element = table().element(path).expect("in R4");
            is_free_text(element, element.types[0])
        };
        for path in [
            "CodeableConcept.text",
            "Coding.display",
            "Reference.display",
            "Dosage.text",
            "HumanName.text",
            "Dosage.patientInstruction",
            "Annotation.text",
            "Attachment.title",
            "Address.text",
        ] {
            assert!(free(path), "{path}");
        }
        for path in
            DATA.iter()
                .copied()
                .chain(["Coding.code", "Coding.system", "Period.start", "Timing.event"])
        {
            assert!(!free(path), "{path}");
        }
    }

    #[test]
    fn free_text_is_found_where_it_stands() {
        let resource = json!({"resourceType": "Task", "id": "t", "status": "ready", "intent": "order",
            "text": {"status": "generated", "div": "<div/>"}, "description": "prose", "_groupIdentifier": null,
            "code": {"coding": [{"code": "c", "display": "words"}], "text": "words"}, "identifier": [{"value": "1"}],
            "note": [{"text": "one"}, {"authorString": "x", "text": "two"}],
            "input": [{"type": {"text": "words"}, "valueString": "prose"}]});
        let mut seen = Vec::new();
        free_text(&resource, &mut |path| seen.push(path.to_owned()));
        assert_eq!(
            seen,
            [
                "Task.description",
                "Task.code.coding[0].display",
                "Task.code.text",
                "Task.note[0]",
                "Task.note[1]",
                "Task.input[0].type.text",
                "Task.input[0].valueString"
            ]
        );
    }
}
