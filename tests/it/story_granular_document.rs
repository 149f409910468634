//! A document says what resources of other types hold: under granular scopes it is there only with all that is in it, by whatever way
//! it is asked for. <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>

use std::collections::BTreeSet;

use postern::gateway::{ClientRegistration, NewPartner};
use serde_json::{Value, json};

use super::story_granular_scope::{CONDITION, all, names, rosas, some_of};
use crate::harness::{Engine, MAPLE, Partner, key_of, reference, registration_of, stories};

stories!(
    a_document_is_there_only_with_all_that_is_in_it,
    a_condition_of_the_registration_holds_in_documents_whatever_is_asked,
);

/// Every way to the plan's document: found, read, by `$docref`, in `$everything`, its bytes. Comes out with their statuses, or
/// how many were found.
async fn ways_to(partner: &Partner<'_>, patient: &str, document: &Value) -> [u64; 6] {
    let count = async |path: &str| {
        let answer = partner.get(path).await;
        assert!(
            answer.status == 200 || answer.status == 403,
            "{path}: {}",
            answer.text()
        );
        let found = names(&answer.matches());
        u64::from(found.contains(&reference(document)))
    };
    let status = async |path: &str| u64::from(partner.get(path).await.status);
    let file = document["content"][0]["attachment"]["url"]
        .as_str()
        .expect("an address");
    let file = file
        .strip_prefix("https://postern.test/fhir/")
        .expect("of this server");
    [
        count(&format!("DocumentReference?patient={patient}")).await,
        count(&format!("DocumentReference/$docref?patient={patient}")).await,
        count(&format!("Patient/{patient}/$everything?_count=500")).await,
        status(&reference(document)).await,
        status(&format!("Provenance?target={}", reference(document))).await,
        status(file).await,
    ]
}

async fn plans_document(maple: &Partner<'_>, patient: &str) -> Value {
    let mut found = maple.all(&format!("DocumentReference?patient={patient}")).await;
    found.retain(|one| one["masterIdentifier"].is_object());
    found.pop().expect("the plan as a document")
}

async fn a_document_is_there_only_with_all_that_is_in_it(engine: Engine) {
    let (world, rosa) = rosas(engine).await;
    let mut maple = world.partner(MAPLE).await;
    let document = plans_document(&maple, &rosa).await;
    let (every, by_category) = all(&maple, &rosa, "Condition").await;
    let with = "system/DocumentReference.rs system/Patient.rs system/Provenance.rs";
    let of_all: Vec<String> = by_category
        .keys()
        .map(|category| format!("system/Condition.rs?category={category}"))
        .collect();
    let covered: BTreeSet<String> = by_category.values().flatten().cloned().collect();
    assert_eq!(covered, every, "each condition has a category");
    let (category, _) = some_of((every, by_category));
    maple.narrow(with).await;
    assert_eq!(
        ways_to(&maple, &rosa, &document).await,
        [1, 1, 1, 200, 200, 200],
        "{with}"
    );
    maple.narrow(&format!("{with} {}", of_all.join(" "))).await;
    assert_eq!(
        ways_to(&maple, &rosa, &document).await,
        [1, 1, 1, 200, 200, 200],
        "all of it fits"
    );
    maple
        .narrow(&format!("{with} system/Condition.rs?category={category}"))
        .await;
    assert_eq!(
        ways_to(&maple, &rosa, &document).await,
        [0, 0, 0, 404, 200, 404],
        "{category}"
    );
    let whence = maple
        .get(&format!("Provenance?target={}", reference(&document)))
        .await;
    assert_eq!(whence.json()["total"], 0);
    let note = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category";
    for (code, status) in [("clinical-note", 200), ("other", 404)] {
        maple
            .narrow(&format!(
                "system/DocumentReference.rs?category={note}|{code} system/Binary.r"
            ))
            .await;
        let ways = ways_to(&maple, &rosa, &document).await;
        assert_eq!((ways[3], ways[5]), (status, status), "{code}");
    }
}

async fn a_condition_of_the_registration_holds_in_documents_whatever_is_asked(engine: Engine) {
    let (elsewhere, _) = rosas(engine).await;
    let (world, rosa) = rosas(engine).await;
    let plain = "system/DocumentReference.rs system/Patient.rs";
    let granular = format!("{plain} system/Condition.rs?category={CONDITION}|encounter-diagnosis");
    let mut found = Vec::new();
    for (world, scopes) in [(&elsewhere, plain), (&world, granular.as_str())] {
        let mut partner = registration_of(MAPLE);
        scopes.clone_into(&mut partner.scopes);
        let jwks = json!({"keys": [key_of(MAPLE.id).public_jwk()]});
        let client = ClientRegistration::with_keys(jwks);
        let added = world
            .gateway
            .add_partner(NewPartner { partner, client }, "test operator")
            .await;
        let mut maple = Partner {
            world,
            who: MAPLE,
            client_id: added.expect("in order").client_id,
            token: String::new(),
        };
        maple.narrow(plain).await;
        if found.is_empty() {
            found.push(plans_document(&maple, &rosa).await);
        }
        let ways = ways_to(&maple, &rosa, &found[0]).await;
        let there = [ways[0], ways[1], ways[3], ways[5]];
        let expected = if scopes == plain {
            [1, 1, 200, 200]
        } else {
            [0, 0, 404, 404]
        };
        assert_eq!(there, expected, "registered: {scopes}");
    }
}
