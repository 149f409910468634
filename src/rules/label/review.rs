//! What staff decided about sentences that sounded sensitive: labels for this very text, or none.
//! <https://hl7.org/fhir/R4/security-labels.html>
//!
//! A review counts for one text at one place. Another text there is suspect again.

use std::collections::HashMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::terminology::Sensitivities;

/// SHA-256 of a text, by which a review knows it again without keeping it.
pub fn text_digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The reviewed texts of one resource.
#[derive(Clone, Debug, Default)]
pub struct TextReviews(HashMap<String, Vec<([u8; 32], Sensitivities)>>);

impl TextReviews {
    /// `path`: FHIRPath with indexes of the text, as in [`super::Suspicion`]; `labels` none: nothing sensitive in it.
    pub fn insert(&mut self, path: &str, text: [u8; 32], labels: Sensitivities) {
        let of_path = self.0.entry(path.to_owned()).or_default();
        of_path.retain(|(digest, _)| *digest != text);
        of_path.push((text, labels));
    }

    /// What staff said about this text at this place; nothing when nobody has read it.
    pub(super) fn of(&self, path: &str, text: &str) -> Option<Sensitivities> {
        let of_path = self.0.get(path)?;
        let digest = text_digest(text);
        let found = of_path.iter().find(|(reviewed, _)| *reviewed == digest)?;
        Some(found.1)
    }
}

/// The reviewed texts of one record, by `Type/id`.
#[derive(Clone, Debug, Default)]
pub struct ReviewedTexts(HashMap<String, TextReviews>);

impl ReviewedTexts {
    pub fn insert(&mut self, reference: &str, path: &str, text: [u8; 32], labels: Sensitivities) {
        let of_resource = self.0.entry(reference.to_owned()).or_default();
        of_resource.insert(path, text, labels);
    }

    pub fn of(&self, resource_type: &str, id: &str) -> Option<&TextReviews> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&format!("{resource_type}/{id}"))
    }
}

/// The text at a path as suspicions name it (`CarePlan.note[1].text`; `_x` is written `x`); nothing when it is not there.
pub fn text_at<'r>(resource: &'r Value, path: &str) -> Option<&'r str> {
    let found = values_at(resource, path)?;
    found.iter().find_map(|value| value.as_str())
}

/// What stands at such a path: a value, its `_x`, or both.
pub fn values_at<'r>(resource: &'r Value, path: &str) -> Option<Vec<&'r Value>> {
    let mut steps = path.split('.');
    steps.next()?;
    let mut found = vec![resource];
    for step in steps {
        let (name, indexes) = step.split_once('[').unwrap_or((step, ""));
        let beside = format!("_{name}");
        let members = found
            .iter()
            .flat_map(|value| [value.get(name), value.get(&beside)]);
        found = members.flatten().collect();
        for index in indexes
            .split_terminator(['[', ']'])
            .filter(|part| !part.is_empty())
        {
            let index: usize = index.parse().ok()?;
            found = found.iter().filter_map(|value| value.get(index)).collect();
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_found_at_its_path_also_beside_a_primitive() {
        let resource = json!({"resourceType": "CarePlan",
            "note": [{"text": "a"}, {"text": "b"}], "description": "c",
            "title": "t", "_title": {"extension": [{"url": "u", "valueString": "d"}]},
            "contained": [{"resourceType": "Goal", "description": {"text": "e"}}]});
        for (path, text) in [
            ("CarePlan.note[1].text", "b"),
            ("CarePlan.description", "c"),
            ("CarePlan.title.extension[0].valueString", "d"),
            ("CarePlan.contained[0].description.text", "e"),
        ] {
            assert_eq!(text_at(&resource, path), Some(text), "{path}");
        }
        for path in [
            "CarePlan",
            "CarePlan.note[7].text",
            "CarePlan.note[x].text",
            "",
            "CarePlan.note",
        ] {
            assert_eq!(text_at(&resource, path), None, "{path}");
        }
    }
}
