//! Writing a released resource the slow way, through a tree of its own: what `finish.rs` and `narrative.rs` are held against.
//! <https://hl7.org/fhir/R4/narrative.html>

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::consider::Candidate;
use super::narrative::{DEEPEST, PART2_NOTICE, SKIPPED, SKIPPED_BELOW};
use super::record::Stored;
use crate::fhir::excerpt::Excerpt;
use crate::label::{CodeLists, HighWater, Labels, RAISED, label_codes};
use crate::profile::tests::by_value::completed;
use crate::profile::tests::shipping::{cases, sets};
use crate::profile::{Profile, Withheld};
use crate::terminology;

#[test]
fn every_case_is_written_as_it_is_slowly() {
    let (mut written, mut bytes) = (0, Vec::new());
    let utc = jiff::tz::TimeZone::UTC;
    let mut extractor = crate::search::Extractor::new(&utc);
    for set in sets() {
        for (_, name, given, _) in cases() {
            for (part2, source) in [
                (false, None),
                (true, None),
                (false, Some("ETH")),
                (true, Some("42CFRPart2")),
            ] {
                let mut given = given.clone();
                if let Some(code) = source {
                    given["meta"]["security"] = json!([{"system": terminology::ACT_CODE, "code": code}]);
                }
                let Some(stored) = Stored::new(given, 1) else {
                    continue;
                };
                let Some(profile) = set.profile(&stored.resource_type) else {
                    continue;
                };
                let Some(projected) = profile.excerpt(&stored.body, Withheld::default()) else {
                    continue;
                };
                let body = profile.project_all(&stored.body).expect("projected");
                let slow = finish(&stored, profile, part2, body).to_string();
                let part2_element = HighWater {
                    part2,
                    ..HighWater::default()
                };
                let candidate = Candidate {
                    stored: &stored,
                    profile: Some(profile),
                    projected,
                    labelled: true,
                    // as if its source had labelled an element of it
                    elements: Vec::new(),
                    mark: part2_element,
                    hidden: Default::default(),
                    shared: false,
                    stays: false,
                    basis: Default::default(),
                    part2: source == Some("42CFRPart2"),
                    obligations: Default::default(),
                    statements: Default::default(),
                };
                let fast = super::finish::finish(
                    candidate,
                    Vec::new(),
                    CodeLists::shipped(),
                    &RAISED,
                    (&mut bytes, &mut extractor),
                )
                .expect("written");
                assert_eq!(String::from_utf8_lossy(&fast.bytes), slow, "{name}");
                assert!(slow[..fast.stamp_at].ends_with("\"meta\":{"), "{name}");
                assert_eq!(fast.digest[..], Sha256::digest(&slow)[..], "{name}");
                written += 1;
            }
        }
    }
    assert!(written > 100, "{written}");
}

fn finish(stored: &Stored, profile: &Profile, part2: bool, mut body: Value) -> Value {
    // What the source stated of the whole resource still holds; what came from a withheld element is not there.
    body["meta"] = json!({ "security": stored.body["meta"]["security"] });
    let mut stated = body.clone();
    stated["securityLabel"] = stored.body["securityLabel"].clone();
    let mut seen = label_codes(&stated, CodeLists::shipped(), &RAISED);
    let mark = HighWater {
        part2,
        ..HighWater::default()
    };
    mark.raise(&mut seen);
    let mut body = completed(profile, body);
    let mut whole = Excerpt::default();
    whole.value("", &body);
    let claims = profile.claims(whole.root().expect("a resource"));
    let profiles: Vec<&str> = std::iter::once(profile.url()).chain(claims).collect();
    let meta = json!({ "profile": profiles, "security": security(&seen) });
    let text = narrative(&body, part2.then_some(PART2_NOTICE));
    if let Value::Object(object) = &mut body {
        object.shift_remove("meta");
        // In the order people read: type, id, meta, text, and the rest as it stood.
        let id = object.keys().position(|name| name == "id");
        if let Some(value) = id.filter(|at| *at != 1).and_then(|_| object.shift_remove("id")) {
            object.shift_insert(1, "id".to_owned(), value);
        }
        let next = 1 + usize::from(id.is_some());
        object.shift_insert(next, "meta".to_owned(), meta);
        if stored.resource_type != "Binary" {
            object.shift_insert(next + 1, "text".to_owned(), text);
        }
    }
    body
}

