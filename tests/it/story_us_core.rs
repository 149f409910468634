//! What Inferno asks of a US Core 6.1.0 server, of the two patients of its reference server as a practice is served them.
//! <http://hl7.org/fhir/us/core/STU6.1/must-support.html>

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Engine, Group, MAPLE, World, inferno_groups, stories, us_core_bundles};

stories!(every_must_support_element_that_the_ehr_sent_is_released);

/// What the EHR sent of somebody and no practice is sent, and why: profile, element (`*`: nothing of the profile).
const KEPT_BACK: &[(&str, &str, &str)] = &[
    (
        "us-core-observation-lab",
        "specimen",
        "leads to a Specimen, a type that no data set has",
    ),
    (
        "us-core-practitionerrole",
        "*",
        "nothing that the EHR sent refers to one, and of the directory a release has what is referred to",
    ),
];

/// Prints the coverage of each profile of a type that is served: what was sent, what is released.
async fn every_must_support_element_that_the_ehr_sent_is_released(engine: Engine) {
    let (Some(groups), Some(bundles)) = (inferno_groups(), us_core_bundles()) else {
        return;
    };
    let world = World::empty(engine).await;
    let people = world.us_core(MAPLE).await.expect("they were there before");
    let partner = world.partner(MAPLE).await;
    let mut released: Vec<Value> = Vec::new();
    for person in &people {
        released.extend(partner.everything(person).await.into_values());
    }
    // A Provenance is made here, never taken from an EHR: nothing was sent that could be compared.
    let data_set = &world.gateway.rules.data_sets[MAPLE.class];
    let served =
        |group: &&Group| group.resource() != "Provenance" && data_set.profile(group.resource()).is_some();
    let sent = || {
        bundles
            .iter()
            .flat_map(|b| b["entry"].as_array().into_iter().flatten())
    };
    println!(
        "{:<46}{:>10}{:>10}{:>8}{:>8}  not released",
        "profile", "resources", "elements", "sent", "served"
    );
    let mut kept_back = BTreeSet::new();
    let (mut asked, mut met) = (0, 0);
    for group in groups.iter().filter(served) {
        let before = group.coverage(sent().map(|entry| &entry["resource"]));
        let after = group.coverage(released.iter());
        let gaps: Vec<&String> = after.missing.difference(&before.missing).collect();
        println!(
            "{:<46}{:>10}{:>10}{:>8}{:>8}  {}",
            group.profile_name(),
            after.resources,
            after.asked,
            before.found(),
            after.found(),
            gaps.iter().map(|gap| gap.as_str()).collect::<Vec<_>>().join(" ")
        );
        (asked, met) = (asked + after.asked, met + after.found());
        match after.resources {
            0 if before.resources > 0 => {
                kept_back.insert((group.profile_name(), "*".to_owned()));
            }
            _ => kept_back.extend(gaps.iter().map(|gap| (group.profile_name(), (*gap).clone()))),
        }
    }
    println!("{met} of {asked} must-support elements are in what is released");
    let others: Vec<&str> = groups
        .iter()
        .filter(|g| !served(g))
        .map(Group::profile_name)
        .collect();
    println!("not served: {}", others.join(" "));
    let known = KEPT_BACK
        .iter()
        .map(|(profile, what, _)| (*profile, (*what).to_owned()));
    assert_eq!(kept_back, known.collect(), "sent by the EHR, and in no release");
}
