//! The operations that only read: `$everything`, `$docref`, `$all-eltss-careplan`. What they give is what single reads give. After
//! each story every resource is held to the profiles it claims, and the log to what left (`harness/settle.rs`).
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>, <http://hl7.org/fhir/us/core/OperationDefinition/docref>,
//! <http://hl7.org/fhir/us/eltss/OperationDefinition/all-eltss-careplan>

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::fhir::gate;
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, Engine, MAPLE, Person, RIVERSIDE, World, demo_record, reference, references_in, stories,
};

stories!(
    everything_is_what_single_reads_give_and_all_of_it,
    everything_comes_in_pages_that_hold_together,
    everything_is_narrowed_by_type_change_and_care,
    documents_are_found_by_kind_time_profile_and_demand,
    a_plan_comes_with_all_it_leads_to,
    a_page_is_decided_anew,
    what_there_is_stands_in_the_capability_statement,
);

const LOINC: &str = "http://loinc.org";

pub(super) async fn rosas(engine: Engine) -> (World, String) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    (world, rosa)
}

fn named(resources: Vec<Value>) -> BTreeMap<String, Value> {
    resources.into_iter().map(|one| (reference(&one), one)).collect()
}

pub(super) fn names(answer: &Answer) -> BTreeSet<String> {
    answer.references().into_iter().collect()
}

async fn everything_is_what_single_reads_give_and_all_of_it(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    for partner in &world.three().await {
        let all = named(partner.all(&format!("Patient/{rosa}/$everything")).await);
        let one_by_one = partner.everything(&rosa).await;
        assert!(one_by_one.len() > 10, "{}", partner.who.name);
        for (name, found) in &one_by_one {
            assert_eq!(
                all.get(name),
                Some(found),
                "{}: {name} is in it as it is found",
                partner.who.name
            );
        }
        for (name, one) in &all {
            let accept = "application/fhir+json";
            let read = partner
                .send(Ask::get(&format!("/fhir/{name}")).with("accept", accept))
                .await;
            assert_eq!(
                &read.json(),
                one,
                "{}: {name} is read as it is in it",
                partner.who.name
            );
            for target in references_in(one) {
                assert!(
                    all.contains_key(&target),
                    "{}: {name} leads to {target}",
                    partner.who.name
                );
            }
        }
    }
}

async fn everything_comes_in_pages_that_hold_together(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let base = format!("Patient/{rosa}/$everything");
    let whole = maple.get(&format!("{base}?_count=500")).await;
    let bundle = whole.json();
    assert_eq!((whole.status, bundle["type"].as_str()), (200, Some("searchset")));
    assert_eq!(gate::check(&bundle), []);
    assert_eq!(bundle["total"], whole.references().len());
    assert_eq!(bundle["link"][0]["relation"], "self");
    assert_eq!(
        bundle["link"][0]["url"],
        format!("https://postern.test/fhir/{base}?_count=500")
    );
    let said = bundle["entry"]
        .as_array()
        .and_then(|all| all.last())
        .cloned()
        .unwrap_or_default();
    assert_eq!(
        (&said["search"]["mode"], &said["resource"]["resourceType"]),
        (&json!("outcome"), &json!("OperationOutcome"))
    );
    let (mut paged, mut pages, mut next) = (Vec::new(), 0, Some(format!("{base}?_count=7")));
    while let Some(path) = next {
        let page = maple.get(&path).await;
        let here = page.references();
        next = page.next_page();
        assert!(here.len() == 7 || next.is_none(), "pages are full");
        assert_eq!(page.json()["total"], bundle["total"]);
        paged.extend(here);
        pages += 1;
    }
    assert_eq!(
        paged,
        whole.references(),
        "in one order, nothing twice, nothing missing"
    );
    assert!(pages > 3);
    let counted = maple.get(&format!("{base}?_count=0")).await;
    assert_eq!(
        (counted.references().len(), &counted.json()["total"]),
        (0, &bundle["total"])
    );
    let first = maple
        .get(&format!("{base}?_count=7"))
        .await
        .next_page()
        .expect("a page after it");
    let cursor = first.split("_after=").nth(1).expect("a cursor").to_owned();
    let riverside = world.partner(RIVERSIDE).await;
    for (partner, path) in [
        (&riverside, first.clone()),
        (&maple, format!("{base}?_count=8&_after={cursor}")),
        (
            &maple,
            format!("DocumentReference/$docref?patient={rosa}&_count=7&_after={cursor}"),
        ),
        (
            &maple,
            format!("Condition?patient={rosa}&_count=7&_after={cursor}"),
        ),
    ] {
        assert_eq!(partner.get(&path).await.status, 400, "a page of another: {path}");
    }
}

