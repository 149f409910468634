//! Searches across people: a partner finds those whose records are released to it, by number, by what is theirs, and by
//! what changed since it last asked. What is hidden is found by nothing, and pages joined are the whole.
//! <https://hl7.org/fhir/R4/search.html>, <https://hl7.org/fhir/R4/search.html#lastupdated>

use std::collections::BTreeSet;

use crate::harness::{
    Answer, Ask, Engine, MAPLE, Partner, Person, RIVERSIDE, STRANGER, World, demo_record, stories,
};
use crate::two_worlds::next_page;

stories!(
    a_fresh_partner_finds_people_by_their_numbers,
    nobody_is_found_by_what_is_hidden,
    pages_over_twenty_five_people_are_the_whole,
    a_page_ends_where_its_bound_is_and_the_next_goes_on,
    the_directory_is_found_once_however_many_it_serves,
    another_purpose_finds_nobody,
    what_cannot_be_asked_is_said,
);

/// Every page from the first on.
pub async fn pages(partner: &Partner<'_>, path: &str) -> Vec<Answer> {
    let mut pages = vec![partner.get(path).await];
    while let Some(next) = pages.last().and_then(next_page) {
        assert!(pages.len() < 200, "{path}: no end of pages");
        pages.push(partner.send(Ask::get(&next)).await);
    }
    pages
}

/// `Type/id` of all pages, in order.
pub async fn joined(partner: &Partner<'_>, path: &str) -> Vec<String> {
    let pages = pages(partner, path).await;
    assert!(
        pages.iter().all(|page| page.status == 200),
        "{path}: {}",
        pages[0].text()
    );
    pages.iter().flat_map(Answer::references).collect()
}

async fn a_fresh_partner_finds_people_by_their_numbers(engine: Engine) {
    let world = World::demo(engine).await;
    let rosa = format!("Patient/{}", world.id_of(Person::ROSA).await);
    let maple = world.partner(MAPLE).await;
    let stranger = world.partner(STRANGER).await;
    world.refresh().await;
    let system = Person::ROSA.system;
    for query in [
        format!("identifier={system}%7CHCS-104233"),
        "identifier=HCS-104233".to_owned(),
        "identifier=HCS-0,HCS-104233".to_owned(),
        format!("identifier={system}%7CHCS-104233&birthdate=1987-03-14&name=rosa"),
        "identifier=HCS-104233&gender=female&family=DELG".to_owned(),
        "identifier=HCS-104233&_lastUpdated=ge2026-11-21".to_owned(),
    ] {
        let found = maple.get(&format!("Patient?{query}")).await;
        assert_eq!(
            found.references(),
            std::slice::from_ref(&rosa),
            "{query}: {}",
            found.text()
        );
        assert_eq!(found.json()["total"], 1, "{query}");
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let posted = maple.post("Patient/_search", &pairs).await;
        assert_eq!(posted.references(), std::slice::from_ref(&rosa), "posted {query}");
        let nobody = stranger.get(&format!("Patient?{query}")).await;
        assert_eq!((nobody.status, nobody.references().len()), (200, 0), "{query}");
    }
    for query in [
        "identifier=HCS-104233&name=osa",
        "identifier=HCS-104233&birthdate=1987-03-15",
        "identifier=HCS-104233&gender=male",
        "identifier=HCS-10423",
        "identifier=HCS-104233&_lastUpdated=lt2026-11-21",
    ] {
        let found = maple.get(&format!("Patient?{query}")).await;
        assert_eq!(
            (found.status, found.json()["total"].as_u64()),
            (200, Some(0)),
            "{query}"
        );
    }
}

async fn nobody_is_found_by_what_is_hidden(engine: Engine) {
    let world = World::empty(engine).await;
    for record in crate::two_worlds::closed_records() {
        world.import(&record).await;
    }
    world.import(&demo_record("care-plan", "tamsin")).await;
    let partners = world.three().await;
    world.refresh().await;
    for partner in &partners {
        let mut seen = 0;
        for query in [
            "Condition?identifier=DX-88102",
            "MedicationRequest?identifier=RX-50312",
            "Patient?identifier=HCS-104871",
            "Practitioner?name=novak",
            "Practitioner?identifier=S-131",
        ] {
            let found = partner.get(query).await;
            assert_eq!(
                (found.status, found.json()["total"].as_u64()),
                (200, Some(0)),
                "{query}"
            );
        }
        for kind in [
            "Condition",
            "MedicationRequest",
            "Observation",
            "Practitioner",
            "Organization",
        ] {
            let all = pages(partner, &format!("{kind}?_lastUpdated=ge2000")).await;
            assert!(all.iter().all(|page| page.status == 200), "{kind}");
            seen += all.iter().map(|page| page.references().len()).sum::<usize>();
            let text: String = all.iter().map(Answer::text).collect();
            for hidden in ["F11", "DX-88102", "RX-50312", "Novak", "HARBOR", "Tamsin"] {
                assert!(
                    !text.contains(hidden),
                    "{}: {kind} tells {hidden}",
                    partner.who.name
                );
            }
        }
        assert!(seen > 0, "{}: what is not hidden is found", partner.who.name);
    }
}

