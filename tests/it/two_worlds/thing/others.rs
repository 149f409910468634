//! What is about somebody else: another recipient's consent or restriction, an organisation whose name would say it all.
//! 45 CFR 164.522(a), 42 CFR 2.13(c)

use serde_json::{Value, json};

use super::{Thing, append, by_identifier, labels, partners, remove, shared, with_change};
use crate::harness::Kept;

/// Adds a consent with these actors; `change` sets what kind of consent it is.
fn consent_with(base: &[Kept], id: &str, actors: &[String], change: impl FnOnce(&mut Value)) -> Vec<Kept> {
    let model = by_identifier(base, "Consent", "C-31003");
    let mut all = base.to_vec();
    let mut consent = all
        .iter()
        .find(|one| one.reference() == model)
        .expect("a consent")
        .clone();
    consent.body["id"] = id.into();
    consent.body["identifier"][0]["value"] = format!("C-{}", &id[..2]).into();
    let actors = actors.iter().map(|name| {
        json!({"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
            "reference": {"reference": name}})
    });
    consent.body["provision"]["actor"] = actors.collect();
    change(&mut consent.body);
    all.push(consent);
    all.push(shared(json!({"resourceType": "Organization", "id": "6f".repeat(16), "active": true,
        "name": "Far Away Clinic", "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999002045"}]})));
    all
}

fn far_away() -> Vec<String> {
    vec![format!("Organization/{}", "6f".repeat(16))]
}

pub fn consent_about_another(base: &[Kept]) -> Thing {
    let id = "6e".repeat(16);
    let worlds = [
        consent_with(base, &id, &far_away(), |_| {}),
        base.to_vec(),
        consent_with(base, &id, &partners(base), |_| {}),
    ];
    let target = format!("Consent/{id}");
    Thing::new("a consent about another recipient", "Consent", target, worlds)
}

/// An agreed restriction keeps something from one recipient; the others are not told of it.
pub fn restriction_about_another(base: &[Kept]) -> Thing {
    let id = "6d".repeat(16);
    let restriction = |consent: &mut Value| {
        let system = "http://terminology.hl7.org/CodeSystem/consentpolicycodes";
        consent["policyRule"] = json!({"coding": [{"system": system, "code": "hipaa-restrictions"}]});
        consent["provision"]["type"] = "deny".into();
    };
    let worlds = [
        consent_with(base, &id, &far_away(), restriction),
        base.to_vec(),
        consent_with(base, &id, &partners(base), |_| {}),
    ];
    let target = format!("Consent/{id}");
    Thing::new("a restriction about another recipient", "Consent", target, worlds)
}

pub fn part_2_organization(base: &[Kept]) -> Thing {
    let id = "9d".repeat(16);
    let target = format!("Organization/{id}");
    let team = by_identifier(base, "CareTeam", "CP-22041");
    let with = |name: &str, meta: Value| {
        let mut all = with_change(base, &team, |team| {
            append(team, "managingOrganization", json!({"reference": target}));
        });
        let mut body = json!({"resourceType": "Organization", "id": id, "meta": meta, "active": true, "name": name,
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1999003050"}]});
        if meta.is_null() {
            remove(&mut body, &["meta"]);
        }
        all.push(shared(body));
        all
    };
    let worlds = [
        with("Clear Water Methadone Clinic", labels(&["42CFRPart2", "SUD"])),
        base.to_vec(),
        with("Clear Water Clinic", Value::Null),
    ];
    Thing::new(
        "a Part 2 organisation in the directory",
        "CareTeam",
        target,
        worlds,
    )
}