/// Labels that travel: confidentiality, sensitivities, and for Part 2 content the law and the refrain that its
/// notice states (<https://hl7.org/fhir/R4/security-labels.html>).
fn security(labels: &Labels) -> Vec<Value> {
    let act = |code: &str| json!({"system": terminology::ACT_CODE, "code": code});
    let mut codings =
        vec![json!({"system": terminology::CONFIDENTIALITY, "code": labels.confidentiality.code()})];
    codings.extend(labels.sensitivity.codes().map(act));
    if labels.part2 {
        codings.extend([act("42CFRPart2"), act("NORDSCLCD")]);
    }
    codings
}

/// `Narrative` with status `generated` for a released resource. `notice` is a statement that must travel.
fn narrative(resource: &Value, notice: Option<&str>) -> Value {
    let mut html = String::with_capacity(512);
    html.push_str("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>");
    escape(resource["resourceType"].as_str().unwrap_or("Resource"), &mut html);
    html.push_str("</b></p>");
    if let Value::Object(object) = resource {
        members(
            object
                .iter()
                .filter(|(name, _)| !SKIPPED.contains(&name.as_str())),
            0,
            &mut html,
        );
    }
    if let Some(notice) = notice {
        html.push_str("<p>");
        escape(notice, &mut html);
        html.push_str("</p>");
    }
    html.push_str("</div>");
    serde_json::json!({"status": "generated", "div": html})
}

fn members<'a>(list: impl Iterator<Item = (&'a String, &'a Value)>, depth: usize, html: &mut String) {
    let mut open = false;
    for (name, value) in list.filter(|(name, _)| !name.starts_with('_')) {
        if !open {
            html.push_str("<ul>");
            open = true;
        }
        html.push_str("<li>");
        escape(&words(name), html);
        html.push_str(": ");
        render(value, depth, html);
        html.push_str("</li>");
    }
    if open {
        html.push_str("</ul>");
    }
}

fn render(value: &Value, depth: usize, html: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => escape(text, html),
        Value::Bool(_) | Value::Number(_) => escape(&value.to_string(), html),
        Value::Array(items) => {
            for (index, item) in items.iter().filter(|item| !item.is_null()).enumerate() {
                if index > 0 {
                    html.push_str("; ");
                }
                render(item, depth, html);
            }
        }
        Value::Object(_) if depth >= DEEPEST => html.push('…'),
        Value::Object(object) => match in_words(value) {
            Some(text) => escape(&text, html),
            None => members(
                object
                    .iter()
                    .filter(|(name, _)| !SKIPPED_BELOW.contains(&name.as_str())),
                depth + 1,
                html,
            ),
        },
    }
}

/// The datatypes people read as one phrase: concepts, codings, references, names, periods, quantities.
fn in_words(value: &Value) -> Option<String> {
    let text = |name: &str| value[name].as_str();
    if let Some(codings) = value["coding"].as_array() {
        return text("text")
            .map(str::to_owned)
            .or_else(|| codings.first().and_then(in_words));
    }
    if let Some(reference) = text("reference") {
        return Some(text("display").unwrap_or(reference).to_owned());
    }
    if let Some(code) = text("code").filter(|_| value["system"].is_string()) {
        return match value["value"].as_number() {
            Some(number) => Some(format!("{number} {}", text("unit").unwrap_or(code))),
            None => Some(text("display").unwrap_or(code).to_owned()),
        };
    }
    if value["family"].is_string() || value["given"].is_array() {
        let given = value["given"].as_array().map(Vec::as_slice).unwrap_or_default();
        let parts = given.iter().filter_map(Value::as_str).chain(text("family"));
        return Some(parts.collect::<Vec<_>>().join(" "));
    }
    match (text("start"), text("end")) {
        (None, None) => text("text")
            .filter(|_| value.as_object().is_some_and(|o| o.len() == 1))
            .map(str::to_owned),
        (start, end) => Some(format!("{} – {}", start.unwrap_or("…"), end.unwrap_or("…"))),
    }
}

/// `dosageInstruction` → `dosage instruction`
fn words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(c),
        }
    }
}
