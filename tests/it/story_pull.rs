//! Three partners pull one plan, and each gets what consent, law and its data set allow: no more, and on the record.
//! 45 CFR 164.502(b), 42 CFR 2.31, 2.32, 2.33

use std::collections::BTreeMap;

use postern_rules::fhir::gate;
use serde_json::Value;

use crate::harness::{BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, STRANGER, World, stories};

stories!(
    three_partners_pull_one_plan_and_get_three_different_answers,
    what_is_released_is_valid_and_inside_its_closed_profile,
    what_a_consent_denies_reaches_nobody_it_denies,
    part_2_content_leaves_only_under_its_consent_and_with_its_notice,
    nothing_released_points_at_something_withheld,
    who_answers_is_in_every_release,
);

async fn pulled(partner: &Partner<'_>) -> BTreeMap<String, Value> {
    let rosa = partner.world.id_of(Person::ROSA).await;
    partner.everything(&rosa).await
}

async fn three_partners_pull_one_plan_and_get_three_different_answers(engine: Engine) {
    let world = World::demo(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut answers = Vec::new();
    for partner in world.three().await {
        let answer = partner.get(&format!("CarePlan?patient={rosa}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(
            !answer.resources().is_empty(),
            "{} gets the plan",
            partner.who.name
        );
        answers.push(answer.text());
    }
    assert!(answers[0] != answers[1] && answers[1] != answers[2] && answers[0] != answers[2]);
}

async fn what_is_released_is_valid_and_inside_its_closed_profile(engine: Engine) {
    let world = World::demo(engine).await;
    for partner in world.three().await {
        let set = &world.gateway.rules.data_sets[partner.who.class];
        for (name, resource) in pulled(&partner).await {
            let kind = resource["resourceType"].as_str().expect("a type");
            let profile = set.profile(kind).expect("only types of the data set leave");
            assert_eq!(profile.validate(&resource), [], "{}: {name}", partner.who.name);
            assert_eq!(gate::check(&resource), [], "{}: {name}", partner.who.name);
            assert_eq!(resource["meta"]["profile"][0], profile.url(), "{name}");
            assert_eq!(resource["text"]["status"], "generated", "{name}");
        }
    }
}

/// Texts that speak of each sensitivity in Rosa's record.
const OF_HIV: &[&str] = &["immunodeficiency", "B20", "Dolutegravir", "\"HIV\""];
const OF_SUBSTANCE_USE: &[&str] = &[
    "Opioid",
    "opioid",
    "F11.20",
    "Buprenorphine",
    "Harbor",
    "naloxone",
    "Naloxone",
    "films",
    "\"SUD\"",
    "42CFRPart2",
];
const OF_VIOLENCE: &[&str] = &["former partner", "\"SDV\""];

fn speaks_of(resources: &BTreeMap<String, Value>, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, resource) in resources {
        let text = resource.to_string();
        found.extend(
            texts
                .iter()
                .filter(|t| text.contains(**t))
                .map(|t| format!("{name}: {t}")),
        );
    }
    found
}

async fn what_a_consent_denies_reaches_nobody_it_denies(engine: Engine) {
    let world = World::demo(engine).await;
    let riverside = pulled(&world.partner(RIVERSIDE).await).await;
    for texts in [OF_HIV, OF_SUBSTANCE_USE, OF_VIOLENCE] {
        assert_eq!(
            speaks_of(&riverside, texts),
            [""; 0],
            "Riverside is denied all three"
        );
    }
    let brigid = pulled(&world.partner(BRIGID).await).await;
    assert_eq!(speaks_of(&brigid, OF_HIV), [""; 0], "St. Brigid is denied HIV");
    let maple = pulled(&world.partner(MAPLE).await).await;
    for texts in [OF_HIV, OF_VIOLENCE] {
        assert!(
            !speaks_of(&maple, texts).is_empty(),
            "Maple Street is denied nothing: {texts:?}"
        );
    }
}

async fn part_2_content_leaves_only_under_its_consent_and_with_its_notice(engine: Engine) {
    let world = World::demo(engine).await;
    let part2 = |resource: &Value| {
        resource["meta"]["security"]
            .to_string()
            .contains("\"42CFRPart2\"")
    };
    let brigid = pulled(&world.partner(BRIGID).await).await;
    assert!(
        !brigid.values().any(part2),
        "a general consent is no Part 2 consent"
    );
    let maple = pulled(&world.partner(MAPLE).await).await;
    let under_part2: Vec<&Value> = maple.values().filter(|r| part2(r)).collect();
    assert!(
        under_part2.len() >= 4,
        "condition, medication, risk, goals: {}",
        under_part2.len()
    );
    for resource in under_part2 {
        let narrative = resource["text"]["div"].as_str().expect("a narrative");
        assert!(
            narrative.contains("42 CFR part 2 prohibits unauthorized use or disclosure of these records.")
        );
    }
    // Tamsin refused: of her nobody gets anything, not even that she is known.
    let tamsin = world.id_of(Person::TAMSIN).await;
    let stranger = world.partner(crate::harness::STRANGER).await;
    assert_eq!(stranger.get(&format!("Patient/{tamsin}")).await.status, 404);
}

async fn nothing_released_points_at_something_withheld(engine: Engine) {
    let world = World::demo(engine).await;
    for partner in world.three().await {
        let resources = pulled(&partner).await;
        for (name, resource) in &resources {
            for target in crate::harness::references_in(resource) {
                assert!(
                    resources.contains_key(&target),
                    "{}: {name} points at {target}",
                    partner.who.name
                );
            }
        }
    }
}

/// The agency's own Organization needs nothing that leads to it; where there is no release there is none either.
async fn who_answers_is_in_every_release(engine: Engine) {
    let world = World::demo(engine).await;
    let agency = world
        .gateway
        .rules
        .agency
        .as_ref()
        .expect("somebody answers")
        .reference();
    for partner in world.three().await {
        let before = partner.get(&agency).await;
        assert_eq!(
            before.status, 404,
            "nothing was shown to {} yet",
            partner.who.name
        );
        pulled(&partner).await;
        let one = partner.get(&agency).await;
        assert_eq!(one.status, 200, "{}: {}", partner.who.name, one.text());
        assert_eq!(one.json()["name"], "Hearthstone");
        assert_eq!(one.json()["identifier"][0]["value"], "1999001005");
    }
    let stranger = world.partner(STRANGER).await;
    pulled(&stranger).await;
    assert_eq!(stranger.get(&agency).await.status, 404);
}