async fn everything_is_narrowed_by_type_change_and_care(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let base = format!("Patient/{rosa}/$everything");
    let all = names(&maple.get(&format!("{base}?_count=500")).await);
    let of = |types: &[&str]| -> BTreeSet<String> {
        let is = |name: &&String| types.contains(&name.split('/').next().unwrap_or_default());
        all.iter().filter(is).cloned().collect()
    };
    for query in ["_type=Goal,CarePlan", "_type=Goal&_type=CarePlan"] {
        let found = names(&maple.get(&format!("{base}?{query}")).await);
        assert_eq!(found, of(&["Goal", "CarePlan"]), "{query}");
        assert!(found.len() > 1);
    }
    let nothing = maple.get(&format!("{base}?_type=Immunization")).await;
    assert_eq!(
        (
            nothing.status,
            nothing.references().len(),
            &nothing.json()["total"]
        ),
        (200, 0, &json!(0))
    );
    // Care: what has no date of care is always in; the person always is.
    let always = names(&maple.get(&format!("{base}?start=1990&end=1991&_count=500")).await);
    assert!(always.contains(&format!("Patient/{rosa}")) && always.len() < all.len());
    assert!(
        !always
            .iter()
            .any(|name| name.starts_with("Observation/") || name.starts_with("Encounter/"))
    );
    let ever = names(
        &maple
            .get(&format!("{base}?start=1900-01-01&end=2100-01-01&_count=500"))
            .await,
    );
    assert_eq!(ever, all);
    for dated in maple.all(&format!("Observation?patient={rosa}")).await {
        let Some(day) = dated["effectiveDateTime"]
            .as_str()
            .and_then(|text| text.get(..10))
        else {
            continue;
        };
        let that_day = format!("{base}?start={day}&end={day}&_type=Observation");
        assert!(
            names(&maple.get(&that_day).await).contains(&reference(&dated)),
            "{day}"
        );
    }
    // Change: for this recipient.
    world.clock.advance(200);
    let since = world.clock.instant().to_fhir();
    let unchanged = maple.get(&format!("{base}?_since={since}")).await;
    assert_eq!(unchanged.references().len(), 0, "nothing has changed");
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["goals"][0]["wording"] = "Sleep through the night, five nights a week".into();
    assert!(world.import(&plan).await.changed() > 0);
    let found = maple.get(&format!("{base}?_since={since}&_count=500")).await;
    let later: BTreeSet<String> = maple
        .all(&format!("{base}?_count=500"))
        .await
        .iter()
        .filter(|one| one["meta"]["lastUpdated"].as_str() >= Some(since.as_str()))
        .map(reference)
        .collect();
    assert_eq!(names(&found), later);
    assert!(!later.is_empty() && later.len() < all.len(), "{later:?}");
}