/// What the panels of these stories hold of each person: enough to be released.
const LEAN: &[&str] = &["Patient", "CareTeam", "Consent", "ServiceRequest", "Task"];

async fn pages_over_twenty_five_people_are_the_whole(engine: Engine) {
    let world = World::empty(engine).await;
    let people = world.panel(25, LEAN).await;
    let maple = world.partner(MAPLE).await;
    world.refresh().await;
    let tasks = joined(&maple, "Task?_lastUpdated=ge2026-01-01&_count=500").await;
    let each: BTreeSet<&String> = tasks.iter().collect();
    assert!(
        each.len() == tasks.len() && tasks.len() >= 50,
        "{} tasks",
        tasks.len()
    );
    let numbers: Vec<String> = (0..14).map(|number| format!("HCS-{number}-104233")).collect();
    let numbers = format!("Patient?identifier={},HCS-3-104233", numbers.join(","));
    for (query, sizes) in [
        ("Patient?_lastUpdated=ge2026-01-01", &[1, 7, 10, 24, 25, 26][..]),
        ("Patient?_lastUpdated=ge2026-01-01&_sort=-_lastUpdated", &[10]),
        (numbers.as_str(), &[3]),
        ("Patient?_lastUpdated=ge2026-01-01&_sort=_id", &[10]),
        ("Patient?_lastUpdated=ge2026-01-01&_sort=-_id", &[10]),
        ("Task?_lastUpdated=ge2026-01-01", &[7, 100]),
        ("Task?_lastUpdated=ge2026-01-01&_sort=-_lastUpdated", &[40]),
        ("ServiceRequest?_lastUpdated=ge2026-01-01&status=active", &[9]),
    ] {
        let whole = maple.get(&format!("{query}&_count=500")).await;
        assert_eq!(next_page(&whole), None, "{query}");
        let whole = whole.references();
        assert!(whole.len() >= 12, "{query}: {}", whole.len());
        for size in sizes {
            let pages = pages(&maple, &format!("{query}&_count={size}")).await;
            let (last, full) = pages.split_last().expect("a page");
            assert!(
                full.iter().all(|page| page.references().len() == *size),
                "{query} by {size}: full pages"
            );
            assert!(
                !last.references().is_empty(),
                "{query} by {size}: no empty last page"
            );
            let joined: Vec<String> = pages.iter().flat_map(Answer::references).collect();
            assert_eq!(joined, whole, "{query} by {size}");
            // How many there are is said where all were seen, and never wrong.
            for (number, page) in pages.iter().enumerate() {
                let total = page.json()["total"].as_u64();
                assert!(
                    total.is_none() || number == 0 && total == Some(whole.len() as u64),
                    "{query} by {size}"
                );
                assert!(total.is_some() || pages.len() > 1, "{query} by {size}");
            }
            let counted = maple.get(&format!("{query}&_count={size}&_total=accurate")).await;
            assert_eq!(counted.json()["total"], whole.len(), "{query} by {size}");
        }
        let number = maple.get(&format!("{query}&_summary=count")).await;
        assert_eq!(
            (number.json()["total"].as_u64(), number.references().len()),
            (Some(whole.len() as u64), 0)
        );
    }
    let one = maple.get("Patient?identifier=HCS-4-104233").await.references();
    assert_eq!(one, [format!("Patient/{}", people[4])]);
    let other = maple
        .get(&format!("Task?_lastUpdated=ge2026-01-01&patient={}", people[3]))
        .await;
    assert!(
        !other.references().is_empty(),
        "with `patient` it is that person's search"
    );
}

async fn a_page_ends_where_its_bound_is_and_the_next_goes_on(engine: Engine) {
    let world = World::empty(engine).await;
    let people = world.panel(130, &["Patient", "CareTeam", "Consent"]).await;
    let maple = world.partner(MAPLE).await;
    world.refresh().await;
    let whole = pages(&maple, "Patient?_lastUpdated=ge2026-01-01&_count=500").await;
    let sizes: Vec<usize> = whole.iter().map(|page| page.references().len()).collect();
    assert_eq!(
        sizes,
        [100, 30],
        "one request looks into the releases of a hundred people"
    );
    assert!(
        whole[0].json()["total"].is_null(),
        "how many there are is not known"
    );
    let all: BTreeSet<String> = whole.iter().flat_map(Answer::references).collect();
    assert_eq!(all, people.iter().map(|id| format!("Patient/{id}")).collect());
    let all = "Patient?_lastUpdated=ge2026-01-01";
    let total = maple.get(&format!("{all}&_count=5&_total=accurate")).await;
    assert!(
        total.json()["total"].is_null() && next_page(&total).is_some(),
        "said only when it is right"
    );
    for counting in ["_summary=count", "_count=0"] {
        let refused = maple.get(&format!("{all}&{counting}")).await;
        assert_eq!(refused.status, 400, "{counting}");
    }
    // A filter that nearly nobody fits leads on over short pages, and loses nothing.
    let found = pages(
        &maple,
        "CareTeam?_lastUpdated=ge2026-01-01&date=lt1980-01-02&_sort=-_id",
    )
    .await;
    assert!(
        found.len() > 1 && found[0].references().is_empty(),
        "the first page holds none"
    );
    let first = &people[0];
    let teams: Vec<_> = found.iter().flat_map(Answer::resources).collect();
    assert!(!teams.is_empty() && teams.iter().all(|team| team.to_string().contains(first)));
}

