//! Which elements of a resource say who wrote it, of when it is and what it is about, by R4's names.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.data>, <https://hl7.org/fhir/R4/fivews.html>

use serde_json::Value;

use crate::terminology::{LOINC, loinc_form};

/// Elements that say who wrote it.
pub(super) const AUTHORS: [&str; 9] = [
    "author",
    "performer",
    "recorder",
    "asserter",
    "requester",
    "informationSource",
    "source",
    "sender",
    "enterer",
];

/// Requests say who shall do it, which is not who wrote it.
pub(super) const REQUESTS: [&str; 7] = [
    "ServiceRequest",
    "MedicationRequest",
    "DeviceRequest",
    "CommunicationRequest",
    "SupplyRequest",
    "NutritionOrder",
    "Task",
];

/// Elements that say of when it is, the clinical time before the time of writing.
const TIMES: [&str; 39] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "servicedDate",
    "servicedPeriod",
    "started",
    "period",
    "onsetDateTime",
    "onsetPeriod",
    "executionPeriod",
    "identifiedDateTime",
    "identifiedPeriod",
    "timingDateTime",
    "timingPeriod",
    "createdDateTime",
    "createdPeriod",
    "billablePeriod",
    "startDate",
    "detected",
    "whenHandedOver",
    "whenPrepared",
    "authored",
    "dateWritten",
    "recordedOn",
    "recordedDate",
    "authoredOn",
    "dateAsserted",
    "recorded",
    "date",
    "dateTime",
    "created",
    "start",
    "issued",
    "sent",
    "received",
];

/// Elements whose codes say what the resource is about; a permit by code looks nowhere else.
pub(super) const SUBJECTS: [&str; 8] = [
    "code",
    "medicationCodeableConcept",
    "vaccineCode",
    "type",
    "category",
    "class",
    "topic",
    "serviceType",
];

/// Who gave a service or keeps a document has a part in what it says: enough for a deny, and where R4 has no author, for a permit.
pub(super) fn makers(resource_type: &str, permit: bool) -> &'static [&'static str] {
    match (resource_type, permit) {
        ("Encounter", true) => &["serviceProvider"],
        ("Encounter", false) => &["serviceProvider", "participant"],
        ("Appointment", false) => &["participant"],
        ("DocumentReference", false) => &["authenticator", "custodian"],
        _ => &[],
    }
}

/// The times a resource states, the clinical one first.
pub(super) fn times<'r>(resource_type: &str, resource: &'r Value) -> impl Iterator<Item = &'r Value> {
    let of_document = (resource_type == "DocumentReference").then(|| &resource["context"]["period"]);
    of_document
        .into_iter()
        .chain(TIMES.iter().map(|key| &resource[*key]))
}

/// The form that was filled in, as a code, where LOINC published it.
pub(super) fn form(resource: &Value) -> Option<(&'static str, &str)> {
    let code = loinc_form(resource["questionnaire"].as_str()?)?;
    Some((LOINC, code))
}

/// Resources of these types are of a class: themselves, and for bytes the document they belong to, without which they never leave.
pub(super) fn is_of_type(resource: &Value, class: &str) -> bool {
    resource["resourceType"] == class
        || matches!(class, "Resource" | "DomainResource")
        || class == "DocumentReference" && resource["resourceType"] == "Binary"
}
