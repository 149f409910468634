//! The two people of Inferno's US Core reference server (`../shared/examples/us-core-patients`), as a certified EHR exports them
//! (`mappings/ehr`), with what makes a partner related to them: a referral, and their consent.
//! <https://hl7.org/fhir/us/core/STU6.1/>

use postern_rules::fhir::json;
use serde_json::{Value, json};

use super::people::{DemoRecord, Person, root};
use super::{Kept, Who, World};

/// Patient 85 and Patient 355 of the files.
const US_CORE_PEOPLE: [Person; 2] = [
    Person {
        system: "http://hospital.smarthealthit.org",
        identifier: "d831ec91-c7a3-4a61-9312-7ff0c4a32134",
    },
    Person {
        system: "http://hospital.smarthealthit.org",
        identifier: "e91975f5-9445-c11f-cabf-c3c6dae161f2",
    },
];

/// Their Bundles, in that order; none where the files are not there, which is printed.
pub fn us_core_bundles() -> Option<[Value; 2]> {
    let folder = root().join("../shared/examples/us-core-patients");
    let read = |number: &str| {
        let bytes = std::fs::read(folder.join(format!("uscore_bundle_patient_{number}.json"))).ok()?;
        Some(json::parse(&bytes).expect("the example is JSON"))
    };
    let found = read("85").zip(read("355"));
    if found.is_none() {
        println!("skipped: {} is not here", folder.display());
    }
    found.map(|(first, second)| [first, second])
}

/// A Bundle as a record of the EHR.
pub fn ehr_record(bundle: Value) -> DemoRecord {
    DemoRecord {
        source: "ehr".to_owned(),
        record: "bundle".to_owned(),
        name: "us-core".to_owned(),
        body: bundle,
    }
}

/// The Bundle with one entry more: the EHR refers the person to this partner, whom it knows by NPI.
pub fn referred_to(mut bundle: Value, who: Who) -> Value {
    let entries = bundle["entry"].as_array_mut().expect("a Bundle with entries");
    let of_type = |kind: &str| {
        entries
            .iter()
            .find(|entry| entry["resource"]["resourceType"] == kind)
    };
    let url = |kind: &str| of_type(kind).expect("it is there")["fullUrl"].clone();
    let (patient, doctor) = (url("Patient"), url("Practitioner"));
    let partner = format!("org-{}", who.id);
    let number = patient
        .as_str()
        .and_then(|url| url.rsplit(':').next())
        .unwrap_or_default();
    let organization = json!({"resourceType": "Organization", "id": partner, "active": true, "name": who.name,
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": who.npi}]});
    let referral = json!({"resourceType": "ServiceRequest", "id": format!("{}-{number}", who.id), "status": "active",
        "intent": "order", "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "409063005"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}]},
        "subject": {"reference": patient}, "authoredOn": "2026-11-01", "occurrencePeriod": {"start": "2026-11-01"},
        "requester": {"reference": doctor}, "performer": [{"reference": format!("Organization/{partner}")}]});
    entries.extend([organization, referral].map(|resource| json!({"resource": resource})));
    bundle
}

impl World {
    /// Both people in the store, referred to this partner and consenting that it has everything; comes out with their logical ids,
    /// in the order of `US_CORE_PEOPLE`. None where the files are not there.
    pub async fn us_core(&self, who: Who) -> Option<[String; 2]> {
        for bundle in us_core_bundles()? {
            self.import(&ehr_record(referred_to(bundle, who))).await;
        }
        let [first, second] = US_CORE_PEOPLE;
        let ids = [self.id_of(first).await, self.id_of(second).await];
        let partner = self
            .find("Organization", "http://hl7.org/fhir/sid/us-npi", who.npi)
            .await;
        let partner = format!("Organization/{}", partner.expect("the referral brought it"));
        let consents = [
            everything_for(&ids[0], &partner, false),
            everything_for(&ids[1], &partner, true),
        ];
        self.also(&consents).await;
        Some(ids)
    }
}

/// A general consent: the partner may have everything, for treatment and coordination, from 2026 on. Signed by the person, or by
/// the executor of one who has died, as patient 85 has.
fn everything_for(patient: &str, partner: &str, lives: bool) -> Kept {
    let own = |name: &str| format!("https://postern.example/fhir/StructureDefinition/{name}");
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let purpose =
        |code: &str| json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code});
    let person = format!("Patient/{patient}");
    let (role, performer) = match lives {
        true => (
            json!([{"url": "role", "valueCode": "patient"}]),
            json!({"reference": person}),
        ),
        false => (
            json!([{"url": "role", "valueCode": "executor"}, {"url": "authority", "valueString": "Letters of office"}]),
            json!({"display": "The executor"}),
        ),
    };
    let body = json!({
        "resourceType": "Consent", "id": format!("everything-{}", &patient[..16]),
        "extension": [
            {"url": own("consent-kind"), "valueCode": "general"},
            {"url": own("consent-signer"), "extension": role},
            {"url": own("consent-expiry"), "extension": [{"url": "date", "valueDate": "2027-12-31"}]},
            {"url": own("consent-received"), "valueDateTime": "2026-11-01T10:00:00-05:00"},
            {"url": own("consent-capacity"), "valueCode": "not-in-question"},
            {"url": own("consent-right-to-revoke"), "valueString": "In writing, at any time."},
            {"url": own("consent-description"), "valueString": "My whole record"}],
        "identifier": [{"system": "https://ehr.example/ids/consent", "value": patient}],
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": person},
        "dateTime": "2026-11-01",
        "performer": [performer],
        "policyRule": {"coding": [{"system": act, "code": "HIPAAConsentCD"}]},
        "verification": [{"verified": true, "verificationDate": "2026-11-01"}],
        "provision": {
            "type": "permit",
            "period": {"start": "2026-11-01", "end": "2027-12-31"},
            "actor": [{
                "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                "reference": {"reference": partner}}],
            "purpose": [purpose("TREAT"), purpose("COC")]},
    });
    Kept {
        patient: Some(patient.to_owned()),
        body,
    }
}