async fn documents_are_found_by_kind_time_profile_and_demand(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let maple = world.partner(MAPLE).await;
    let base = format!("DocumentReference/$docref?patient={rosa}");
    let all = names(&maple.get(&format!("DocumentReference?patient={rosa}")).await);
    let answer = maple.get(&base).await;
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (200, Some("searchset"))
    );
    assert_eq!(
        (names(&answer), &answer.json()["total"]),
        (all.clone(), &json!(all.len()))
    );
    let plan = answer
        .matches()
        .into_iter()
        .find(|one| one["masterIdentifier"].is_object());
    let plan = plan.expect("the plan as a document");
    let (itself, profile) = (
        BTreeSet::from([reference(&plan)]),
        plan["meta"]["profile"][0].as_str().expect("one"),
    );
    let us_core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-documentreference";
    for (query, there) in [
        (format!("type={LOINC}|18776-5"), true),
        ("type=18776-5".to_owned(), true),
        (format!("type={LOINC}|34133-9"), false),
        (format!("type={LOINC}|34133-9&type={LOINC}|18776-5"), true),
        ("start=2026-11-01&end=2026-12-01".to_owned(), true),
        ("end=2020-01-01".to_owned(), false),
        ("on-demand=true".to_owned(), true),
        (format!("profile={profile}"), true),
        (format!("profile={us_core}"), true),
        (
            "profile=http://nobody.test/StructureDefinition/x".to_owned(),
            false,
        ),
    ] {
        let answer = maple.get(&format!("{base}&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(names(&answer).is_superset(&itself), there, "{query}");
    }
    assert_eq!(
        names(&maple.get(&format!("{base}&on-demand=true")).await),
        itself,
        "what is made when read"
    );
    assert_eq!(names(&maple.get(&format!("{base}&on-demand=false")).await), all);
    for form in plan["content"].as_array().expect("content") {
        let url = form["attachment"]["url"].as_str().expect("an address");
        let path = url
            .strip_prefix("https://postern.test/fhir/")
            .expect("of this server");
        assert_eq!(maple.get(path).await.status, 200, "its link leads to it");
    }
    for patient in [
        format!("Patient/{rosa}"),
        format!("https://postern.test/fhir/Patient/{rosa}"),
    ] {
        let again = maple
            .get(&format!("DocumentReference/$docref?patient={patient}"))
            .await;
        assert_eq!(names(&again), all, "{patient}");
    }
}

async fn a_plan_comes_with_all_it_leads_to(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    for partner in &world.three().await {
        let plans = partner.all(&format!("CarePlan?patient={rosa}")).await;
        let main = plans
            .iter()
            .find(|plan| plan["partOf"].is_null())
            .expect("the shared plan");
        let answer = partner
            .get(&format!("{}/$all-eltss-careplan", reference(main)))
            .await;
        let bundle = answer.json();
        assert_eq!(
            (answer.status, bundle["type"].as_str()),
            (200, Some("collection")),
            "{}",
            partner.who.name
        );
        assert_eq!(gate::check(&bundle), []);
        assert!(bundle["timestamp"].is_string() && bundle["total"].is_null() && bundle["link"].is_null());
        let all = named(answer.resources());
        assert_eq!(
            answer.references().first(),
            Some(&reference(main)),
            "the plan first"
        );
        for plan in &plans {
            assert!(
                all.contains_key(&reference(plan)),
                "{}: a plan that is part of it",
                partner.who.name
            );
        }
        let one_by_one = partner.everything(&rosa).await;
        for (name, one) in &all {
            let found = match one_by_one.get(name) {
                Some(found) => found.clone(),
                None => partner.get(name).await.json(),
            };
            assert_eq!(&found, one, "{}: {name} as it is read", partner.who.name);
            for target in references_in(one) {
                assert!(
                    all.contains_key(&target),
                    "{}: {name} leads to {target}",
                    partner.who.name
                );
            }
        }
        let urls: BTreeSet<&str> = bundle["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["fullUrl"].as_str())
            .collect();
        assert_eq!(
            urls.len(),
            all.len() + 1,
            "each has its own, and what is said of it too"
        );
    }
}

async fn a_page_is_decided_anew(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let riverside = world.partner(RIVERSIDE).await;
    let everything = format!("Patient/{rosa}/$everything");
    let first = riverside.get(&format!("{everything}?_count=5")).await;
    let next = first.next_page().expect("a page after it");
    assert_eq!(riverside.get(&next).await.status, 200);
    let mut revoked = demo_record("consent", "rosa-riverside");
    revoked.body["status"] = "REVOKED".into();
    revoked.body["revokedAt"] = "11/21/2026 6:30 AM".into();
    assert!(world.import(&revoked).await.changed() > 0);
    let after = riverside.get(&everything).await;
    let left: BTreeSet<String> = names(&after);
    let page = riverside.get(&next).await;
    assert!(
        names(&page).is_subset(&left),
        "nothing that is not released any more"
    );
    assert!(
        left.len() < 30 || after.status == 404,
        "the revocation took something"
    );
}

async fn what_there_is_stands_in_the_capability_statement(engine: Engine) {
    let world = World::empty(engine).await;
    let statement = world.send(Ask::get("/fhir/metadata")).await.json();
    let resources = statement["rest"][0]["resource"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for (of, code, definition) in [
        (
            "Patient",
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        ),
        (
            "DocumentReference",
            "docref",
            "http://hl7.org/fhir/us/core/OperationDefinition/docref",
        ),
        (
            "CarePlan",
            "all-eltss-careplan",
            "http://hl7.org/fhir/us/eltss/OperationDefinition/all-eltss-careplan",
        ),
    ] {
        let resource = resources
            .iter()
            .find(|one| one["type"] == of)
            .expect("a type that is served");
        let operations = resource["operation"].as_array().cloned().unwrap_or_default();
        let told = operations
            .iter()
            .find(|one| one["name"] == code)
            .expect("the operation");
        assert_eq!(told["definition"], definition);
        let own = world
            .send(Ask::get(&format!("/fhir/OperationDefinition/{code}")))
            .await;
        let own = own.json();
        assert_eq!(gate::check(&own), []);
        assert_eq!(
            (&own["code"], &own["affectsState"]),
            (&json!(code), &json!(false))
        );
        assert_eq!(own["instance"], code != "docref");
    }
}
