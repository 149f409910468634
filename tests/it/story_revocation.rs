//! A consent that ends bites at once: on the next request after a revocation, and at the instant it expires. And a
//! revocation never enlarges what anyone sees.
//! 42 CFR 2.31(a)(6), 45 CFR 164.508(b)(5)

use std::collections::BTreeSet;

use crate::harness::{BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, World, demo_record, stories};

stories!(
    a_revocation_bites_on_the_next_request,
    a_revoked_part_2_consent_takes_part_2_content_along,
    an_expired_consent_bites_when_the_clock_passes,
    revoking_never_enlarges_what_anyone_sees,
    an_exception_added_to_a_consent_takes_what_it_names,
);

async fn revoke(world: &World, consent: &str) {
    let mut record = demo_record("consent", consent);
    record.body["status"] = "REVOKED".into();
    record.body["revokedAt"] = "11/21/2026 6:30 AM".into();
    let report = world.import(&record).await;
    assert!(report.changed() > 0, "the revocation is a change");
}

/// `Type/id` of all that a partner finds about Rosa; nothing at all when she does not exist for it.
async fn seen(partner: &Partner<'_>) -> BTreeSet<String> {
    let rosa = partner.world.id_of(Person::ROSA).await;
    partner.everything(&rosa).await.into_keys().collect()
}

async fn a_revocation_bites_on_the_next_request(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    let plan = format!("CarePlan?patient={rosa}");
    assert!(!riverside.get(&plan).await.resources().is_empty());
    revoke(&world, "rosa-riverside").await;
    let after = riverside.get(&plan).await;
    assert_eq!(
        (after.status, after.resources().len()),
        (200, 0),
        "{}",
        after.text()
    );
    assert_eq!(riverside.get(&format!("Patient/{rosa}")).await.status, 404);
}

async fn a_revoked_part_2_consent_takes_part_2_content_along(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    let rosa = world.id_of(Person::ROSA).await;
    assert!(
        maple
            .get(&format!("Condition?patient={rosa}"))
            .await
            .text()
            .contains("F11.20")
    );
    revoke(&world, "rosa-maple").await;
    for resource_type in [
        "Condition",
        "MedicationRequest",
        "RiskAssessment",
        "Goal",
        "Task",
        "Patient",
    ] {
        let query = if resource_type == "Patient" {
            "_id"
        } else {
            "patient"
        };
        let answer = maple.get(&format!("{resource_type}?{query}={rosa}")).await;
        let text = answer.text();
        assert!(
            !text.contains("42CFRPart2") && !text.contains("pioid"),
            "{resource_type} after revocation"
        );
    }
}

async fn an_expired_consent_bites_when_the_clock_passes(engine: Engine) {
    let world = World::empty(engine).await;
    for mut record in crate::harness::records("rosa").cloned() {
        if record.name == "rosa-riverside" {
            record.body["expires"]["onDate"] = "11/21/2026".into();
        }
        world.import(&record).await;
    }
    let mut riverside = world.partner(RIVERSIDE).await;
    let before = seen(&riverside).await;
    assert!(
        before.iter().any(|name| name.starts_with("CarePlan/")),
        "until the day ends the consent stands"
    );
    // The day named on the form counts whole, in the agency's zone: Chicago's midnight is six hours after London's.
    world.clock.advance((17 * 60 + 59) * 60);
    riverside.renew().await;
    assert_eq!(seen(&riverside).await, before, "the last minute of the day");
    world.clock.advance(60);
    assert_eq!(
        seen(&riverside).await,
        BTreeSet::new(),
        "the first instant after it"
    );
}

async fn revoking_never_enlarges_what_anyone_sees(engine: Engine) {
    for consent in ["rosa-maple", "rosa-riverside", "rosa-brigid"] {
        let world = World::of(engine, "rosa").await;
        let partners = world.three().await;
        let mut before = Vec::new();
        for partner in &partners {
            before.push(seen(partner).await);
        }
        revoke(&world, consent).await;
        let mut shrunk = 0;
        for (partner, before) in partners.iter().zip(before) {
            let after = seen(partner).await;
            let grown: Vec<_> = after.difference(&before).collect();
            assert!(
                grown.is_empty(),
                "revoking {consent} opened {grown:?} to {}",
                partner.who.name
            );
            shrunk += usize::from(after.len() < before.len());
        }
        assert!(shrunk > 0, "revoking {consent} changed nothing");
    }
}

async fn an_exception_added_to_a_consent_takes_what_it_names(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let brigid = world.partner(BRIGID).await;
    let rosa = world.id_of(Person::ROSA).await;
    let conditions = format!("Condition?patient={rosa}");
    assert!(
        brigid.get(&conditions).await.text().contains("F31.32"),
        "mental health is shared with the hospital"
    );
    let mut record = demo_record("consent", "rosa-brigid");
    let boxes = record.body["sensitive"].as_array_mut().expect("boxes");
    boxes
        .iter_mut()
        .filter(|one| one["category"] == "MH")
        .for_each(|one| one["share"] = "N".into());
    world.import(&record).await;
    let after = brigid.get(&conditions).await.text();
    assert!(
        !after.contains("F31.32") && after.contains("E11.9"),
        "only what the new exception names is gone"
    );
}
