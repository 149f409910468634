//! `If-Match` and `If-None-Match`. <https://www.rfc-editor.org/rfc/rfc9110#section-13.1>

use std::sync::Arc;

use postern_rules::disclosure::{Answer, Asking, Reading};
use postern_rules::search::View;
use postern_rules::write::precondition;

use super::ground::{BASE, ground};
use super::told;

/// The value of the header; `{version}` stands for the right one.
pub fn target(data: &[u8]) -> bool {
    let ground = ground();
    let task = ground.of_type("Task");
    let place = (task.resource_type.as_str(), task.id.as_str());
    let version = ground.release.version(place.0, place.1).expect("released");
    let text = String::from_utf8_lossy(data).replace("{version}", &version);
    let (named, any) = (text.contains(&version), text.contains('*'));
    let exact = [format!("W/\"{version}\""), format!("\"{version}\"")].contains(&text);

    let matches = precondition(Some(&ground.release), place, Some(&text));
    if let Err(refused) = &matches {
        told(&refused.issues());
    }
    assert!(matches.is_err() || named || any, "{text}");
    assert!(matches.is_ok() || !exact, "{text}");
    assert!(precondition(Some(&ground.release), (place.0, "nobody"), Some(&text)).is_err());

    let unchanged = answered(place, Some(&text)) != answered(place, None);
    assert!(!unchanged || named || any, "{text}");
    assert!(unchanged || !exact, "{text}");
    matches.is_ok()
}

/// The digest covers the status: 304 and 200 differ.
fn answered((resource_type, id): (&str, &str), known: Option<&str>) -> postern_rules::log::Digest {
    let ground = ground();
    let view = View::default();
    let reading = Reading {
        resource_type,
        id,
        version: None,
        known,
        view: &view,
    };
    let asking = Asking {
        rules: &ground.rules,
        base: BASE,
        permits: &|_, _| true,
        within: &|_, _| true,
        request: "r",
    };
    Answer::read(Some(Arc::clone(&ground.release)), &reading, &asking).digest()
}
