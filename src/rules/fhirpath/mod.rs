//! fhirpath
