//! Who has no relationship with a person cannot tell that the person exists; and withheld, foreign and absent are one
//! answer, byte for byte.
//! 42 CFR 2.13(c), <https://hl7.org/fhir/R4/security.html>

use axum::http::HeaderMap;

use crate::harness::{Answer, Engine, Person, RIVERSIDE, STRANGER, World, stories};

stories!(
    a_stranger_finds_nothing,
    a_person_who_refused_does_not_exist_for_anyone,
    withheld_foreign_and_absent_are_one_identical_404,
);

/// An id like ours that names nobody.
const NOBODY: &str = "00000000000000000000000000000000";

/// All but the request's id.
fn headers(answer: &Answer) -> HeaderMap {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    headers
}

fn same(one: &Answer, other: &Answer, what: &str) {
    assert_eq!(one.status, other.status, "{what}");
    assert_eq!(headers(one), headers(other), "{what}");
    assert_eq!(one.text(), other.text(), "{what}");
}

/// As `same`, where the answer repeats the id that was asked for.
fn same_but_for_the_id(one: (&Answer, &str), other: (&Answer, &str), what: &str) {
    let rename = |(answer, id): (&Answer, &str)| answer.text().replace(id, "ID");
    assert_eq!(
        (one.0.status, rename(one)),
        (other.0.status, rename(other)),
        "{what}"
    );
    assert_eq!(headers(one.0), headers(other.0), "{what}");
}

async fn a_stranger_finds_nothing(engine: Engine) {
    let world = World::demo(engine).await;
    let stranger = world.partner(STRANGER).await;
    for person in [Person::ROSA, Person::MARCUS, Person::TAMSIN] {
        let id = world.id_of(person).await;
        same(
            &stranger.get(&format!("Patient/{id}")).await,
            &stranger.get(&format!("Patient/{NOBODY}")).await,
            "read of a stranger",
        );
        let queries = [
            "CarePlan?patient=",
            "Condition?patient=",
            "Consent?patient=",
            "Patient?_id=",
            "Task?patient=Patient/",
        ];
        for query in queries {
            let found = stranger.get(&format!("{query}{id}")).await;
            assert_eq!((found.status, found.resources().len()), (200, 0), "{query}");
            assert_eq!(found.json()["total"], 0);
            let nobody = stranger.get(&format!("{query}{NOBODY}")).await;
            same_but_for_the_id((&found, &id), (&nobody, NOBODY), query);
        }
        let by_number = |value: &str| {
            format!(
                "Patient?identifier={}%7C{value}",
                person.system.replace('/', "%2F")
            )
        };
        let found = stranger.get(&by_number(person.identifier)).await;
        let nobody = stranger.get(&by_number("HCS-000000")).await;
        same_but_for_the_id(
            (&found, person.identifier),
            (&nobody, "HCS-000000"),
            "search by number",
        );
    }
}

async fn a_person_who_refused_does_not_exist_for_anyone(engine: Engine) {
    let world = World::demo(engine).await;
    let tamsin = world.id_of(Person::TAMSIN).await;
    for partner in world.three().await {
        let found = partner.get(&format!("Patient/{tamsin}")).await;
        same(
            &found,
            &partner.get(&format!("Patient/{NOBODY}")).await,
            partner.who.name,
        );
        assert_eq!(found.status, 404, "{}", partner.who.name);
        let plans = partner.get(&format!("CarePlan?patient={tamsin}")).await;
        assert_eq!(plans.json()["total"], 0, "{}", partner.who.name);
    }
}

async fn withheld_foreign_and_absent_are_one_identical_404(engine: Engine) {
    let world = World::demo(engine).await;
    let riverside = world.partner(RIVERSIDE).await;
    let rosa = world.id_of(Person::ROSA).await;
    assert_eq!(riverside.get(&format!("Patient/{rosa}")).await.status, 200);
    let absent = riverside.get(&format!("Condition/{NOBODY}")).await;
    assert_eq!(absent.status, 404);
    let cases = [
        (
            "a Part 2 condition",
            "Condition",
            world.id("Condition", "diagnosis", "DX-88102").await,
        ),
        (
            "an HIV-labelled condition",
            "Condition",
            world.id("Condition", "diagnosis", "DX-88103").await,
        ),
        (
            "an HIV-labelled medication",
            "MedicationRequest",
            world.id("MedicationRequest", "medication", "RX-50313").await,
        ),
        (
            "a goal: outside the data set",
            "Goal",
            world.id("Goal", "goal", "G-6101").await,
        ),
        (
            "a consent about another",
            "Consent",
            world.id("Consent", "consent", "C-31003").await,
        ),
        (
            "a Part 2 counsellor",
            "Practitioner",
            world.id("Practitioner", "staff", "S-131").await,
        ),
        (
            "somebody else's plan",
            "CarePlan",
            world.id_of(Person::TAMSIN).await,
        ),
        ("somebody else", "Patient", world.id_of(Person::TAMSIN).await),
        ("an id no system makes", "Condition", "x".to_owned()),
        ("an id that is none", "Condition", "%20".to_owned()),
        ("a type nobody is released", "Encounter", NOBODY.to_owned()),
        ("no type at all", "Nonsense", NOBODY.to_owned()),
    ];
    for (what, kind, id) in cases {
        same(&riverside.get(&format!("{kind}/{id}")).await, &absent, what);
        let known = crate::harness::Ask::get(&format!("/fhir/{kind}/{id}")).with("if-none-match", "W/\"0\"");
        same(&riverside.send(known).await, &absent, what);
    }
}
