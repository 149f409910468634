//! What answers say in words: references, narrative, sentences, errors, headers, logs, consents.
//! <https://hl7.org/fhir/R4/narrative.html>

use super::*;
use crate::harness::{STRANGER, operators_log};

pub async fn s11_nothing_released_speaks_of_what_is_withheld(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let hidden = hidden(&world).await;
    for partner in world.three().await {
        // `everything` follows each reference; one that leads to nothing fails there.
        for (reference, resource) in partner.everything(&rosa).await {
            let text = resource.to_string();
            let names = hidden.iter().find(|one| text.contains(one.as_str()));
            assert_eq!(names, None, "{reference} names what is withheld");
            let word = HIDDEN_WORDS.iter().find(|word| text.contains(**word));
            assert_eq!(word, None, "{reference} to {}", partner.who.name);
        }
    }
}

pub async fn s17_the_sentence_is_always_the_same(engine: Engine) {
    let world = closed(engine).await;
    for record in records("theo") {
        world.import(record).await;
    }
    let rosa = world.id_of(Person::ROSA).await;
    let stranger = world.partner(STRANGER).await;
    let mut sentences = std::collections::BTreeSet::new();
    for (partner, person) in [(&stranger, rosa.as_str()), (&stranger, NOBODY)] {
        let answer = partner.get(&format!("Condition?patient={person}")).await;
        sentences.insert(answer.json()["entry"][0].to_string());
    }
    for partner in world.three().await {
        for kind in ["Condition", "Observation", "CarePlan", "Consent"] {
            let answer = partner.get(&format!("{kind}?patient={rosa}")).await;
            let entries = answer.json()["entry"].as_array().cloned().unwrap_or_default();
            sentences.extend(entries.last().map(ToString::to_string));
            for marker in ["REDACTED", "SUBSETTED", "MASKED", "masked", "withheld"] {
                assert!(!answer.text().contains(marker), "{kind}: {marker}");
            }
        }
    }
    assert_eq!(sentences.len(), 1, "{sentences:?}");
}

pub async fn s18_errors_quote_nothing(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let canary = "Zzyzx-217-555-0142";
    for path in [
        format!("Condition?patient={rosa}&colour={canary}"),
        format!("Condition?{canary}=x&patient={rosa}"),
        format!("Condition?patient=Group/{canary}"),
        format!("Condition?patient={rosa}&_count={canary}"),
        format!("Condition?patient={rosa}&_after={canary}"),
        format!("Condition/{canary}"),
        format!("{canary}/x"),
        format!("Patient/{rosa}?_elements={canary}"),
    ] {
        let answer = maple.get(&path).await;
        assert!(answer.status >= 400, "{path}");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{path}");
        let text = answer.text();
        assert!(!text.contains(canary) && !text.contains(&rosa), "{path}: {text}");
        let words = HIDDEN_WORDS.iter().find(|word| text.contains(**word));
        assert_eq!(words, None, "{path}");
    }
}

pub async fn s19_nothing_is_cached_and_nobody_stands_in_the_log(engine: Engine) {
    let world = closed(engine).await;
    let rosa = world.id_of(Person::ROSA).await;
    let maple = world.partner(MAPLE).await;
    let canary = world.unique("HCS-19-canary");
    let by_form = [("identifier", canary.as_str())];
    for answer in [
        maple.get(&format!("Patient/{rosa}")).await,
        maple.get(&format!("Patient?identifier=urn:x%7C{canary}")).await,
        maple.post("Patient/_search", &by_form).await,
        maple.post("CarePlan/_search", &[("patient", &rosa)]).await,
        maple.get(&format!("Condition/{NOBODY}")).await,
        maple.get("metadata").await,
    ] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("location"), "", "no address beside the answer");
    }
    let written = operators_log();
    assert!(!written.contains(&canary), "a query stands in the operators' log");
    assert!(!written.contains(&rosa), "an id stands in the operators' log");
}

pub async fn s20_a_consent_is_shown_only_to_whom_it_names(engine: Engine) {
    let world = World::of(engine, "rosa").await;
    let rosa = world.id_of(Person::ROSA).await;
    let own = [
        ("maple", "C-31001"),
        ("riverside", "C-31002"),
        ("brigid", "C-31003"),
    ];
    for partner in world.three().await {
        let found = partner.get(&format!("Consent?patient={rosa}")).await;
        let (_, number) = own
            .iter()
            .find(|(id, _)| *id == partner.who.id)
            .expect("a partner");
        let mine = format!("Consent/{}", world.id("Consent", "consent", number).await);
        assert_eq!(found.references(), [mine], "{}", partner.who.name);
        // Who else was told what: nothing of the log or of other releases is a resource here.
        let events = partner.get(&format!("AuditEvent?patient={rosa}")).await;
        assert_eq!(events.resources().len(), 0);
        let sent = partner.get(&format!("Provenance?patient={rosa}")).await;
        for other in ["Maple", "Riverside", "Brigid", "Prairie"] {
            assert!(
                !sent.text().contains(other),
                "a Provenance says who sends, not to whom else"
            );
        }
    }
    let stranger = world.partner(STRANGER).await;
    let others = stranger.get(&format!("Consent?patient={rosa}")).await;
    assert_eq!(others.json()["total"], 0);
}
