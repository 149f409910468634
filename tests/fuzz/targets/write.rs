//! What a partner writes over what it sees: JSON Patch, and the body of a PUT. <https://hl7.org/fhir/R4/http.html#patch>

use std::collections::BTreeSet;

use postern_rules::fhir::{Value, gate, json, xml};
use postern_rules::write::{Refused, Updated, Writer, apply_to_released, update};

use super::ground::{BASE, ground, now};
use super::{told, two_parts};

const MOST_BYTES: usize = 256 * 1024;

/// First line `PATCH Type` or `PUT Type`; then the body, JSON or (for a PUT) XML.
pub fn target(data: &[u8]) -> bool {
    let Some((line, body)) = two_parts(data) else {
        return false;
    };
    let (verb, kind) = line.split_once(' ').unwrap_or((line, ""));
    let parsed = match body.first() {
        Some(b'<') => xml::from_xml(body),
        _ => json::parse(body),
    };
    match parsed {
        Err(issues) => {
            told(&issues);
            false
        }
        Ok(body) => {
            let written = written(verb == "PATCH", kind, body);
            written.map_err(|refused| told(&refused.issues())).is_ok()
        }
    }
}

fn written(patch: bool, kind: &str, body: Value) -> Result<(), Refused> {
    let ground = ground();
    let sighted = ground.of_type(kind);
    let place = (sighted.resource_type.as_str(), sighted.id.as_str());
    let whole = match patch {
        true => apply_to_released(&ground.release, place, &body, MOST_BYTES)?,
        false => named(body, place),
    };
    let (made, now) = (BTreeSet::new(), now());
    let writer = Writer::new(
        &ground.record,
        &ground.recipient,
        &ground.release,
        (&ground.rules, &now),
        (BASE, &made),
    );
    if let Updated::Written(form) = update(&writer, sighted, &whole)? {
        let issues = gate::check(&form.body);
        assert!(issues.is_empty(), "what would be stored is no R4: {issues:?}");
    }
    Ok(())
}

/// The body as that of this resource: what a client of ours would send.
fn named(mut body: Value, (kind, id): (&str, &str)) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.insert("resourceType".to_owned(), kind.into());
        members.insert("id".to_owned(), id.into());
    }
    body
}
