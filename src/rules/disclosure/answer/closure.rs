//! `CarePlan/[id]/$all-eltss-careplan`: a plan and all it leads to, as far as that is released, in one collection. Every literal
//! reference in it leads to something in it. <http://hl7.org/fhir/us/eltss/OperationDefinition/all-eltss-careplan>

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Asking, MAY_BE_INCOMPLETE, Subject};
use crate::disclosure::release::{Release, Released};
use crate::fhir::excerpt::write_string;
use crate::fhir::{Instant, json as door};

/// Resources of one answer.
const MOST: usize = 2_000;

/// The notice has no address of its own; an entry of a collection has to have one, and here always the same.
const SAID: &str = "urn:uuid:0f6f3a5e-6d0c-4c1b-9c57-3b1d8f0c2a61";

impl Answer {
    /// The plan first, then what it leads to, nearest first; plans that are part of it are led to as well. Absent and withheld
    /// are the same 404; `at`: when it was put together.
    pub fn closure(release: Option<Arc<Release>>, id: &str, at: Instant, asking: &Asking<'_>) -> Answer {
        let Some((release, plan)) = release.and_then(|release| {
            let plan = release.find("CarePlan", id)?;
            release.sees(plan, asking).then_some((release, plan))
        }) else {
            return Answer::not_found(asking.request);
        };
        let places = release.led_to(plan, asking);
        if places.len() > MOST {
            return Answer::too_much(asking.request);
        }
        let body = collection(&release, &places, at, asking.base);
        let subjects = vec![Subject::of(release, places)];
        Answer::new(200, None, None, subjects, body.into(), asking.request)
    }
}

impl Release {
    /// Everything that a resource leads to by literal references, itself first; as far as the client may see it.
    fn led_to(&self, from: usize, asking: &Asking<'_>) -> Vec<usize> {
        let (mut found, mut known) = (vec![from], HashSet::from([from]));
        let mut next = 0;
        while let Some(at) = found.get(next).copied().filter(|_| found.len() <= MOST) {
            next += 1;
            let mut targets = Vec::new();
            if let Ok(resource) = door::parse(&self.resources[at].body) {
                references(&resource, &mut targets);
            }
            targets.extend(self.parts_of(at));
            let own = targets.iter().filter_map(|name| {
                let (of, id) = name.split_once('/')?;
                self.find(of, id)
            });
            for target in own {
                if self.sees(target, asking) && known.insert(target) {
                    found.push(target);
                }
            }
        }
        found
    }

    /// Plans that say they are part of this one: the crisis plan of the shared plan.
    fn parts_of(&self, at: usize) -> Vec<String> {
        let whole = &self.resources[at];
        if whole.resource_type != "CarePlan" {
            return Vec::new();
        }
        let plans = self.of_type("CarePlan").map(|at| &self.resources[at]);
        let parts = plans.filter(|part| part.values.has_reference_to("part-of", "CarePlan", &whole.id));
        parts.map(Released::reference).collect()
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "reference") {
                    Some(reference) => found.push(reference.to_owned()),
                    None => references(member, found),
                }
            }
        }
        _ => {}
    }
}

fn collection(release: &Release, places: &[usize], at: Instant, base: &str) -> Vec<u8> {
    let mut out = b"{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"timestamp\":".to_vec();
    write_string(&at.to_fhir(), &mut out);
    out.extend_from_slice(b",\"entry\":[");
    for place in places {
        let one = &release.resources[*place];
        out.extend_from_slice(b"{\"fullUrl\":");
        write_string(&format!("{base}/{}", one.reference()), &mut out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(&one.body);
        out.extend_from_slice(b"},");
    }
    let said = json!({"fullUrl": SAID, "resource": {"resourceType": "OperationOutcome", "issue": [
        {"severity": "information", "code": "informational", "diagnostics": MAY_BE_INCOMPLETE}]}});
    out.extend_from_slice(said.to_string().as_bytes());
    out.extend_from_slice(b"]}");
    out
}
