//! Which elements of a datatype are free text, so that a profile releases them only by naming them singly.
//! <https://hl7.org/fhir/R4/datatypes.html>

use crate::fhir::element::Element;

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
];

/// Is `element`, taken as `type_name`, free text? (`CodeableConcept.text`, every `display`, Annotation,
/// markdown, and every string that is not in `DATA`.)
pub(super) fn is_free_text(element: &Element, type_name: &str) -> bool {
    matches!(type_name, "string" | "markdown" | "xhtml" | "Annotation") && !DATA.contains(&element.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::element::table;

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
}
