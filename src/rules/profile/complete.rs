//! What US Core requires and the release does not have is said to be unknown, whether it was withheld, never
//! recorded or never asked: the three look the same from outside.
//! <https://hl7.org/fhir/us/core/STU6.1/general-guidance.html#missing-data>
//!
//! A profile marks such an element by opening the extension data-absent-reason below it. A coded element says
//! `unknown` as a code, every other one carries the extension.

use serde_json::{Value, json};

use super::plan::{Opened, Plan};
use crate::fhir::excerpt::Part;

const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const CODES: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

/// One element of the resource that is filled when it is absent.
#[derive(Debug)]
pub(super) struct Absent {
    key: String,
    shadow: String,
    stands_in: Value,
    /// The stand-in goes under `shadow`.
    twin: bool,
}

/// The elements of the resource that its profile marks.
pub(super) fn absent(plan: &Plan) -> Vec<Absent> {
    let Some(root) = plan.nodes.first() else {
        return Vec::new();
    };
    root.opened
        .iter()
        .filter(|o| marked(plan, o))
        .filter_map(stand_in)
        .collect()
}

fn marked(plan: &Plan, opened: &Opened) -> bool {
    let forms = opened
        .forms
        .iter()
        .map(|f| f.node)
        .chain(opened.slices.iter().map(|s| s.node));
    let mut extensions = forms
        .flat_map(|n| &plan.nodes[n].opened)
        .filter(|o| o.is_extension());
    extensions.any(|o| {
        o.slices
            .iter()
            .any(|s| s.wants.iter().any(|w| w.demand.value() == EXTENSION))
    })
}

fn stand_in(opened: &Opened) -> Option<Absent> {
    let form = opened.forms.first()?;
    let extension = json!({"extension": [{"url": EXTENSION, "valueCode": "unknown"}]});
    let gender = opened
        .element
        .binding
        .is_some_and(|b| b.contains("ValueSet/administrative-gender"));
    let (value, twin) = match form.type_name {
        "code" if gender => (json!("unknown"), false),
        "CodeableConcept" => (json!({"coding": [{"system": CODES, "code": "unknown"}]}), false),
        name => (extension, crate::fhir::element::is_primitive(name)),
    };
    let stands_in = if opened.is_list() { json!([value]) } else { value };
    Some(Absent {
        key: form.key.clone(),
        shadow: form.shadow.clone(),
        stands_in,
        twin,
    })
}

/// What stands in for what is absent, in the order of definition.
pub(super) fn unknown<'a>(
    absent: &'a [Absent],
    released: Part<'_, 'a>,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let there = move |name: &str| released.member(name).is_some();
    let missing = absent.iter().filter(move |a| !there(&a.key) && !there(&a.shadow));
    missing.map(|a| {
        (
            if a.twin { a.shadow.as_str() } else { a.key.as_str() },
            &a.stands_in,
        )
    })
}
