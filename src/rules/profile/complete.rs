//! What US Core requires and the release does not have is said to be unknown, whether it was withheld, never
//! recorded or never asked: the three look the same from outside.
//! <https://hl7.org/fhir/us/core/STU6.1/general-guidance.html#missing-data>
//!
//! A profile marks such an element by opening the extension data-absent-reason below it, or below what US Core requires inside
//! it. A coded element says `unknown` as a code, every other one carries the extension.

use serde_json::{Map, Value, json};

use super::plan::{NodeId, Opened, Plan};
use crate::fhir::excerpt::Part;

const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const CODES: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";

/// One element of the resource that is filled when it is absent.
#[derive(Debug)]
pub(super) struct Absent {
    key: String,
    shadow: String,
    stands_in: Value,
    /// The stand-in goes under `shadow`.
    twin: bool,
}

/// The elements of the resource that its profile marks: themselves, or what US Core requires inside them.
pub(super) fn absent(plan: &Plan) -> Vec<Absent> {
    let Some(root) = plan.nodes.first() else {
        return Vec::new();
    };
    let marked = root.opened.iter().filter_map(|opened| {
        let (value, twin) = stand_in(plan, opened)?;
        let form = opened.forms.first()?;
        Some(Absent {
            key: form.key.clone(),
            shadow: form.shadow.clone(),
            stands_in: if opened.is_list() { json!([value]) } else { value },
            twin,
        })
    });
    marked.collect()
}

fn is_marked(plan: &Plan, opened: &Opened) -> bool {
    let mut extensions = nodes(opened)
        .flat_map(|n| &plan.nodes[n].opened)
        .filter(|o| o.is_extension());
    extensions.any(|o| {
        o.slices
            .iter()
            .any(|s| s.wants.iter().any(|w| w.demand.value() == EXTENSION))
    })
}

fn nodes(opened: &Opened) -> impl Iterator<Item = NodeId> {
    let forms = opened.forms.iter().map(|form| form.node);
    forms.chain(opened.slices.iter().map(|slice| slice.node))
}

/// What says *unknown* of one element, and whether it goes under its twin's name; `None`: it is not marked.
fn stand_in(plan: &Plan, opened: &Opened) -> Option<(Value, bool)> {
    let form = opened.forms.first()?;
    if is_marked(plan, opened) {
        return Some(unknown_of(opened, form.type_name));
    }
    // An identifier that is not there has an unknown system and an unknown value.
    let inside = &plan.nodes[form.node].opened;
    let inside = inside.iter().filter(|o| !o.is_extension() && is_marked(plan, o));
    let mut whole = Map::new();
    for opened in inside {
        let form = opened.forms.first()?;
        let (value, twin) = unknown_of(opened, form.type_name);
        let name = if twin { &form.shadow } else { &form.key };
        whole.insert(name.clone(), value);
    }
    (!whole.is_empty()).then_some((Value::Object(whole), false))
}

fn unknown_of(opened: &Opened, type_name: &str) -> (Value, bool) {
    let extension = json!({"extension": [{"url": EXTENSION, "valueCode": "unknown"}]});
    let gender = opened
        .element
        .binding
        .is_some_and(|b| b.contains("ValueSet/administrative-gender"));
    match type_name {
        "code" if gender => (json!("unknown"), false),
        // US Core binds it to kinds of document and to this.
        "CodeableConcept" if opened.element.path == "DocumentReference.type" => {
            (json!({"coding": [{"system": NULL_FLAVOR, "code": "UNK"}]}), false)
        }
        "CodeableConcept" => (json!({"coding": [{"system": CODES, "code": "unknown"}]}), false),
        name => (extension, crate::fhir::element::is_primitive(name)),
    }
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
