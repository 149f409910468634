//! The label that travels with what is released: the highest of the resource and of every element of it that is
//! there. <https://hl7.org/fhir/uv/security-label-ds4p/inline_security_labels.html>
//!
//! No inline label leaves: a profile releases no extension it does not name, so `PROCESSINLINELABEL` never stands in
//! a released resource, and the resource itself carries what its elements did.

use super::Labels;
use crate::terminology::{Confidentiality, Sensitivities};

/// Sensitivities, confidentiality and law of a whole, from those of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HighWater {
    pub sensitivity: Sensitivities,
    /// None: nothing speaks for more than `N`.
    pub confidentiality: Option<Confidentiality>,
    pub part2: bool,
}

impl HighWater {
    /// Of these labels, their elements aside.
    pub fn of(labels: &Labels) -> HighWater {
        HighWater {
            sensitivity: labels.sensitivity,
            confidentiality: Some(labels.confidentiality).filter(|own| *own > Confidentiality::Normal),
            part2: labels.part2,
        }
    }

    pub fn with(self, other: HighWater) -> HighWater {
        HighWater {
            sensitivity: self.sensitivity.with(other.sensitivity),
            confidentiality: self.confidentiality.max(other.confidentiality),
            part2: self.part2 || other.part2,
        }
    }

    /// Raises the labels of a resource to this mark, and to that of its own elements.
    pub fn raise(self, labels: &mut Labels) {
        let elements = labels.elements.iter().map(|(_, own)| HighWater::of(own));
        let mark = elements.fold(self, HighWater::with);
        labels.sensitivity = labels.sensitivity.with(mark.sensitivity);
        labels.confidentiality = mark
            .confidentiality
            .map_or(labels.confidentiality, |own| own.max(labels.confidentiality));
        if mark.part2 && !labels.part2 {
            // An element stands for the whole it is read in: 42 CFR 2.32 binds what accompanies it.
            labels.part2 = true;
            labels.confidentiality = labels.confidentiality.max(Confidentiality::Restricted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{CodeLists, RAISED, label_codes};
    use serde_json::json;

    #[test]
    fn the_whole_carries_what_its_elements_do() {
        let plan = json!({"resourceType": "CarePlan", "activity": [{"detail": {"code": {"coding": [
            {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20"}]}}}]});
        let mut labels = label_codes(&plan, CodeLists::shipped(), &RAISED);
        assert!(labels.sensitivity.is_empty());
        let sud = HighWater {
            sensitivity: Sensitivities::of("SUD").expect("a code"),
            confidentiality: None,
            part2: true,
        };
        sud.raise(&mut labels);
        assert_eq!(labels.sensitivity.codes().collect::<Vec<_>>(), ["HIV", "SUD"]);
        assert!(labels.part2 && labels.confidentiality == Confidentiality::Restricted);
    }
}
