//! What a partner's system expects of what it gets: US Core 6.1.0, eLTSS, BSeR, and of the log BALP.
//! <http://hl7.org/fhir/us/core/STU6.1/general-requirements.html>

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{
    BRIGID, Engine, MAPLE, Nonconformity, OPEN_DOOR, PRAIRIE, Person, RIVERSIDE, World, known,
    nonconformities, nonconformities_of_event, stories,
};

stories!(what_is_released_conforms_to_the_guides_but_for_what_is_listed);

/// Everybody's whole record, to every kind of partner, and every event that this left on the log. `settle` holds each answer
/// of every other story to the same list.
async fn what_is_released_conforms_to_the_guides_but_for_what_is_listed(engine: Engine) {
    let world = World::demo(engine).await;
    let mut found: BTreeMap<Nonconformity, usize> = BTreeMap::new();
    let mut add = |all: Vec<Nonconformity>| {
        all.into_iter()
            .for_each(|one| *found.entry(one).or_default() += 1)
    };
    for who in [MAPLE, RIVERSIDE, BRIGID, PRAIRIE, OPEN_DOOR] {
        let partner = world.partner(who).await;
        for person in [Person::ROSA, Person::MARCUS, Person::TAMSIN] {
            let id = world.id_of(person).await;
            for resource in partner.everything(&id).await.values() {
                add(nonconformities(resource));
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
    if nonconformities(&json!({"resourceType": "Patient", "gender": "x"})).is_empty() {
        return;
    }
    let gone: Vec<_> = known()
        .iter()
        .filter(|(listed, _)| !found.contains_key(listed))
        .collect();
    assert!(gone.is_empty(), "listed, and conforms now: {gone:#?}");
}
