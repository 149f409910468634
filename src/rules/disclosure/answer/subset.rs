//! A part of a released resource: what `_summary` or `_elements` asked for, tagged as such. It is cut out of the released
//! bytes, so it shows nothing that they do not. What the law asks to go with a resource goes with each part of it.
//! <https://hl7.org/fhir/R4/search.html#summary>, 42 CFR 2.32

use serde_json::{Map, Value, json};

use crate::disclosure::narrative;
use crate::fhir::element::{Type, table};
use crate::fhir::json as door;
use crate::search::{Summary, View};

/// <http://terminology.hl7.org/CodeSystem/v3-ObservationValue>
const SUBSETTED: &str = "SUBSETTED";

pub(super) fn subset(body: &[u8], resource_type: &str, view: &View) -> Vec<u8> {
    let parsed = door::parse(body).ok();
    let (Some(Value::Object(whole)), Some(of)) = (parsed, table().resource(resource_type)) else {
        // What was released is JSON of a known type; of anything else no part can be told.
        return body.to_vec();
    };
    let notice = whole
        .get("text")
        .and_then(|text| text["div"].as_str())
        .and_then(narrative::notice_in)
        .map(narrative::notice_alone);
    let mut part = Map::new();
    for (name, value) in whole {
        match of.child(name.trim_start_matches('_')).map(|child| child.element) {
            Some(element) if !view.keeps(element) => {
                if let Some(notice) = notice.clone().filter(|_| name == "text") {
                    part.insert(name, notice);
                }
            }
            Some(element) => {
                let value = match (view.summary, element.children()) {
                    (Summary::True, Some(below)) => summarised(value, below),
                    _ => value,
                };
                part.insert(name, value);
            }
            None if name == "resourceType" => {
                part.insert(name, value);
            }
            None => {}
        }
    }
    if let Some(Value::Object(meta)) = part.get_mut("meta") {
        let tag = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": SUBSETTED}]);
        meta.insert("tag".to_owned(), tag);
    }
    Value::Object(part).to_string().into_bytes()
}

/// The summary of a part that has no datatype of its own.
fn summarised(value: Value, of: &'static Type) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| summarised(item, of)).collect()),
        Value::Object(members) => {
            let kept = members.into_iter().filter_map(|(name, value)| {
                let element = of.child(name.trim_start_matches('_'))?.element;
                let stays = element.summary || element.min > 0 || element.modifier;
                let below = element.children();
                stays.then(|| match below {
                    Some(below) => (name, summarised(value, below)),
                    None => (name, value),
                })
            });
            Value::Object(kept.collect())
        }
        scalar => scalar,
    }
}
