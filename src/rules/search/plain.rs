//! Search expressions that are no more than a path, which nearly all are: followed in what is released, without the engine.
//! <https://hl7.org/fhir/R4/searchparameter-registry.html>

use crate::fhir::element::table;
use crate::fhir::excerpt::Part;

/// `CarePlan.category`, `Task.for.where(resolve() is Patient)`.
pub(super) struct Plain {
    steps: Vec<&'static str>,
    patients_only: bool,
}

impl Plain {
    /// `None` when it takes the engine: functions, choices, names that R4 does not have.
    pub fn of(expression: &'static str) -> Option<Plain> {
        let (path, patients_only) = match expression.strip_suffix(".where(resolve() is Patient)") {
            Some(path) => (path, true),
            None => (expression, false),
        };
        let mut steps = path.split('.');
        let mut holder = table().resource(steps.next()?);
        let steps: Vec<&str> = steps.collect();
        for step in &steps {
            let child = holder?.child(step).filter(|child| !child.element.is_choice())?;
            holder = child.content();
        }
        Some(Plain { steps, patients_only })
    }

    /// Shows what it finds, in order; `false`, having shown nothing, when only the engine can say what a reference means.
    pub fn visit(&self, resource: Part<'_, '_>, see: &mut dyn FnMut(Part<'_, '_>)) -> bool {
        let mut sure = true;
        if self.patients_only {
            follow(resource, &self.steps, &mut |found| {
                sure &= target(found).is_some()
            });
        }
        if sure {
            follow(resource, &self.steps, &mut |found| {
                if !self.patients_only || target(found) == Some("Patient") {
                    see(found);
                }
            });
        }
        sure
    }
}

fn follow(part: Part<'_, '_>, steps: &[&str], see: &mut dyn FnMut(Part<'_, '_>)) {
    if part.is_list() {
        return part.parts().for_each(|item| follow(item, steps, see));
    }
    match steps {
        [] => see(part),
        [first, rest @ ..] => part
            .member(first)
            .into_iter()
            .for_each(|member| follow(member, rest, see)),
    }
}

/// The type in a reference of the form `Type/id`, which is what a release holds.
fn target<'a>(reference: Part<'_, 'a>) -> Option<&'a str> {
    let (kind, id) = reference.member("reference")?.as_str()?.split_once('/')?;
    let known =
        !id.is_empty() && !id.contains('/') && (kind == "Patient" || table().resource(kind).is_some());
    known.then_some(kind)
}
