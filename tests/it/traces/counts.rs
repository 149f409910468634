//! Totals, pages, order, versions, cursors. <https://hl7.org/fhir/R4/http.html#paging>

use super::*;
use crate::two_worlds::next_page;

const TYPES: &[&str] = &[
    "Condition",
    "MedicationRequest",
    "Task",
    "Observation",
    "CarePlan",
    "CareTeam",
];

/// Every page of a search, from the first on.
async fn pages(partner: &Partner<'_>, path: &str) -> Vec<Answer> {
    let mut pages = vec![partner.get(path).await];
    while let Some(next) = pages.last().and_then(next_page) {
        pages.push(partner.send(Ask::get(&next)).await);
    }
    pages
}

pub async fn s01_total_counts_only_what_is_released(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let hidden = hidden(&world).await;
    for partner in world.three().await {
        for kind in TYPES {
            let path = format!("{kind}?patient={rosa}");
            let whole = partner.get(&path).await;
            let total = whole.json()["total"].clone();
            assert_eq!(total, whole.references().len(), "{kind}");
            assert_eq!(
                partner.get(&format!("{path}&_count=0")).await.json()["total"],
                total,
                "{kind}"
            );
            assert!(hidden.iter().all(|one| !whole.references().contains(one)));
            for oracle in [
                "_total=accurate",
                "_total=estimate",
                "_summary=count",
                "_summary=true",
            ] {
                let answer = partner.get(&format!("{path}&{oracle}")).await;
                assert_eq!(
                    (answer.status, &answer.json()["total"]),
                    (200, &total),
                    "{oracle}"
                );
            }
        }
    }
}

pub async fn s02_pages_are_full_and_the_last_leads_nowhere(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for kind in TYPES {
        let whole = maple.get(&format!("{kind}?patient={rosa}")).await.references();
        for count in 1..=whole.len() {
            let pages = pages(&maple, &format!("{kind}?patient={rosa}&_count={count}")).await;
            assert_eq!(pages.len(), whole.len().div_ceil(count), "{kind} by {count}");
            let (last, full) = pages.split_last().expect("a page");
            assert!(full.iter().all(|page| page.references().len() == count));
            assert!(!last.references().is_empty(), "no empty last page");
            let together: Vec<String> = pages.iter().flat_map(Answer::references).collect();
            assert_eq!(together, whole, "{kind} by {count}");
        }
    }
}

pub async fn s06_searches_see_only_what_is_released(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let base = "https://hearthstone.example/ids";
    for path in [
        format!("Condition?identifier={base}/diagnosis%7CDX-88102"),
        format!("Condition?patient={rosa}&identifier=DX-88102"),
        format!("Observation?patient={rosa}&identifier=OB-5504"),
        format!("MedicationRequest?patient={rosa}&identifier={base}/medication%7CRX-50312"),
        format!("Practitioner?identifier={base}/staff%7CS-131"),
    ] {
        let found = maple.get(&path).await;
        assert_eq!(
            (found.status, found.json()["total"].as_u64()),
            (200, Some(0)),
            "{path}"
        );
    }
    // Filters, their negation and orders are made over the release.
    let whole = maple.get(&format!("Condition?patient={rosa}")).await.references();
    for (one, other) in [
        ("code=F11.20", "code:not=F11.20"),
        ("code=B20", "code:not=B20"),
        ("identifier:missing=true", "identifier:missing=false"),
        ("onset-date=ge2000", "onset-date:missing=true"),
        ("_lastUpdated=le2026-11-21", "_lastUpdated=gt2026-11-21"),
    ] {
        let (one_found, other_found) = (
            maple
                .get(&format!("Condition?patient={rosa}&{one}"))
                .await
                .references(),
            maple
                .get(&format!("Condition?patient={rosa}&{other}"))
                .await
                .references(),
        );
        assert_eq!(
            one_found.len() + other_found.len(),
            whole.len(),
            "{one} and {other}"
        );
        assert!(
            one_found
                .iter()
                .chain(&other_found)
                .all(|found| whole.contains(found))
        );
    }
    let none = maple
        .get(&format!("Condition?patient={rosa}&code=F11.20,B20"))
        .await;
    assert_eq!(none.json()["total"].as_u64(), Some(0));
    for order in [
        "code",
        "-code",
        "onset-date,-_id",
        "-_lastUpdated",
        "clinical-status",
    ] {
        let sorted = maple
            .get(&format!("Condition?patient={rosa}&_sort={order}"))
            .await;
        let mut found = sorted.references();
        found.sort();
        let mut all = whole.clone();
        all.sort();
        assert_eq!(found, all, "{order}");
    }
    // What would see more is not offered.
    for way in [
        "code:below=F11",
        "code:in=http://example.org/vs",
        "_filter=x",
        "_sort=encounter",
    ] {
        let answer = maple.get(&format!("Condition?patient={rosa}&{way}")).await;
        assert_eq!(answer.status, 400, "{way}");
    }
}

