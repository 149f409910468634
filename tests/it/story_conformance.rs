//! What a partner's system expects of what it gets: US Core 6.1.0, eLTSS, BSeR, and of the log BALP.
//! <http://hl7.org/fhir/us/core/STU6.1/general-requirements.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::harness::{
    BRIGID, Engine, MAPLE, Nonconformity, OPEN_DOOR, PRAIRIE, Person, RIVERSIDE, World, claims_no_us_core,
    known, nonconformities, nonconformities_of_event, stories,
};

stories!(
    what_is_released_conforms_to_the_guides_but_for_what_is_listed,
    a_certified_ehrs_people_are_released_as_us_core,
);

/// What a release of the demo is that claims no profile of US Core, and why.
const UNCLAIMED: &[(&str, &str)] = &[];

/// The same of the two people of the US Core reference server.
const UNCLAIMED_OF_EHR: &[(&str, &str)] = &[(
    "Condition",
    "one says that its category is unknown: it is neither a problem nor a diagnosis of a visit",
)];

/// Everybody's whole record, to every kind of partner, and every event that this left on the log. `settle` holds each answer
/// of every other story to the same list.
async fn what_is_released_conforms_to_the_guides_but_for_what_is_listed(engine: Engine) {
    let world = World::demo(engine).await;
    let mut found: BTreeMap<Nonconformity, usize> = BTreeMap::new();
    let mut add = |all: Vec<Nonconformity>| {
        all.into_iter()
            .for_each(|one| *found.entry(one).or_default() += 1)
    };
    let mut unclaimed: BTreeSet<String> = BTreeSet::new();
    for who in [MAPLE, RIVERSIDE, BRIGID, PRAIRIE, OPEN_DOOR] {
        let partner = world.partner(who).await;
        for person in [Person::ROSA, Person::MARCUS, Person::TAMSIN] {
            let id = world.id_of(person).await;
            for resource in partner.everything(&id).await.values() {
                add(nonconformities(resource));
                unclaimed.extend(claims_no_us_core(resource));
            }
            for kind in ["Observation", "Task", "CarePlan"] {
                let page = partner.get(&format!("{kind}?patient={id}")).await;
                add(page
                    .resource()
                    .map(|bundle| nonconformities(&bundle))
                    .unwrap_or_default());
            }
        }
    }
    for event in world.events().await {
        add(nonconformities_of_event(&event.body));
    }
    let show = |one: &Nonconformity, times: usize| {
        format!("{}\t{}\t{}\t{times} times", one.profile, one.element, one.what)
    };
    let new: Vec<String> = found
        .iter()
        .filter(|(one, _)| !known().iter().any(|(listed, _)| listed == *one))
        .map(|(one, times)| show(one, *times))
        .collect();
    assert!(
        new.is_empty(),
        "does not conform, and is not listed:\n{}",
        new.join("\n")
    );
    listed(&unclaimed, UNCLAIMED);
    if nonconformities(&json!({"resourceType": "Patient", "gender": "x"})).is_empty() {
        return;
    }
    let gone: Vec<_> = known()
        .iter()
        .filter(|(listed, _)| !found.contains_key(listed))
        .collect();
    assert!(gone.is_empty(), "listed, and conforms now: {gone:#?}");
}

fn listed(unclaimed: &BTreeSet<String>, known: &[(&str, &str)]) {
    let known: BTreeSet<String> = known.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    assert_eq!(
        unclaimed, &known,
        "types of which something claims no profile of US Core"
    );
}

/// Every type, as a practice that has everything sees it; each claim holds (`settle` checks each again).
async fn a_certified_ehrs_people_are_released_as_us_core(engine: Engine) {
    let world = World::empty(engine).await;
    let Some(people) = world.us_core(MAPLE).await else {
        return;
    };
    let partner = world.partner(MAPLE).await;
    let (mut unclaimed, mut wrong) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut released = 0;
    for person in &people {
        for resource in partner.everything(person).await.values() {
            released += 1;
            unclaimed.extend(claims_no_us_core(resource));
            for one in nonconformities(resource) {
                *wrong
                    .entry(format!("{}\t{}\t{}", one.profile, one.element, one.what))
                    .or_default() += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{released} released: {wrong:#?}");
    assert!(released > 300, "{released} released");
    listed(&unclaimed, UNCLAIMED_OF_EHR);
}
