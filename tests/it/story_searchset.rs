//! What a search is answered with: order and pages, parts of resources, what comes with a match, the version of each.
//! <https://hl7.org/fhir/R4/search.html#table>, <https://hl7.org/fhir/R4/http.html#paging>

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use crate::harness::{Answer, Ask, BRIGID, Engine, MAPLE, Partner, Person, RIVERSIDE, World, stories};
use crate::two_worlds::next_page;

stories!(
    pages_in_any_order_joined_are_one_page,
    a_part_is_tagged_and_within_the_whole,
    what_comes_with_a_match_is_released_once_and_not_counted,
    a_present_version_can_be_named,
);

/// Every page of a search, from the first on.
async fn pages(partner: &Partner<'_>, path: &str) -> Vec<Answer> {
    let mut pages = vec![partner.get(path).await];
    while let Some(next) = pages.last().and_then(next_page) {
        pages.push(partner.send(Ask::get(&next)).await);
    }
    pages
}

async fn pages_in_any_order_joined_are_one_page(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let riverside = world.partner(RIVERSIDE).await;
    for (of, order) in [
        ("Observation", "code,-_lastUpdated"),
        ("Observation", "-code"),
        ("Observation", "-_id"),
        ("Task", "status,-authored-on"),
        ("Task", "-period"),
        ("Condition", "-onset-date"),
        ("MedicationRequest", "authoredon"),
    ] {
        let path = format!("{of}?patient={rosa}&_sort={order}");
        let whole = riverside.get(&path).await;
        assert_eq!(whole.status, 200, "{path}: {}", whole.text());
        let pages = pages(&riverside, &format!("{path}&_count=3")).await;
        let joined: Vec<Value> = pages.iter().flat_map(Answer::resources).collect();
        assert_eq!(joined, whole.resources(), "{path}");
        assert!(
            pages
                .iter()
                .all(|page| page.json()["total"] == whole.json()["total"])
        );
    }
    let ids = |answer: &Answer| -> Vec<String> { answer.references() };
    let up = riverside
        .get(&format!("Observation?patient={rosa}&_sort=_id"))
        .await;
    let mut down = ids(&riverside
        .get(&format!("Observation?patient={rosa}&_sort=-_id"))
        .await);
    down.reverse();
    assert_eq!(ids(&up), down);
    let sorted = riverside
        .get(&format!("Condition?patient={rosa}&_sort=onset-date"))
        .await
        .resources();
    let dates: Vec<Option<&str>> = sorted.iter().map(|one| one["onsetDateTime"].as_str()).collect();
    let known: Vec<&&str> = dates.iter().flatten().collect();
    assert!(known.is_sorted(), "{dates:?}");
    assert!(
        dates.iter().skip(known.len()).all(Option::is_none),
        "what has no date stands last: {dates:?}"
    );
}

async fn a_part_is_tagged_and_within_the_whole(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    for of in [
        "CarePlan",
        "Goal",
        "Condition",
        "MedicationRequest",
        "Task",
        "CareTeam",
    ] {
        let whole = maple.get(&format!("{of}?patient={rosa}")).await;
        for part in [
            "_summary=true",
            "_summary=data",
            "_summary=text",
            "_elements=status,code",
            "_elements=identifier",
        ] {
            let lenient =
                Ask::get(&format!("/fhir/{of}?patient={rosa}&{part}")).with("prefer", "handling=lenient");
            let parts = maple.send(lenient).await;
            assert_eq!(parts.references(), whole.references(), "{of} {part}");
            for (part_of, one) in parts.resources().iter().zip(whole.resources()) {
                assert_eq!(part_of["meta"]["versionId"], one["meta"]["versionId"]);
                assert_eq!(
                    part_of["meta"]["security"], one["meta"]["security"],
                    "labels stay"
                );
                if part_of == &one {
                    continue;
                }
                assert_eq!(part_of["meta"]["tag"][0]["code"], "SUBSETTED", "{of} {part}");
                let members = part_of.as_object().expect("a resource").iter();
                for (name, value) in members.filter(|(name, _)| !matches!(name.as_str(), "meta" | "text")) {
                    let here = &one[name.as_str()];
                    assert!(
                        value == here || part == "_summary=true" && within(value, here),
                        "{of} {part}: {name}"
                    );
                }
                let notice = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";
                assert_eq!(
                    part_of.to_string().contains(notice),
                    one.to_string().contains(notice),
                    "{of} {part}"
                );
            }
            let id = &whole.references()[0];
            let read = maple
                .send(Ask::get(&format!("/fhir/{id}?{part}")).with("prefer", "handling=lenient"))
                .await;
            assert_eq!(
                (read.status, &read.json()),
                (200, &parts.resources()[0]),
                "{of} {part}"
            );
            assert_eq!(read.header("etag"), maple.get(id).await.header("etag"));
        }
    }
    let counted = maple
        .get(&format!("Condition?patient={rosa}&_summary=count"))
        .await
        .json();
    let untold = maple
        .get(&format!("Condition?patient={rosa}&_total=none"))
        .await
        .json();
    let whole = maple.get(&format!("Condition?patient={rosa}")).await;
    assert_eq!(counted["total"], whole.json()["total"]);
    assert!(
        untold["total"].is_null()
            && whole.resources().len() + 1 == untold["entry"].as_array().map_or(0, Vec::len)
    );
    for wrong in [
        "_summary=text&_include=Condition:patient",
        "_elements=colour",
        "_summary=true&_elements=code",
    ] {
        assert_eq!(
            maple
                .get(&format!("Condition?patient={rosa}&{wrong}"))
                .await
                .status,
            400,
            "{wrong}"
        );
    }
}

