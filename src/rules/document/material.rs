//! What a document is made from: released resources of one person, sorted by type, found by reference, in the order in which
//! the plans name them.

use std::collections::HashMap;

use super::datatype::{each, has_coding, text};
use crate::fhir::excerpt::Part;

/// Codes of what an Observation of a plan says, and of a crisis plan (`profiles/README.md`).
pub const PLAN_CONTENT: &str = "https://postern.example/fhir/CodeSystem/plan-content";
/// Codes of when an action is due in a shift.
pub const ACTION_PHASE: &str = "https://postern.example/fhir/CodeSystem/action-phase";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// Types that are in a document whole.
const TYPES: &[&str] = &[
    "Patient",
    "CarePlan",
    "RiskAssessment",
    "AllergyIntolerance",
    "MedicationRequest",
    "Condition",
    "Goal",
    "CareTeam",
    "RelatedPerson",
    "Appointment",
    "Coverage",
    "PractitionerRole",
    "Practitioner",
    "Organization",
    "Location",
    "HealthcareService",
];

/// Is a released resource part of the document? Of Observations what belongs to the plan and what was screened; of Tasks the
/// actions, not the steps of a referral.
pub fn takes_in(resource: Part<'_, '_>) -> bool {
    match text(resource, "resourceType").unwrap_or_default() {
        "Observation" => {
            super::datatype::code_of(resource, "code", PLAN_CONTENT)
                .next()
                .is_some()
                || has_coding(resource, "category", CATEGORY, "survey")
        }
        "Task" => resource.member("focus").is_none(),
        other => TYPES.contains(&other),
    }
}

pub struct Material<'e, 'a> {
    by_type: HashMap<&'a str, Vec<Part<'e, 'a>>>,
    by_name: HashMap<(&'a str, &'a str), Part<'e, 'a>>,
}

impl<'e, 'a> Material<'e, 'a> {
    /// Those of the released resources that are part of a document.
    pub fn of(resources: impl IntoIterator<Item = Part<'e, 'a>>) -> Material<'e, 'a> {
        let mut material = Material {
            by_type: HashMap::new(),
            by_name: HashMap::new(),
        };
        for resource in resources.into_iter().filter(|one| takes_in(*one)) {
            let (Some(of), Some(id)) = (text(resource, "resourceType"), text(resource, "id")) else {
                continue;
            };
            material.by_type.entry(of).or_default().push(resource);
            material.by_name.insert((of, id), resource);
        }
        material.sort();
        material
    }

    pub fn all(&self, of: &str) -> &[Part<'e, 'a>] {
        self.by_type.get(of).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn person(&self) -> Option<Part<'e, 'a>> {
        self.all("Patient").first().copied()
    }

    /// What a Reference leads to, when that is in the document.
    pub fn resolve(&self, reference: Part<'_, '_>) -> Option<Part<'e, 'a>> {
        let name = reference.member("reference")?.scalar()?.as_str()?;
        self.by_name.get(&name.split_once('/')?).copied()
    }

    pub fn named(&self, of: &str, id: &str) -> Option<Part<'e, 'a>> {
        self.by_name.get(&(of, id)).copied()
    }

    pub fn is_crisis_plan(plan: Part<'_, '_>) -> bool {
        has_coding(plan, "category", PLAN_CONTENT, "crisis-plan")
    }

    /// Plans first: in force before others, the newest first. All else in the order the plans name it; what no plan names, the
    /// newest first.
    fn sort(&mut self) {
        if let Some(plans) = self.by_type.get_mut("CarePlan") {
            plans.sort_by_cached_key(|plan| {
                let in_force = text(*plan, "status") == Some("active");
                let since = plan.member("period").and_then(|period| text(period, "start"));
                (!in_force, std::cmp::Reverse(since), text(*plan, "id"))
            });
        }
        let named: Vec<(&'a str, &'a str)> = self
            .all("CarePlan")
            .iter()
            .flat_map(|plan| names(*plan))
            .collect();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for (place, name) in named.into_iter().enumerate() {
            places.entry(name).or_insert(place);
        }
        for (of, resources) in self.by_type.iter_mut().filter(|(of, _)| **of != "CarePlan") {
            resources.sort_by_cached_key(|one| {
                let id = text(*one, "id").unwrap_or_default();
                let place = places.get(&(*of, id)).copied().unwrap_or(usize::MAX);
                (place, std::cmp::Reverse(when(*one)), id)
            });
        }
    }
}

/// Names of what a plan refers to, in its order.
fn names<'a>(plan: Part<'_, 'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let lists = ["addresses", "supportingInfo", "goal", "careTeam"];
    let listed = lists.into_iter().flat_map(move |name| each(plan, name));
    let actions = each(plan, "activity").filter_map(|activity| activity.member("reference"));
    let references = listed.chain(actions);
    references.filter_map(|reference| text(reference, "reference")?.split_once('/'))
}

/// The date by which the newest of a list comes first.
fn when<'a>(resource: Part<'_, 'a>) -> Option<&'a str> {
    const DATES: [&str; 8] = [
        "start",
        "authoredOn",
        "recordedDate",
        "effectiveDateTime",
        "occurrenceDateTime",
        "startDate",
        "onsetDateTime",
        "created",
    ];
    DATES.iter().find_map(|name| text(resource, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Value;
    use crate::fhir::excerpt::Excerpt;
    use serde_json::json;

    #[test]
    fn what_plans_name_stands_in_their_order_before_the_rest() {
        let observation = |id: &str, date: &str| {
            json!({"resourceType": "Observation", "id": id, "effectiveDateTime": date,
                "code": {"coding": [{"system": PLAN_CONTENT, "code": "trigger"}]}})
        };
        let resources: [Value; 6] = [
            observation("old", "2020-01-01"),
            observation("new", "2026-01-01"),
            observation("second", "2019-01-01"),
            observation("first", "2018-01-01"),
            json!({"resourceType": "CarePlan", "id": "p", "status": "active", "supportingInfo": [
                {"reference": "Observation/first"}, {"reference": "Observation/second"}, {"display": "nothing"}]}),
            json!({"resourceType": "Observation", "id": "weight", "code": {"text": "Weight"}}),
        ];
        let excerpts: Vec<Excerpt<'_>> = resources
            .iter()
            .map(|resource| {
                let mut excerpt = Excerpt::default();
                excerpt.value("", resource);
                excerpt
            })
            .collect();
        let material = Material::of(excerpts.iter().filter_map(Excerpt::root));
        let order: Vec<Option<&str>> = material
            .all("Observation")
            .iter()
            .map(|one| text(*one, "id"))
            .collect();
        assert_eq!(order, [Some("first"), Some("second"), Some("new"), Some("old")]);
    }
}
