//! A source that is a Part 2 program in all it does: without a Part 2 consent its people do not exist for a partner. Who is also
//! known from elsewhere stays known from there, and no more. 42 CFR 2.11, 2.13(c), 2.31

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{DemoRecord, Engine, MAPLE, Person, World, demo_record, stories};

stories!(
    without_a_part_2_consent_nobody_from_there_exists,
    who_is_known_from_elsewhere_is_known_from_there_only,
);

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

/// The mappings of the repository, and beside them the same system run by a clinic that is a Part 2 program as a whole: it numbers
/// its clients as Hearthstone does. Only its consents' mapping says so; the others follow.
fn mappings(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let folder = std::env::temp_dir().join(format!("postern-whole-{}-{name}", std::process::id()));
    copy(&own, &folder);
    let clinic = folder.join("clinic");
    copy(&own.join("hearthstone/codes"), &clinic.join("codes"));
    for record in ["referral", "care-plan", "consent"] {
        let file = format!("{record}.map.yaml");
        let text = std::fs::read_to_string(own.join("hearthstone").join(&file)).expect("a mapping");
        let text = text.replace("mapping: hearthstone/", "mapping: clinic/");
        let whole = if record == "consent" { "part2: whole\n" } else { "" };
        std::fs::write(clinic.join(&file), format!("{whole}{text}")).expect("written");
    }
    folder
}

async fn world(engine: Engine, name: &str) -> World {
    let folder = mappings(&format!("{name}-{engine:?}"));
    let mappings = folder.clone();
    let world = World::configured(engine, &move |config| config.paths.mappings = mappings.clone()).await;
    // Mappings are compiled when the world begins.
    std::fs::remove_dir_all(&folder).expect("removed");
    world
}

fn from(source: &str, mut record: DemoRecord) -> DemoRecord {
    source.clone_into(&mut record.source);
    record
}

/// Rosa's consent to Maple as a form of the agency at large, not of Part 2.
fn general_consent() -> DemoRecord {
    let mut consent = demo_record("consent", "rosa-maple");
    consent.body["part2"] = "N".into();
    consent.body["program"] = "ACT".into();
    consent
}

async fn without_a_part_2_consent_nobody_from_there_exists(engine: Engine) {
    let world = world(engine, "alone").await;
    for record in [
        demo_record("referral", "rosa"),
        demo_record("care-plan", "rosa"),
        general_consent(),
    ] {
        world.import(&from("clinic", record)).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    let record = world.gateway.load_record(&rosa).await.expect("read");
    for stored in &record.resources {
        let security = stored.body["meta"]["security"].to_string();
        assert!(
            security.contains("42CFRPart2"),
            "{} lacks the label",
            stored.resource_type
        );
    }
    let maple = world.partner(MAPLE).await;
    let nobody = maple.get("Patient/00000000000000000000000000000000").await;
    let hidden = maple.get(&format!("Patient/{rosa}")).await;
    assert_eq!((hidden.status, nobody.status), (404, 404));
    assert_eq!(
        maple
            .get(&format!("CarePlan?patient={rosa}"))
            .await
            .resources()
            .len(),
        0
    );

    world
        .import(&from("clinic", demo_record("consent", "rosa-maple")))
        .await;
    let seen = maple.get(&format!("Patient/{rosa}")).await;
    assert_eq!(seen.status, 200, "a Part 2 consent opens it");
    assert!(seen.text().contains("42CFRPart2"), "and the label travels");
}

async fn who_is_known_from_elsewhere_is_known_from_there_only(engine: Engine) {
    for clinic_first in [true, false] {
        let world = world(engine, &format!("both-{clinic_first}")).await;
        let mut plan = demo_record("care-plan", "rosa");
        plan.body["summary"] = "What the clinic knows.".into();
        plan.body["planNo"] = "CP-99001".into();
        let drop = [
            "diagnoses",
            "meds",
            "allergies",
            "risks",
            "triggers",
            "earlySigns",
            "deescalation",
            "communication",
            "recovery",
            "protective",
            "goals",
            "actions",
            "contacts",
        ];
        let body = plan.body.as_object_mut().expect("an object");
        drop.iter().for_each(|key| {
            body.insert((*key).to_owned(), Value::Array(Vec::new()));
        });
        body.remove("crisis");
        let clinic = from("clinic", plan);
        let agency = [demo_record("referral", "rosa"), general_consent()];
        if clinic_first {
            world.import(&clinic).await;
        }
        for record in &agency {
            world.import(record).await;
        }
        if !clinic_first {
            world.import(&clinic).await;
        }
        let rosa = world.id_of(Person::ROSA).await;
        let maple = world.partner(MAPLE).await;
        let found = maple.everything(&rosa).await;
        assert!(
            found.contains_key(&format!("Patient/{rosa}")),
            "known from the referral"
        );
        let text = serde_json::to_string(&found).expect("JSON");
        assert!(!text.contains("What the clinic knows") && !text.contains("42CFRPart2"));
        assert!(!found.keys().any(|name| name.starts_with("CarePlan/")));
    }
}
