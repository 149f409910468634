//! HL7's own cases for FHIRPath on R4, where they lie beside the repository.
//! <https://github.com/FHIR/fhir-test-cases>