async fn the_directory_is_found_once_however_many_it_serves(engine: Engine) {
    let world = World::empty(engine).await;
    world.panel(12, &[]).await;
    let maple = world.partner(MAPLE).await;
    world.refresh().await;
    let jordan = format!(
        "Practitioner/{}",
        world.id("Practitioner", "staff", "S-118").await
    );
    for query in [
        "name=marsh",
        "identifier=S-118",
        "name=Jordan",
        "_lastUpdated=ge2026-01-01&name=marsh",
    ] {
        let found = maple.get(&format!("Practitioner?{query}")).await;
        assert_eq!(
            found.references(),
            std::slice::from_ref(&jordan),
            "{query}: {}",
            found.text()
        );
        assert_eq!(found.json()["total"], 1, "{query}");
    }
    let roles = joined(&maple, &format!("PractitionerRole?practitioner={jordan}")).await;
    assert!(!roles.is_empty());
    let by_organization = maple.get(&roles[0]).await.json();
    let organization = by_organization["organization"]["reference"]
        .as_str()
        .expect("it has one")
        .to_owned();
    assert!(
        joined(&maple, &format!("PractitionerRole?organization={organization}"))
            .await
            .contains(&roles[0])
    );
    for query in [
        "Organization?_lastUpdated=ge2026-01-01&_count=1",
        "Practitioner?_lastUpdated=ge2026-01-01&_count=2",
    ] {
        let all = joined(&maple, query).await;
        let each: BTreeSet<&String> = all.iter().collect();
        assert!(each.len() == all.len() && all.len() > 2, "{query}: {all:?}");
    }
    assert_eq!(maple.get(&jordan).await.status, 200);
    let reads = world.gateway.store.reads();
    maple
        .get(&format!(
            "Practitioner?_id={}",
            jordan.trim_start_matches("Practitioner/")
        ))
        .await;
    assert!(
        world.gateway.store.reads() - reads < 10,
        "one release is looked into, not twelve"
    );
}

async fn another_purpose_finds_nobody(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let mut riverside = world.partner(RIVERSIDE).await;
    world.refresh().await;
    let queries = [
        "Patient?identifier=HCS-104233",
        "Patient?_lastUpdated=ge2026-01-01",
        "Task?_lastUpdated=ge2026-01-01",
    ];
    for query in queries {
        assert!(!joined(&riverside, query).await.is_empty(), "{query}");
    }
    let answer = riverside.ask_token("system/*.rs", &["ETREAT"]).await.json();
    answer["access_token"]
        .as_str()
        .expect("a token")
        .clone_into(&mut riverside.token);
    for query in queries {
        assert_eq!(
            joined(&riverside, query).await,
            [] as [&str; 0],
            "{query}: nothing was shown for an emergency"
        );
    }
    riverside.narrow("system/Task.rs").await;
    assert_eq!(riverside.get("Patient?identifier=HCS-104233").await.status, 403);
}

async fn what_cannot_be_asked_is_said(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let maple = world.partner(MAPLE).await;
    world.refresh().await;
    let many = vec!["x"; 101].join(",");
    for (query, says) in [
        ("Patient?gender=female", "`$match`"),
        ("Patient?name=rosa&birthdate=1987-03-14", "`$match`"),
        ("Patient?name=rosa&_lastUpdated=ge2026-01-01", "`$match`"),
        (
            "Patient?birthdate=1987-03-14&_lastUpdated=ge2026-01-01",
            "`$match`",
        ),
        ("Patient?_lastUpdated=lt2027", "`_lastUpdated` with a beginning"),
        ("Goal?_lastUpdated=lt2027", "`_lastUpdated` with a beginning"),
        ("Patient", "`identifier`"),
        ("Task?status=requested", "`owner`"),
        ("Condition?code=F32.1", "`patient`"),
        ("Patient?_lastUpdated=ge2026&_sort=birthdate", "`_lastUpdated`"),
        (&format!("Patient?_id={many}"), "more than 100"),
        (&format!("Condition?patient={many}"), "more than 100"),
    ] {
        let refused = maple.get(query).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains(says), "{query}: {}", refused.text());
    }
}
