//! The references of a transaction: what each create will be is known before anything is staged, so that entries may name one another
//! by `fullUrl`, and others by a condition. <https://hl7.org/fhir/R4/http.html#trules>, <https://hl7.org/fhir/R4/bundle.html#references>

use std::collections::{BTreeMap, BTreeSet};

use postern_rules::fhir::{Issue, IssueCode, Now, Value};
use postern_rules::write::Refused;

use super::Intent;
use super::condition::Existing;
use super::entry::{Asked, Entry};
use super::stage::Stage;
use super::transaction::at_entries;
use crate::gateway::{Call, Error, Gateway};

/// One write of a transaction, with the place of its entry.
pub(super) struct Asking {
    pub number: usize,
    pub intent: Intent,
    /// What a create will be, or already is.
    pub made: Option<Made>,
}

#[derive(Clone)]
pub(super) enum Made {
    New(String),
    There { patient: String, id: String },
}

impl Gateway {
    /// What each create becomes, and every reference to what others of the transaction make, or to what a condition names.
    pub(super) async fn resolved(
        &self,
        stage: &mut Stage<'_>,
        writes: &[Entry],
    ) -> Result<Vec<Asking>, Error> {
        let (call, now) = (stage.call, stage.now);
        let (mut made, mut names) = (BTreeMap::new(), BTreeMap::new());
        let mut conditions = BTreeSet::new();
        for entry in writes {
            let Asked::Write(Intent::Create { body, unless }) = &entry.asked else {
                continue;
            };
            let kind = body["resourceType"].as_str().unwrap_or_default();
            let existing = match unless {
                None => Existing::None,
                Some(condition) => {
                    if !conditions.insert((kind, condition.as_str())) {
                        return Err(at_entries(400, entry.number, vec![twice()]));
                    }
                    let query = self.condition(kind, condition);
                    let query = query.map_err(|issues| at_entries(400, entry.number, issues))?;
                    self.existing(call, &query, now).await?
                }
            };
            let one = match existing {
                Existing::None => Made::New(stage.new_id(kind, entry.number)),
                Existing::One { patient, id } => Made::There { patient, id },
                Existing::Several => {
                    let refused = Refused::several();
                    return Err(at_entries(refused.status(), entry.number, refused.issues()));
                }
            };
            let (Made::New(id) | Made::There { id, .. }) = &one;
            let reference = format!("{kind}/{id}");
            if let Made::New(_) = one {
                stage.made.insert(reference.clone());
            }
            names.extend(entry.full_url.clone().map(|url| (url, reference)));
            made.insert(entry.number, one);
        }
        let mut asking = Vec::with_capacity(writes.len());
        for entry in writes {
            let Asked::Write(intent) = &entry.asked else {
                continue;
            };
            let mut intent = intent.clone();
            let value = match &mut intent {
                Intent::Create { body, .. } | Intent::Update { body, .. } => body,
                Intent::Patch { patch, .. } => patch,
            };
            let mut conditions = BTreeSet::new();
            refer(value, &names, &mut conditions);
            for condition in conditions {
                let found = self.named_by(call, &condition, now).await?;
                let found = found.ok_or_else(|| at_entries(422, entry.number, vec![unknown()]))?;
                refer(value, &BTreeMap::from([(condition, found)]), &mut BTreeSet::new());
            }
            asking.push(Asking {
                number: entry.number,
                made: made.get(&entry.number).cloned(),
                intent,
            });
        }
        Ok(asking)
    }

    /// The one resource that a conditional reference names among what is released to the writer.
    async fn named_by(&self, call: &Call, condition: &str, now: &Now) -> Result<Option<String>, Error> {
        let Some((kind, condition)) = condition.split_once('?') else {
            return Ok(None);
        };
        let Ok(query) = self.condition(kind, condition) else {
            return Ok(None);
        };
        let mut found: BTreeSet<String> = BTreeSet::new();
        let people: BTreeSet<String> = self.people_identified(call, &query).await?.into_iter().collect();
        for patient in people {
            let bench = self.bench(&call.caller, &patient, (&[], now)).await?;
            if let Some(release) = &bench.release {
                found.extend(
                    release
                        .matching(&query)
                        .into_iter()
                        .map(|id| format!("{kind}/{id}")),
                );
            }
        }
        Ok(found.pop_first().filter(|_| found.is_empty()))
    }
}

/// One sentence for a condition that names nothing, several, or what is withheld.
fn unknown() -> Issue {
    let why = "a conditional reference names no one resource that is released to you";
    Issue::error(IssueCode::Value, "", why)
}

/// R4 asks that no two entries are about one resource.
fn twice() -> Issue {
    let why = "two entries of the transaction are created on one condition";
    Issue::error(IssueCode::Duplicate, "", why)
}

/// Puts what `names` knows in the place of references; those with a condition are gathered.
fn refer(value: &mut Value, names: &BTreeMap<String, String>, conditions: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names, conditions)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let Some(text) = member.as_str().filter(|_| name == "reference").map(str::to_owned) else {
                    refer(member, names, conditions);
                    continue;
                };
                if let Some(known) = names.get(&text) {
                    *member = known.as_str().into();
                } else if text
                    .split_once('?')
                    .is_some_and(|(kind, _)| !kind.contains([':', '/']))
                {
                    conditions.insert(text);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_references_are_renamed_and_conditions_are_gathered() {
        let mut body = json!({"note": [{"text": "urn:uuid:1"}], "focus": {"reference": "urn:uuid:1"},
            "basedOn": [{"reference": "ServiceRequest?identifier=a|b"}, {"reference": "Task/t"},
                {"reference": "https://elsewhere.test/x?y=1"}]});
        let mut conditions = BTreeSet::new();
        let names = BTreeMap::from([("urn:uuid:1".to_owned(), "Task/new".to_owned())]);
        refer(&mut body, &names, &mut conditions);
        assert_eq!(body["focus"]["reference"], "Task/new");
        assert_eq!(body["note"][0]["text"], "urn:uuid:1");
        let found: Vec<String> = conditions.into_iter().collect();
        assert_eq!(found, ["ServiceRequest?identifier=a|b"]);
    }
}