pub async fn s10_a_hidden_change_moves_no_version(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let before = maple.everything(&rosa).await;
    world.clock.advance(60);
    let mut plan = demo_record("care-plan", "rosa");
    plan.body["diagnoses"][1]["name"] = "Opioid dependence, in remission".into();
    assert!(world.import(&plan).await.changed() > 0, "the record moved");
    assert_eq!(maple.everything(&rosa).await, before);
    let patient = &before[&format!("Patient/{rosa}")];
    let version = patient["meta"]["versionId"].as_str().expect("a version");
    let present = maple.get(&format!("Patient/{rosa}/_history/{version}")).await;
    assert_eq!((present.status, &present.json()), (200, patient));
    let nobody = maple.get(&format!("Patient/{NOBODY}/_history/{version}")).await;
    for gone in ["_history", "_history/1", "_history/0123456789abcdef"] {
        let answer = maple.get(&format!("Patient/{rosa}/{gone}")).await;
        assert_eq!(told(&answer), told(&nobody), "{gone}");
    }
}

pub async fn s12_cursors_belong_to_one_client_and_query_for_fifteen_minutes(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let mut partners = world.three().await;
    let path = format!("Observation?patient={rosa}&_count=2");
    let next = next_page(&partners[0].get(&path).await).expect("there is more");
    let (before, cursor) = next.split_once("_after=").expect("a cursor");
    assert!(
        cursor
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    let page = partners[0].send(Ask::get(&next)).await;
    assert_eq!((page.status, page.references().len()), (200, 2));

    let refused = partners[1].send(Ask::get(&next)).await;
    assert_eq!(refused.status, 400, "another client's");
    let mut forged = cursor.to_owned();
    let first = if forged.starts_with('A') { "B" } else { "A" };
    forged.replace_range(0..1, first);
    for (what, path) in [
        ("forged", format!("{before}_after={forged}")),
        ("cut", format!("{before}_after={}", &cursor[..20])),
        (
            "as it was once written",
            format!("{before}_after=1795262400000000.{NOBODY}"),
        ),
        ("another size", next.replace("_count=2", "_count=3")),
        ("another type", next.replace("/Observation?", "/Condition?")),
        ("another filter", next.replace("&_count", "&status=final&_count")),
        ("another person", next.replace(&rosa, NOBODY)),
    ] {
        let answer = partners[0].send(Ask::get(&path)).await;
        assert_eq!(told(&answer), told(&refused), "{what}");
    }
    world.clock.advance(15 * 60 - 1);
    partners[0].renew().await;
    assert_eq!(
        partners[0].send(Ask::get(&next)).await.status,
        200,
        "the last second"
    );
    world.clock.advance(1);
    assert_eq!(
        told(&partners[0].send(Ask::get(&next)).await),
        told(&refused),
        "too old"
    );
}
