//! What the labels of released elements add to the labels of their resource, in exactly what is released: an element
//! outside the data set adds nothing, or its label would tell of it. <https://hl7.org/fhir/uv/security-label-ds4p/>

use std::collections::HashSet;
use std::ptr;

use serde_json::Value;

use super::record::Stored;
use crate::fhir::excerpt::Excerpt;
use crate::label::{HighWater, at};

/// The high-water mark of those labelled elements that are in `excerpt`: some value of theirs is, and it is borrowed from the
/// place where the stored resource has it.
pub(super) fn released(
    stored: &Stored,
    labelled: &[(String, HighWater)],
    excerpt: &Excerpt<'_>,
) -> HighWater {
    let says_something = |mark: &HighWater| *mark != HighWater::default();
    if !labelled.iter().any(|(_, mark)| says_something(mark)) {
        return HighWater::default();
    }
    let there: HashSet<*const Value> = excerpt.scalars().map(ptr::from_ref).collect();
    let released = labelled.iter().filter(|(path, mark)| {
        let mut values = at(&stored.body, path).into_iter();
        says_something(mark) && values.any(|value| is_there(value, &there))
    });
    released.fold(HighWater::default(), |all, (_, mark)| all.with(*mark))
}

fn is_there(value: &Value, there: &HashSet<*const Value>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| is_there(item, there)),
        Value::Object(members) => members.values().any(|member| is_there(member, there)),
        scalar => there.contains(&ptr::from_ref(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{CodeLists, RAISED, label};
    use crate::profile::Withheld;
    use crate::profile::tests::shipping::sets;
    use serde_json::json;

    fn marks(resource: Value) -> Vec<&'static str> {
        let sets = sets();
        let set = sets.iter().find(|set| set.name() == "primary-care");
        let profile = set.and_then(|set| set.profile("CarePlan")).expect("a profile");
        let labels = label(&resource, CodeLists::shipped(), &RAISED);
        let labelled: Vec<_> = labels
            .elements
            .iter()
            .map(|(path, own)| (path.clone(), HighWater::of(own)))
            .collect();
        assert!(!labelled.is_empty(), "an element is labelled");
        let stored = Stored::new(resource, 1).expect("a resource");
        let projected = profile.excerpt(&stored.body, Withheld::default());
        let excerpt = projected.expect("released").excerpt;
        released(&stored, &labelled, &excerpt)
            .sensitivity
            .codes()
            .collect()
    }

    fn plan(members: &[(&str, Value)]) -> Value {
        let mut plan = json!({"resourceType": "CarePlan", "id": "x", "status": "active", "intent": "plan",
            "category": [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "code": "assess-plan"}]}],
            "subject": {"reference": "Patient/p"}, "description": "words", "note": [{"text": "plain"}, {"text": "more"}]});
        for (name, value) in members {
            plan[*name] = value.clone();
        }
        plan
    }

    fn inline(code: &str) -> Value {
        json!([{"url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
            "valueCoding": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}}])
    }

    #[test]
    fn the_label_of_a_released_element_is_on_the_whole_and_that_of_another_is_not() {
        let described = plan(&[("_description", json!({"extension": inline("SDV")}))]);
        assert_eq!(marks(described), ["SDV"]);
        let noted = plan(&[(
            "note",
            json!([{"text": "plain"}, {"extension": inline("SUD"), "text": "more"}]),
        )]);
        assert_eq!(marks(noted), ["SUD"]);
        let outside = plan(&[(
            "activity",
            json!([{"detail": {"status": "scheduled", "extension": inline("HIV"),
            "description": "not in the data set"}}]),
        )]);
        assert!(marks(outside).is_empty(), "what does not leave says nothing");
        let code = json!([{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20"}]);
        let coded = plan(&[(
            "activity",
            json!([{"detail": {"status": "scheduled", "code": {"coding": code}}}]),
        )]);
        assert!(marks(coded).is_empty());
    }
}
