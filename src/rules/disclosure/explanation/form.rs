//! Consents as they would be if the person signed or completed them: whole forms, for trying out. Which element carries which
//! fact: profiles/README.md. 42 CFR 2.31(a), 45 CFR 164.508(c), 740 ILCS 110/5(b)

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::disclosure::{Recipient, Record};
use crate::fhir::Instant;
use crate::terminology::{ACT_CODE, ACT_REASON, CONFIDENTIALITY, Confidentiality};

const OURS: &str = "https://postern.example/fhir/StructureDefinition/";

/// Every item a paper form can carry (42 CFR 2.31(a), 740 ILCS 110/5(b)).
const ELEMENTS: [&str; 13] = [
    "patientName",
    "discloser",
    "description",
    "recipient",
    "purpose",
    "rightToRevoke",
    "expiry",
    "signature",
    "dateSigned",
    "redisclosureStatement",
    "consequencesOfRefusal",
    "rightToInspect",
    "natureOfInformation",
];

/// What is new in the consent to make.
pub(super) struct Wanted<'a> {
    pub labels: &'a [String],
    pub part2: bool,
    /// Extension `consent-kind`.
    pub kind: &'a str,
    pub purpose: &'a str,
    /// The organisation's reference in the record.
    pub organization: &'a str,
}

/// A new consent, signed today by the person, with everything a form can carry.
pub(super) fn new_consent(record: &Record, wanted: &Wanted<'_>, at: Instant, zone: &TimeZone) -> Value {
    let labels: Vec<Value> = wanted.labels.iter().map(|code| coding(code)).collect();
    let mut provision = json!({
        "type": "permit",
        "actor": [{
            "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
            "reference": {"reference": wanted.organization}}],
        "purpose": [{"system": ACT_REASON, "code": wanted.purpose}],
    });
    if !labels.is_empty() {
        provision["securityLabel"] = labels.into();
    }
    let mut consent = json!({
        "resourceType": "Consent",
        "id": "what-if",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{}", record.patient)},
        "provision": provision,
        "extension": [{"url": format!("{OURS}consent-kind"), "valueCode": wanted.kind}],
    });
    let rule = if wanted.part2 {
        "42CFRPart2CD"
    } else {
        "HIPAAAuthCD"
    };
    consent["policyRule"] = json!({"coding": [{"system": ACT_CODE, "code": rule}]});
    complete(&mut consent, &record.patient, at, zone);
    if wanted.part2 {
        mark_part2(&mut consent);
    }
    consent
}

/// Makes a consent whole: signed, dated, witnessed, with an end, and every statement on the form.
pub(super) fn complete(consent: &mut Value, patient: &str, at: Instant, zone: &TimeZone) {
    let (today, end) = (day(at, zone), day(at.plus_seconds(300 * 24 * 3600), zone));
    let absent = |value: &Value| value.is_null();
    if absent(&consent["performer"]) {
        consent["performer"] = json!([{"reference": format!("Patient/{patient}")}]);
    }
    if absent(&consent["dateTime"]) {
        consent["dateTime"] = at.to_fhir().into();
    }
    let signed = consent["verification"][0]["verificationDate"]
        .as_str()
        .unwrap_or(&today)
        .to_owned();
    consent["verification"] = json!([{"verified": true, "verificationDate": signed}]);
    let has = |consent: &Value, name: &str| {
        let url = format!("{OURS}{name}");
        let list = consent["extension"].as_array();
        list.is_some_and(|list| list.iter().any(|e| e["url"] == url.as_str()))
    };
    let elements: Vec<Value> = ELEMENTS
        .iter()
        .map(|name| json!({"url": name, "valueBoolean": true}))
        .collect();
    let mut extensions: Vec<Value> = consent["extension"].as_array().cloned().unwrap_or_default();
    extensions.retain(|e| e["url"] != format!("{OURS}consent-part2-elements").as_str());
    extensions.push(json!({"url": format!("{OURS}consent-part2-elements"), "extension": elements}));
    let dated = consent["provision"]["period"]["end"].is_string();
    let states_date = |e: &Value| {
        e["url"] == format!("{OURS}consent-expiry").as_str() && e["extension"][0]["valueDate"].is_string()
    };
    if !dated && !extensions.iter().any(states_date) {
        extensions.retain(|e| e["url"] != format!("{OURS}consent-expiry").as_str());
        extensions.push(
            json!({"url": format!("{OURS}consent-expiry"), "extension": [{"url": "date", "valueDate": end}]}),
        );
    }
    for (name, value) in [
        (
            "consent-witness",
            json!("a witness who can attest the signer's identity"),
        ),
        ("consent-right-to-revoke", json!("in writing, at any time")),
    ] {
        if !has(consent, name) {
            extensions.push(json!({"url": format!("{OURS}{name}"), "valueString": value}));
        }
    }
    if !has(consent, "consent-received") {
        extensions.push(json!({"url": format!("{OURS}consent-received"), "valueDateTime": at.to_fhir()}));
    }
    consent["extension"] = extensions.into();
}

/// States that it is a consent under 42 CFR Part 2.
pub(super) fn mark_part2(consent: &mut Value) {
    let marker = json!({"system": ACT_CODE, "code": "42CFRPart2CD"});
    match consent["policyRule"]["coding"].as_array_mut() {
        Some(codings) if codings.contains(&marker) => {}
        Some(codings) => codings.push(marker),
        None => consent["policyRule"] = json!({"coding": [marker]}),
    }
}

/// The organisation that means the recipient in this record; made when the record knows none.
pub(super) fn organization(record: &Record, recipient: &Recipient) -> (String, Option<Value>) {
    let named = |body: &Value| {
        let list = body["identifier"].as_array().into_iter().flatten();
        list.filter_map(|i| Some((i["system"].as_str()?, i["value"].as_str()?)))
            .any(|(system, value)| {
                recipient
                    .organization
                    .iter()
                    .any(|(s, v)| s == system && v == value)
            })
    };
    let known = record.of_type("Organization").find(|o| named(&o.body));
    if let Some(known) = known {
        return (known.reference(), None);
    }
    let identifiers: Vec<Value> = recipient
        .organization
        .iter()
        .map(|(system, value)| json!({"system": system, "value": value}))
        .collect();
    let made = json!({"resourceType": "Organization", "id": "what-if", "active": true,
        "name": recipient.name, "identifier": identifiers});
    ("Organization/what-if".to_owned(), Some(made))
}

fn coding(code: &str) -> Value {
    let system = match Confidentiality::from_code(code) {
        Some(_) => CONFIDENTIALITY,
        None => ACT_CODE,
    };
    json!({"system": system, "code": code})
}

/// The day it is where the agency is: a form signed there today counts today.
fn day(at: Instant, zone: &TimeZone) -> String {
    let stamp = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::MAX);
    stamp.to_zoned(zone.clone()).date().to_string()
}
