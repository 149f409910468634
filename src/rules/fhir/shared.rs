//! Types that are shared between people: a record refers to them, it does not contain them, and by themselves they say nothing
//! of anybody. <https://hl7.org/fhir/R4/administration-module.html>

/// Who provides care, where, and by which address.
pub const SHARED: [&str; 6] = [
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "HealthcareService",
    "Endpoint",
];

/// Does a resource of this type belong to no person?
pub fn is_shared(resource_type: &str) -> bool {
    SHARED.contains(&resource_type)
}
