//! What a partner itself wrote into a resource of the agency. It knows those values: a label on them keeps nothing from it, and
//! what else is withheld in the resource says nothing about them. Known again by place and digest, never kept twice.
//! SEMANTICS 2 and 5; <https://hl7.org/fhir/R4/security-labels.html>

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::record::Stored;

/// SHA-256 of a value and of what stands beside it (`_x`), by which it is known again.
pub fn value_digest(value: &Value, beside: Option<&Value>) -> [u8; 32] {
    let beside = beside.filter(|beside| !beside.is_null());
    let beside = beside.map(Value::to_string).unwrap_or_default();
    Sha256::digest(format!("{value}\n{beside}").as_bytes()).into()
}

/// Digests by place: element names without indexes (`Task.output.type`).
type Places = HashMap<String, HashSet<[u8; 32]>>;

/// By partner and resource.
#[derive(Clone, Debug, Default)]
pub struct WrittenValues(HashMap<(String, String), Places>);

/// The values in one resource that a recipient wrote, and the resource as its labels are judged for it: without them.
pub(super) struct Own {
    /// As labels name them, with indexes.
    pub paths: BTreeSet<String>,
    pub judged: Stored,
}

impl WrittenValues {
    /// `reference`: `Type/id`; `place`: `Task.note`.
    pub fn insert(&mut self, by: &str, reference: &str, place: &str, digest: [u8; 32]) {
        let of_resource = self.0.entry((by.to_owned(), reference.to_owned())).or_default();
        of_resource.entry(place.to_owned()).or_default().insert(digest);
    }

    pub(super) fn of(&self, by: &str, stored: &Stored) -> Option<Own> {
        if self.0.is_empty() {
            return None;
        }
        let places = self.0.get(&(by.to_owned(), stored.reference()))?;
        let mut judged = stored.clone();
        let mut paths = BTreeSet::new();
        if let Some(members) = judged.body.as_object_mut() {
            let mut walk = Walk {
                places,
                paths: &mut paths,
            };
            walk.object(members, &stored.resource_type, &stored.resource_type);
        }
        (!paths.is_empty()).then_some(Own { paths, judged })
    }
}

struct Walk<'w> {
    places: &'w Places,
    paths: &'w mut BTreeSet<String>,
}

impl Walk<'_> {
    /// Takes what is known out of these members; lists keep their places, so that paths stay what they are.
    fn object(&mut self, members: &mut Map<String, Value>, place: &str, path: &str) {
        let names: BTreeSet<String> = members
            .keys()
            .map(|key| key.strip_prefix('_').unwrap_or(key).to_owned())
            .collect();
        for name in names {
            let (place, path) = (format!("{place}.{name}"), format!("{path}.{name}"));
            let beside = format!("_{name}");
            let mut twin = members.get(&beside).cloned();
            let known = self.places.get(&place);
            match members.get_mut(&name) {
                Some(Value::Array(items)) => {
                    for (at, item) in items.iter_mut().enumerate() {
                        let path = format!("{path}[{at}]");
                        let twin_at = twin.as_ref().and_then(|twin| twin.get(at));
                        if known.is_some_and(|known| known.contains(&value_digest(item, twin_at))) {
                            self.paths.insert(path);
                            *item = Value::Null;
                            if let Some(one) = twin.as_mut().and_then(|twin| twin.get_mut(at)) {
                                *one = Value::Null;
                            }
                        } else if let Value::Object(inner) = item {
                            self.object(inner, &place, &path);
                        }
                    }
                    if let Some(twin) = twin {
                        members.insert(beside, twin);
                    }
                }
                found => {
                    let value = found.as_deref().unwrap_or(&Value::Null);
                    if known.is_some_and(|known| known.contains(&value_digest(value, twin.as_ref()))) {
                        self.paths.insert(path);
                        members.shift_remove(&name);
                        members.shift_remove(&beside);
                    } else if let Some(Value::Object(inner)) = found {
                        self.object(inner, &place, &path);
                    }
                }
            }
        }
    }
}

impl Own {
    /// Is this the path of something the recipient wrote, or of a part of it?
    pub fn holds(&self, path: &str) -> bool {
        let ends = path
            .match_indices(['.', '['])
            .map(|(at, _)| at)
            .chain([path.len()]);
        ends.map(|end| &path[..end])
            .any(|above| self.paths.contains(above))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_written_is_known_by_its_value_wherever_it_stands_now() {
        let task = json!({"resourceType": "Task", "id": "t", "status": "accepted",
            "note": [{"text": "theirs"}, {"text": "ours"}], "statusReason": {"text": "why"},
            "output": [{"type": {"text": "a"}, "valueString": "b"}]});
        let stored = Stored::new(task, 1).expect("a resource");
        let mut written = WrittenValues::default();
        for (place, value) in [
            ("Task.note", json!({"text": "ours"})),
            ("Task.statusReason", json!({"text": "another"})),
            ("Task.output.type", json!({"text": "a"})),
        ] {
            written.insert("maple", "Task/t", place, value_digest(&value, None));
        }
        let own = written.of("maple", &stored).expect("something of it");
        assert_eq!(
            own.paths.iter().collect::<Vec<_>>(),
            ["Task.note[1]", "Task.output[0].type"]
        );
        assert_eq!(own.judged.body["note"], json!([{"text": "theirs"}, null]));
        assert_eq!(own.judged.body["output"], json!([{"valueString": "b"}]));
        assert!(own.holds("Task.note[1].text") && own.holds("Task.output[0].type"));
        assert!(
            !own.holds("Task.note[10]") && !own.holds("Task.note[0].text") && !own.holds("Task.output[0]")
        );
        assert!(written.of("other", &stored).is_none());
    }
}
