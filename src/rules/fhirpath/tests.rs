//! The language by example. <http://hl7.org/fhirpath/N1/>
