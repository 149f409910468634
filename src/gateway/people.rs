//! Whose resource is it? Remembered for the recipient that was shown it, because a resource never changes the person it
//! belongs to. What was never shown is looked up each time, like what is not there.
//! <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bounded: cleared when full; a miss costs one read.
#[derive(Default)]
pub struct People(Mutex<HashMap<String, String>>);

const MOST: usize = 100_000;

impl People {
    fn known(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, recipient: &str, resource_type: &str, id: &str) -> Option<String> {
        self.known().get(&key(recipient, resource_type, id)).cloned()
    }

    pub fn keep(&self, recipient: &str, resource_type: &str, id: &str, patient: &str) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key(recipient, resource_type, id), patient.to_owned());
    }
}

fn key(recipient: &str, resource_type: &str, id: &str) -> String {
    format!("{recipient} {resource_type}/{id}")
}
