//! **Two worlds.** World A holds something that no recipient of the corpus may see; in world B it never was. Every request
//! of a generated corpus has the same status, headers and body in both, byte for byte. One difference is a leak.
//!
//! Each world is asked twice, cold and warm, and A cold is held against B warm. Pinned so that identity is possible: the
//! clock, every id and token (from the seed and the request's number). Left out: `X-Request-ID`, and in the comparison of
//! a cold with a warm pass the access token, which follows from it. And the corpus has power: in a third world the same
//! thing is visible, and at least 30 % of the requests are answered differently there.
//! <https://hl7.org/fhir/R4/security-labels.html>, 42 CFR 2.13(c)

mod corpus;
mod thing;

use axum::http::HeaderMap;

use crate::harness::{Answer, DemoRecord, Engine, Kept, Partner, World, records, stories};

use corpus::{Turn, What, corpus};
use thing::Thing;

stories!(
    a_part_2_condition_leaves_no_trace,
    an_hiv_labelled_element_leaves_no_trace,
    a_resource_outside_the_data_set_leaves_no_trace,
    a_consent_about_another_recipient_leaves_no_trace,
    a_part_2_counsellor_on_the_team_leaves_no_trace,
    a_part_2_referral_as_the_only_tie_leaves_no_trace,
);

async fn a_part_2_condition_leaves_no_trace(engine: Engine) {
    hold(engine, thing::part_2_condition).await;
}

async fn an_hiv_labelled_element_leaves_no_trace(engine: Engine) {
    hold(engine, thing::hiv_labelled_element).await;
}

async fn a_resource_outside_the_data_set_leaves_no_trace(engine: Engine) {
    hold(engine, thing::outside_the_data_set).await;
}

async fn a_consent_about_another_recipient_leaves_no_trace(engine: Engine) {
    hold(engine, thing::consent_about_another).await;
}

async fn a_part_2_counsellor_on_the_team_leaves_no_trace(engine: Engine) {
    hold(engine, thing::part_2_counsellor).await;
}

async fn a_part_2_referral_as_the_only_tie_leaves_no_trace(engine: Engine) {
    hold(engine, thing::part_2_referral).await;
}

/// Rosa's records, with consents that keep substance use, HIV and violence from all three partners.
fn closed_records() -> Vec<DemoRecord> {
    let mut found: Vec<DemoRecord> = records("rosa").cloned().collect();
    for record in found.iter_mut().filter(|record| record.record == "consent") {
        let boxes = record.body["sensitive"].as_array_mut().expect("boxes");
        boxes
            .iter_mut()
            .filter(|one| one["category"] != "MH")
            .for_each(|one| one["share"] = "N".into());
    }
    found
}

async fn hold(engine: Engine, make: fn(&[Kept]) -> Thing) {
    let base = World::empty(engine).await.converted(&closed_records());
    let thing = make(&base);
    let turns = corpus(&thing);
    let hidden = World::holding(engine, &thing.hidden).await;
    let hidden = passes(&hidden, &turns, &["cold", "warm"]).await;
    let absent = World::holding(engine, &thing.absent).await;
    let absent = passes(&absent, &turns, &["cold", "warm"]).await;
    let visible = World::holding(engine, &thing.visible).await;
    let visible = passes(&visible, &turns, &["cold"]).await;

    let mut leaks = Vec::new();
    for (a, b, what) in [
        (&hidden[0], &absent[0], "A cold, B cold"),
        (&hidden[1], &absent[1], "A warm, B warm"),
        (&hidden[0], &absent[1], "A cold, B warm"),
    ] {
        let masked = what == "A cold, B warm";
        let pairs = turns
            .iter()
            .zip(a.iter().zip(b))
            .filter(|(_, (a, b))| told(a, masked) != told(b, masked));
        leaks.extend(
            pairs.map(|(turn, (a, b))| format!("{what}: {turn}\n  A: {}\n  B: {}", shown(a, b), shown(b, a))),
        );
    }
    let differ = hidden[0]
        .iter()
        .zip(&visible[0])
        .filter(|(a, v)| told(a, false) != told(v, false))
        .count();
    let good = hidden[0]
        .iter()
        .filter(|a| (200..300).contains(&a.status))
        .count();
    let percent = |n: usize| 100 * n / turns.len();
    println!(
        "two worlds, {engine:?}, {}: {} requests, {} compared, {} differ; {} % answered 2xx; {} % differ where it is visible",
        thing.name,
        turns.len(),
        3 * turns.len(),
        leaks.len(),
        percent(good),
        percent(differ)
    );
    let leaked = leaks.len();
    leaks.truncate(5);
    assert!(
        leaks.is_empty(),
        "{}: {leaked} differences, the first:\n{}",
        thing.name,
        leaks.join("\n")
    );
    assert!(turns.len() >= 200, "the corpus has {} requests", turns.len());
    assert!(
        percent(good) >= thing.least_good,
        "only {} % answer 2xx",
        percent(good)
    );
    assert!(percent(differ) >= 30, "only {} % would show it", percent(differ));
}

/// The corpus asked once for each pass, by partners registered before the first.
async fn passes(world: &World, turns: &[Turn], names: &[&str]) -> Vec<Vec<Answer>> {
    let partners = world.three().await;
    let mut passes = Vec::new();
    for name in names {
        passes.push(ask_all(world, &partners, turns, name).await);
    }
    passes
}

async fn ask_all(world: &World, partners: &[Partner<'_>], turns: &[Turn], pass: &str) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(turns.len());
    for (number, turn) in turns.iter().enumerate() {
        let partner = &partners[turn.partner];
        let ask = match &turn.what {
            What::Ask(ask) => ask.clone().bearer(&partner.token),
            What::Bare(ask) => ask.clone(),
            What::Token { scope, good } => {
                let mut claims = partner.claims();
                if !good {
                    claims["aud"] = "https://elsewhere.test".into();
                }
                Partner::token_request(&partner.sign(&claims), scope)
            }
        };
        answers.push(
            world
                .send(ask.with("x-request-id", &format!("{pass}-{number}")))
                .await,
        );
    }
    answers
}

/// What a recipient has of an answer: all of it but the request's id.
fn told(answer: &Answer, masked: bool) -> (u16, HeaderMap, Vec<u8>) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    let mut body = answer.body.clone();
    if masked && answer.text().contains("access_token") {
        let mut token = answer.json();
        token["access_token"] = "masked".into();
        body = token.to_string().into_bytes();
    }
    (answer.status, headers, body)
}

/// The answer around the first place where it differs from the other, versions aside: they follow from the rest.
fn shown(answer: &Answer, other: &Answer) -> String {
    let (own, theirs) = (without_versions(answer), without_versions(other));
    let at = own
        .bytes()
        .zip(theirs.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let around: String = own
        .bytes()
        .skip(at.saturating_sub(80))
        .take(240)
        .map(char::from)
        .collect();
    format!("{} … {around} …", answer.status)
}

fn without_versions(answer: &Answer) -> String {
    let text = answer.text();
    let mut parts = text.split("\"versionId\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.get(16..).unwrap_or(part))
}
