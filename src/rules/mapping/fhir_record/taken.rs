//! Which resources a FHIR source may bring, and where each names its person.
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>

use crate::fhir::is_shared;

/// Types about a person, with the element that names the person.
const OF_A_PERSON: [(&str, &str); 18] = [
    ("AllergyIntolerance", "patient"),
    ("Appointment", "participant"),
    ("CarePlan", "subject"),
    ("CareTeam", "subject"),
    ("Communication", "subject"),
    ("Condition", "subject"),
    ("Coverage", "beneficiary"),
    ("DocumentReference", "subject"),
    ("Encounter", "subject"),
    ("Goal", "subject"),
    ("MedicationRequest", "subject"),
    ("Observation", "subject"),
    ("Patient", ""),
    ("QuestionnaireResponse", "subject"),
    ("RelatedPerson", "patient"),
    ("RiskAssessment", "subject"),
    ("ServiceRequest", "subject"),
    ("Task", "for"),
];

/// Types that are refused by name, each with its reason.
const NEVER: [(&str, &str); 3] = [
    (
        "Consent",
        "a consent decides who may see what: write a mapping that states what the law asks for",
    ),
    (
        "Provenance",
        "provenance is made from what leaves; the record that came in stands on the log",
    ),
    ("AuditEvent", "the log is written here"),
];

/// May a mapping take this type?
///
/// # Errors
/// Why not.
pub(super) fn may_be_taken(kind: &str) -> Result<(), String> {
    if let Some((_, why)) = NEVER.iter().find(|(name, _)| *name == kind) {
        return Err(format!("{kind} is not taken from a FHIR source: {why}"));
    }
    if is_shared(kind) || OF_A_PERSON.iter().any(|(name, _)| *name == kind) {
        return Ok(());
    }
    let mut known: Vec<&str> = OF_A_PERSON.iter().map(|(name, _)| *name).collect();
    known.extend(crate::fhir::SHARED);
    Err(format!("{kind} cannot be taken; what can is {}", known.join(" ")))
}

/// The element that names the person; none for what is shared, and for the Patient.
pub(super) fn person_element(kind: &str) -> Option<&'static str> {
    let found = OF_A_PERSON.iter().find(|(name, _)| *name == kind);
    found
        .map(|(_, element)| *element)
        .filter(|element| !element.is_empty())
}