/// Is everything of the part also in the whole?
fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(_)) => part
            .iter()
            .all(|(name, value)| within(value, &whole[name.as_str()])),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(a, b)| within(a, b))
        }
        _ => part == whole,
    }
}

async fn what_comes_with_a_match_is_released_once_and_not_counted(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let released = maple.everything(&rosa).await;
    let mut came = BTreeSet::new();
    for query in [
        "CarePlan?_include=CarePlan:goal&_include=CarePlan:care-team&_include=CarePlan:condition&_include=CarePlan:patient",
        "CarePlan?_include=CarePlan:activity-reference&_include:iterate=Task:owner&_include:iterate=PractitionerRole:practitioner",
        "CareTeam?_include=CareTeam:participant:PractitionerRole&_include:iterate=PractitionerRole:organization",
        "CareTeam?_include=CareTeam:participant",
        "ServiceRequest?_include=ServiceRequest:requester&_include=ServiceRequest:performer&_revinclude=Task:focus",
        "Task?_include=Task:focus&_include=Task:patient&_include=Task:owner",
        "Observation?_include=Observation:patient",
    ] {
        let answer = maple.get(&format!("{query}&patient={rosa}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let bundle = answer.json();
        assert_eq!(
            bundle["total"].as_u64(),
            Some(answer.matches().len() as u64),
            "{query}"
        );
        let all = answer.references();
        assert_eq!(
            all.iter().collect::<BTreeSet<_>>().len(),
            all.len(),
            "{query}: each once"
        );
        for one in answer.resources().iter().skip(answer.matches().len()) {
            let name = format!(
                "{}/{}",
                one["resourceType"].as_str().unwrap_or_default(),
                one["id"].as_str().unwrap_or_default()
            );
            assert_eq!(released.get(&name), Some(one), "{query}");
            came.insert(one["resourceType"].as_str().unwrap_or_default().to_owned());
        }
    }
    for kind in ["Goal", "CareTeam", "Patient", "PractitionerRole", "Organization"] {
        assert!(came.contains(kind), "{kind} came with something: {came:?}");
    }
}

async fn a_present_version_can_be_named(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let brigid = world.partner(BRIGID).await;
    let plan = brigid
        .get(&format!("CarePlan?patient={rosa}"))
        .await
        .resources()
        .remove(0);
    let (id, version) = (
        plan["id"].as_str().expect("id"),
        plan["meta"]["versionId"].as_str().expect("version"),
    );
    let path = format!("CarePlan/{id}/_history/{version}");
    let answer = brigid.get(&path).await;
    assert_eq!((answer.status, &answer.json()), (200, &plan));
    assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
    let known = Ask::get(&format!("/fhir/{path}")).with("if-none-match", answer.header("etag"));
    assert_eq!(brigid.send(known).await.status, 304);
    let head = brigid
        .send(Ask::get(&format!("/fhir/{path}")).method(Method::HEAD))
        .await;
    assert_eq!((head.status, head.header("etag")), (200, answer.header("etag")));
    for other in ["0000000000000000", "1", "W%2F%221%22"] {
        let answer = brigid.get(&format!("CarePlan/{id}/_history/{other}")).await;
        let nobody = brigid.get(&format!("CarePlan/nobody/_history/{other}")).await;
        assert_eq!((answer.status, answer.text()), (404, nobody.text()), "{other}");
    }
}
