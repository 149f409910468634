//! Many people like Rosa in one store, and partners that may ask about them. <https://hl7.org/fhir/R4/patient.html>

use postern::auth::{Algorithm, KeyPair, hash};
use postern::gateway::{ClientRegistration, Gateway, Identifier, NPI, NewPartner, Partner};
use postern::store::{AccessToken, Change, Lane, Put};
use postern_rules::fhir::{Instant, Value};
use serde_json::json;

use super::rosa;

/// What the first of `rosa::PARTNERS` shows at the door.
pub const TOKEN: &str = "a-token-of-the-benches";

/// Rosa, under other ids and another given name, so often, with `size` resources of her own or as many as she has if that is
/// more; comes out with how many those are.
pub async fn fill(gateway: &Gateway, people: usize, size: usize) -> usize {
    fill_of(gateway, 0..people, (size, &[])).await
}

/// The same for these numbers, of these types only; all, when none is named. Past the mappings, through the store.
pub async fn fill_of(
    gateway: &Gateway,
    people: std::ops::Range<usize>,
    (size, types): (usize, &[&str]),
) -> usize {
    let (mappings, _) = rosa::catalog();
    let record = rosa::record(&mappings, size);
    let shared = |body: &Value| put(None, body.to_string(), body);
    let mut change = Change::at(rosa::NOW);
    change.puts = record.directory.iter().map(|one| shared(&one.body)).collect();
    gateway.store.commit(change).await.expect("kept");
    let own: Vec<(String, String)> = record
        .resources
        .iter()
        .filter(|one| types.is_empty() || types.contains(&&*one.resource_type))
        .map(|one| (one.id.clone(), one.body.to_string()))
        .collect();
    for first in people.clone().step_by(64) {
        let changes =
            (first..people.end.min(first + 64)).map(|number| one_more(&own, &record.patient, number));
        let kept = gateway.store.commit_all(Lane::Bulk, changes.collect()).await;
        assert!(kept.iter().all(Result::is_ok));
    }
    own.len()
}

fn one_more(own: &[(String, String)], patient: &str, number: usize) -> Change {
    let mut change = Change::at(rosa::NOW);
    let renamed = |text: &str| {
        let named = own.iter().fold(text.to_owned(), |text, (id, _)| {
            text.replace(id.as_str(), &format!("{number:06}{}", &id[6..]))
        });
        named
            .replace("Rosa", &format!("Rosa{number}"))
            .replace("HCS-", &format!("HCS-{number}-"))
    };
    let patient = renamed(patient);
    change.puts = own
        .iter()
        .map(|(_, body)| {
            let text = renamed(body);
            let body = serde_json::from_str(&text).expect("JSON");
            put(Some(&patient), text, &body)
        })
        .collect();
    change
}

pub fn put(patient: Option<&str>, text: String, body: &Value) -> Put {
    let name = |member: &str| body[member].as_str().expect("type and id").to_owned();
    Put {
        resource_type: name("resourceType"),
        id: name("id"),
        patient: patient.map(str::to_owned),
        source: "bench".to_owned(),
        body: text,
        deleted: false,
        identifiers: Vec::new(),
    }
}

/// A partner that may read everything it is shown, with the keys of its one client.
pub async fn register(gateway: &Gateway, (id, class, npi): (&str, &str, &str)) -> (String, KeyPair) {
    let partner = Partner {
        id: id.to_owned(),
        name: id.to_owned(),
        class: class.to_owned(),
        organization: vec![Identifier {
            system: NPI.to_owned(),
            value: npi.to_owned(),
        }],
        purposes: vec!["TREAT".to_owned()],
        scopes: "system/*.rs".to_owned(),
        role: None,
        medical_personnel: false,
        phone: None,
    };
    let pair = KeyPair::generate(Algorithm::Es384, "bench").expect("a key");
    let client = ClientRegistration::with_keys(json!({"keys": [pair.public_jwk()]}));
    let new = NewPartner { partner, client };
    let registered = gateway.add_partner(new, "bench").await.expect("registered");
    (registered.client_id, pair)
}

/// `TOKEN` opens the door to this client for so many seconds.
pub async fn admit(gateway: &Gateway, partner: &str, client: &str, issued: Instant, seconds: i64) {
    let mut change = Change::at(issued);
    change.tokens.push(AccessToken {
        hash: hash(TOKEN).to_vec(),
        client: client.to_owned(),
        partner: partner.to_owned(),
        scope: "system/*.rs".to_owned(),
        purpose: "TREAT".to_owned(),
        subject: None,
        stated: None,
        certificate: None,
        issued,
        expires: issued.plus_seconds(seconds),
    });
    gateway.store.commit(change).await.expect("kept");
}
